//! When packets leave (RFC 5880 sections 6.5, 6.6, 6.8.2, 6.8.3, 6.8.7).

use std::time::Duration;

use isthmus_ospf::bfd::packet::ControlPacket;
use isthmus_ospf::bfd::view::{Diagnostic, SessionState};
use isthmus_ospf::types::Instant;

use crate::pair::{ADDRESSES, LINK, Pair, parameters};

/// The times between packets, in microseconds.
fn gaps(sent: &[(Instant, ControlPacket)]) -> Vec<u64> {
    sent.windows(2).map(|pair| pair[1].0.0 - pair[0].0.0).collect()
}

/// A packet of a peer that is up.
fn peer_up(pair: &Pair) -> ControlPacket {
    ControlPacket {
        diagnostic: Diagnostic::None,
        state: SessionState::Up,
        poll: false,
        final_: false,
        control_plane_independent: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: pair.view(1).local_discriminator,
        your_discriminator: pair.view(0).local_discriminator,
        desired_min_tx: 10_000,
        required_min_rx: 10_000,
        required_min_echo_rx: 0,
    }
}

fn give(pair: &mut Pair, packet: ControlPacket) {
    let now = pair.now;
    pair.ends[0].handle_packet(now, LINK, ADDRESSES[1], 255, &packet.encode()).unwrap();
    pair.collect(0);
}

#[test]
fn a_session_that_is_not_up_speaks_once_a_second() {
    let mut pair = Pair::new(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes = [false; 2];
    pair.run(Duration::from_secs(60));
    let gaps = gaps(&pair.sent[0]);
    assert!(gaps.iter().all(|gap| (750_000..=1_000_000).contains(gap)), "{gaps:?}");
    assert!(pair.sent[0].iter().all(|(_, packet)| packet.desired_min_tx == 1_000_000));
    assert!(gaps.iter().max() > gaps.iter().min(), "jitter");
}

#[test]
fn packets_leave_at_the_slower_of_the_two_wishes_less_jitter() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(20, 40, 3));
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.view(0).negotiated_tx_interval, Some(40_000));
    let left = gaps(&pair.sent[0]);
    assert!(left.iter().all(|gap| (30_000..=40_000).contains(gap)), "{left:?}");
    let mean = left.iter().sum::<u64>() / left.len() as u64;
    assert!((34_000..36_000).contains(&mean), "jitter is spread evenly: {mean}");
    let right = gaps(&pair.sent[1]);
    assert!(right.iter().all(|gap| (15_000..=20_000).contains(gap)), "{right:?}");
    assert_eq!(pair.view(0).detection_time, Some(60_000));
}

#[test]
fn with_a_multiplier_of_one_the_peer_does_not_miss_a_late_packet() {
    let mut pair = Pair::up(parameters(20, 20, 1), parameters(20, 20, 3));
    pair.run(Duration::from_secs(10));
    let gaps = gaps(&pair.sent[0]);
    assert!(gaps.iter().all(|gap| (15_000..=18_000).contains(gap)), "{gaps:?}");
    assert!(pair.changes[1].is_empty());
}

#[test]
fn a_longer_interval_waits_until_the_peer_has_heard_of_it() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes[1] = false;
    pair.configure(0, parameters(100, 10, 3));
    pair.run(Duration::from_millis(15));
    assert!(pair.sent[0].iter().all(|(_, packet)| packet.poll && packet.desired_min_tx == 100_000));
    assert_eq!(pair.view(0).negotiated_tx_interval, Some(10_000), "no Final bit yet");
    pair.passes[1] = true;
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.view(0).negotiated_tx_interval, Some(100_000));
    assert!(!pair.sent[0].last().unwrap().1.poll, "the Poll Sequence ends");
    assert!(pair.changes[0].is_empty() && pair.changes[1].is_empty(), "{:?}", pair.changes);
}

#[test]
fn a_shorter_detection_time_waits_until_the_peer_has_heard_of_it() {
    let mut pair = Pair::up(parameters(10, 100, 3), parameters(10, 100, 3));
    pair.passes[0] = false;
    pair.configure(0, parameters(10, 10, 3));
    pair.run(Duration::from_millis(110));
    assert_eq!(pair.view(0).negotiated_rx_interval, 100_000);
    pair.passes[0] = true;
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.view(0).detection_time, Some(30_000));
    assert!(pair.changes[0].is_empty() && pair.changes[1].is_empty(), "{:?}", pair.changes);
}

#[test]
fn a_poll_is_answered_at_once() {
    let mut pair = Pair::up(parameters(300, 300, 3), parameters(300, 300, 3));
    let now = pair.now;
    let poll = ControlPacket { poll: true, ..peer_up(&pair) };
    give(&mut pair, poll);
    let (at, answer) = *pair.sent[0].last().unwrap();
    assert_eq!((at, answer.poll, answer.final_), (now, false, true));
}

#[test]
fn a_peer_that_asks_for_demand_mode_hears_nothing_but_changes() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes = [false; 2];
    let demand = ControlPacket { demand: true, ..peer_up(&pair) };
    give(&mut pair, demand);
    let sent = pair.sent[0].len();
    for _ in 0..100 {
        pair.run(Duration::from_millis(10));
        give(&mut pair, demand);
    }
    assert_eq!(pair.sent[0].len(), sent);
    // Asked, it answers; and when the peer is silent, it still finds that out.
    give(&mut pair, ControlPacket { poll: true, ..demand });
    assert!(pair.sent[0].last().unwrap().1.final_);
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.state(0), SessionState::Down);
    assert_eq!(pair.sent[0].last().unwrap().1.state, SessionState::Down);
}

#[test]
fn a_peer_that_can_receive_nothing_gets_nothing() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes = [false; 2];
    let silent = ControlPacket { required_min_rx: 0, ..peer_up(&pair) };
    give(&mut pair, silent);
    let sent = pair.sent[0].len();
    for _ in 0..50 {
        pair.run(Duration::from_millis(10));
        give(&mut pair, silent);
    }
    assert_eq!(pair.sent[0].len(), sent);
    assert_eq!(pair.view(0).negotiated_tx_interval, None);
}
