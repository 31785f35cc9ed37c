//! Differences of configuration: told with both values, in good measure, and kept while they last.

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, InterfaceType};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{ALL_SPF_ROUTERS, DdFlags, Header, Hello, Options, Packet, PacketBody};
use isthmus_ospf::{Notification, Output};

use crate::bench::{Bench, OWN, PEER, PEER_ADDRESS, description, hello, link_config};

fn hello_with(change: impl FnOnce(&mut Hello)) -> Vec<u8> {
    let mut hello = hello(vec![OWN]);
    change(&mut hello);
    Packet { header: Header { router_id: PEER, area_id: AreaId::BACKBONE }, body: PacketBody::Hello(hello) }
        .encode()
}

/// What was told, as error, own value and other value.
fn told(bench: &mut Bench) -> Vec<(&'static str, String, String)> {
    let said = std::mem::take(&mut bench.said).into_iter();
    said.filter_map(|output| match output {
        Output::Notification(Notification::InterfaceConfigError { error, .. }) => error.mismatch(),
        _ => None,
    })
    .map(|mismatch| (mismatch.error, mismatch.own, mismatch.theirs))
    .collect()
}

fn expected(error: &'static str, own: &str, theirs: &str) -> Vec<(&'static str, String, String)> {
    vec![(error, own.to_owned(), theirs.to_owned())]
}

/// Error and count of what the interface shows.
fn shown(bench: &Bench) -> Vec<(String, u64)> {
    let mismatches = bench.interface().mismatches.into_iter();
    mismatches.map(|mismatch| (mismatch.error, mismatch.count)).collect()
}

fn shared() -> Bench {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    Bench::with(config, AreaConfig::default())
}

#[test]
fn each_difference_is_told_with_both_values() {
    let elsewhere = AreaId(Ipv4Addr::new(0, 0, 0, 9));
    let other_area = Packet {
        header: Header { router_id: PEER, area_id: elsewhere },
        body: PacketBody::Hello(hello(vec![])),
    };
    let own_id = Packet {
        header: Header { router_id: OWN, area_id: AreaId::BACKBONE },
        body: PacketBody::Hello(hello(vec![])),
    };
    let normal = "normal (E-bit)";
    for (payload, error, own, theirs) in [
        (hello_with(|hello| hello.hello_interval = 5), "hello-interval-mismatch", "10", "5"),
        (hello_with(|hello| hello.dead_interval = 20), "dead-interval-mismatch", "40", "20"),
        (
            hello_with(|hello| hello.network_mask = Ipv4Addr::new(255, 255, 255, 0)),
            "net-mask-mismatch",
            "255.255.255.252",
            "255.255.255.0",
        ),
        (hello_with(|hello| hello.options = Options::empty()), "option-mismatch", normal, "stub (no E-bit)"),
        (hello_with(|hello| hello.options = Options::NP), "option-mismatch", normal, "not-so-stubby (N-bit)"),
        (other_area.encode(), "area-mismatch", "0.0.0.0", "0.0.0.9"),
        (own_id.encode(), "duplicate-router-id", "10.0.0.1", "10.0.0.1"),
    ] {
        let mut bench = shared();
        bench.said.clear();
        bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &payload);
        assert_eq!(told(&mut bench), expected(error, own, theirs));
        let shown = bench.interface().mismatches;
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].error.as_str(), shown[0].own.as_str()), (error, own));
        assert_eq!((shown[0].theirs.as_str(), shown[0].packet_source), (theirs, PEER_ADDRESS));
        assert_eq!((shown[0].count, shown[0].last), (1, bench.now));
    }
}

#[test]
fn a_difference_that_goes_on_is_told_every_ten_seconds_at_most() {
    let mut bench = shared();
    let mut times = Vec::new();
    let start = bench.now;
    bench.said.clear();
    for _ in 0..25 {
        bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &hello_with(|hello| hello.hello_interval = 5));
        times.extend(told(&mut bench).iter().map(|_| bench.now.since(start).as_secs()));
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(times, [0, 10, 20]);
    assert_eq!(shown(&bench), [("hello-interval-mismatch".to_owned(), 25)]);
}

