//! The node's memory of what happened lately: OSPF's notifications, the fabric's events and the node's own,
//! in one order.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use isthmus_mgmt_api::model::{DateTime, Event, Events};
use isthmus_ospf::event::Notification;
use isthmus_shmnet::{Cast, Event as FabricEvent, EventKind};
use serde_json::{Map, Value, json};

/// Refused packets of one kind on one interface are told of no more often: their number is in the counters.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(10);
/// Events that are remembered.
const CAPACITY: usize = 1024;

/// A bounded log of events.
#[derive(Debug, Default)]
pub struct EventLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    events: VecDeque<Event>,
    /// When refused packets were last told of, by kind, interface and reason.
    refusals: BTreeMap<(String, String, String), Instant>,
}

impl EventLog {
    /// Remembers an event that happens now, and writes it to the log.
    pub fn record(&self, event_type: &str, message: String, detail: Value) {
        tracing::info!(event = event_type, "{message}");
        self.remember(event_type, message, detail);
    }

    fn remember(&self, event_type: &str, message: String, detail: Value) {
        let detail = match detail {
            Value::Object(detail) => detail,
            _ => Map::new(),
        };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            sequence: inner.next,
            time: DateTime::from(SystemTime::now()),
            event_type: event_type.to_owned(),
            message,
            detail,
        };
        inner.next += 1;
        if inner.events.len() == CAPACITY {
            inner.events.pop_front();
        }
        inner.events.push_back(event);
    }

    /// Remembers a notification of the OSPF engine. `interface_name` names its interfaces.
    pub fn notification(
        &self,
        notification: &Notification,
        name: impl Fn(isthmus_ospf::types::InterfaceId) -> String,
    ) {
        match notification {
            Notification::InterfaceStateChange { name, state, .. } => self.record(
                "if-state-change",
                format!("OSPF interface {name} is {state}"),
                json!({ "interface": name, "state": state.to_string() }),
            ),
            Notification::NeighborStateChange { interface, router_id, address, state } => {
                let interface = name(*interface);
                self.record(
                    "nbr-state-change",
                    format!("OSPF neighbor {router_id} on {interface} is {state}"),
                    json!({
                        "interface": interface, "neighbor-router-id": router_id, "address": address,
                        "state": state.to_string(),
                    }),
                );
            }
            // The engine tells a difference that goes on at most every ten seconds.
            Notification::InterfaceConfigError { interface, source, packet_type, error } => {
                let interface = name(*interface);
                let mismatch = error.mismatch();
                let (own, theirs) =
                    mismatch.as_ref().map_or(("", ""), |m| (m.own.as_str(), m.theirs.as_str()));
                self.record(
                    "if-config-error",
                    format!("OSPF packet from {source} on {interface}: {error}"),
                    json!({
                        "interface": interface, "packet-source": source, "packet-type": packet_type,
                        "error": error.mismatch_error(), "own": own, "theirs": theirs,
                    }),
                );
            }
            Notification::InterfaceRxBadPacket { interface, source, error } => {
                self.refusal("if-rx-bad-packet", &name(*interface), *source, &error.to_string());
            }
            Notification::RoleChange { area_border_router } => self.record(
                "role-change",
                format!("the router is {} area border router", if *area_border_router { "an" } else { "no" }),
                json!({ "abr": area_border_router }),
            ),
        }
    }

    fn refusal(&self, event_type: &str, interface: &str, source: Ipv4Addr, error: &str) {
        if !self.is_due(event_type, interface, error) {
            return;
        }
        self.record(
            event_type,
            format!("OSPF packet from {source} on {interface}: {error}"),
            json!({ "interface": interface, "packet-source": source, "error": error }),
        );
    }

    /// Whether a refused packet shall be told of: a flood of them must not drive everything else out of memory.
    fn is_due(&self, event_type: &str, interface: &str, error: &str) -> bool {
        let now = Instant::now();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (event_type.to_owned(), interface.to_owned(), error.to_owned());
        let due = inner.refusals.get(&key).is_none_or(|last| now.duration_since(*last) >= REFUSAL_INTERVAL);
        if due {
            inner.refusals.retain(|_, last| now.duration_since(*last) < REFUSAL_INTERVAL);
            inner.refusals.insert(key, now);
        }
        due
    }

    /// Remembers an event of the fabric, which logs its events itself.
    pub fn fabric(&self, event: &FabricEvent) {
        let (kind, what) = describe(&event.kind);
        self.remember(
            kind,
            format!("node {} {what}", event.node.get()),
            json!({ "node-id": event.node.get(), "incarnation": event.incarnation }),
        );
    }

    /// What is remembered, the oldest first.
    pub fn recent(&self) -> Events {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = inner.next - inner.events.len() as u64;
        Events { forgotten, event: inner.events.iter().cloned().collect() }
    }
}

fn describe(kind: &EventKind) -> (&'static str, String) {
    match kind {
        EventKind::Announced => ("shm-announced", "has announced itself".to_owned()),
        EventKind::Connected { network } => {
            ("shm-connected", format!("allocated a ring for us on {network}: connected"))
        }
        EventKind::Allocated { network, epoch, bytes } => {
            ("shm-allocated", format!("was allocated a ring on {network}: epoch {epoch}, {bytes} bytes"))
        }
        EventKind::Suspected => ("shm-suspected", "is suspected: its heartbeat is late".to_owned()),
        EventKind::Recovered => ("shm-recovered", "is heard again".to_owned()),
        EventKind::Failed { reason } => ("shm-failed", format!("has failed: {}", reason.name())),
        EventKind::Left => ("shm-left", "has left".to_owned()),
        EventKind::FactsChanged => ("shm-facts-changed", "publishes new facts".to_owned()),
        EventKind::OwnerChanged { network, cast, generation } => {
            let cast = if *cast == Cast::Broadcast { "broadcast" } else { "multicast" };
            ("shm-owner-changed", format!("owns the {cast} ring of {network}, generation {generation}"))
        }
        EventKind::Refused { why } => ("shm-refused", format!("is refused: {why}")),
        EventKind::SelfClosed { by } => {
            ("shm-self-closed", format!("(this one) was declared failed by node {}", by.get()))
        }
        EventKind::Rejoined => ("shm-rejoined", "(this one) has rejoined".to_owned()),
        EventKind::RejoinFailed { why } => {
            ("shm-rejoin-failed", format!("(this one) could not rejoin: {why}"))
        }
        _ => ("shm-other", format!("{kind:?}")),
    }
}
