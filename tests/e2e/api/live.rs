//! A node of its own for a test.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use isthmus_tests::http;
use isthmus_tests::lab::binary;
use serde_json::Value;

/// A running node; it and its files go when it is dropped.
pub(crate) struct Live {
    child: Child,
    directory: PathBuf,
    address: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: String,
    pub(crate) body: Value,
}

impl Live {
    /// Starts a node and waits until it is ready.
    pub(crate) fn start(name: &str) -> Self {
        let directory = PathBuf::from(format!("/dev/shm/isthmus-api-{}-{name}", std::process::id()));
        // Of an earlier process with this id.
        let _ = fs::remove_dir_all(&directory);
        for inner in ["segment", "state"] {
            fs::create_dir_all(directory.join(inner)).unwrap();
        }
        // Whoever the node runs as can reach it here. By another process: a program started meanwhile by another test would have
        // the copy open for writing for a moment, and then nobody can execute it.
        let copied = Command::new("cp").arg(binary()).arg(directory.join("isthmus")).status().unwrap();
        assert!(copied.success(), "cannot copy the program");
        fs::write(directory.join("node.yaml"), configuration(&directory.display().to_string())).unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let child = unprivileged(&directory)
            .args(["run", "-c"])
            .arg(directory.join("node.yaml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut node = Self { child, directory, address: String::new() };
        node.await_ready();
        node
    }

    fn await_ready(&mut self) {
        let socket = self.directory.join("api.sock");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !http::request(&socket, "GET", "/readyz", None).is_ok_and(|answer| answer.status == 200) {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended\n{}", self.log());
            assert!(Instant::now() < deadline, "it is not ready\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let system = http::request(&socket, "GET", "/api/v1/system", None).unwrap().json().unwrap();
        let listen: Vec<&str> =
            system["listen"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let url = listen.iter().find_map(|listen| listen.strip_prefix("http://")).unwrap();
        self.address = url.to_owned();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Sends a request with lines of headers.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A refusal may come before all of a long body is sent.
        let _ = stream.write_all(body.as_bytes());
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let parsed = http::parse(&text).unwrap();
        let etag = text.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_default();
        Answer {
            status: parsed.status,
            etag: etag.trim().to_owned(),
            body: serde_json::from_str(&parsed.body).unwrap_or(Value::Null),
        }
    }

    /// Sends JSON.
    pub(crate) fn json(&self, method: &str, path: &str, headers: &[&str], body: &Value) -> Answer {
        let headers: Vec<&str> = headers.iter().copied().chain(["Content-Type: application/json"]).collect();
        self.request(method, path, &headers, &body.to_string())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The program as somebody who may nothing, if this is root.
fn unprivileged(directory: &std::path::Path) -> Command {
    let program = directory.join("isthmus");
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    for path in [
        directory.to_owned(),
        directory.join("segment"),
        directory.join("state"),
        directory.join("node.yaml"),
    ] {
        std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "--"])
        .arg(program);
    command
}

const NOBODY: u32 = 65534;

fn configuration(directory: &str) -> String {
    format!(
        "# The node of a test.\n\
         hostname: api\n\
         node-id: 1\n\
         segment: {directory}/segment\n\
         interfaces:\n  \
           - name: up0\n    driver: socket\n    address: 192.0.2.1/30\n    path: {directory}/up0.sock\n\
         management:\n  unix-socket: {directory}/api.sock\n  listen: 127.0.0.1:0\n  state-directory: {directory}/state\n"
    )
}
