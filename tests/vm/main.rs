//! The image of a virtual machine: built by its script, started by QEMU, an OSPF neighbor of FRR through a TAP device; and
//! three of them that share the memory of an ivshmem device ([`cluster`]), two that share an nvdimm's ([`devdax`]).
//!
//! Needs root and what `tests/run.sh` installs, as the lab does, and `ISTHMUS_STATIC_BIN`: the static binary that
//! `deploy/static.sh` makes. QEMU emulates the processor, so that it runs wherever the tests do; `ISTHMUS_VM_ACCEL=kvm`
//! uses the machine's own.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

mod cluster;
mod devdax;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{self, Lab, Namespace, Outside, Peer, Ping, Process, run_command, wait};

/// An emulated machine on a busy host takes its time; it is no matter how long.
const PATIENCE: Duration = Duration::from_secs(240);

/// What `deploy/vm/build.sh` makes. Built once for all tests: the kernel's package is fetched.
struct Image {
    directory: PathBuf,
}

impl Image {
    fn build() -> Self {
        let binary =
            std::env::var("ISTHMUS_STATIC_BIN").expect("ISTHMUS_STATIC_BIN: what deploy/static.sh printed");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let directory = repository.join("target/vm-test");
        run_command(&[
            "env",
            &format!("ISTHMUS_BINARY={binary}"),
            repository.join("deploy/vm/build.sh").to_str().unwrap(),
            directory.to_str().unwrap(),
        ]);
        Self { directory }
    }

    fn file(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }
}

/// The configuration of a node with a NIC toward `10.1.0.2`.
fn configuration() -> String {
    "hostname: machine\nnode-id: 1\nsegment: /dev/shm/isthmus\ninterfaces:\n  - name: eth0\n    \
     address: 10.1.0.1/30\n    ospf: {hello-interval: 1, dead-interval: 4}\n"
        .to_owned()
}

/// A machine with one NIC, on a TAP device that is bridged to the cable of an outside router.
struct Machine {
    qemu: Process,
    console: PathBuf,
    monitor: PathBuf,
}

impl Machine {
    /// Starts one in a namespace whose bridge `cable` it joins.
    fn start(lab: &Lab, namespace: &Namespace, boot: &[&str]) -> Self {
        namespace.ip(&["tuntap", "add", "vm0", "mode", "tap"]);
        namespace.ip(&["link", "set", "vm0", "master", "cable", "up"]);
        let cable = ["-netdev", "tap,id=cable,ifname=vm0,script=no,downscript=no"];
        let nic = ["-device", "virtio-net-pci,netdev=cable,mac=02:00:00:00:73:01"];
        Self::start_without_nic(lab, namespace, "384", &[&cable, &nic, boot].concat())
    }

    /// Starts one with so many MiB of memory.
    fn start_without_nic(lab: &Lab, namespace: &Namespace, memory: &str, boot: &[&str]) -> Self {
        let (console, monitor) = (lab.file("console"), lab.file("monitor"));
        let accelerator = std::env::var("ISTHMUS_VM_ACCEL").unwrap_or_else(|_| "tcg".to_owned());
        let (serial, monitor_at) =
            (format!("file:{}", console.display()), format!("unix:{},server,nowait", monitor.display()));
        let mut words = vec!["qemu-system-x86_64", "-accel", &accelerator, "-machine", "pc", "-m", memory];
        words.extend(["-nodefaults", "-display", "none", "-no-reboot"]);
        words.extend(["-serial", &serial, "-monitor", &monitor_at]);
        words.extend(boot);
        Self { qemu: namespace.spawn(&words), console, monitor }
    }

    fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    fn await_console(&self, words: &str) {
        wait(&format!("`{words}` on the console"), PATIENCE, || {
            let console = self.console();
            if console.contains(words) {
                return Ok(());
            }
            if let Some(status) = self.qemu.status() {
                panic!(
                    "the machine has ended ({status}) without `{words}`:\n{console}\n{}",
                    self.qemu.output()
                );
            }
            Err(console)
        });
    }

    /// A command of QEMU's monitor. It has been obeyed when its prompt returns: a connection that is closed before takes
    /// the command with it.
    fn order(&self, command: &str) {
        let mut monitor = UnixStream::connect(&self.monitor).expect("QEMU's monitor");
        monitor.set_read_timeout(Some(PATIENCE)).expect("a limit");
        await_prompt(&mut monitor);
        writeln!(monitor, "{command}").expect("a command");
        await_prompt(&mut monitor);
    }

    /// Waits until the machine has turned itself off, and QEMU has ended well.
    fn await_off(&self) {
        let status =
            wait("the machine is off", PATIENCE, || self.qemu.status().ok_or_else(|| self.console()));
        assert!(status.success(), "{status}\n{}", self.qemu.output());
    }
}

