"""Measurements on this machine, each in namespaces of its own: see tests/README.md.

Everything that is made is removed at the end, however it comes. Only processes started here are ended, by their ids.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BINARY = os.environ.get("ISTHMUS", "target/release/isthmus")
FRR = "/usr/lib/frr"
OUTSIDE = "203.0.113.1"
PROBE_PORT = 5401
LIMIT = 60


def run(*words, check=True):
    """The standard output of a command."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr or done.stdout}")
    return done.stdout


def await_that(what, condition):
    """Asks every 5 ms until the condition holds."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            answer = condition()
        except (RuntimeError, ValueError):
            answer = None
        if answer:
            return answer
        time.sleep(0.005)
    raise RuntimeError(f"{what}: not within {LIMIT} s")


class Lab:
    """Namespaces, cables, nodes and FRR routers, and their removal."""

    def __init__(self):
        self.prefix = f"ispf{os.getpid()}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-perf-"))
        self.directory.chmod(0o755)
        self.segment = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-perf-", dir="/dev/shm"))
        self.namespaces = []
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in self.namespaces:
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.segment, ignore_errors=True)

    def namespace(self, name):
        name = f"{self.prefix}-{name}"
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def cable(self, a, a_name, b, b_name):
        run("ip", "link", "add", a_name, "netns", a, "type", "veth", "peer", "name", b_name, "netns", b)
        for namespace, name in ((a, a_name), (b, b_name)):
            run("ip", "-n", namespace, "link", "set", name, "up")

    def start(self, namespace, *words, output=subprocess.DEVNULL):
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        self.processes.append(process)
        return process

    def node(self, namespace, number, interface=None):
        config = self.directory / f"node-{number}.yaml"
        text = f"node-id: {number}\nsegment: {self.segment}\nmanagement:\n  unix-socket: {self.socket(number)}\n"
        if interface:
            name, address = interface
            text += f"interfaces:\n  - name: {name}\n    address: {address}\n"
            text += "    ospf: {hello-interval: 1, dead-interval: 4}\n"
        config.write_text(text)
        with open(self.directory / f"node-{number}.log", "a") as log:
            return self.start(namespace, BINARY, "run", "-c", str(config), output=log)

    def socket(self, number):
        return self.directory / f"node-{number}.sock"

    def frr(self, namespace, devices):
        """A router with these devices, point-to-point, hello 1, dead 4, and OUTSIDE behind it."""
        run("ip", "-n", namespace, "addr", "add", f"{OUTSIDE}/32", "dev", "lo")
        text = "interface lo\n ip ospf area 0.0.0.0\nexit\n"
        for device in devices:
            text += f"interface {device}\n ip ospf area 0.0.0.0\n ip ospf network point-to-point\n"
            text += " ip ospf hello-interval 1\n ip ospf dead-interval 4\nexit\n"
        text += "router ospf\n ospf router-id 203.0.113.1\nexit\n"
        home = self.directory / "frr"
        home.mkdir()
        (home / "ospfd.conf").write_text(text)
        (home / "zebra.conf").write_text("ip forwarding\n")
        run("chown", "-R", "frr:frr", str(home))
        for daemon in ("zebra", "ospfd"):
            self.start(
                namespace, f"{FRR}/{daemon}", "-f", str(home / f"{daemon}.conf"), "-i", str(home / f"{daemon}.pid"),
                "-z", str(home / "zserv.api"), "--vty_socket", str(home), "-P", "0",
            )  # fmt: skip
            await_that(daemon, (home / f"{daemon}.vty").exists)
        return home


def ping(namespace, address):
    return "1 received" in run("ip", "netns", "exec", namespace, "ping", "-c1", "-W1", address, check=False)


def throughput(lab, server, client, address):
    """Gbit/s of one TCP connection between two kernels, over 5 seconds."""
    serving = lab.start(server, "iperf3", "-s", "-1")
    listening = ["ip", "netns", "exec", server, "ss", "-Hltn", "sport = :5201"]
    await_that("iperf3", lambda: run(*listening).strip())
    text = run("ip", "netns", "exec", client, "iperf3", "-J", "-t", "5", "-c", address)
    serving.wait(LIMIT)
    return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e9


def tap_tcp(runs):
    with Lab() as lab:
        a, b = lab.namespace("a"), lab.namespace("b")
        lab.cable(a, "veth0", b, "veth0")
        for namespace, number in ((a, 1), (b, 2)):
            run("ip", "-n", namespace, "addr", "add", f"198.51.100.{number}/24", "dev", "veth0")
            lab.node(namespace, number)
        await_that("the fabric", lambda: ping(a, "10.77.0.2"))
        await_that("the cable", lambda: ping(a, "198.51.100.2"))
        ours, theirs = [], []
        for _ in range(runs):
            ours.append(throughput(lab, b, a, "10.77.0.2"))
            theirs.append(throughput(lab, b, a, "198.51.100.2"))
    return [row("tap-tcp", "Gbit/s", ours, "veth", theirs, ">=", 0.8)]


def processor_time(process):
    """Seconds of processor time that a process has used."""
    total = 0
    # In nanoseconds; what the process's own clock ticks count is too coarse.
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def idle(runs):
    samples = []
    with Lab() as lab:
        namespaces = [lab.namespace(str(number)) for number in (1, 2, 3)]
        nodes = [lab.node(namespace, number + 1) for number, namespace in enumerate(namespaces)]
        for address in ("10.77.0.2", "10.77.0.3"):
            await_that("the fabric", lambda address=address: ping(namespaces[0], address))
        # Past the databases' exchange, and the exchange after the rings were grown for it.
        time.sleep(5)
        for _ in range(runs):
            began, before = time.monotonic(), [processor_time(node) for node in nodes]
            time.sleep(30)
            passed = time.monotonic() - began
            samples += [
                100 * (processor_time(node) - used) / passed for node, used in zip(nodes, before, strict=True)
            ]
    return [row("idle", "% of a core", samples, "target", [1.0], "<=", 1.0)]


def route_at_frr(runs):
    """Seconds from the start of a node to Full at FRR, and to the first route into the cluster in FRR's kernel."""
    full, first = [], []
    for _ in range(runs):
        with Lab() as lab:
            node, outside = lab.namespace("n"), lab.namespace("o")
            lab.cable(node, "eth1", outside, "up1")
            run("ip", "-n", outside, "addr", "add", "192.0.2.1/30", "dev", "up1")
            home = lab.frr(outside, ["up1"])
            began = time.monotonic()
            lab.node(node, 1, ("eth1", "192.0.2.2/30"))
            vtysh = ["ip", "netns", "exec", outside, "vtysh", "--vty_socket", str(home)]
            await_that("Full", lambda: "Full" in run(*vtysh, "-c", "show ip ospf neighbor"))
            full.append(time.monotonic() - began)
            await_that("a route", lambda: "10.77." in run("ip", "-n", outside, "route"))
            first.append(time.monotonic() - began)
    return [
        row("full-at-frr", "s", full, "target", [1.0], "<=", 6.0),
        row("route-at-frr", "s", first, "target", [1.0], "<=", 6.0),
    ]


