//! Captures, and what tshark finds in them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::Lab;
use super::command::run;
use super::namespace::Namespace;
use super::process::Process;
use super::wait::wait;

/// Which packets are captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that the device receives: what is sent may carry checksums that the device still has to fill in.
    In,
    /// Both.
    Both,
}

/// A running capture.
pub struct Capture {
    process: Process,
    file: PathBuf,
}

impl Capture {
    /// Starts a capture of what a device receives, and waits until it runs.
    pub fn start(lab: &Lab, namespace: &Namespace, device: &str, filter: &str) -> Self {
        Self::with(lab, namespace, device, filter, Direction::In)
    }

    /// Starts a capture, and waits until it runs.
    pub fn with(lab: &Lab, namespace: &Namespace, device: &str, filter: &str, direction: Direction) -> Self {
        let file = lab.file(&format!("{}-{device}.pcap", namespace.name()));
        let path = file.display().to_string();
        let mut words = vec!["tcpdump", "-n", "-U", "-s", "0", "-i", device, "-w", &path, "-Z", "root"];
        if direction == Direction::In {
            words.extend(["-Q", "in"]);
        }
        if !filter.is_empty() {
            words.push(filter);
        }
        let process = namespace.spawn(&words);
        wait("tcpdump listens", Duration::from_secs(20), || {
            let output = process.output();
            if output.contains("listening on") { Ok(()) } else { Err(output) }
        });
        Self { process, file }
    }

    /// Waits until a packet was captured.
    pub fn await_packet(&self) {
        wait("a packet in the capture", Duration::from_secs(60), || {
            let length = std::fs::metadata(&self.file).map_err(|error| error.to_string())?.len();
            // A file begins with a header of 24 octets.
            if length > 24 { Ok(()) } else { Err(self.process.output()) }
        });
    }

    /// Ends the capture.
    pub fn stop(self) -> Packets {
        self.process.signal(Signal::INT);
        wait("tcpdump ends", Duration::from_secs(20), || {
            if self.process.is_running() { Err("it runs".to_owned()) } else { Ok(()) }
        });
        Packets { file: self.file.clone() }
    }
}

/// A finished capture.
pub struct Packets {
    file: PathBuf,
}

/// What a router could have got wrong in a packet, as tshark's filter. What is inside TCP and UDP may look like any
/// protocol, and then be wrong as that. OSPF's checksum has no field of this kind.
const WRONG: &str = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || \
                     icmp.checksum.status == 0 || \
                     ((_ws.malformed || _ws.expert.severity == error) && !tcp && !udp)";

impl Packets {
    /// The capture's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// One line for each packet that a display filter takes, checksums examined.
    pub fn matching(&self, filter: &str) -> Vec<String> {
        self.tshark(&["-Y", filter])
    }

    /// The values of fields of each packet that a display filter takes.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut words = vec!["-Y", filter, "-T", "fields"];
        for field in fields {
            words.extend(["-e", field]);
        }
        let lines = self.tshark(&words);
        lines.iter().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Packets with a bad checksum or that tshark cannot dissect.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.matching(WRONG);
        let checksums = self.tshark(&["-Y", "ospf", "-V"]);
        wrong.extend(
            checksums.into_iter().filter(|line| line.contains("Checksum:") && line.contains("incorrect")),
        );
        wrong
    }

    fn tshark(&self, words: &[&str]) -> Vec<String> {
        let file = self.file.display().to_string();
        let mut all = vec!["tshark", "-n", "-r", &file];
        for option in [
            "ip.check_checksum:TRUE",
            "tcp.check_checksum:TRUE",
            "udp.check_checksum:TRUE",
            // Bytes lost before the capture began are no error of the router.
            "tcp.analyze_sequence_numbers:FALSE",
        ] {
            all.extend(["-o", option]);
        }
        all.extend(words);
        run(&all).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}