#[test]
fn a_difference_is_gone_when_the_neighbor_or_we_are_configured_anew() {
    let mut bench = shared();
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &hello_with(|hello| hello.hello_interval = 5));
    assert_eq!(shown(&bench).len(), 1);
    bench.hello();
    assert_eq!((shown(&bench).len(), bench.state()), (0, NeighborState::ExStart));
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &hello_with(|hello| hello.dead_interval = 41));
    assert_eq!(shown(&bench).len(), 1);
    bench.reconfigure(|link| link.dead_interval = Duration::from_secs(41));
    assert_eq!(shown(&bench).len(), 0);
}

#[test]
fn a_larger_mtu_keeps_the_neighbor_in_exstart_and_is_told() {
    let mut bench = Bench::new();
    bench.hello();
    bench.said.clear();
    let mut large = description(DdFlags::all(), 1, &[]);
    large.interface_mtu = 9000;
    for _ in 0..30 {
        bench.receive(PacketBody::DatabaseDescription(large.clone()));
        bench.advance_alive(Duration::from_secs(1));
    }
    assert_eq!(bench.state(), NeighborState::ExStart);
    // Hellos of the neighbor do not hide it.
    assert_eq!(shown(&bench), [("mtu-mismatch".to_owned(), 30)]);
    let told = told(&mut bench);
    assert_eq!(told.len(), 3);
    assert_eq!(told[..1], expected("mtu-mismatch", "1500", "9000"));
    // Whoever ignores it goes on, and so does whoever has the same.
    bench.reconfigure(|link| link.mtu_ignore = true);
    bench.receive(PacketBody::DatabaseDescription(large));
    assert_eq!((bench.state(), shown(&bench).len()), (NeighborState::Exchange, 0));
}

#[test]
fn a_smaller_mtu_is_told_and_refused_by_the_neighbor_only() {
    let mut bench = Bench::new();
    bench.hello();
    bench.said.clear();
    let mut small = description(DdFlags::all(), 1, &[]);
    small.interface_mtu = 1400;
    bench.receive(PacketBody::DatabaseDescription(small));
    assert_eq!(bench.state(), NeighborState::Exchange);
    assert_eq!(told(&mut bench), expected("mtu-mismatch", "1500", "1400"));
    assert_eq!((shown(&bench).len(), bench.refused("mtu_mismatch")), (1, 0));
    // 0 says nothing, and who ignores differences does not speak of them.
    for (mtu, ignore) in [(0, false), (1400, true)] {
        let mut bench = Bench::new();
        bench.reconfigure(|link| link.mtu_ignore = ignore);
        bench.hello();
        bench.said.clear();
        let mut other = description(DdFlags::all(), 1, &[]);
        other.interface_mtu = mtu;
        bench.receive(PacketBody::DatabaseDescription(other));
        assert_eq!((told(&mut bench).len(), shown(&bench).len()), (0, 0));
    }
}

#[test]
fn whoever_claims_many_values_from_many_addresses_fills_nothing() {
    let mut config = link_config();
    config.interface_type = InterfaceType::PointToMultipoint;
    config.address = "172.16.0.1/16".parse().expect("an address");
    let mut bench = Bench::with(config, AreaConfig::default());
    bench.said.clear();
    for n in 0..5000u16 {
        let [high, low] = (n + 2).to_be_bytes();
        let payload = hello_with(|hello| {
            hello.network_mask = Ipv4Addr::new(255, 255, 0, 0);
            hello.hello_interval = n + 11;
        });
        bench.receive_bytes(Ipv4Addr::new(172, 16, high, low), ALL_SPF_ROUTERS, &payload);
    }
    assert_eq!((told(&mut bench).len(), shown(&bench).len()), (16, 16));
    assert_eq!(bench.refused("hello_interval_mismatch"), 5000);
    // Later, who really is there gets its turn.
    bench.advance(Duration::from_secs(11));
    let payload = hello_with(|hello| hello.network_mask = Ipv4Addr::new(255, 0, 0, 0));
    bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &payload);
    assert_eq!(told(&mut bench), expected("net-mask-mismatch", "255.255.0.0", "255.0.0.0"));
}
