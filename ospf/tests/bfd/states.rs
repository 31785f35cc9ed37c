//! The state machine (RFC 5880 sections 6.2, 6.8.4, 6.8.6; RFC 5882 section 4.2).

use std::time::Duration;

use isthmus_ospf::bfd::view::{Diagnostic, SessionState};

use crate::pair::{Pair, parameters};

#[test]
fn two_ends_meet_by_three_packets() {
    let mut pair = Pair::new(parameters(50, 50, 3), parameters(50, 50, 3));
    pair.run(Duration::from_millis(1500));
    for end in 0..2 {
        let states: Vec<_> = pair.changes[end].iter().map(|change| change.to).collect();
        assert_eq!(states, [SessionState::Init, SessionState::Up], "end {end}");
        assert!(pair.changes[end].iter().all(|change| !change.is_failure));
        assert!(pair.changes[end][1].at.0 < 10_000, "no waiting for the slow interval: {:?}", pair.changes);
    }
    assert_eq!(pair.view(0).remote_discriminator, Some(pair.view(1).local_discriminator));
}

#[test]
fn silence_is_noticed_after_the_detection_time_and_the_peer_is_told() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    let cut = pair.now;
    pair.passes[1] = false;
    pair.run(Duration::from_secs(1));
    let failed = pair.changes[0][0];
    assert_eq!((failed.to, failed.diagnostic), (SessionState::Down, Diagnostic::ControlExpiry));
    assert!(failed.is_failure);
    let waited = failed.at.since(cut);
    assert!(waited <= Duration::from_millis(31) && waited > Duration::from_millis(18), "{waited:?}");
    // The other direction still carries the word.
    let told = pair.changes[1][0];
    assert_eq!((told.to, told.diagnostic), (SessionState::Down, Diagnostic::NeighborDown));
    assert!(told.is_failure && told.at.since(failed.at) <= Duration::from_millis(1));
    assert_eq!(pair.view(0).session_statistics.down_count, 1);
}

#[test]
fn what_failed_comes_back_when_packets_pass_again() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.passes = [false; 2];
    pair.run(Duration::from_secs(4));
    assert_eq!([pair.state(0), pair.state(1)], [SessionState::Down; 2]);
    assert_eq!(pair.view(0).remote_discriminator, None, "section 6.8.1");
    pair.passes = [true; 2];
    pair.run(Duration::from_secs(4));
    assert_eq!([pair.state(0), pair.state(1)], [SessionState::Up; 2]);
    assert_eq!(pair.view(0).local_diagnostic, Diagnostic::ControlExpiry, "until it leaves Up again");
}

#[test]
fn a_session_that_is_removed_on_purpose_is_no_failure() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    pair.remove(0);
    pair.run(Duration::from_millis(500));
    let change = pair.changes[1][0];
    assert_eq!((change.to, change.diagnostic), (SessionState::Down, Diagnostic::NeighborDown));
    assert!(!change.is_failure);
    assert_eq!(pair.changes[1].len(), 1);
    assert_eq!(pair.view(1).remote_state, SessionState::AdminDown);
    assert_eq!(pair.view(1).session_statistics.admin_down_count, 1);
    let last = pair.sent[0].last().unwrap().1;
    assert_eq!((last.state, last.diagnostic), (SessionState::AdminDown, Diagnostic::AdminDown));
    // It takes leave for three seconds, and is then forgotten.
    pair.run(Duration::from_secs(3));
    let sent = pair.sent[0].len();
    assert_eq!(pair.ends[0].poll_timeout(), None);
    pair.run(Duration::from_secs(10));
    assert_eq!(pair.sent[0].len(), sent);
}

#[test]
fn a_session_that_is_wanted_again_goes_on() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(10, 10, 3));
    let name = pair.view(0).local_discriminator;
    pair.remove(0);
    pair.run(Duration::from_millis(500));
    pair.configure(0, parameters(10, 10, 3));
    pair.run(Duration::from_secs(5));
    assert_eq!([pair.state(0), pair.state(1)], [SessionState::Up; 2]);
    assert_eq!(pair.view(0).local_discriminator, name);
}

#[test]
fn a_failed_session_that_is_removed_still_says_that_it_failed() {
    let mut pair = Pair::up(parameters(10, 10, 3), parameters(1000, 1000, 50));
    pair.passes[1] = false;
    while pair.changes[0].is_empty() {
        pair.run(Duration::from_millis(1));
    }
    pair.passes[0] = false;
    pair.remove(0);
    pair.sent = Default::default();
    pair.passes[0] = true;
    pair.run(Duration::from_secs(2));
    assert!(pair.sent[0].iter().all(|(_, packet)| packet.state == SessionState::Down));
    assert!(pair.changes[1][0].is_failure, "not taken for an operator's wish");
}
