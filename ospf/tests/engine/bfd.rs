//! Neighbors that BFD watches (RFC 5882 sections 4.1, 4.2).

use isthmus_ospf::bfd::Parameters;
use isthmus_ospf::config::AreaConfig;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::{Notification, Output};

use crate::bench::{Bench, LINK, OWN_ADDRESS, PEER, PEER_ADDRESS, link_config, millis};

fn watched() -> Bench {
    let link = isthmus_ospf::config::InterfaceConfig { bfd: Some(Parameters::default()), ..link_config() };
    Bench::with(link, AreaConfig::default())
}

#[test]
fn who_is_heard_is_watched() {
    let mut bench = watched();
    assert_eq!(bench.engine.bfd_neighbors().count(), 0);
    bench.hello();
    let neighbors: Vec<_> = bench.engine.bfd_neighbors().collect();
    assert_eq!(neighbors.len(), 1);
    let neighbor = neighbors[0];
    assert_eq!((neighbor.interface, neighbor.local, neighbor.address), (LINK, OWN_ADDRESS, PEER_ADDRESS));
    assert_eq!(neighbor.parameters, Parameters::default());
    bench.reconfigure(|link| link.bfd = None);
    assert_eq!(bench.engine.bfd_neighbors().count(), 0, "not any more");
    assert!(bench.state() >= NeighborState::ExStart, "the adjacency stays");
}

#[test]
fn a_neighbor_whose_session_fails_is_down_at_once_and_comes_back_by_hello() {
    let mut bench = watched();
    bench.become_full(&[]);
    bench.said.clear();
    bench.engine.handle_bfd_down(bench.now, LINK, OWN_ADDRESS);
    bench.collect();
    assert_eq!(bench.state(), NeighborState::Full, "another address is nobody");
    bench.engine.handle_bfd_down(bench.now, LINK, PEER_ADDRESS);
    bench.collect();
    let told: Vec<_> = bench
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Notification(notification) => Some(notification.clone()),
            _ => None,
        })
        .collect();
    let who = (LINK, PEER, PEER_ADDRESS);
    let reason = Notification::NeighborBfdDown { interface: who.0, router_id: who.1, address: who.2 };
    let change = Notification::NeighborStateChange {
        interface: who.0,
        router_id: who.1,
        address: who.2,
        state: NeighborState::Down,
    };
    assert_eq!(told, [reason, change]);
    assert_eq!(bench.engine.bfd_neighbors().count(), 0);
    bench.advance(millis(100));
    bench.hello();
    assert_eq!(bench.engine.bfd_neighbors().count(), 1);
    assert!(bench.state() >= NeighborState::ExStart);
}
