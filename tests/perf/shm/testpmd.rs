//! DPDK's own test program, two of it joined by memif: one that only transmits, one that only receives.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;
use super::contestant::{Answers, Process};
use super::probe::CORES;

/// For a start, and for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before the count begins.
const WARM: Duration = Duration::from_millis(100);

/// Two processes of testpmd.
pub(crate) struct Testpmd {
    socket: PathBuf,
    huge: bool,
    zero_copy: bool,
    pair: Option<[Process; 2]>,
}

impl Testpmd {
    /// With `huge` their buffers lie in huge pages; with `zero_copy` the transmitter's buffers are the ring's.
    pub(crate) fn new(socket: PathBuf, huge: bool, zero_copy: bool) -> Self {
        Self { socket, huge, zero_copy, pair: None }
    }

    fn process(&self, role: &str, core: usize, mode: &str) -> Result<Process, Failure> {
        // Two threads on one core: one that reads commands, and sleeps, and one that forwards.
        let cores = format!("0@{core},1@{core}");
        let zero_copy = if self.zero_copy && role == "client" { ",zero-copy=yes" } else { "" };
        let socket = self.socket.display();
        let device = format!(
            "net_memif0,role={role},id=0,socket={socket},socket-abstract=no,bsize=2048,rsize=10{zero_copy}"
        );
        let mut command = Command::new("stdbuf");
        command.args([
            "-oL",
            "dpdk-testpmd",
            "--lcores",
            &cores,
            "--no-pci",
            "--no-telemetry",
            "--no-shconf",
        ]);
        command.args(["--log-level", "error", "-m", "128", "--vdev", &device]);
        if self.huge {
            command.args(["--in-memory", "--single-file-segments"]);
        } else {
            command.args(["--no-huge", "--file-prefix", role]);
        }
        let forward = format!("--forward-mode={mode}");
        command.args(["--", "-i", &forward, "--disable-link-check", "--no-lsc-interrupt"]);
        command.arg("--total-num-mbufs=8192");
        command.stderr(std::process::Stdio::null());
        let mut process = Process::start(&mut command)?;
        // Commands are taken once it is ready.
        is_up(&mut process)?;
        Ok(process)
    }
}

/// Whether the port's link is up. Nothing else writes a line with the driver's name in it.
fn is_up(process: &mut Process) -> Result<bool, Failure> {
    process.say("show port summary 0")?;
    process.await_line(PATIENCE, |line| line.contains("net_memif ").then(|| line.contains(" up ")))
}

impl Answers for Testpmd {
    fn start(&mut self) -> Result<(), Failure> {
        let _ = fs::remove_file(&self.socket);
        // The client looks for the server when it starts.
        let mut server = self.process("server", CORES[1], "rxonly")?;
        let mut client = self.process("client", CORES[0], "txonly")?;
        let limit = Instant::now() + PATIENCE;
        while !(is_up(&mut server)? && is_up(&mut client)?) {
            if Instant::now() > limit {
                return Err("memif's link does not come up".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.pair = Some([server, client]);
        Ok(())
    }

    /// Only `rate SIZE MS`.
    fn ask(&mut self, question: &str) -> Result<Vec<f64>, Failure> {
        let words: Vec<&str> = question.split(' ').collect();
        let ["rate", size, milliseconds, ..] = words[..] else { return Err("it only knows rates".into()) };
        let [server, client] = self.pair.as_mut().ok_or("it does not run")?;
        client.say(&format!("set txpkts {size}"))?;
        server.say("start")?;
        client.say("start")?;
        thread::sleep(WARM);
        // Each tells the rate since the last.
        let rate = |server: &mut Process| {
            server.say("show port stats 0")?;
            server.await_line(PATIENCE, |line| {
                line.trim().strip_prefix("Rx-pps:")?.split_whitespace().next()?.parse::<f64>().ok()
            })
        };
        rate(server)?;
        thread::sleep(Duration::from_millis(milliseconds.parse()?));
        let counted = rate(server)?;
        client.say("stop")?;
        client.await_line(PATIENCE, |line| line.starts_with("Done.").then_some(()))?;
        // What is still in the ring is received before the next measurement.
        server.say("stop")?;
        server.await_line(PATIENCE, |line| line.starts_with("Done.").then_some(()))?;
        Ok(vec![counted])
    }

    fn stop(&mut self) {
        if let Some(pair) = &mut self.pair {
            for process in pair.iter_mut().rev() {
                let _ = process.say("quit");
            }
        }
        self.pair = None;
        let _ = fs::remove_file(&self.socket);
    }
}
