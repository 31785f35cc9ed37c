//! The thread: commands, sleep and wake, the end.

use std::os::fd::AsRawFd;
use std::thread;

use super::*;
use crate::forward::DropReason;
use crate::forward::worker::Command;
use crate::port::sys_poll::PollSet;

/// Waits until a descriptor of the port or bell is readable. The limit is only reached when a test has failed.
fn await_readable(descriptors: &[std::os::fd::RawFd]) {
    let mut set = PollSet::new();
    for &descriptor in descriptors {
        set.add(descriptor);
    }
    assert!(set.wait(Duration::from_secs(60)).unwrap(), "nothing came");
}

fn await_frame(port: &mut MemPort) -> Vec<u8> {
    let (mut batch, mut pool) = (Vec::new(), Pool::new(1));
    loop {
        if port.receive(&mut batch, &mut pool, 1) == 1 {
            return batch[0].bytes().to_vec();
        }
        if port.prepare_sleep() {
            let mut descriptors = Vec::new();
            port.poll_descriptors(&mut descriptors);
            await_readable(&descriptors);
        }
    }
}

#[test]
fn a_sleeping_worker_is_woken_by_everything() {
    let Lab { worker, mut handle, mut far, mut host, mut ospf, mut pool, .. } = Lab::with_neighbors();
    let view = handle.view();
    let thread = thread::spawn(|| worker.run());
    let asleep = |times| {
        while view.counters.snapshot().wakeups < times {
            thread::yield_now();
        }
    };
    for round in 1..5 {
        // Idle, it has slept and woken by itself at least once more.
        asleep(3 * round);
        far[ETH0].transmit(&Packet::udp(HOST, REMOTE).frame_to(ETH0)).unwrap();
        far[ETH0].flush();
        assert_eq!(await_frame(&mut far[ETH1])[..6], GATEWAY_MAC);

        far[ETH0].transmit(&Packet::udp(HOST, LOOPBACK).frame_to(ETH0)).unwrap();
        far[ETH0].flush();
        await_readable(&[host.bell().as_raw_fd()]);
        host.bell().silence();
        let buffer = host.pop().unwrap();
        host.give_back(buffer);

        let mut buffer = pool.take().unwrap();
        buffer.fill(&Packet::udp(LOOPBACK, REMOTE).datagram());
        assert!(host.push(buffer).is_ok());
        host.notify();
        assert_eq!(await_frame(&mut far[ETH1])[..6], GATEWAY_MAC);

        let mut buffer = pool.take().unwrap();
        buffer.fill(&Packet { protocol: 89, ..Packet::udp(LOOPBACK, HOST) }.datagram());
        buffer.interface = index(ETH0);
        assert!(ospf.push(buffer).is_ok());
        ospf.notify();
        assert_eq!(await_frame(&mut far[ETH0])[..6], HOST_MAC);
    }
    assert!(handle.send(Command::Stop).is_ok());
    thread.join().unwrap().unwrap();
}

#[test]
fn nothing_that_happens_between_arming_and_sleeping_is_missed() {
    let from_host = |lab: &mut Lab| {
        let buffer = lab.buffer(&Packet::udp(LOOPBACK, REMOTE).datagram());
        assert!(lab.host.push(buffer).is_ok());
    };
    let from_ospf = |lab: &mut Lab| {
        let mut buffer = lab.buffer(&Packet { protocol: 89, ..Packet::udp(LOOPBACK, HOST) }.datagram());
        buffer.interface = index(ETH0);
        assert!(lab.ospf.push(buffer).is_ok());
    };
    type Happening<'a> = (&'a str, bool, &'a dyn Fn(&mut Lab));
    let events: [Happening<'_>; 5] = [
        ("frame", true, &|lab| lab.put(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0))),
        ("embedded stack", true, &|lab| {
            from_host(lab);
            lab.host.notify();
        }),
        ("OSPF", true, &|lab| {
            from_ospf(lab);
            lab.ospf.notify();
        }),
        ("command", true, &|lab| {
            assert!(lab.handle.send(Command::ClearNeighbors { index: Some(index(KERNEL)) }).is_ok());
        }),
        ("snapshot", false, &|lab| lab.handle.publish(state())),
    ];
    let mut lab = Lab::with_neighbors();
    for (name, is_work, happen) in events {
        lab.run();
        let mut set = lab.worker.would_sleep_on().expect(name);
        assert!(!set.wait(Duration::ZERO).unwrap(), "{name}: nothing has happened yet");
        happen(&mut lab);
        assert!(set.wait(Duration::from_secs(60)).unwrap(), "{name} wakes the worker");
        assert_eq!(lab.worker.would_sleep_on().is_none(), is_work, "{name} is seen without a bell, too");
        lab.run();
        lab.all_sent();
    }
    assert_eq!(lab.counts().drops.total(), 0);
}

#[test]
fn the_worker_ends_with_its_handle() {
    let Lab { worker, handle, .. } = Lab::new();
    let thread = thread::spawn(|| worker.run());
    drop(handle);
    thread.join().unwrap().unwrap();
}

