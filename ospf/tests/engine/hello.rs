//! Hellos and the first steps of a neighbor (sections 9.5, 10.2, 10.3, 10.5).

use std::time::Duration;

use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{ALL_SPF_ROUTERS, DdFlags, Options, PacketBody};

use crate::bench::{Bench, LINK, OWN, OWN_ADDRESS, PEER, hello, millis};

#[test]
fn a_hello_leaves_with_the_link_and_then_every_interval() {
    let mut bench = Bench::new();
    let start = bench.now;
    bench.advance(Duration::from_secs(30));
    let mut times = Vec::new();
    for (at, transmit, packet) in &bench.sent {
        let PacketBody::Hello(hello) = &packet.body else { panic!("{packet:?}") };
        assert_eq!(
            (transmit.interface, transmit.source, transmit.destination),
            (LINK, OWN_ADDRESS, ALL_SPF_ROUTERS)
        );
        assert_eq!((hello.hello_interval, hello.dead_interval, hello.options), (10, 40, Options::E));
        assert_eq!(packet.header.router_id, OWN);
        times.push(at.since(start).as_secs());
    }
    assert_eq!(times, [0, 10, 20, 30]);
}

#[test]
fn whoever_does_not_know_us_is_answered_at_once() {
    let mut bench = Bench::new();
    bench.sent.clear();
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    assert_eq!(bench.state(), NeighborState::Init);
    let answer = bench.take();
    let [PacketBody::Hello(answer)] = &answer[..] else { panic!("{answer:?}") };
    assert_eq!(answer.neighbors, [PEER]);
    // But only once: two routers must not play ping-pong.
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    assert!(bench.take().is_empty());
}

#[test]
fn both_ways_starts_the_exchange() {
    let mut bench = Bench::new();
    bench.sent.clear();
    bench.hello();
    assert_eq!(bench.state(), NeighborState::ExStart);
    let sent = bench.take();
    let [PacketBody::Hello(_), PacketBody::DatabaseDescription(first)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(first.flags, DdFlags::I | DdFlags::M | DdFlags::MS);
    assert!(first.headers.is_empty());
    assert_eq!(first.interface_mtu, 1500);
}

#[test]
fn whoever_forgets_us_goes_back_to_init() {
    let mut bench = Bench::full(&[]);
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    assert_eq!(bench.state(), NeighborState::Init);
    bench.hello();
    assert_eq!(bench.state(), NeighborState::ExStart);
}

#[test]
fn silence_for_the_dead_interval_ends_a_neighbor() {
    let mut bench = Bench::full(&[]);
    bench.hello();
    bench.advance(Duration::from_secs(40) - millis(1));
    assert_eq!(bench.state(), NeighborState::Full);
    bench.advance(millis(1));
    assert_eq!(bench.state(), NeighborState::Down);
}

#[test]
fn other_packets_do_not_keep_a_neighbor_alive() {
    let mut bench = Bench::full(&[]);
    bench.hello();
    bench.advance(Duration::from_secs(39));
    bench.receive(PacketBody::LinkStateAck(Vec::new()));
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.state(), NeighborState::Down);
}

#[test]
fn shutdown_sends_an_empty_hello_and_ends_everything() {
    let mut bench = Bench::full(&[]);
    bench.engine.shutdown(bench.now);
    bench.collect();
    let sent = bench.take();
    let [PacketBody::LinkStateUpdate(flushed), PacketBody::Hello(last)] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert!(flushed.iter().all(|lsa| lsa.header.is_max_age()));
    assert!(last.neighbors.is_empty());
    assert_eq!(bench.engine.poll_timeout(), None);
    bench.hello();
    bench.engine.handle_link(bench.now, LINK, false);
    bench.collect();
    assert!(bench.sent.is_empty());
}
