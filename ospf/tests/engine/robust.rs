//! Packets that nobody would send: valid ones with bytes changed and the checksum right, in any order and state. The
//! engine neither panics nor grows, and afterwards an honest neighbor becomes Full.

use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{ALL_SPF_ROUTERS, DdFlags, Header, Packet, PacketBody};
use proptest::prelude::*;

use crate::bench::{
    Bench, OWN, PEER, PEER_ADDRESS, STRANGER, description, hello, many, millis, router_key, router_lsa,
};
use crate::refused::with_checksum;

/// One of the packets of an ordinary conversation.
fn body(choice: u8, sequence: u32) -> PacketBody {
    match choice % 8 {
        0 => PacketBody::Hello(hello(vec![OWN])),
        1 => PacketBody::Hello(hello(Vec::new())),
        2 => PacketBody::DatabaseDescription(description(DdFlags::all(), sequence, &[])),
        3 => PacketBody::DatabaseDescription(description(DdFlags::MS, sequence + 1, &many(5))),
        4 => PacketBody::LinkStateRequest(vec![router_key(OWN), router_key(PEER)]),
        5 => PacketBody::LinkStateUpdate(many(3)),
        6 => PacketBody::LinkStateUpdate(vec![router_lsa(OWN, 9, 1), router_lsa(STRANGER, 4, 3600)]),
        _ => PacketBody::LinkStateAck(many(3).iter().map(|lsa| lsa.header).collect()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_packets_do_no_lasting_harm(
        steps in prop::collection::vec((any::<u8>(), 0u32..3, prop::collection::vec((any::<u16>(), any::<u8>()), 0..3), 0u64..400), 1..80),
    ) {
        let mut bench = Bench::full(&many(5));
        for (choice, sequence, changes, pause) in steps {
            let header = Header { router_id: PEER, area_id: AreaId::BACKBONE };
            let mut payload = Packet { header, body: body(choice, 6000 + sequence) }.encode();
            for (at, value) in changes {
                let at = usize::from(at) % payload.len();
                payload[at] = value;
            }
            bench.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &with_checksum(payload));
            bench.advance(millis(pause));
        }
        prop_assert!(bench.engine.view_database(bench.now, Some(AreaId::BACKBONE)).len() < 300);

        // An honest neighbor.
        bench.receive(PacketBody::Hello(hello(Vec::new())));
        bench.advance(millis(2000));
        bench.hello();
        bench.dd_sequence += 1000;
        bench.describe(DdFlags::all(), &[]);
        let newest = router_lsa(RouterId("10.3.0.1".parse().expect("an address")), 1, 1);
        bench.describe(DdFlags::MS, std::slice::from_ref(&newest));
        while bench.state() == NeighborState::Exchange {
            bench.describe(DdFlags::MS, &[]);
        }
        bench.update(std::slice::from_ref(&newest));
        prop_assert_eq!(bench.state(), NeighborState::Full);
    }
}
