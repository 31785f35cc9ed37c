//! The database exchange and loading (sections 10.3, 10.6 to 10.9).

use std::time::Duration;

use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{DatabaseDescription, DdFlags, Header, Lsa, Options, Packet, PacketBody};

use crate::bench::{
    Bench, OWN, PEER, PEER_ADDRESS, STRANGER, description, hello, many, millis, router_key, router_lsa,
};

const INITIAL: DdFlags = DdFlags::all();

fn descriptions(sent: &[PacketBody]) -> Vec<&DatabaseDescription> {
    sent.iter()
        .filter_map(|body| match body {
            PacketBody::DatabaseDescription(description) => Some(description),
            _ => None,
        })
        .collect()
}

fn requests(sent: &[PacketBody]) -> Vec<usize> {
    sent.iter()
        .filter_map(|body| match body {
            PacketBody::LinkStateRequest(keys) => Some(keys.len()),
            _ => None,
        })
        .collect()
}

/// The exchange goes on, the peer has still more to describe.
fn exchanging(lsas: &[Lsa]) -> Bench {
    let mut bench = Bench::new();
    bench.hello();
    bench.describe(INITIAL, &[]);
    bench.sent.clear();
    bench.describe(DdFlags::MS | DdFlags::M, lsas);
    assert_eq!(bench.state(), NeighborState::Exchange);
    bench
}

#[test]
fn the_larger_router_id_is_master() {
    let mut bench = Bench::new();
    bench.hello();
    bench.sent.clear();
    bench.describe(INITIAL, &[]);
    let sent = bench.take();
    let [answer] = descriptions(&sent)[..] else { panic!("{sent:?}") };
    // As slave, with the master's number, and nothing more to say than this.
    assert_eq!((answer.flags, answer.sequence), (DdFlags::empty(), 5000));
    assert_eq!(bench.state(), NeighborState::Exchange);
}

#[test]
fn as_master_we_repeat_until_we_are_answered() {
    let small = RouterId("9.0.0.1".parse().expect("an address"));
    let mut bench = Bench::new();
    let from_small = |bench: &mut Bench, body| {
        let payload =
            Packet { header: Header { router_id: small, area_id: AreaId::BACKBONE }, body }.encode();
        bench.receive_bytes(PEER_ADDRESS, isthmus_ospf::wire::ALL_SPF_ROUTERS, &payload);
    };
    from_small(&mut bench, PacketBody::Hello(hello(vec![OWN])));
    bench.advance(Duration::from_secs(5));
    let sent = bench.take();
    let [first, second] = descriptions(&sent)[..] else { panic!("{sent:?}") };
    assert_eq!(first, second);

    // Its own assertion of mastership changes nothing; its answer with our number does.
    from_small(&mut bench, PacketBody::DatabaseDescription(description(INITIAL, 77, &[])));
    assert_eq!((bench.state(), bench.ignored("dd_negotiation")), (NeighborState::ExStart, 1));
    let number = first.sequence;
    from_small(&mut bench, PacketBody::DatabaseDescription(description(DdFlags::M, number, &[])));
    assert_eq!(bench.state(), NeighborState::Exchange);
    let sent = bench.take();
    let [next] = descriptions(&sent)[..] else { panic!("{sent:?}") };
    assert_eq!((next.flags, next.sequence), (DdFlags::MS, number.wrapping_add(1)));

    // A repetition of the last answer is discarded by the master, without a word.
    from_small(&mut bench, PacketBody::DatabaseDescription(description(DdFlags::M, number, &[])));
    assert!(bench.take().is_empty());
    from_small(&mut bench, PacketBody::DatabaseDescription(description(DdFlags::empty(), number + 1, &[])));
    assert_eq!(bench.state(), NeighborState::Full);
}

#[test]
fn as_slave_we_repeat_our_answer_to_a_repetition_also_when_full() {
    let mut bench = Bench::full(&[]);
    let last = description(DdFlags::MS, bench.dd_sequence, &[]);
    bench.receive(PacketBody::DatabaseDescription(last.clone()));
    let sent = bench.take();
    assert_eq!(descriptions(&sent).len(), 1);
    assert_eq!((bench.ignored("dd_duplicate"), bench.state()), (1, NeighborState::Full));

    // After RouterDeadInterval the last packet is forgotten (section 10.8).
    bench.advance_alive(Duration::from_secs(41));
    bench.receive(PacketBody::DatabaseDescription(last));
    assert_eq!((bench.refused("dd_sequence"), bench.state()), (1, NeighborState::ExStart));
}

#[test]
fn what_breaks_the_sequence_starts_the_exchange_again() {
    let good = |bench: &Bench| description(DdFlags::MS | DdFlags::M, bench.dd_sequence + 1, &[]);
    type Change = fn(&mut DatabaseDescription);
    let changes: [(&str, Change); 5] = [
        ("the slave's role", |d| d.flags -= DdFlags::MS),
        ("init", |d| d.flags |= DdFlags::I),
        ("options", |d| d.options |= Options::DC),
        ("a number too high", |d| d.sequence += 1),
        ("a number too low", |d| d.sequence -= 2),
    ];
    for (name, change) in changes {
        let mut bench = exchanging(&[]);
        let mut packet = good(&bench);
        change(&mut packet);
        bench.receive(PacketBody::DatabaseDescription(packet));
        assert_eq!((bench.state(), bench.refused("dd_sequence")), (NeighborState::ExStart, 1), "{name}");
        // And then it works.
        bench.dd_sequence += 100;
        bench.become_full(&[]);
    }
    let mut bench = exchanging(&[]);
    bench.receive(PacketBody::DatabaseDescription(good(&bench)));
    assert_eq!(bench.state(), NeighborState::Exchange);
}

