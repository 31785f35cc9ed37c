//! The socket between two nodes on one host.
//!
//! Each node listens at an address that its facility knows, and connects to all others, so there is one connection in
//! each direction. The caller says who it is, and later "look at my arena"; nothing that it says is trusted, it only
//! makes the other side look. The side that was called answers with copies of its bells: since its address is its own,
//! nobody can have another node's bells replaced by his.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::cmsg_space;
use rustix::fs::{Mode, chmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, recvmsg, sendmsg, socket_with,
};

use super::Bell;
use crate::config::MAX_QUEUES;
use crate::layout::ABI_VERSION;
use crate::node::NodeId;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speaker {
    pub(crate) node: NodeId,
    pub(crate) incarnation: u64,
}

/// What the other side said.
#[derive(Debug)]
pub(crate) enum Said {
    /// Who it is.
    Hello(Speaker),
    /// Who it is, and its bells, that of queue 0 first.
    Bells(Speaker, Vec<Bell>),
    /// Something in its arena has changed.
    Look,
    /// It hung up, or spoke nonsense and is not listened to any more.
    Gone,
    /// Nothing more at the moment.
    Nothing,
}

/// Where other nodes connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: OwnedFd,
}

impl Listener {
    pub(crate) fn bind(address: &SocketAddrUnix) -> io::Result<Self> {
        let socket = new_socket()?;
        bind(&socket, address)?;
        if let Some(path) = address.path() {
            // Connecting takes the permission to write. Group members take part in the segment.
            chmod(path, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP)?;
        }
        listen(&socket, 255)?;
        Ok(Self { socket })
    }

    /// The next connection, if there is one.
    pub(crate) fn accept(&self) -> Option<Link> {
        accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
            .ok()
            .map(|socket| Link { socket })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: OwnedFd,
}

impl Link {
    pub(crate) fn connect(address: &SocketAddrUnix) -> io::Result<Self> {
        let socket = new_socket()?;
        connect(&socket, address)?;
        Ok(Self { socket })
    }

    /// Says who this is.
    pub(crate) fn hello(&self, me: Speaker) {
        let _ = self.send(&message(HELLO, me), &mut SendAncillaryBuffer::default());
    }

    /// Passes copies of the bells, that of queue 0 first.
    pub(crate) fn pass(&self, me: Speaker, bells: &[Arc<Bell>]) -> io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = bells.iter().map(|bell| bell.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_BELLS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        self.send(&message(BELLS, me), &mut ancillary)
    }

    /// Says "look at my arena". A peer that does not read its messages looks a little later by itself.
    pub(crate) fn look(&self, me: Speaker) {
        let _ = self.send(&message(LOOK, me), &mut SendAncillaryBuffer::default());
    }

    /// What the other side said next.
    pub(crate) fn hear(&self) -> Said {
        let mut bytes = [0; MESSAGE + 1];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_BELLS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let len = match recvmsg(&self.socket, &mut buffers, &mut ancillary, flags) {
            Ok(received) => received.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return Said::Nothing,
            Err(_) => return Said::Gone,
        };
        // All descriptors are taken out, so that those not wanted are closed.
        let mut fds = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                fds.extend(passed);
            }
        }
        match parse(&bytes[..len.min(bytes.len())]) {
            Some((LOOK, _)) => Said::Look,
            Some((HELLO, speaker)) => Said::Hello(speaker),
            Some((BELLS, speaker)) => {
                match fds.into_iter().map(Bell::from_peer).collect::<io::Result<Vec<_>>>() {
                    Ok(bells) if !bells.is_empty() => Said::Bells(speaker, bells),
                    _ => Said::Gone,
                }
            }
            _ => Said::Gone,
        }
    }

    fn send(&self, bytes: &[u8], ancillary: &mut SendAncillaryBuffer<'_, '_, '_>) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(&self.socket, &[io::IoSlice::new(bytes)], ancillary, flags)?;
        Ok(())
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `"ISTHBELL"`, layout version (4), kind (1), zero (1), node (2), incarnation (8).
fn message(kind: u8, speaker: Speaker) -> [u8; MESSAGE] {
    let mut bytes = [0; MESSAGE];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&ABI_VERSION.to_le_bytes());
    bytes[12] = kind;
    bytes[14..16].copy_from_slice(&speaker.node.get().to_le_bytes());
    bytes[16..24].copy_from_slice(&speaker.incarnation.to_le_bytes());
    bytes
}

fn parse(bytes: &[u8]) -> Option<(u8, Speaker)> {
    let bytes: &[u8; MESSAGE] = bytes.try_into().ok()?;
    if &bytes[..8] != MAGIC || bytes[8..12] != ABI_VERSION.to_le_bytes() {
        return None;
    }
    let mut incarnation = [0; 8];
    incarnation.copy_from_slice(&bytes[16..24]);
    let node = NodeId::new(u16::from_le_bytes([bytes[14], bytes[15]]))?;
    let speaker = Speaker { node, incarnation: u64::from_le_bytes(incarnation) };
    Some((bytes[12], speaker))
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

const MAGIC: &[u8; 8] = b"ISTHBELL";
const MESSAGE: usize = 24;
const HELLO: u8 = 1;
const LOOK: u8 = 2;
const BELLS: u8 = 3;
const MAX_BELLS: usize = MAX_QUEUES as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> SocketAddrUnix {
        let name = format!("isthmus-test/{}/{name}", std::process::id());
        SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()
    }

    fn speaker(id: u16) -> Speaker {
        Speaker { node: NodeId::new(id).unwrap(), incarnation: 3 }
    }

    #[test]
    fn a_link_carries_a_greeting_a_bell_and_the_hang_up() {
        let address = address("link");
        let listener = Listener::bind(&address).unwrap();
        let caller = Link::connect(&address).unwrap();
        let callee = listener.accept().unwrap();
        assert!(matches!(callee.hear(), Said::Nothing));
        caller.hello(speaker(5));
        caller.look(speaker(5));
        assert!(matches!(callee.hear(), Said::Hello(who) if who == speaker(5)));
        assert!(matches!(callee.hear(), Said::Look));
        assert!(matches!(callee.hear(), Said::Nothing));
        let bells: Vec<_> = (0..MAX_BELLS).map(|_| Arc::new(Bell::new().unwrap())).collect();
        callee.pass(speaker(6), &bells).unwrap();
        let Said::Bells(who, copies) = caller.hear() else { panic!("no bells") };
        assert_eq!((who, copies.len()), (speaker(6), MAX_BELLS));
        for (bell, copy) in bells.iter().zip(&copies) {
            let mut count = [0; 8];
            assert!(rustix::io::read(bell, &mut count).is_err(), "the copy of another bell was rung");
            copy.ring();
            rustix::io::read(bell, &mut count).unwrap();
            assert_eq!(u64::from_ne_bytes(count), 1);
        }
        drop(caller);
        assert!(matches!(callee.hear(), Said::Gone));
    }

    #[test]
    fn nonsense_and_bells_without_a_descriptor_are_not_listened_to() {
        let address = address("nonsense");
        let listener = Listener::bind(&address).unwrap();
        for bytes in [&b""[..], b"garbage", &message(BELLS, speaker(5)), &[0xff; 24], &[0xff; 64]] {
            let caller = Link::connect(&address).unwrap();
            let callee = listener.accept().unwrap();
            caller.send(bytes, &mut SendAncillaryBuffer::default()).unwrap();
            assert!(matches!(callee.hear(), Said::Gone), "{bytes:?}");
        }
    }
}