/// Reads up to QEMU's prompt. It stands at the end of a line that nothing follows.
fn await_prompt(monitor: &mut UnixStream) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"(qemu) ") {
        let mut bytes = [0; 256];
        let length = monitor.read(&mut bytes).expect("QEMU's prompt");
        assert!(length > 0, "QEMU closed its monitor after {}", String::from_utf8_lossy(&heard));
        heard.extend(&bytes[..length]);
    }
}

/// FRR with a host behind it, and the end of its cable in a namespace for the machine.
fn place(lab: &Lab) -> (Rc<Namespace>, Outside) {
    let namespace = lab.namespace("vm");
    let outside = Outside::build(lab, 1, &namespace, 1);
    lab.bridge(&namespace, "cable", &[&outside.node_device]);
    (namespace, outside)
}

/// Waits until the machine is what a node is to the world, and says so on its console.
fn await_node(machine: &Machine, outside: &Outside) {
    machine.await_console("ready: ");
    // The table of `isthmus status`, which the first process has asked for when the node was ready.
    machine.await_console("node 1: ");
    machine.await_console("the kernel is kept off the NIC");
    outside.router.await_full("10.77.0.1");
    outside.router.await_route("10.77.0.0/24");
    Ping::await_answer(&outside.host, "10.77.0.1");
    assert!(!machine.console().contains("ERROR"), "{}", machine.console());
}

/// Input: the bootable image in a CD drive, and a disk with the configuration. Output: a node that is ready, Full with FRR
/// and reached from behind it; the power button makes it leave and turns the machine off; the disk can be read.
#[test]
fn the_image_boots_with_its_configuration_on_a_disk() {
    lab::run("vm-disk", |lab| {
        let image = Image::build();
        let (namespace, outside) = place(lab);
        let (tree, disk) = (lab.file("tree"), lab.file("disk").display().to_string());
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("isthmus.yaml"), configuration()).unwrap();
        // As the documentation says: no root is needed for it.
        run_command(&[
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-L",
            "isthmus",
            "-d",
            tree.to_str().unwrap(),
            &disk,
            "16M",
        ]);
        let drive = format!("file={disk},format=raw,if=none,id=configuration");
        let (iso, device) = (image.file("isthmus.iso"), "virtio-blk-pci,drive=configuration");
        let machine = Machine::start(
            lab,
            &namespace,
            &["-boot", "d", "-cdrom", &iso, "-drive", &drive, "-device", device],
        );
        machine.await_console("the configuration is on /dev/vda (ext4)");
        await_node(&machine, &outside);

        machine.order("system_powerdown");
        machine.await_console("the node has left");
        machine.await_off();
        run_command(&["e2fsck", "-n", "-f", &disk]);
    });
}

/// Input: the kernel and the initramfs, with the configuration on the command line. Output: the same node; Ctrl-Alt-Delete
/// makes it leave and starts the machine again.
#[test]
fn the_kernel_boots_with_its_configuration_on_the_command_line() {
    lab::run("vm-line", |lab| {
        let image = Image::build();
        let (namespace, outside) = place(lab);
        let file = lab.file("isthmus.yaml").display().to_string();
        fs::write(&file, configuration()).unwrap();
        let encoded = run_command(&["base64", "-w0", &file]);
        let line = format!("console=ttyS0 panic=10 loglevel=4 isthmus.config={encoded}");
        let (kernel, initrd) = (image.file("vmlinuz"), image.file("initrd.gz"));
        let machine =
            Machine::start(lab, &namespace, &["-kernel", &kernel, "-initrd", &initrd, "-append", &line]);
        machine.await_console("the configuration is on the kernel's command line");
        await_node(&machine, &outside);

        machine.order("sendkey ctrl-alt-delete");
        machine.await_console("the node has left");
        machine.await_console("the machine starts again");
        machine.await_off();
    });
}

/// Input: a configuration that is refused. Output: the machine says what is wrong with it, where and what to do, and stays
/// on until its power button is pressed.
#[test]
fn a_machine_without_a_right_configuration_says_so() {
    lab::run("vm-refused", |lab| {
        let image = Image::build();
        let (namespace, _) = place(lab);
        let (kernel, initrd) = (image.file("vmlinuz"), image.file("initrd.gz"));
        let line =
            "console=ttyS0 panic=10 loglevel=4 isthmus.yaml=\"{node-id: 300, segment: /dev/shm/isthmus}\"";
        let machine =
            Machine::start(lab, &namespace, &["-kernel", &kernel, "-initrd", &initrd, "-append", line]);
        machine.await_console("node-id");
        machine.await_console("no node runs on this machine; the power button turns it off");
        machine.order("system_powerdown");
        machine.await_off();
    });
}
