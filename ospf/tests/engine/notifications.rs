//! What is notified (RFC 9129 section 2.9), and what views say.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use isthmus_ospf::config::{AreaConfig, InterfaceConfig};
use isthmus_ospf::types::{AreaId, InterfaceId};
use isthmus_ospf::view::{InterfaceState, NeighborState, SpfType};
use isthmus_ospf::wire::DdFlags;
use isthmus_ospf::{Notification, Output};

use crate::bench::{Bench, LINK, PEER, link_config, many};

fn notifications(bench: &mut Bench) -> Vec<Notification> {
    let said = std::mem::take(&mut bench.said).into_iter();
    said.filter_map(|output| match output {
        Output::Notification(notification) => Some(notification),
        _ => None,
    })
    .collect()
}

#[test]
fn every_state_of_interface_and_neighbor_is_notified() {
    let mut bench = Bench::new();
    bench.hello();
    bench.describe(DdFlags::all(), &[]);
    bench.describe(DdFlags::MS, &many(1));
    bench.update(&many(1));
    bench.engine.handle_link(bench.now, LINK, false);
    bench.collect();
    let mut interface_states = Vec::new();
    let mut neighbor_states = Vec::new();
    for notification in notifications(&mut bench) {
        match notification {
            Notification::InterfaceStateChange { state, name, .. } => {
                assert_eq!(name, "link");
                interface_states.push(state);
            }
            Notification::NeighborStateChange { state, router_id, .. } => {
                assert_eq!(router_id, PEER);
                neighbor_states.push(state);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(interface_states, [InterfaceState::PointToPoint, InterfaceState::Down]);
    assert_eq!(
        neighbor_states,
        [
            NeighborState::Init,
            NeighborState::ExStart,
            NeighborState::Exchange,
            NeighborState::Loading,
            NeighborState::Full,
            NeighborState::Down,
        ]
    );
}

#[test]
fn the_role_follows_the_interfaces_that_are_up() {
    let mut bench = Bench::new();
    bench.said.clear();
    let inside = AreaId(Ipv4Addr::new(0, 0, 0, 51));
    let second = InterfaceId(9);
    let address = "172.18.0.1/24".parse().expect("an address");
    let config = InterfaceConfig { name: "inside".to_owned(), area: inside, address, ..link_config() };
    bench.config.areas.insert(inside, AreaConfig::default());
    bench.config.interfaces.insert(second, config);
    bench.engine.handle_config(bench.now, bench.config.clone());
    bench.collect();
    assert!(notifications(&mut bench).is_empty(), "it is down");
    let mut roles = Vec::new();
    for up in [true, false] {
        bench.engine.handle_link(bench.now, second, up);
        bench.collect();
        let found = notifications(&mut bench).into_iter().find_map(|notification| match notification {
            Notification::RoleChange { area_border_router } => Some(area_border_router),
            _ => None,
        });
        roles.push(found);
        assert_eq!(bench.engine.view_instance(bench.now).area_border_router, up);
    }
    assert_eq!(roles, [Some(true), Some(false)]);
}

#[test]
fn views_count_what_there_is() {
    let mut bench = Bench::full(&many(3));
    let instance = bench.engine.view_instance(bench.now);
    assert_eq!((instance.neighbor_count, instance.adjacency_count, instance.interface_count), (1, 1, 1));
    assert_eq!(instance.statistics.rx_new_lsas_count, 3);
    assert_eq!(instance.statistics.originate_new_lsa_count, 1);
    assert_eq!(instance.spf.spf_runs_count, bench.engine.spf_runs());
    let areas = bench.engine.view_areas(bench.now);
    assert_eq!((areas.len(), areas[0].statistics.area_scope_lsa_count, areas[0].adjacency_count), (1, 4, 1));
    let neighbor = bench.engine.view_neighbors(bench.now).remove(0);
    assert_eq!(
        (neighbor.interface.as_str(), neighbor.up_time, neighbor.dead_timer),
        ("link", Some(2), Some(38))
    );
    let packets = bench.interface().statistics.packets;
    assert_eq!(packets.received.by_type().map(|(_, count)| count), [1, 2, 0, 1, 2]);
    assert_eq!(packets.sent.link_state_request, 1);

    // The log is bounded and says what asked.
    for step in 0..100 {
        bench.reconfigure(|link| link.cost = 100 + step);
    }
    let log = bench.engine.view_spf_log();
    assert_eq!(log.len(), 64);
    assert!(log.windows(2).all(|pair| pair[0].id + 1 == pair[1].id));
    assert!(log.iter().all(|entry| entry.spf_type == SpfType::Full));
    let by_type: BTreeMap<_, _> =
        bench.engine.view_border_routers().into_iter().map(|r| (r.router_id, r)).collect();
    assert!(by_type.is_empty());
}
