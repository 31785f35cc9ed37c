//! What a service manager hears of a node, over the socket that it names in `NOTIFY_SOCKET`: the real binary, without
//! root, and the test in the manager's place.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use isthmus_tests::lab::binary;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node as a manager starts it.
struct Service {
    directory: PathBuf,
    manager: UnixDatagram,
    node: Child,
}

impl Service {
    fn start(name: &str) -> Self {
        let directory = PathBuf::from(format!("/dev/shm/isthmus-service-{}-{name}", std::process::id()));
        // Of an earlier process with this id.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        let (socket, config) = (directory.join("notify.sock"), directory.join("isthmus.yaml"));
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let at = directory.display();
        let yaml = format!(
            "node-id: 1\nsegment: {at}/segment\nfabric: {{stack: embedded}}\nmanagement: {{unix-socket: {at}/node.sock}}\n"
        );
        fs::write(&config, yaml).unwrap();
        let node = Command::new(binary())
            .args(["run", "-c"])
            .arg(&config)
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "15000000")
            .stderr(fs::File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { directory, manager, node }
    }

    /// The states of the next notification, if one comes soon.
    fn hear(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        match self.manager.recv(&mut buffer) {
            Ok(length) => String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a state; all that was heard until then, with it.
    fn await_state(&self, wanted: &str) -> Vec<String> {
        let began = Instant::now();
        let mut heard = Vec::new();
        while !heard.iter().any(|state| state == wanted) {
            let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "no {wanted} among {heard:?}\n{}", log());
            heard.extend(self.hear());
        }
        heard
    }

    /// All that is heard within a time.
    fn listen(&self, time: Duration) -> Vec<String> {
        let began = Instant::now();
        let mut heard = Vec::new();
        while began.elapsed() < time {
            heard.extend(self.hear());
        }
        heard
    }

    fn pid(&self) -> u32 {
        self.node.id()
    }

    /// The thread with this name.
    fn thread(&self, name: &str) -> u32 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().flatten();
        let named = |path: &std::path::Path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let found = tasks.map(|task| task.path()).find(|path| named(path)).expect("a thread of this name");
        found.file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Tells it to end; how it did.
    fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let began = Instant::now();
        loop {
            if let Some(status) = self.node.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// One thread of a process held still, as only a tracer can; it goes on when this is dropped.
struct Held(Child);

impl Held {
    fn thread(thread: u32) -> Self {
        const HOLD: &str = "
import ctypes, os, sys
PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc, thread = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(thread, WALL)
print('held', flush=True)
sys.stdin.read()
";
        let mut tracer = Command::new("python3")
            .args(["-c", HOLD, &thread.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        BufReader::new(tracer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n", "the thread cannot be traced: it needs ptrace of one's own processes");
        Self(tracer)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The tracer ends at the end of its input, and the kernel lets the thread go.
        drop(self.0.stdin.take().map(|mut input| input.flush()));
        let _ = self.0.wait();
    }
}

/// Input: a node from its start to SIGTERM. Output: its state in words, that it serves, once; that it is alive, again and
/// again; that it reads its configuration again at SIGHUP; that it stops, and exit code 0.
#[test]
fn a_manager_hears_of_the_start_the_life_and_the_end() {
    let mut service = Service::start("life");
    let heard = service.await_state("READY=1");
    assert!(heard.iter().any(|state| state.starts_with("STATUS=ready: ")), "{heard:?}");
    for _ in 0..3 {
        let heard = service.await_state("WATCHDOG=1");
        assert!(!heard.contains(&"READY=1".to_owned()), "it said so already: {heard:?}");
    }
    service.signal(Signal::HUP);
    service.await_state("RELOADING=1");
    service.await_state("READY=1");
    let status = service.terminate();
    assert_eq!(status.code(), Some(0));
    let heard = service.await_state("STOPPING=1");
    assert!(!heard.contains(&"READY=1".to_owned()), "{heard:?}");
}

/// Input: the worker's thread, then the one of control, held still. Output: the node does not say that it is alive; when
/// the thread goes on, it does again.
#[test]
fn a_node_with_a_thread_that_stands_still_is_not_alive() {
    let service = Service::start("still");
    service.await_state("READY=1");
    for thread in [service.thread("worker"), service.pid()] {
        service.await_state("WATCHDOG=1");
        let held = Held::thread(thread);
        // What was on its way, and the last sign that the worker gave before.
        service.listen(Duration::from_secs(3));
        let heard = service.listen(Duration::from_secs(3));
        assert!(!heard.contains(&"WATCHDOG=1".to_owned()), "{thread}: {heard:?}");
        drop(held);
        service.await_state("WATCHDOG=1");
    }
}

/// Input: no manager. Output: the node serves all the same.
#[test]
fn a_manager_that_is_gone_is_no_harm() {
    let mut service = Service::start("gone");
    fs::remove_file(service.directory.join("notify.sock")).unwrap();
    let began = Instant::now();
    while !service.directory.join("node.sock").exists() {
        assert!(began.elapsed() < PATIENCE, "it does not come up");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(service.terminate().code(), Some(0));
}