#[test]
fn ports_come_and_go() {
    let mut lab = Lab::with_neighbors();
    let mut larger = state();
    larger.interfaces.push(Interface {
        name: "eth9".to_owned(),
        kind: InterfaceKind::Nic,
        address: Some("100.64.0.1/24".parse().unwrap()),
        mtu: 1500,
        enabled: true,
        ospf: false,
    });
    lab.handle.publish(larger);
    let (near, far) = MemPort::pair(
        MemPort::describe("eth9", [2, 0, 0, 0, 0, 9], 1500),
        MemPort::describe("far", [2, 0xff, 0, 0, 0, 9], 1500),
        8,
    )
    .unwrap();
    lab.far.push(far);
    let added = Command::AddPort { index: index(5), port: Box::new(near) };
    assert!(lab.handle.send(added).is_ok());
    lab.run();
    assert_eq!(lab.sent(5).len(), 1, "it says who is there");
    let packet = Packet::udp(Ipv4Addr::new(100, 64, 0, 2), REMOTE);
    let frame = packet.frame([2, 0, 0, 0, 0, 9], HOST_MAC);
    assert_eq!(lab.only(5, &frame).0, ETH1);

    assert!(lab.handle.send(Command::RemovePort { index: index(ETH1) }).is_ok());
    lab.run();
    let retired = lab.handle.retired_port().unwrap();
    assert_eq!(retired.info().name, "eth1");
    lab.put(5, &frame);
    lab.run();
    assert_eq!(lab.dropped(DropReason::InterfaceDown), 1);

    let beyond = Command::AddPort { index: InterfaceIndex(9999), port: retired };
    assert!(lab.handle.send(beyond).is_ok());
    lab.run();
    assert_eq!(lab.handle.retired_port().unwrap().info().name, "eth1", "no such place: it comes back");
}

#[test]
fn the_sum_of_drops_does_not_go_back_when_a_port_does() {
    let mut lab = Lab::with_neighbors();
    let no_route = Packet::udp(HOST, UNKNOWN).frame_to(ETH0);
    for _ in 0..3 {
        lab.put(ETH0, &no_route);
    }
    lab.run();
    assert_eq!(lab.dropped(DropReason::NoRoute), 3);
    assert!(lab.handle.send(Command::RemovePort { index: index(ETH0) }).is_ok());
    lab.run();
    let counters = lab.handle.view().counters;
    assert_eq!(counters.interface_counts(index(ETH0)).drops.total(), 0, "another port may take the place");
    assert_eq!(lab.dropped(DropReason::NoRoute), 3);
    let port = lab.handle.retired_port().unwrap();
    assert!(lab.handle.send(Command::AddPort { index: index(ETH0), port }).is_ok());
    lab.run();
    lab.put(ETH0, &no_route);
    lab.run();
    assert_eq!(lab.dropped(DropReason::NoRoute), 4);
    assert_eq!(counters.interface_counts(index(ETH0)).drops.count(DropReason::NoRoute), 1);
}

#[test]
fn a_new_snapshot_takes_effect_at_the_next_burst_and_the_old_one_is_freed_by_control() {
    let mut lab = Lab::with_neighbors();
    let old = Arc::downgrade(&lab.handle.view().state.load_full());
    let mut moved = state();
    moved.fib = Arc::new(Fib::new([(
        "203.0.113.0/24".parse().unwrap(),
        FibEntry::Forward(vec![NextHop {
            interface: index(LSM),
            gateway: Some(Ipv4Addr::new(10, 77, 0, 2)),
        }]),
    )]));
    lab.handle.publish(moved);
    assert_eq!(lab.only(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0)).0, LSM);
    assert!(old.upgrade().is_none() || lab.handle.view().state.load().node_id == 1);
    lab.handle.publish(state());
    assert!(old.upgrade().is_none());
    assert_eq!(lab.only(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0)).0, ETH1);
}

/// A port that never has anything, and counts how often it is flushed.
struct Flushed(crate::port::PortInfo, Arc<std::sync::atomic::AtomicU32>);

impl Port for Flushed {
    fn info(&self) -> &crate::port::PortInfo {
        &self.0
    }

    fn receive(&mut self, _: &mut Vec<PacketBuffer>, _: &mut Pool, _: usize) -> usize {
        0
    }

    fn transmit(&mut self, _: &[u8]) -> Result<(), DropReason> {
        Err(DropReason::NoCarrier)
    }

    fn flush(&mut self) {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn carrier(&self) -> bool {
        true
    }

    fn poll_descriptors(&self, _: &mut Vec<std::os::fd::RawFd>) {}
}

#[test]
fn a_busy_worker_flushes_the_fabrics_ports_though_it_sends_nothing_there() {
    let mut lab = Lab::with_neighbors();
    let mut replace = |position: usize| {
        let flushes = Arc::default();
        let info = MemPort::describe("counting", [2, 0, 0, 0, 0, 7], 9000);
        let port = Box::new(Flushed(info, Arc::clone(&flushes)));
        assert!(lab.handle.send(Command::RemovePort { index: index(position) }).is_ok());
        lab.run();
        drop(lab.handle.retired_port().unwrap());
        assert!(lab.handle.send(Command::AddPort { index: index(position), port }).is_ok());
        lab.run();
        flushes
    };
    let (fabric, kernel) = (replace(LSM), replace(KERNEL));
    let count = || [&fabric, &kernel].map(|flushes| flushes.load(std::sync::atomic::Ordering::Relaxed));
    for _ in 0..10 {
        let before = count();
        lab.put(ETH0, &Packet::udp(HOST, REMOTE).frame_to(ETH0));
        lab.advance(Duration::from_millis(1));
        assert_eq!(lab.sent(ETH1).len(), 1);
        assert_eq!(count(), [before[0] + 1, before[1]]);
    }
}
