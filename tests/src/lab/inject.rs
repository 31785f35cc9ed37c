//! Frames from a raw socket, past the kernel's own stack.

use super::namespace::Namespace;

/// Sends one frame after the other; each argument after the device is one in hexadecimal.
const SENDER: &str = "\
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    link.send(bytes.fromhex(frame))
";

impl Namespace {
    /// Sends frames by a device, as they are.
    pub fn inject(&self, device: &str, frames: &[Vec<u8>]) {
        let hex = |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let frames: Vec<String> = frames.iter().map(hex).collect();
        let mut words = vec!["python3", "-c", SENDER, device];
        words.extend(frames.iter().map(String::as_str));
        self.run(&words);
    }
}
