//! The log and its streams.

use std::net::Ipv4Addr;

use futures_util::{FutureExt as _, StreamExt as _};
use isthmus_ospf::types::{InterfaceId, RouterId};
use isthmus_ospf::view::NeighborState;
use isthmus_shmnet::{FailureReason, NodeId, QuarantineCause};

use super::*;

fn happen(log: &EventLog, count: usize) {
    for _ in 0..count {
        log.record(EventType::LinkChange, "x".to_owned(), json!({ "interface": "eth1", "up": true }));
    }
}

fn follow(
    log: &Arc<EventLog>,
    after: Option<u64>,
) -> (impl Stream<Item = Event> + Unpin + use<>, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    (Box::pin(log.stream(after, stopped)), stop)
}

#[tokio::test]
async fn a_stream_has_what_happens_from_now_on_or_after_a_number() {
    let log = Arc::new(EventLog::default());
    happen(&log, 3);
    let (mut live, _stop) = follow(&log, None);
    let (mut later, _stop) = follow(&log, Some(1));
    let (mut all, _stop) = follow(&log, Some(0));
    assert!(live.next().now_or_never().is_none(), "nothing has happened since");
    happen(&log, 1);
    assert_eq!(live.next().await.unwrap().sequence, 4);
    for sequence in 2..=4 {
        assert_eq!(later.next().await.unwrap().sequence, sequence);
    }
    for sequence in 1..=4 {
        assert_eq!(all.next().await.unwrap().sequence, sequence);
    }
    let waiting = tokio::spawn(async move { live.next().await });
    tokio::task::yield_now().await;
    happen(&log, 1);
    assert_eq!(waiting.await.unwrap().unwrap().sequence, 5);
}

#[tokio::test]
async fn who_is_too_slow_finds_a_gap_of_known_size() {
    let log = Arc::new(EventLog::default());
    happen(&log, 1);
    let (mut slow, _stop) = follow(&log, Some(0));
    assert_eq!(slow.next().await.unwrap().sequence, 1);
    happen(&log, CAPACITY + 7);
    let gap = slow.next().await.unwrap();
    assert_eq!((gap.event_type.as_str(), &gap.detail["missed"]), ("gap", &json!(7)));
    assert_eq!(gap.sequence, 8);
    let rest: Vec<u64> = slow.take(CAPACITY).map(|event| event.sequence).collect().await;
    assert_eq!((rest[0], rest[CAPACITY - 1]), (9, CAPACITY as u64 + 8));
    assert_eq!(log.recent().forgotten, 8);
}

#[tokio::test]
async fn a_number_of_an_earlier_life_is_answered_with_all_events_of_this_one() {
    let log = Arc::new(EventLog::default());
    happen(&log, 2);
    let (stream, _stop) = follow(&log, Some(100));
    let seen: Vec<Event> = stream.take(3).collect().await;
    assert_eq!((seen[0].event_type.as_str(), &seen[0].detail["restarted"]), ("gap", &json!(true)));
    assert_eq!((seen[1].sequence, seen[2].sequence), (1, 2));
}

#[tokio::test]
async fn a_stream_ends_with_the_node_after_what_has_happened() {
    let log = Arc::new(EventLog::default());
    let (stream, stop) = follow(&log, None);
    happen(&log, 2);
    stop.send_replace(true);
    assert_eq!(stream.count().await, 2);
    let (stream, stop) = follow(&log, None);
    drop(stop);
    assert_eq!(stream.count().await, 0);
}

/// Records each event that the engine and the fabric can cause: the log itself refuses members that the reference
/// does not have.
#[test]
fn every_member_of_an_event_is_in_the_reference() {
    let log = EventLog::default();
    let (interface, address) = (InterfaceId(1), Ipv4Addr::new(192, 0, 2, 1));
    for notification in [
        Notification::InterfaceStateChange {
            interface,
            name: "eth1".to_owned(),
            state: isthmus_ospf::view::InterfaceState::Down,
        },
        Notification::NeighborStateChange {
            interface,
            router_id: RouterId(address),
            address,
            state: NeighborState::Full,
        },
        Notification::RoleChange { area_border_router: true },
    ] {
        log.notification(&notification, |_| "eth1".to_owned());
    }
    let node = NodeId::new(2).unwrap();
    let (network, why) = (Network::Lsm, "why".to_owned());
    for kind in [
        EventKind::Announced,
        EventKind::Connected { network, queue: 0 },
        EventKind::Allocated { network, epoch: 1, bytes: 2, queue: 0 },
        EventKind::Suspected,
        EventKind::Recovered,
        EventKind::Failed { reason: FailureReason::HeartbeatLost },
        EventKind::Quarantined { cause: QuarantineCause::Slot, why: why.clone() },
        EventKind::Left,
        EventKind::FactsChanged,
        EventKind::OwnerChanged { network, cast: Cast::Broadcast, generation: 3 },
        EventKind::Refused { why: why.clone() },
        EventKind::SelfClosed { by: node },
        EventKind::Rejoined,
        EventKind::RejoinFailed { why },
    ] {
        log.fabric(&FabricEvent { number: 1, at: SystemTime::now(), node, incarnation: 1, kind });
    }
    log.steering(&SteeringEpoch::new(4, [(node, 100)]));
    let events = log.recent().event;
    let steering = events.last().unwrap();
    assert_eq!(steering.message, "the common address is served by nodes 2, epoch 4");
    let allocated = events.iter().find(|event| event.event_type == "shm-allocated").unwrap();
    assert_eq!((&allocated.detail["network"], &allocated.detail["octets"]), (&json!("lsm"), &json!(2)));
}
