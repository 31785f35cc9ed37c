//! Sealed memory files that nodes pass to each other: traffic, death and return, and what others can do to them.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use common::{Node, Segment};
use isthmus_shmnet::memory::Mapping;
use rustix::cmsg_space;
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, listen,
    recvmsg, sendmsg, socket_with,
};

/// Not a test: the body of each node's process.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    common::child();
}

fn join(segment: &Segment, id: u16) -> Node {
    Node::join_with(segment, id, "memfd")
}

fn exchange(first: &mut Node, second: &mut Node, text: &str) {
    let ids = (first.id, second.id);
    first.say(&format!("send lsm {} {text}", ids.1));
    second.await_line("receive", |line| line == format!("rx lsm unicast {} {text}", ids.0));
    second.say(&format!("broadcast gsm {} 1", text.len()));
    first.await_line("receive", |line| line == format!("rx gsm broadcast {} n{}", ids.1, text.len()));
}

fn socket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// Asks at a node's door, as any peer does.
fn arena_of(path: &Path) -> OwnedFd {
    let socket = socket();
    connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    let mut bytes = [0; 64];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut fds = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    fds.next().unwrap()
}

/// Is a door behind which somebody passes `what` with `text` to one caller after the other; with neither, nobody answers.
fn false_door(path: &Path, text: Option<Vec<u8>>, what: Option<OwnedFd>) {
    let socket = socket();
    bind(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&socket, 8).unwrap();
    std::thread::spawn(move || {
        let mut callers = Vec::new();
        while let Ok(caller) = accept(&socket) {
            if let Some(text) = &text {
                let fds: Vec<_> = what.iter().map(AsFd::as_fd).collect();
                let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
                let mut ancillary = SendAncillaryBuffer::new(&mut space);
                if !fds.is_empty() {
                    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
                }
                let _ = sendmsg(&caller, &[IoSlice::new(text)], &mut ancillary, SendFlags::NOSIGNAL);
            }
            callers.push(caller);
        }
    });
}

#[test]
fn nodes_meet_exchange_frames_die_and_return() {
    let segment = Segment::new();
    let mut first = join(&segment, 1);
    let mut second = join(&segment, 2);
    let mut third = join(&segment, 3);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    exchange(&mut first, &mut second, "hello");
    exchange(&mut third, &mut first, "too");
    // Rings grow in sealed memory as in any other.
    first.say("flood lsm 2 3000");
    second.await_lines("receive all", |_| second.received("lsm", "unicast").len() >= 3001);
    for entry in std::fs::read_dir(segment.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let kind = name.rsplit('.').next().unwrap();
        assert!(["lock", "sock", "memory"].contains(&kind), "{name}");
    }
    second.kill();
    first.await_line("notice", |line| line.contains(" 2/1 Failed { reason: ProcessDeath }"));
    let mut second = join(&segment, 2);
    for node in [&first, &second, &third] {
        node.await_members(&[1, 2, 3]);
    }
    assert_eq!(first.incarnation_of(2), 2);
    exchange(&mut first, &mut second, "again");
    third.say("leave");
    first.await_members(&[1, 2]);
    // A second process with the id of a live one is refused.
    let other = Node::start(&segment, 1, "memfd");
    other.await_line("be refused", |line| line.starts_with("refused node id 1 is in use"));
}

#[test]
fn whoever_has_the_memory_can_neither_write_nor_cut_it() {
    let segment = Segment::new();
    let mut first = join(&segment, 1);
    let mut second = join(&segment, 2);
    first.await_members(&[1, 2]);
    second.await_members(&[1, 2]);
    let arena = arena_of(&segment.path().join("node-001.memory"));
    let len = rustix::fs::fstat(&arena).unwrap().st_size as u64;
    for cut in [0, 4096, len / 2, 2 * len] {
        assert_eq!(rustix::fs::ftruncate(&arena, cut), Err(Errno::PERM));
    }
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(rustix::fs::fallocate(&arena, hole, 0, len), Err(Errno::PERM));
    assert_eq!(rustix::io::pwrite(&arena, &[0xff; 64], 0), Err(Errno::PERM));
    assert!(Mapping::read_write(&arena, 0, len as usize).is_err());
    let seen = Mapping::read_only(&arena, 0, len as usize).unwrap();
    let mut magic = [0; 8];
    seen.peer().copy_out(0, &mut magic);
    assert_eq!(&magic, b"ISTHMUS\0");
    exchange(&mut first, &mut second, "untouched");
    assert!(!first.lines().iter().any(|line| line.ends_with("Rejoined")));
}

#[test]
fn what_is_passed_is_looked_at_and_silence_is_not_waited_for() {
    let segment = Segment::new();
    let door = |id: u16| segment.path().join(format!("node-{id:03}.memory"));
    let mut first = join(&segment, 41);
    let real = arena_of(&door(41));
    let memfd = |flags| {
        let fd = rustix::fs::memfd_create("false", MemfdFlags::CLOEXEC | flags).unwrap();
        rustix::fs::ftruncate(&fd, 1 << 20).unwrap();
        fd
    };
    let text = |id: u16, version: u32| {
        let mut bytes = b"ISTHDOOR".to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&u32::from(id).to_le_bytes());
        Some(bytes)
    };
    let right = |id| text(id, isthmus_shmnet::ABI_VERSION);
    false_door(&door(1), None, None);
    false_door(&door(2), right(2), None);
    false_door(&door(3), right(3), Some(memfd(MemfdFlags::empty())));
    false_door(&door(4), right(4), Some(memfd(MemfdFlags::ALLOW_SEALING)));
    false_door(&door(5), right(5), Some(std::fs::File::open("/dev/zero").unwrap().into()));
    false_door(&door(6), Some(b"nonsense".to_vec()), Some(memfd(MemfdFlags::empty())));
    let half_sealed = memfd(MemfdFlags::ALLOW_SEALING);
    rustix::fs::fcntl_add_seals(&half_sealed, SealFlags::GROW | SealFlags::FUTURE_WRITE).unwrap();
    false_door(&door(7), right(7), Some(half_sealed));
    // Sealed as it should be, and another node's.
    false_door(&door(8), right(8), Some(real));
    std::fs::write(door(9), b"no socket").unwrap();

    let mut second = join(&segment, 42);
    first.await_members(&[41, 42]);
    second.await_members(&[41, 42]);
    for round in 0..3 {
        exchange(&mut first, &mut second, &"x".repeat(round + 1));
    }
}
