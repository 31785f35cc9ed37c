"""A real cluster (`isthmus demo`) and a real browser (Debian's Chromium) for the tests of the page."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "target" / "web"
# Milliseconds after which a condition of the page has failed; no test asserts how fast anything is.
PATIENCE = 30_000


class Cluster:
    """The demo's cluster, which stays up until it is told to end."""

    def __init__(self):
        program = os.environ.get("ISTHMUS_BIN", str(ROOT / "target" / "release" / "isthmus"))
        self.process = subprocess.Popen(
            [program, "demo", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.progress = []
        self.reader = threading.Thread(target=self._read_progress, daemon=True)
        self.reader.start()
        line = self.process.stdout.readline()
        assert line, "the demo ended before its tour was done:\n" + "".join(self.progress)
        self.document = json.loads(line)

    def _read_progress(self):
        for line in self.process.stderr:
            self.progress.append(line)

    def url(self, node):
        return next(one["api"] for one in self.document["nodes"] if one["id"] == node) + "/"

    def pid(self, node):
        return next(one["pid"] for one in self.document["nodes"] if one["id"] == node)

    def get(self, node, path):
        with urllib.request.urlopen(self.url(node) + path, timeout=20) as response:
            return json.load(response)

    def patch(self, node, path, body):
        request = urllib.request.Request(
            self.url(node) + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="PATCH"
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.end()


class Guarded:
    """One node, which asks for a token."""

    def __init__(self, directory):
        program = os.environ.get("ISTHMUS_BIN", str(ROOT / "target" / "release" / "isthmus"))
        made = subprocess.run(
            [program, "token", "create", "--name", "page", "--role", "viewer", "-o", "json"],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        token = json.loads(made.stdout)
        self.secret = token["secret"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        file = directory / "node.yaml"
        file.write_text(json.dumps({
            "node-id": 1,
            "segment": str(directory / "segment"),
            "fabric": {"stack": "embedded", "max-nodes": 2},
            "management": {
                "listen": self.url.removeprefix("http://").rstrip("/"),
                "unix-socket": str(directory / "node.sock"),
                "state-directory": str(directory / "state"),
                "tokens": [{"name": "page", "role": "viewer", "sha256": token["sha256"]}],
            },
        }))  # fmt: skip
        self.process = subprocess.Popen([program, "run", "-c", str(file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE / 1000
        while subprocess.run(
            [program, "--api", f"unix:{directory / 'node.sock'}", "show", "system"], capture_output=True
        ).returncode:
            assert time.monotonic() < deadline and self.process.poll() is None, "the node does not answer"
            time.sleep(0.1)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def guarded():
    # On a memory file system, as a segment has to be.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="isthmus-web-") as directory:
        (pathlib.Path(directory) / "segment").mkdir()
        node = Guarded(pathlib.Path(directory))
        yield node
        node.end()


@pytest.fixture(scope="session")
def browser():
    program = shutil.which("chromium")
    assert program, "chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be set up by root, or in a container.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page with everything that went wrong on it, and every address that it asked."""

    def __init__(self, browser, width=1280, height=900, scheme="light"):
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.errors = []
        self.requests = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, url):
        self.page.goto(url)
        self.page.locator("#live[data-state=live]").wait_for()
        self.page.locator("#graph svg").wait_for()
        return self.page

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def tab(browser):
    tabs = []

    def make(**options):
        tabs.append(Tab(browser, **options))
        return tabs[-1]

    yield make
    for one in tabs:
        one.context.close()
