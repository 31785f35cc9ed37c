//! What the two processes say to each other: Ethernet frames of a private type, with a kind and two numbers in front.

/// Octets of a frame that mean something. No frame is shorter.
pub const HEADER: usize = 40;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be counted.
    Load,
    /// The last of a load: to be answered with the count.
    Count,
    /// To be sent back at once, by an end that polls.
    Echo,
    /// To be sent back, by an end that has gone to sleep.
    EchoAsleep,
    /// The two ends have met.
    Ready,
    /// The end.
    Quit,
}

/// The beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is for.
    pub kind: Kind,
    /// Its place in the sequence, or a count of frames.
    pub first: u64,
    /// Nanoseconds, in an answer to [`Kind::Count`].
    pub second: u64,
}

impl Header {
    /// Writes the header; the rest of the frame stays as it is.
    pub fn write(self, from: [u8; 6], to: [u8; 6], frame: &mut [u8]) {
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&from);
        frame[12..14].copy_from_slice(&ETHERTYPE);
        frame[14] = self.kind as u8;
        frame[16..24].copy_from_slice(&self.first.to_le_bytes());
        frame[24..32].copy_from_slice(&self.second.to_le_bytes());
    }

    /// Reads the header; `None` for a frame that is none of these.
    pub fn read(frame: &[u8]) -> Option<Self> {
        if frame.len() < HEADER || frame[12..14] != ETHERTYPE {
            return None;
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&frame[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Some(Self { kind: Kind::from_byte(frame[14])?, first: number(16), second: number(24) })
    }
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        let all = [Self::Load, Self::Count, Self::Echo, Self::EchoAsleep, Self::Ready, Self::Quit];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// For local experiments (IEEE 802).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut frame = [0xff; 64];
        for kind in [Kind::Load, Kind::Count, Kind::Echo, Kind::EchoAsleep, Kind::Ready, Kind::Quit] {
            let header = Header { kind, first: 7, second: u64::MAX };
            header.write([1; 6], [2; 6], &mut frame);
            assert_eq!(Header::read(&frame), Some(header));
        }
        frame[14] = 99;
        assert_eq!(Header::read(&frame), None, "another kind");
        assert_eq!(Header::read(&frame[..HEADER - 1]), None, "too short");
        assert_eq!(Header::read(&[0; 64]), None, "another protocol");
    }
}
