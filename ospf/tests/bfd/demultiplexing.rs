//! Which packets are taken, and by which session (RFC 5880 sections 6.3, 6.8.6; RFC 5881 sections 3, 5).

use std::time::Duration;

use isthmus_ospf::bfd::packet::{ControlPacket, DiscardReason};
use isthmus_ospf::bfd::view::{Diagnostic, SessionState};

use crate::pair::{ADDRESSES, LINK, Pair, parameters};

fn down(my_discriminator: u32) -> ControlPacket {
    ControlPacket {
        diagnostic: Diagnostic::None,
        state: SessionState::Down,
        poll: false,
        final_: false,
        control_plane_independent: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator,
        your_discriminator: 0,
        desired_min_tx: 1_000_000,
        required_min_rx: 10_000,
        required_min_echo_rx: 0,
    }
}

#[test]
fn what_has_passed_a_router_is_discarded() {
    let mut pair = Pair::new(parameters(10, 10, 3), parameters(10, 10, 3));
    let packet = down(9).encode();
    for ttl in [0, 1, 64, 254] {
        let taken = pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], ttl, &packet);
        assert_eq!(taken, Err(DiscardReason::TimeToLive(ttl)));
    }
    assert_eq!(pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], 255, &packet), Ok(()));
    assert_eq!(pair.state(0), SessionState::Init);
}

#[test]
fn a_packet_belongs_to_the_session_that_it_names_on_its_link() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    let ours = pair.view(0).local_discriminator;
    let named = ControlPacket { your_discriminator: ours, ..down(9) }.encode();
    let stranger = ControlPacket { your_discriminator: ours.wrapping_add(1).max(1), ..down(9) }.encode();
    let end = &mut pair.ends[0];
    let reason = Err(DiscardReason::NoSession);
    assert_eq!(end.handle_packet(pair.now, LINK, ADDRESSES[1], 255, &stranger), reason, "another session");
    assert_eq!(end.handle_packet(pair.now, LINK + 1, ADDRESSES[1], 255, &named), reason, "another link");
    assert_eq!(pair.view(0).local_state, SessionState::Up);
    assert_eq!(pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], 255, &named), Ok(()));
    assert_eq!(pair.view(0).local_state, SessionState::Down);
}

#[test]
fn without_a_name_the_sender_on_the_link_tells() {
    let mut pair = Pair::new(parameters(10, 10, 3), parameters(10, 10, 3));
    let packet = down(9).encode();
    let reason = Err(DiscardReason::NoSession);
    assert_eq!(pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[0], 255, &packet), reason);
    assert_eq!(pair.ends[0].handle_packet(pair.now, LINK + 1, ADDRESSES[1], 255, &packet), reason);
}

#[test]
fn a_peer_that_has_restarted_is_found_again() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes[0] = false;
    // The new life knows nothing of the old one.
    assert_eq!(pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], 255, &down(9).encode()), Ok(()));
    pair.collect(0);
    assert_eq!(pair.view(0).remote_discriminator, Some(9));
    assert!(pair.changes[0][0].is_failure);
}

#[test]
fn malformed_packets_are_counted_and_change_nothing() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    let ours = pair.view(0).local_discriminator;
    let good = ControlPacket { your_discriminator: ours, ..down(9) }.encode();
    type Damage = fn(&mut Vec<u8>);
    let cases: [(Damage, DiscardReason); 9] = [
        (|bytes| bytes.truncate(23), DiscardReason::Truncated),
        (|bytes| bytes.truncate(0), DiscardReason::Truncated),
        (|bytes| bytes[0] = 0, DiscardReason::Version(0)),
        (|bytes| bytes[3] = 23, DiscardReason::Length(23)),
        (|bytes| bytes[3] = 25, DiscardReason::Length(25)),
        (|bytes| bytes[2] = 0, DiscardReason::ZeroMultiplier),
        (|bytes| bytes[1] |= 0x01, DiscardReason::Multipoint),
        (|bytes| bytes[4..8].fill(0), DiscardReason::ZeroDiscriminator),
        (|bytes| bytes[1] |= 0x04, DiscardReason::Authentication),
    ];
    for (count, (damage, reason)) in (1..).zip(cases) {
        let mut bytes = good.to_vec();
        damage(&mut bytes);
        let taken = pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], 255, &bytes);
        assert_eq!(taken, Err(reason));
        assert_eq!(pair.view(0).session_statistics.receive_invalid_packet_count, count);
    }
    let nameless = ControlPacket { state: SessionState::Up, ..down(9) }.encode();
    let taken = pair.ends[0].handle_packet(pair.now, LINK, ADDRESSES[1], 255, &nameless);
    assert_eq!(taken, Err(DiscardReason::NoDiscriminator(SessionState::Up)));
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.state(0), SessionState::Up);
}
