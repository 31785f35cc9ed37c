//! The kernel: UDP between two namespaces joined by a veth pair, both ends polling.

use std::env;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Failure;
use super::probe::pin;
use super::worker::{self, Wire};

/// What Ethernet, IPv4 and UDP put before the payload.
const HEADERS: usize = 42;
/// Both ends use this port.
const PORT: u16 = 7000;
const LONGEST_SLEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// `near CORE CORE FAR_NAMESPACE NEAR_ADDRESS FAR_ADDRESS`, or the same with `far`.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let [end, near, far, namespace, here, there] = words else {
        return Err("not a socket's arguments".into());
    };
    if *end == "far" {
        let mut socket = Socket::open(there, here)?;
        pin(far.parse()?)?;
        return worker::far(&mut socket);
    }
    let mut socket = Socket::open(here, there)?;
    pin(near.parse()?)?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(env::current_exe()?).args(["shm-worker", "udp", "far"]);
    worker::near(&mut socket, command.args(&words[1..]))
}

struct Socket {
    socket: UdpSocket,
    room: Vec<u8>,
}

impl Socket {
    fn open(here: &str, there: &str) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((here, PORT))?;
        socket.connect((there, PORT))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, room: vec![0; 1 << 16] })
    }
}

impl Wire for Socket {
    fn send(&mut self, frame: &[u8]) -> bool {
        self.socket.send(&frame[HEADERS.min(frame.len())..]).is_ok()
    }

    fn receive(&mut self) -> Option<usize> {
        match self.socket.recv(&mut self.room) {
            Ok(len) => Some(len + HEADERS),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            // The other end's socket is not there yet.
            Err(_) => None,
        }
    }

    fn turn(&mut self) {}

    fn sleep(&mut self) {
        // Interrupted or timed out: the caller looks again in any case.
        let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&LONGEST_SLEEP));
    }
}
