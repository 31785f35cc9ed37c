//! Two nodes of one segment, in one process: their ports meet only in the memory.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    Backing, Cast, CoherenceMode, DEFAULT_GEOMETRY, FabricConfig, Facts, GroupSnapshot, NetworkParameters,
    NodeId, Timing,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

fn node(id: u16) -> NodeId {
    NodeId::new(id).unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("isthmus-port-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(&self, id: u16, queues: u8) -> Fabric {
        let parameters = |third| NetworkParameters {
            area_id: 1,
            network_type: 3,
            hello_interval: 1,
            dead_interval: 4,
            cost: 2,
            mtu: 9000,
            prefix: Ipv4Addr::new(10, 77, third, 0),
            prefix_len: 24,
        };
        Fabric::join(FabricConfig {
            node_id: node(id),
            backing: Backing::Directory(self.0.clone()),
            coherence: CoherenceMode::Hardware,
            max_nodes: 8,
            queues,
            geometry: [DEFAULT_GEOMETRY; 2],
            timing: Timing { failed: Duration::from_secs(10), ..Timing::default() },
            parameters: [parameters(1), parameters(2)],
            facts: Facts::default(),
            takeover: false,
            budget: None,
        })
        .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two nodes' ports to one network.
struct Pair {
    one: ShmPort,
    two: ShmPort,
    _folder: Folder,
}

impl Pair {
    fn join() -> Self {
        let folder = Folder::new();
        let open = |id| ShmPort::open(&folder.join(id, 1), Network::Lsm, "lsm0", 9000).unwrap();
        let (one, two) = (open(1), open(2));
        let mut pair = Self { one, two, _folder: folder };
        // Rings to each other may take a moment longer than membership.
        let hello = [
            frame(pair.two.info().mac, pair.one.info().mac, 0),
            frame(pair.one.info().mac, pair.two.info().mac, 0),
        ];
        // Each way is tried until it works once: nobody empties the rings here.
        let (mut forth, mut back) = (false, false);
        pair.until(|pair| {
            forth = forth || pair.one.transmit(&hello[0]).is_ok();
            back = back || pair.two.transmit(&hello[1]).is_ok();
            forth && back
        });
        pair
    }

    /// Lets both work until the condition holds.
    fn until(&mut self, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition(self) {
            assert!(Instant::now() < deadline, "the condition did not come true");
            for port in [&mut self.one, &mut self.two] {
                port.flush();
            }
            let may_sleep = self.one.prepare_sleep() & self.two.prepare_sleep();
            if may_sleep {
                let doorbells = [&self.one, &self.two].map(|port| port.endpoints[0].doorbell());
                let mut polled = doorbells.map(|doorbell| PollFd::from_borrowed_fd(doorbell, PollFlags::IN));
                poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 })).unwrap();
            }
            self.one.wake();
            self.two.wake();
        }
    }

    /// What arrives at node 2, until `last` does, which node 1 sends as often as that takes: a group ring carries
    /// what was sent since the receiver joined it.
    fn arrivals(&mut self, last: &[u8]) -> Vec<Vec<u8>> {
        let mut arrived: Vec<Vec<u8>> = Vec::new();
        let mut pool = Pool::new(64);
        self.until(|pair| {
            let mut batch = Vec::new();
            // A full ring empties below.
            let _ = pair.one.transmit(last);
            pair.one.flush();
            pair.one.receive(&mut Vec::new(), &mut Pool::new(64), 64);
            pair.two.receive(&mut batch, &mut pool, 64);
            for buffer in batch {
                arrived.push(buffer.bytes().to_vec());
                pool.give(buffer);
            }
            arrived.iter().any(|frame| frame == last)
        });
        arrived
    }
}

fn frame(destination: [u8; 6], source: [u8; 6], mark: u8) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend(source);
    frame.extend([0x88, 0xb5]);
    frame.extend([mark; 46]);
    frame
}