PROBE = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
due = time.monotonic()
while True:
    try:
        s.sendto(b"probe", (sys.argv[1], int(sys.argv[2])))
    except OSError:
        pass
    due += 0.001
    time.sleep(max(0, due - time.monotonic()))
"""

SINK = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
s.settimeout(0.2)
out = open(sys.argv[2], "w")
while True:
    try:
        s.recv(2000)
    except TimeoutError:
        out.flush()
        continue
    out.write(f"{time.monotonic()}\\n")
"""


def received(namespace, device):
    links = json.loads(run("ip", "-n", namespace, "-s", "-j", "link", "show", device))
    return links[0]["stats64"]["rx"]["packets"]


def one_failover():
    """Milliseconds without probes from node 3 outward, around the SIGKILL of the border router in use."""
    with Lab() as lab:
        outside = lab.namespace("o")
        nodes = {}
        for number in (1, 2):
            namespace = lab.namespace(str(number))
            lab.cable(namespace, "eth1", outside, f"up{number}")
            run("ip", "-n", outside, "addr", "add", f"192.0.2.{4 * number + 1}/30", "dev", f"up{number}")
            nodes[number] = (namespace, ("eth1", f"192.0.2.{4 * number + 2}/30"))
        lab.frr(outside, ["up1", "up2"])
        started = {number: lab.node(namespace, number, nic) for number, (namespace, nic) in nodes.items()}
        inside = lab.namespace("3")
        lab.node(inside, 3)
        await_that("a way out", lambda: ping(inside, OUTSIDE))
        times = lab.directory / "times"
        lab.start(outside, sys.executable, "-c", SINK, str(PROBE_PORT), str(times))
        lab.start(inside, sys.executable, "-c", PROBE, OUTSIDE, str(PROBE_PORT))
        # Both border routers have routes, so that there is one to go over to.
        time.sleep(3)
        before = {number: received(outside, f"up{number}") for number in nodes}
        time.sleep(0.5)
        used = max(nodes, key=lambda number: received(outside, f"up{number}") - before[number])
        killed = time.monotonic()
        # `ip netns exec` becomes the node: the id is the node's own.
        started[used].kill()
        time.sleep(2)
        lab.processes[-2].terminate()
        arrivals = [float(line) for line in times.read_text().split("\n")[:-1]]
    around = [at for at in arrivals if killed - 0.1 <= at <= killed + 1.5]
    if len(around) < 100:
        raise RuntimeError(f"only {len(around)} probes arrived around the kill")
    return 1000 * max(later - earlier for earlier, later in zip(around, around[1:], strict=False))


