//! A demo in a runtime directory of its own, watched from outside.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use isthmus_tests::http;
use rustix::process::{Pid, Signal, kill_process};

pub(super) use isthmus_tests::lab::binary;

/// From one look to the next while something is awaited.
const LOOK: Duration = Duration::from_millis(2);

/// A directory that demos are given as `XDG_RUNTIME_DIR` and `TMPDIR`; removed when dropped.
pub(super) struct Runtime {
    directory: PathBuf,
    /// What the demos write, beside it.
    outputs: PathBuf,
}

impl Runtime {
    /// On a tmpfs.
    pub(super) fn new(name: &str) -> Self {
        Self::in_directory(Path::new("/dev/shm"), name)
    }

    pub(super) fn in_directory(parent: &Path, name: &str) -> Self {
        let unique = format!("isthmus-e2e-{}-{name}", std::process::id());
        let directory = parent.join(&unique);
        let outputs = std::env::temp_dir().join(format!("{unique}.out"));
        for made in [&directory, &outputs] {
            // Of an earlier process with this id.
            let _ = fs::remove_dir_all(made);
            fs::create_dir(made).unwrap();
        }
        Self { directory, outputs }
    }

    pub(super) fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// No process that has to do with this directory, no file and no socket in it.
    pub(super) fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        assert_eq!(self.entries(), Vec::<PathBuf>::new());
    }

    /// Waits until no process has to do with this directory.
    pub(super) fn await_no_processes(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.processes().is_empty() {
            assert!(Instant::now() < deadline, "{:?}", self.processes());
            std::thread::sleep(LOOK);
        }
    }

    /// The demos that were given this directory and all that they have started, by their environment.
    fn processes(&self) -> Vec<String> {
        let mark = format!("XDG_RUNTIME_DIR={}", self.directory.display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) {
                let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
                found.push(format!("{}: {}", entry.path().display(), command.replace('\0', " ")));
            }
        }
        found
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
        let _ = fs::remove_dir_all(&self.outputs);
    }
}

/// A running demo; killed when dropped.
pub(super) struct Demo {
    child: Child,
    ended: Option<ExitStatus>,
    output: PathBuf,
    progress: PathBuf,
}

impl Demo {
    pub(super) fn start(runtime: &Runtime, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.arg("demo").args(arguments);
        Self::start_as(runtime, command)
    }

    pub(super) fn start_as(runtime: &Runtime, mut command: Command) -> Self {
        let number = fs::read_dir(&runtime.outputs).unwrap().count();
        let output = runtime.outputs.join(format!("{number}.stdout"));
        let progress = runtime.outputs.join(format!("{number}.stderr"));
        let child = command
            .env("XDG_RUNTIME_DIR", &runtime.directory)
            .env("TMPDIR", &runtime.directory)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&output).unwrap())
            .stderr(fs::File::create(&progress).unwrap())
            .spawn()
            .unwrap();
        Self { child, ended: None, output, progress }
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its file system.
    pub(super) fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.child.id()).into()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        while self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
            assert!(Instant::now() < deadline, "it has not ended after {patience:?}\n{}", self.progress());
            std::thread::sleep(LOOK);
        }
        self.ended.unwrap()
    }

    pub(super) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    /// Its lines of progress: standard error with `--json`, else standard output.
    pub(super) fn progress(&self) -> String {
        let error = fs::read_to_string(&self.progress).unwrap();
        if error.is_empty() { self.output() } else { error }
    }

    /// Waits for the `count`-th line of progress whose subject, after the time, or beginning is this.
    pub(super) fn await_line(&mut self, subject: &str, count: usize, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let progress = self.progress();
            let about = |line: &&str| {
                let words = line.split_once("s  ").map_or(*line, |(_, words)| words);
                line.starts_with(subject) || words.starts_with(subject)
            };
            if progress.lines().filter(about).count() >= count {
                return;
            }
            self.ended = self.child.try_wait().unwrap();
            assert!(self.ended.is_none(), "it has ended before `{subject}`\n{progress}");
            assert!(Instant::now() < deadline, "no `{subject}` after {patience:?}\n{progress}");
            std::thread::sleep(LOOK);
        }
    }

    /// The process that was announced by this name.
    pub(super) fn pid_of(&self, name: &str) -> Pid {
        let progress = self.progress();
        let line = progress.lines().find(|line| line.contains(&format!("  {name} "))).unwrap();
        let pid = line.split_once("pid ").unwrap().1.split(',').next().unwrap();
        Pid::from_raw(pid.parse().unwrap()).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a successful answer over TCP.
pub(super) fn http_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = http::parse(&String::from_utf8_lossy(&answer)).unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.body
}