#[test]
fn a_described_type_that_does_not_exist_starts_the_exchange_again() {
    let mut bench = exchanging(&[]);
    let mut lsa = router_lsa(STRANGER, 1, 1);
    lsa.header.key.ls_type.0 = 12;
    bench.describe(DdFlags::MS, &[lsa]);
    assert_eq!((bench.state(), bench.refused("lsa_unknown_type")), (NeighborState::ExStart, 1));
}

#[test]
fn requests_leave_during_the_exchange_and_go_on_as_answers_arrive() {
    // 1500 bytes hold 121 requests.
    let lsas = many(250);
    let mut bench = exchanging(&lsas);
    assert_eq!(requests(&bench.take()), [121]);
    bench.update(&lsas[..60]);
    assert_eq!(requests(&bench.take()), [0; 0], "the first packet is not answered yet");
    bench.update(&lsas[60..121]);
    assert_eq!(requests(&bench.take()), [121], "no timer in between");
    bench.describe(DdFlags::MS, &[]);
    assert_eq!(bench.state(), NeighborState::Loading);
    bench.update(&lsas[121..242]);
    assert_eq!(requests(&bench.take()), [8]);
    bench.update(&lsas[242..]);
    assert_eq!(bench.state(), NeighborState::Full);
}

#[test]
fn requests_are_repeated_when_no_answer_comes() {
    let lsas = many(3);
    let mut bench = exchanging(&lsas);
    bench.describe(DdFlags::MS, &[]);
    assert_eq!(requests(&bench.take()), [3]);
    bench.update(&lsas[..1]);
    bench.advance(Duration::from_secs(5) - millis(1));
    assert_eq!(requests(&bench.take()), [0; 0]);
    bench.advance(millis(1));
    assert_eq!(requests(&bench.take()), [2]);
}

#[test]
fn nothing_is_asked_for_that_we_have() {
    let mut bench = Bench::full(&many(3));
    // The neighbor forgets us, and describes the same again, and one newer instance.
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    bench.hello();
    bench.dd_sequence += 100;
    bench.describe(INITIAL, &[]);
    bench.sent.clear();
    let mut lsas = many(3);
    lsas[1] = router_lsa(lsas[1].header.key.advertising_router, 2, 1);
    bench.describe(DdFlags::MS, &lsas);
    assert_eq!(requests(&bench.take()), [1]);
}

#[test]
fn requests_are_answered_and_bad_ones_start_the_exchange_again() {
    let mut bench = Bench::full(&many(2));
    bench.receive(PacketBody::LinkStateRequest(vec![router_key(OWN), many(2)[1].header.key]));
    let updates = bench.take_updates();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].1.len(), 2);
    assert_eq!(bench.waiting_for_acks(), 0, "answers are on no retransmission list");
    bench.receive(PacketBody::LinkStateRequest(vec![router_key(STRANGER)]));
    assert_eq!((bench.state(), bench.refused("bad_request")), (NeighborState::ExStart, 1));
}

#[test]
fn an_answer_older_than_described_starts_the_exchange_again() {
    let described = router_lsa(STRANGER, 5, 1);
    let mut bench = Bench::full(&[router_lsa(STRANGER, 3, 1)]);
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    bench.hello();
    bench.dd_sequence += 100;
    bench.describe(INITIAL, &[]);
    bench.describe(DdFlags::MS | DdFlags::M, &[described]);
    bench.update(&[router_lsa(STRANGER, 2, 1)]);
    assert_eq!((bench.state(), bench.refused("bad_update")), (NeighborState::ExStart, 1));
}

#[test]
fn a_large_database_is_described_in_packets_of_the_mtu() {
    let mut bench = Bench::full(&many(200));
    bench.receive(PacketBody::Hello(hello(Vec::new())));
    bench.hello();
    bench.sent.clear();
    bench.dd_sequence += 100;
    bench.describe(INITIAL, &[]);
    let mut described = 0;
    for _ in 0..3 {
        let sent = bench.take();
        let [part] = descriptions(&sent)[..] else { panic!("{sent:?}") };
        described += part.headers.len();
        // 1500 bytes hold 72 headers; 200 of others and one of ours.
        assert_eq!(part.flags.contains(DdFlags::M), described < 201, "{described}");
        assert!(part.headers.len() <= 72);
        if described < 201 {
            bench.describe(DdFlags::MS, &[]);
        }
    }
    assert_eq!((described, bench.state()), (201, NeighborState::Full));
}

#[test]
fn packets_of_loading_are_refused_before_the_exchange() {
    let mut bench = Bench::new();
    bench.hello();
    assert_eq!(bench.state(), NeighborState::ExStart);
    bench.update(&[router_lsa(PEER, 1, 1)]);
    bench.receive(PacketBody::LinkStateRequest(vec![router_key(OWN)]));
    bench.receive(PacketBody::LinkStateAck(Vec::new()));
    assert_eq!((bench.ignored("neighbor_state"), bench.state()), (3, NeighborState::ExStart));
    assert_eq!(bench.stored(router_key(PEER)), None);
}
