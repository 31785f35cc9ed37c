//! The control connection: a TCP connection per direction, over which a writer asks a target for a window.
//!
//! ```text
//! writer                                       target
//! Hello: who I am, whom I look for      →      is it configured, from the right address, and its id free?
//!                                       ←      Welcome: where to write; or Refusal: who has this id
//! (writes go by the engine)
//!                                       ←      8 bytes each: how far the window has been read
//! ```
//! The end of the connection ends the session. Messages have fixed lengths, begin with a magic word and a version, and are
//! checked field by field: nothing that the other side says is trusted.

use std::io::{self, Read, Write};

use crate::layout::ABI_VERSION;
use crate::node::NodeId;

/// The most bytes of an endpoint's address.
pub(super) const MAX_NAME: usize = 128;

/// Memory that may be written to, as its owner describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) key: u64,
    pub(super) address: u64,
    /// Length of the memory in bytes.
    pub(super) window: u32,
    pub(super) name: [u8; MAX_NAME],
    pub(super) name_len: usize,
}

/// A process, as diagnostics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    pub(super) hostname: String,
}

/// What a writer says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// Different for each process that a node has ever been.
    pub(super) process: u64,
    pub(super) takeover: bool,
    pub(super) holder: Holder,
}

/// What a target answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Write here. The writer's own last incarnation, as far as the target has seen it, comes with it.
    Welcome {
        /// The window.
        target: Target,
        /// See above; 0 if it has seen none.
        incarnation: u64,
        /// The target's process, as in its own [`Hello`].
        process: u64,
    },
    /// Another process has that node id.
    InUse {
        /// The process.
        holder: Holder,
        /// Its incarnation.
        incarnation: u64,
    },
    /// The writer is not configured here, or looked for another node.
    Stranger,
    /// Not now: there is no room, or the engine failed.
    Busy,
}

impl Hello {
    pub(super) fn send(&self, mut to: impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HELLO);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&ABI_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.from.get().to_le_bytes());
        bytes.extend_from_slice(&self.to.get().to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.takeover).to_le_bytes());
        bytes.extend_from_slice(&self.process.to_le_bytes());
        self.holder.encode(&mut bytes);
        to.write_all(&bytes)
    }

    pub(super) fn receive(mut from: impl Read) -> io::Result<Self> {
        let mut bytes = [0; HELLO];
        from.read_exact(&mut bytes)?;
        let mut fields = Fields::begin(&bytes)?;
        let (from, to) = (fields.node()?, fields.node()?);
        let takeover = fields.u32()? & 1 == 1;
        let process = fields.u64()?;
        Ok(Self { from, to, process, takeover, holder: Holder::decode(&mut fields)? })
    }
}

impl Answer {
    pub(super) fn send(&self, mut to: impl Write) -> io::Result<()> {
        let (kind, incarnation, process) = match self {
            Self::Welcome { incarnation, process, .. } => (WELCOME, *incarnation, *process),
            Self::InUse { incarnation, .. } => (IN_USE, *incarnation, 0),
            Self::Stranger => (STRANGER, 0, 0),
            Self::Busy => (BUSY, 0, 0),
        };
        let nothing = Target { key: 0, address: 0, window: 0, name: [0; MAX_NAME], name_len: 0 };
        let target = if let Self::Welcome { target, .. } = self { target } else { &nothing };
        let holder = if let Self::InUse { holder, .. } = self { holder.clone() } else { Holder::default() };
        let mut bytes = Vec::with_capacity(ANSWER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&ABI_VERSION.to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&target.window.to_le_bytes());
        bytes.extend_from_slice(&incarnation.to_le_bytes());
        bytes.extend_from_slice(&process.to_le_bytes());
        bytes.extend_from_slice(&target.key.to_le_bytes());
        bytes.extend_from_slice(&target.address.to_le_bytes());
        bytes.extend_from_slice(&(target.name_len as u64).to_le_bytes());
        bytes.extend_from_slice(&target.name);
        holder.encode(&mut bytes);
        to.write_all(&bytes)
    }

    pub(super) fn receive(mut from: impl Read) -> io::Result<Self> {
        let mut bytes = [0; ANSWER];
        from.read_exact(&mut bytes)?;
        let mut fields = Fields::begin(&bytes)?;
        let (kind, window) = (fields.u32()?, fields.u32()?);
        let (incarnation, process) = (fields.u64()?, fields.u64()?);
        let (key, address, name_len) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let name: [u8; MAX_NAME] = fields.bytes()?;
        let holder = Holder::decode(&mut fields)?;
        match kind {
            WELCOME => {
                let name_len = usize::try_from(name_len).ok().filter(|len| *len <= MAX_NAME);
                let fits = window.is_power_of_two() && (MIN_WINDOW..=MAX_WINDOW).contains(&window);
                let Some(name_len) = name_len.filter(|_| fits) else {
                    return Err(nonsense("a window that cannot be"));
                };
                let target = Target { key, address, window, name, name_len };
                Ok(Self::Welcome { target, incarnation, process })
            }
            IN_USE => Ok(Self::InUse { holder, incarnation }),
            STRANGER => Ok(Self::Stranger),
            BUSY => Ok(Self::Busy),
            _ => Err(nonsense("an unknown answer")),
        }
    }
}

