//! A segment of inherited memfds: the same file serves a node's next incarnation.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use common::{config, node};
use isthmus_shmnet::{
    Backing, Destination, Endpoint, EventKind, Fabric, FabricConfig, JoinError, Metadata, Network,
};

fn join(files: &[OwnedFd; 2], id: u16, takeover: bool) -> Result<Fabric, JoinError> {
    let arenas = files.iter().zip(1..).map(|(file, id)| (node(id), file.try_clone().unwrap())).collect();
    let backing = Backing::Inherited { arenas, name: format!("test-{}", std::process::id()) };
    Fabric::join(FabricConfig { backing, takeover, ..config(std::path::Path::new("/"), id) })
}

/// Calls `look` until it gives something.
fn await_some<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up);
        std::thread::yield_now();
    }
}

fn exchange(from: &mut Endpoint, to: &mut Endpoint, id: u16, text: &[u8]) {
    await_some(|| from.transmit(Destination::Node(node(id)), text, Metadata::default()).ok());
    from.flush();
    let mut frame = [0; 2048];
    let received = await_some(|| to.receive(&mut frame));
    assert_eq!(&frame[..received.len], text);
}

#[test]
fn nodes_meet_part_and_meet_again_in_inherited_memory() {
    let files =
        [1, 2].map(|_| rustix::fs::memfd_create("isthmus-test", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    let first = join(&files, 1, false).unwrap();
    let mut lsm = first.endpoint(Network::Lsm).unwrap();
    assert!(first.endpoint(Network::Lsm).is_none());
    for incarnation in 1..=3 {
        let second = join(&files, 2, false).unwrap();
        let mut other = second.endpoint(Network::Lsm).unwrap();
        let seen = await_some(|| first.active_nodes().get(node(2)).filter(|entry| entry.connected).cloned());
        assert_eq!(seen.incarnation, incarnation);
        exchange(&mut lsm, &mut other, 2, b"to the second");
        exchange(&mut other, &mut lsm, 1, b"to the first");
        assert!(matches!(join(&files, 2, false), Err(JoinError::IdInUse { .. })));
        assert!(matches!(join(&files, 2, true), Err(JoinError::TakeoverImpossible { .. })));
        drop(second);
        await_some(|| first.active_nodes().get(node(2)).is_none().then_some(()));
    }
    let left = first.recent_events().iter().filter(|event| event.kind == EventKind::Left).count();
    assert_eq!(left, 3);
}