def failover_killed(runs):
    gaps = []
    for _ in range(runs):
        gaps.append(one_failover())
        print(f"{gaps[-1]:.1f} ms", file=sys.stderr)
    return [
        row("killed-median", "ms", gaps, "target", [1.0], "<=", 5.0),
        row("killed-worst", "ms", [max(gaps)], "target", [1.0], "<=", 20.0, len(gaps)),
    ]


def row(name, unit, ours, peer, theirs, op, target, n=None):
    middle, other = statistics.median(ours), statistics.median(theirs)
    ratio = middle / other
    return {
        "name": name, "state": "all", "unit": unit, "ours": middle, "peer": peer, "theirs": other, "ratio": ratio,
        "op": op, "target": target, "met": ratio >= target if op == ">=" else ratio <= target, "n": n or len(ours),
        "least": min(ours), "most": max(ours),
    }  # fmt: skip


MEASUREMENTS = {
    "tap-tcp": (tap_tcp, 9),
    "idle": (idle, 1),
    "failover-killed": (failover_killed, 20),
    "route-at-frr": (route_at_frr, 5),
}


def main():
    parser = argparse.ArgumentParser(description="Measure a node beside its peer.")
    parser.add_argument("name", choices=[*MEASUREMENTS, "demo"])
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--runs", type=int, help="how often")
    options = parser.parse_args()
    if os.geteuid():
        parser.error("this needs root: it makes network namespaces")
    # An end from outside unwinds the lab like any other.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load = os.getloadavg()
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": load[0]}
    if options.name == "demo":
        done = subprocess.run([BINARY, "demo", "--once", "--json"], stdout=subprocess.PIPE, check=True)
        result = {"machine": machine, "rows": [], "demo": json.loads(done.stdout)}
    else:
        measure, runs = MEASUREMENTS[options.name]
        result = {"machine": machine, "rows": measure(options.runs or runs)}
    text = json.dumps(result, indent=2)
    if options.json:
        pathlib.Path(options.json).write_text(text + "\n")
    print(text)


main()