#[test]
fn the_destination_address_says_who_gets_a_frame() {
    let to = |mac: [u8; 6]| destination(Network::Lsm, &frame(mac, [2; 6], 0));
    assert_eq!(to(mac_address(Network::Lsm, node(7))), Some(Destination::Node(node(7))));
    assert_eq!(to(mac_address(Network::Gsm, node(7))), None);
    assert_eq!(to([2, 0, 0, 0, 0, 7]), None);
    assert_eq!(to(BROADCAST), Some(Destination::Broadcast));
    assert_eq!(to([1, 0, 0x5e, 0, 0, 5]), Some(Destination::Multicast));
    assert_eq!(destination(Network::Lsm, &[2; 5]), None);
}

#[test]
fn only_the_sender_of_a_ring_may_be_the_source() {
    let from = |id| Received { len: 60, from: node(id), cast: Cast::Unicast, metadata: Metadata::default() };
    let source = mac_address(Network::Gsm, node(3));
    assert!(is_from(Network::Gsm, &from(3), &frame([0; 6], source, 0)));
    assert!(!is_from(Network::Gsm, &from(4), &frame([0; 6], source, 0)));
    assert!(!is_from(Network::Lsm, &from(3), &frame([0; 6], source, 0)));
    assert!(!is_from(Network::Gsm, &from(3), &[0; 11]));
}

#[test]
fn frames_cross_the_memory_by_all_three_ways() {
    let mut pair = Pair::join();
    let (one, two) = (pair.one.info().mac, pair.two.info().mac);
    assert_eq!(one, mac_address(Network::Lsm, node(1)));
    assert!(pair.one.carrier());
    let mut long = frame(two, one, 1);
    long.resize(9014, 1);
    pair.arrivals(&long);
    pair.arrivals(&frame(BROADCAST, one, 2));
    pair.arrivals(&frame([1, 0, 0x5e, 0, 0, 5], one, 3));
    assert_eq!(pair.two.statistics(), PortStatistics::default());
}

#[test]
fn what_cannot_be_sent_or_believed_is_dropped_with_its_reason() {
    let mut pair = Pair::join();
    let (one, two) = (pair.one.info().mac, pair.two.info().mac);
    assert_eq!(pair.one.transmit(&[0; 13]), Err(DropReason::BadFrame));
    assert_eq!(pair.one.transmit(&vec![0; 9015]), Err(DropReason::TooLong));
    assert_eq!(pair.one.transmit(&frame([2; 6], one, 0)), Err(DropReason::NoSuchNode));
    let absent = mac_address(Network::Lsm, node(5));
    assert_eq!(pair.one.transmit(&frame(absent, one, 0)), Err(DropReason::NoSuchNode));

    let forged = frame(two, mac_address(Network::Lsm, node(5)), 8);
    pair.one.transmit(&forged).unwrap();
    assert!(!pair.arrivals(&frame(two, one, 9)).contains(&forged));
    assert_eq!(pair.two.statistics().receive_errors, 1);

    let refused = (0..100_000).find_map(|_| pair.one.transmit(&frame(two, one, 0)).err());
    assert_eq!(refused, Some(DropReason::RingFull));
}

#[test]
fn what_a_sender_left_undone_is_finished_on_arrival() {
    let mut pair = Pair::join();
    let (one, two) = (pair.one.info().mac, pair.two.info().mac);
    let mut begun = Vec::new();
    etherparse::PacketBuilder::ethernet2(one, two)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut begun, &[7; 100])
        .unwrap();
    let whole = begun.clone();
    // A sum over the pseudo-header alone: addresses, protocol, length.
    let pseudo = 2 * 0x0a00_u32 + 3 + 17 + 108;
    begun[40..42].copy_from_slice(&(pseudo as u16).to_be_bytes());
    let metadata = Metadata { flags: 1, csum_start: 34, csum_offset: 6, ..Metadata::default() };
    pair.one.endpoints[0].transmit(Destination::Node(node(2)), &begun, metadata).unwrap();
    assert!(pair.arrivals(&frame(two, one, 9)).contains(&whole));
    assert_eq!(pair.two.statistics().checksums_completed, 1);
}