impl Holder {
    /// This process.
    pub(super) fn here() -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { pid: std::process::id(), hostname }
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut name = [0; HOSTNAME];
        let len = self.hostname.len().min(HOSTNAME);
        name[..len].copy_from_slice(&self.hostname.as_bytes()[..len]);
        bytes.extend_from_slice(&u64::from(self.pid).to_le_bytes());
        bytes.extend_from_slice(&name);
    }

    fn decode(fields: &mut Fields<'_>) -> io::Result<Self> {
        let pid = u32::try_from(fields.u64()?).unwrap_or(0);
        let name: [u8; HOSTNAME] = fields.bytes()?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(HOSTNAME);
        // It goes into messages and logs.
        let printable =
            String::from_utf8_lossy(&name[..end]).chars().filter(|c| c.is_ascii_graphic()).collect();
        Ok(Self { pid, hostname: printable })
    }
}

/// Takes a message apart.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Checks magic and version.
    fn begin(bytes: &'a [u8]) -> io::Result<Self> {
        let mut fields = Self { rest: bytes };
        if &fields.bytes::<8>()? != MAGIC {
            return Err(nonsense("the other side does not speak this protocol"));
        }
        let (version, abi) = (fields.u32()?, fields.u32()?);
        if (version, abi) != (VERSION, ABI_VERSION) {
            let text = format!(
                "the other side has version {version} of the protocol and {abi} of the segment, this node {VERSION} \
                 and {ABI_VERSION}; run the same version on all nodes"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(fields)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| nonsense("a short message"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn node(&mut self) -> io::Result<NodeId> {
        let id = u16::from_le_bytes(self.bytes()?);
        NodeId::new(id).ok_or_else(|| nonsense("a node id that cannot be"))
    }
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What windows may be long.
pub(super) const MIN_WINDOW: u32 = 256 << 10;
pub(super) const MAX_WINDOW: u32 = 64 << 20;

const MAGIC: &[u8; 8] = b"ISTHREFL";
const VERSION: u32 = 1;
const HOSTNAME: usize = 64;
const HELLO: usize = 16 + 4 + 4 + 8 + 8 + HOSTNAME;
const ANSWER: usize = 16 + 8 + 16 + 24 + MAX_NAME + 8 + HOSTNAME;
const WELCOME: u32 = 1;
const IN_USE: u32 = 2;
const STRANGER: u32 = 3;
const BUSY: u32 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder() -> Holder {
        Holder { pid: 77, hostname: "thule".into() }
    }

    #[test]
    fn what_is_said_is_heard() {
        let node = |id| NodeId::new(id).unwrap();
        let hello = Hello { from: node(1), to: node(7), process: 99, takeover: true, holder: holder() };
        let mut bytes = Vec::new();
        hello.send(&mut bytes).unwrap();
        assert_eq!(bytes.len(), HELLO);
        assert_eq!(Hello::receive(&bytes[..]).unwrap(), hello);

        let target = Target { key: 5, address: 6, window: MIN_WINDOW, name: [3; MAX_NAME], name_len: 16 };
        for answer in [
            Answer::Welcome { target, incarnation: 8, process: 9 },
            Answer::InUse { holder: holder(), incarnation: 4 },
            Answer::Stranger,
            Answer::Busy,
        ] {
            let mut bytes = Vec::new();
            answer.send(&mut bytes).unwrap();
            assert_eq!(bytes.len(), ANSWER);
            assert_eq!(Answer::receive(&bytes[..]).unwrap(), answer);
        }
    }

    #[test]
    fn a_window_that_cannot_be_is_refused() {
        let target = |window, name_len| Target { key: 5, address: 6, window, name: [3; MAX_NAME], name_len };
        for (window, name_len) in [(0, 16), (MIN_WINDOW + 8, 16), (MAX_WINDOW * 2, 16), (MIN_WINDOW, 129)] {
            let mut bytes = Vec::new();
            let answer = Answer::Welcome { target: target(window, name_len), incarnation: 0, process: 0 };
            answer.send(&mut bytes).unwrap();
            assert!(Answer::receive(&bytes[..]).is_err(), "{window} {name_len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_a_message(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), honest: bool) {
            if honest && bytes.len() >= 16 {
                bytes[..8].copy_from_slice(MAGIC);
                bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
                bytes[12..16].copy_from_slice(&ABI_VERSION.to_le_bytes());
            }
            let _ = Hello::receive(&bytes[..]);
            if let Ok(Answer::Welcome { target, .. }) = Answer::receive(&bytes[..]) {
                prop_assert!(target.name_len <= MAX_NAME && target.window.is_power_of_two());
            }
        }
    }
}
