//! Views as management sees them: the spellings and leaf names of RFC 9129 in JSON, both ways.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use isthmus_ospf::types::{AreaId, RouterId, SeqNum};
use isthmus_ospf::view::{
    DatabaseEntryView, InterfaceState, NeighborState, NeighborStatisticsView, NeighborView, NextHopView,
    PacketTypeCountersView, RouteType, RouteView,
};
use isthmus_ospf::wire::{
    LinkType, LsType, Lsa, LsaBody, LsaKey, Options, RouterFlags, RouterLink, RouterLsa,
};
use serde_json::json;

#[test]
fn states_are_spelled_and_numbered_as_in_the_module() {
    let neighbors: Vec<_> = NeighborState::ALL.iter().map(|state| (state.as_str(), state.number())).collect();
    let expected = ["down", "attempt", "init", "2-way", "exstart", "exchange", "loading", "full"];
    assert_eq!(neighbors, expected.into_iter().zip(1..).collect::<Vec<_>>());

    let interfaces: Vec<_> =
        InterfaceState::ALL.iter().map(|state| (state.as_str(), state.number())).collect();
    let expected = ["down", "loopback", "waiting", "point-to-point", "dr", "bdr", "dr-other"];
    assert_eq!(interfaces, expected.into_iter().zip(1..).collect::<Vec<_>>());

    for state in NeighborState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), json!(state.as_str()));
        assert_eq!(format!("{state:>8}"), format!("{:>8}", state.as_str()));
    }
}

#[test]
fn a_neighbor_in_json() {
    let view = NeighborView {
        neighbor_router_id: "10.0.0.2".parse().unwrap(),
        hostname: Some("node-2".into()),
        address: "10.1.0.2".parse().unwrap(),
        interface: "lsm".into(),
        area_id: "0.0.0.1".parse().unwrap(),
        state: NeighborState::TwoWay,
        priority: 1,
        dr_ip_addr: None,
        bdr_ip_addr: None,
        dead_timer: Some(3),
        up_time: None,
        restart_helper_age: None,
        restart_helper_exit_reason: None,
        statistics: NeighborStatisticsView { nbr_event_count: 7, ..Default::default() },
    };
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(
        json,
        json!({
            "neighbor-router-id": "10.0.0.2", "hostname": "node-2", "address": "10.1.0.2", "interface": "lsm", "area-id": "0.0.0.1",
            "state": "2-way", "priority": 1, "dead-timer": 3,
            "statistics": {
                "nbr-event-count": 7, "nbr-retrans-qlen": 0, "nbr-request-qlen": 0, "nbr-db-summary-qlen": 0,
            },
        })
    );
    assert_eq!(serde_json::from_value::<NeighborView>(json).unwrap(), view);
}

#[test]
fn a_database_entry_in_json() {
    let router: RouterId = "1.1.1.1".parse().unwrap();
    let key = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router };
    let link = RouterLink {
        id: "2.2.2.2".parse().unwrap(),
        data: "10.0.0.1".parse().unwrap(),
        link_type: LinkType::PointToPoint,
        metric: 5,
    };
    let body = LsaBody::Router(RouterLsa { flags: RouterFlags::B, links: vec![link] });
    let lsa = Lsa::build(0, Options::E, key, SeqNum::INITIAL, &body).with_age(17);
    let view = DatabaseEntryView::new(Some(AreaId::BACKBONE), &lsa);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["header"]["type"], "ospfv2-router-lsa");
    assert_eq!(json["header"]["age"], 17);
    assert_eq!(json["header"]["seq-num"], 0x8000_0001u32);
    assert_eq!(json["header"]["checksum"], format!("{:#06x}", lsa.header.checksum));
    assert_eq!(json["decode-completed"], true);
    assert!(json["raw-data"].as_str().unwrap().starts_with("00:11:02:01:01:01:01:01"));
    assert_eq!(
        json["body"],
        json!({ "router": {
            "rtr-lsa-bits": ["abr-bit"],
            "num-of-links": 1,
            "links": [{
                "link-id": "2.2.2.2", "link-data": "10.0.0.1", "type": "point-to-point-link", "metric": 5,
            }],
        }})
    );
    assert_eq!(serde_json::from_value::<DatabaseEntryView>(json).unwrap(), view);
}

#[test]
fn a_malformed_body_shows_its_bytes_only() {
    let router: RouterId = "1.1.1.1".parse().unwrap();
    let key = LsaKey { ls_type: LsType::SUMMARY_NETWORK, id: router.0, advertising_router: router };
    let lsa = Lsa::build(0, Options::E, key, SeqNum::INITIAL, &LsaBody::Unknown(vec![0xff; 4]));
    let view = DatabaseEntryView::new(None, &lsa);
    assert!(!view.decode_completed);
    assert_eq!(view.body, None);
    assert!(view.raw_data.ends_with(":ff:ff:ff:ff"));
}

#[test]
fn a_route_in_json() {
    let view = RouteView {
        prefix: "10.2.0.0/24".parse().unwrap(),
        next_hops: vec![NextHopView {
            outgoing_interface: "gsm".into(),
            next_hop: Some("10.1.0.2".parse().unwrap()),
            neighbor_router_id: None,
        }],
        metric: 12,
        route_type: RouteType::External2,
        area_id: None,
        route_tag: 99,
    };
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(
        json,
        json!({
            "prefix": "10.2.0.0/24",
            "next-hops": [{ "outgoing-interface": "gsm", "next-hop": "10.1.0.2" }],
            "metric": 12, "route-type": "external-2", "route-tag": 99,
        })
    );
    assert_eq!(serde_json::from_value::<RouteView>(json).unwrap(), view);
}

#[test]
fn packets_are_counted_by_type() {
    let mut counters = PacketTypeCountersView::default();
    for type_number in [1, 1, 2, 3, 4, 5, 5, 5, 0, 6] {
        counters.count(type_number);
    }
    let counts = counters.by_type().map(|(_, count)| count);
    assert_eq!(counts, [2, 1, 1, 1, 3]);
    assert_eq!(counters.total(), 8);
}