/// A node with a worker for each of two queues sends to one whose only worker has this port.
#[test]
fn one_worker_hears_what_is_sent_by_any_queue() {
    let folder = Folder::new();
    let fabrics = [1, 2].map(|id| folder.join(id, 2));
    let mut port = ShmPort::open(&fabrics[1], Network::Lsm, "lsm0", 9000).unwrap();
    assert!(fabrics[1].queue(Network::Lsm, 1).is_none(), "the port has both");
    let mut senders = [0, 1].map(|queue| fabrics[0].queue(Network::Lsm, queue).unwrap());
    let mut pool = Pool::new(64);
    let mut heard = [0; 2];
    let deadline = Instant::now() + Duration::from_secs(20);
    while heard.iter().any(|count| *count < 200) {
        assert!(Instant::now() < deadline, "heard {heard:?} of each queue");
        // More than a burst takes, so that neither queue may have all of it.
        for (mark, sender) in (0..).zip(&mut senders) {
            let frame = frame(port.info().mac, sender.mac(), mark);
            for _ in 0..32 {
                // Until they have met, and when the ring is full, it is tried again.
                let _ = sender.transmit(Destination::Node(node(2)), &frame, Metadata::default());
            }
            sender.flush();
        }
        let mut batch = Vec::new();
        port.receive(&mut batch, &mut pool, 32);
        for buffer in batch {
            heard[usize::from(buffer.bytes()[20])] += 1;
            pool.give(buffer);
        }
        port.flush();
    }
    assert_eq!(port.statistics(), PortStatistics::default());
}

#[test]
fn a_port_that_sleeps_is_woken_by_any_queue() {
    let folder = Folder::new();
    let fabrics = [1, 2].map(|id| folder.join(id, 2));
    let mut port = ShmPort::open(&fabrics[1], Network::Lsm, "lsm0", 9000).unwrap();
    let mut senders = [0, 1].map(|queue| fabrics[0].queue(Network::Lsm, queue).unwrap());
    let mut pool = Pool::new(64);
    for (mark, sender) in (0..).zip(&mut senders) {
        let frame = frame(port.info().mac, sender.mac(), mark);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut sent = false;
        let mut batch = Vec::new();
        while port.receive(&mut batch, &mut pool, 32) == 0 {
            assert!(Instant::now() < deadline, "nothing came by queue {mark}");
            if port.prepare_sleep() {
                if !sent {
                    sent = sender.transmit(Destination::Node(node(2)), &frame, Metadata::default()).is_ok();
                    sender.flush();
                }
                let mut descriptors = Vec::new();
                port.poll_descriptors(&mut descriptors);
                assert_eq!(descriptors.len(), 2);
                // Far beyond the deadline if the frame does not wake it; news of the peers do meanwhile.
                let doorbells = port.endpoints.iter().map(Endpoint::doorbell);
                let mut polled: Vec<_> =
                    doorbells.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)).collect();
                let patience = if sent { 40 } else { 0 };
                poll(&mut polled, Some(&Timespec { tv_sec: patience, tv_nsec: 1_000_000 })).unwrap();
            }
            port.wake();
        }
        assert_eq!(batch[0].bytes()[20], mark);
    }
}

/// A node alone says hello to nobody, as on any Ethernet: that is a frame sent and no drop, and the fabric counts it.
#[test]
fn a_group_that_nobody_has_joined_is_no_reason_to_drop() {
    let folder = Folder::new();
    let fabric = folder.join(1, 1);
    let mut port = ShmPort::open(&fabric, Network::Lsm, "lsm0", 9000).unwrap();
    let all_ospf_routers = [0x01, 0x00, 0x5e, 0, 0, 5];
    let hello = frame(all_ospf_routers, port.info().mac, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    // Without carrier it is a drop: the node is not a member yet.
    while port.transmit(&hello) == Err(DropReason::NoCarrier) {
        assert!(Instant::now() < deadline, "the node did not become a member");
        std::thread::yield_now();
    }
    for _ in 0..9 {
        assert_eq!(port.transmit(&hello), Ok(()));
    }
    let unwanted = || {
        let groups = fabric.snapshot().groups;
        let ours = |group: &&GroupSnapshot| group.network == Network::Lsm && group.cast == Cast::Multicast;
        groups.iter().find(ours).map_or((0, 0), |group| (group.unwanted, group.sent))
    };
    while unwanted().0 < 10 {
        assert!(Instant::now() < deadline, "{:?} of 10 counted", unwanted());
        port.prepare_sleep();
        port.wake();
    }
    assert_eq!(unwanted(), (10, 0));
}
