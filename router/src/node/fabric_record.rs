//! What was seen of each node of the fabric since the start: the segment itself forgets those that are gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use isthmus_mgmt_api::model::{Measurements, Member, NodeState, ShmNode};
use isthmus_shmnet::{Event, EventKind, FailureReason};

/// The record. Written by control, read by management.
#[derive(Debug, Default)]
pub struct FabricRecord(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    nodes: BTreeMap<u16, Record>,
    rejoins: u64,
}

#[derive(Clone, Debug, Default)]
struct Record {
    incarnation: u64,
    suspicions: u64,
    failures: u64,
    gone: Option<(NodeState, Instant)>,
    /// Why it was quarantined, until it returns.
    quarantined: Option<String>,
}

impl FabricRecord {
    /// Takes note of an event.
    pub fn note(&self, event: &Event) {
        let mut inner = self.lock();
        if event.kind == EventKind::Rejoined {
            inner.rejoins += 1;
        }
        if matches!(
            event.kind,
            EventKind::SelfClosed { .. } | EventKind::Rejoined | EventKind::RejoinFailed { .. }
        ) {
            // About this node itself.
            return;
        }
        let node = inner.nodes.entry(event.node.get()).or_default();
        node.incarnation = node.incarnation.max(event.incarnation);
        match &event.kind {
            EventKind::Suspected => node.suspicions += 1,
            EventKind::Failed { reason } => {
                node.failures += 1;
                let state = match *reason {
                    FailureReason::Quarantined | FailureReason::ClosedUs => NodeState::Quarantined,
                    _ => NodeState::Failed,
                };
                node.gone = Some((state, Instant::now()));
            }
            EventKind::Quarantined { cause, why } => {
                node.quarantined = Some(format!("{}: {why}", cause.name()));
            }
            EventKind::Left => node.gone = Some((NodeState::Left, Instant::now())),
            EventKind::Announced | EventKind::Connected { .. } | EventKind::Recovered => {
                node.gone = None;
                node.quarantined = None;
            }
            _ => {}
        }
    }

    /// The nodes that are gone, but for those that the segment lists as `present`.
    pub fn gone(&self, present: &[ShmNode]) -> Vec<ShmNode> {
        let inner = self.lock();
        let absent = inner.nodes.iter().filter(|(id, _)| present.iter().all(|node| node.node_id != **id));
        absent
            .filter_map(|(id, record)| {
                let (state, since) = record.gone?;
                Some(ShmNode {
                    node_id: *id,
                    local: false,
                    incarnation: record.incarnation,
                    state,
                    heartbeat_age: since.elapsed().as_secs_f64(),
                    doorbell: None,
                    facts: None,
                    quarantined: record.quarantined.clone().filter(|_| state == NodeState::Quarantined),
                })
            })
            .collect()
    }

    /// Writes what was counted among the measurements.
    pub fn measure(&self, measurements: &mut Measurements) {
        let inner = self.lock();
        measurements.rejoins = inner.rejoins;
        measurements.member = inner
            .nodes
            .iter()
            .map(|(&node_id, record)| Member {
                node_id,
                suspicions: record.suspicions,
                failures: record.failures,
            })
            .collect();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use isthmus_shmnet::{NodeId, QuarantineCause};

    use super::*;

    fn event(node: u16, incarnation: u64, kind: EventKind) -> Event {
        Event { number: 1, at: SystemTime::now(), node: NodeId::new(node).unwrap(), incarnation, kind }
    }

    fn states(record: &FabricRecord) -> Vec<(u16, NodeState)> {
        record.gone(&[]).iter().map(|node| (node.node_id, node.state)).collect()
    }

    #[test]
    fn a_node_is_remembered_as_failed_or_left_until_it_returns() {
        let record = FabricRecord::default();
        for (node, kind) in [
            (2, EventKind::Announced),
            (3, EventKind::Announced),
            (2, EventKind::Suspected),
            (2, EventKind::Failed { reason: FailureReason::ProcessDeath }),
            (3, EventKind::Left),
        ] {
            record.note(&event(node, 1, kind));
        }
        assert_eq!(states(&record), [(2, NodeState::Failed), (3, NodeState::Left)]);
        record.note(&event(2, 2, EventKind::Announced));
        assert_eq!(states(&record), [(3, NodeState::Left)]);
        let (cause, why) = (QuarantineCause::Slot, "slot 0 says that it holds 0 bytes".to_owned());
        record.note(&event(2, 2, EventKind::Quarantined { cause, why }));
        record.note(&event(2, 2, EventKind::Failed { reason: FailureReason::Quarantined }));
        assert_eq!(states(&record), [(2, NodeState::Quarantined), (3, NodeState::Left)]);
        let quarantined = record.gone(&[])[0].quarantined.clone();
        assert_eq!(quarantined.as_deref(), Some("slot: slot 0 says that it holds 0 bytes"));
        assert_eq!(record.gone(&[])[0].incarnation, 2);
        let mut measurements = Measurements::default();
        record.measure(&mut measurements);
        assert_eq!(
            measurements.member,
            [Member { node_id: 2, suspicions: 1, failures: 2 }, Member { node_id: 3, ..Member::default() }]
        );
    }

    #[test]
    fn what_happens_to_this_node_is_counted_apart() {
        let record = FabricRecord::default();
        record.note(&event(1, 1, EventKind::SelfClosed { by: NodeId::new(2).unwrap() }));
        record.note(&event(1, 2, EventKind::Rejoined));
        let mut measurements = Measurements::default();
        record.measure(&mut measurements);
        assert_eq!((measurements.rejoins, measurements.member.len()), (1, 0));
    }
}
