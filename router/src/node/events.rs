//! The node's memory of what happened lately: OSPF's notifications, the fabric's events and the node's own,
//! in one order.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{self, Stream};
use isthmus_mgmt_api::access::AuthenticationFailure;
use isthmus_mgmt_api::model::{DateTime, Event, EventType, Events};
use isthmus_ospf::event::Notification;
use isthmus_shmnet::{Cast, Event as FabricEvent, EventKind, Network, SteeringEpoch};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

/// Refused packets of one kind on one interface are told of no more often: their number is in the counters.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(10);
/// Events that are remembered.
const CAPACITY: usize = 1024;

/// A bounded log of events, and the streams that follow it.
///
/// A stream is a place in the log, so that one that is not read costs nothing and holds nobody up: it finds a gap.
#[derive(Debug)]
pub struct EventLog {
    inner: Mutex<Inner>,
    /// The sequence number of the last event.
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    events: VecDeque<Event>,
    /// How many there were of each type, forgotten ones included.
    counts: BTreeMap<EventType, u64>,
    /// When refused packets were last told of, by kind, interface and reason.
    refusals: BTreeMap<(EventType, String, String), Instant>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self { inner: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl EventLog {
    /// Remembers an event that happens now, and writes it to the log. The members of `detail` are those of the type.
    pub fn record(&self, event_type: EventType, message: String, detail: Value) {
        tracing::info!(event = event_type.name(), "{message}");
        self.remember(event_type, message, detail);
    }

    fn remember(&self, event_type: EventType, message: String, detail: Value) {
        let detail = members(detail);
        debug_assert!(
            detail.keys().all(|key| event_type.members().iter().any(|member| member.name == key)),
            "{event_type}: a member is not documented: {detail:?}"
        );
        let mut inner = self.lock();
        inner.last += 1;
        *inner.counts.entry(event_type).or_default() += 1;
        let event = event(inner.last, event_type, message, detail);
        if inner.events.len() == CAPACITY {
            inner.events.pop_front();
        }
        inner.events.push_back(event);
        self.last.send_replace(inner.last);
    }

    /// Remembers a notification of the OSPF engine. `interface_name` names its interfaces.
    pub fn notification(
        &self,
        notification: &Notification,
        name: impl Fn(isthmus_ospf::types::InterfaceId) -> String,
    ) {
        match notification {
            Notification::InterfaceStateChange { name, state, .. } => self.record(
                EventType::IfStateChange,
                format!("OSPF interface {name} is {state}"),
                json!({ "interface": name, "state": state.to_string() }),
            ),
            Notification::NeighborStateChange { interface, router_id, address, state } => {
                let interface = name(*interface);
                // One that is listed and was not heard yet has no router id.
                let who = if router_id.0.is_unspecified() { *address } else { router_id.0 };
                self.record(
                    EventType::NbrStateChange,
                    format!("OSPF neighbor {who} on {interface} is {state}"),
                    json!({
                        "interface": interface, "neighbor-router-id": router_id, "address": address,
                        "state": state.to_string(),
                    }),
                );
            }
            Notification::NeighborRestartHelperStatusChange {
                interface,
                router_id,
                address,
                age,
                exit_reason,
            } => {
                let interface = name(*interface);
                let (status, message) = match age {
                    Some(age) => ("helping", format!("restarts, and is helped for {age} s")),
                    None => ("not-helping", format!("is helped no more to restart: {exit_reason}")),
                };
                self.record(
                    EventType::NbrRestartHelperStatusChange,
                    format!("OSPF neighbor {router_id} on {interface} {message}"),
                    json!({
                        "interface": interface, "neighbor-router-id": router_id, "address": address,
                        "status": status, "age": age, "exit-reason": exit_reason.to_string(),
                    }),
                );
            }
            Notification::NeighborBfdDown { interface, router_id, address } => {
                let interface = name(*interface);
                self.record(
                    EventType::NbrStateChange,
                    format!("BFD: packets to and from OSPF neighbor {router_id} on {interface} do not pass"),
                    json!({
                        "interface": interface, "neighbor-router-id": router_id, "address": address,
                        "state": "down",
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
                    EventType::IfConfigError,
                    format!("OSPF packet from {source} on {interface}: {error}"),
                    json!({
                        "interface": interface, "packet-source": source, "packet-type": packet_type,
                        "error": error.mismatch_error(), "own": own, "theirs": theirs,
                    }),
                );
            }
            Notification::InterfaceRxBadPacket { interface, source, error } => {
                self.refusal(EventType::IfRxBadPacket, &name(*interface), *source, &error.to_string());
            }
            Notification::KeyExpired { interface, key_id } => {
                let interface = name(*interface);
                self.record(
                    EventType::KeyExpired,
                    format!(
                        "the lifetime of the last OSPF key of {interface}, key {key_id}, is over: it goes on until there is another"
                    ),
                    json!({ "interface": interface, "key-id": key_id }),
                );
            }
            // Kept on the disk, and no news to anybody.
            Notification::BootCount { .. } => {}
            Notification::RoleChange { area_border_router } => self.record(
                EventType::RoleChange,
                format!("the router is {} area border router", if *area_border_router { "an" } else { "no" }),
                json!({ "abr": area_border_router }),
            ),
        }
    }

    fn refusal(&self, event_type: EventType, interface: &str, source: Ipv4Addr, error: &str) {
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
    fn is_due(&self, event_type: EventType, interface: &str, error: &str) -> bool {
        let now = Instant::now();
        let mut inner = self.lock();
        let key = (event_type, interface.to_owned(), error.to_owned());
        let due = inner.refusals.get(&key).is_none_or(|last| now.duration_since(*last) >= REFUSAL_INTERVAL);
        if due {
            inner.refusals.retain(|_, last| now.duration_since(*last) < REFUSAL_INTERVAL);
            inner.refusals.insert(key, now);
        }
        due
    }

    /// Remembers an event of the fabric, which logs its events itself.
    pub fn fabric(&self, event: &FabricEvent) {
        let (event_type, what, detail) = describe(&event.kind);
        let mut detail = members(detail);
        detail.insert("node-id".to_owned(), event.node.get().into());
        detail.insert("incarnation".to_owned(), event.incarnation.into());
        self.remember(event_type, format!("node {} {what}", event.node.get()), detail.into());
    }

    /// Remembers who serves the common address from now on.
    pub fn steering(&self, epoch: &SteeringEpoch) {
        let nodes: Vec<String> = epoch.members().iter().map(|(node, _)| node.to_string()).collect();
        let number = epoch.number;
        let member: Vec<Value> = epoch
            .members()
            .iter()
            .map(|(node, weight)| json!({ "node-id": node.get(), "weight": weight }))
            .collect();
        let who = if nodes.is_empty() { "nobody".to_owned() } else { format!("nodes {}", nodes.join(", ")) };
        self.record(
            EventType::SteeringChange,
            format!("the common address is served by {who}, epoch {number}"),
            json!({ "epoch": number, "member": member }),
        );
    }

    /// How many events of each type there were, forgotten ones included.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let inner = self.lock();
        let count = |of: &EventType| inner.counts.get(of).copied().unwrap_or_default();
        EventType::ALL.iter().map(|of| (of.name(), count(of))).collect()
    }

    /// Remembers a request to the management plane that was refused for who has sent it.
    pub fn authentication_failure(&self, failure: &AuthenticationFailure) {
        let AuthenticationFailure { surface, peer, reason, caller } = failure;
        if !self.is_due(EventType::AuthenticationFailure, surface, reason.name()) {
            return;
        }
        let from = peer.as_ref().map(|peer| format!(" from {peer}")).unwrap_or_default();
        let who = caller.as_ref().map(|caller| format!(" of `{caller}`")).unwrap_or_default();
        let mut detail = members(json!({ "surface": surface, "reason": reason.name() }));
        for (name, value) in [("peer", peer), ("caller", caller)] {
            if let Some(value) = value {
                detail.insert(name.to_owned(), value.as_str().into());
            }
        }
        self.record(
            EventType::AuthenticationFailure,
            format!("a request{who}{from} to the {surface} surface was refused: {}", reason.name()),
            detail.into(),
        );
    }

    /// What is remembered, the oldest first.
    pub fn recent(&self) -> Events {
        let inner = self.lock();
        let forgotten = inner.last - inner.events.len() as u64;
        Events { forgotten, event: inner.events.iter().cloned().collect() }
    }

    /// The events after number `after`, as they happen; `None`: those from now on. Ends when `stopped` turns true,
    /// with what has happened until then.
    pub fn stream(
        self: &Arc<Self>,
        after: Option<u64>,
        stopped: watch::Receiver<bool>,
    ) -> impl Stream<Item = Event> + Send + use<> {
        let reader = Reader {
            after: after.unwrap_or_else(|| self.lock().last),
            changes: self.last.subscribe(),
            log: Arc::clone(self),
            stopped,
        };
        stream::unfold(reader, async |mut reader| reader.next().await.map(|event| (event, reader)))
    }

    /// The first event after number `after`, or the gap before it.
    fn after(&self, after: u64) -> Option<Event> {
        let inner = self.lock();
        if after > inner.last {
            let message = "the node has started anew since the last event that was seen".to_owned();
            return Some(event(0, EventType::Gap, message, members(json!({ "restarted": true }))));
        }
        let forgotten = inner.last - inner.events.len() as u64;
        let Some(place) = after.checked_sub(forgotten) else {
            let missed = forgotten - after;
            let message = format!("{missed} events are missing: the log has forgotten them");
            return Some(event(forgotten, EventType::Gap, message, members(json!({ "missed": missed }))));
        };
        inner.events.get(usize::try_from(place).ok()?).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the log.
struct Reader {
    log: Arc<EventLog>,
    /// The last event that was read.
    after: u64,
    changes: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.log.after(self.after) {
                self.after = event.sequence;
                return Some(event);
            }
            tokio::select! {
                // The log, which has the sender, is held by this reader.
                _ = self.changes.changed() => {}
                // A sender that is gone means the same as its last word.
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
            }
        }
    }
}

fn event(sequence: u64, event_type: EventType, message: String, detail: Map<String, Value>) -> Event {
    let event_type = event_type.name().to_owned();
    Event { sequence, time: DateTime::from(SystemTime::now()), event_type, message, detail }
}

fn members(detail: Value) -> Map<String, Value> {
    match detail {
        Value::Object(detail) => detail,
        _ => Map::new(),
    }
}

/// The type of an event of the fabric, what the node has done, and the members beside the node's.
fn describe(kind: &EventKind) -> (EventType, String, Value) {
    use EventType as Type;
    let network_name = |network: &Network| network.to_string();
    match kind {
        EventKind::Announced => (Type::ShmAnnounced, "has announced itself".to_owned(), json!({})),
        EventKind::Connected { network, queue } => (
            Type::ShmConnected,
            format!("allocated a ring for us on {network}, queue {queue}: connected"),
            json!({ "network": network_name(network), "queue": queue }),
        ),
        EventKind::Allocated { network, queue, epoch, bytes } => (
            Type::ShmAllocated,
            format!("was allocated a ring on {network}, queue {queue}: epoch {epoch}, {bytes} bytes"),
            json!({ "network": network_name(network), "queue": queue, "epoch": epoch, "octets": bytes }),
        ),
        EventKind::Suspected => {
            (Type::ShmSuspected, "is suspected: its heartbeat is late".to_owned(), json!({}))
        }
        EventKind::Recovered => (Type::ShmRecovered, "is heard again".to_owned(), json!({})),
        EventKind::Failed { reason } => {
            (Type::ShmFailed, format!("has failed: {}", reason.name()), json!({ "reason": reason.name() }))
        }
        EventKind::Quarantined { cause, why } => (
            Type::ShmQuarantined,
            format!("is quarantined ({}): {why}", cause.name()),
            json!({ "cause": cause.name(), "reason": why }),
        ),
        EventKind::Left => (Type::ShmLeft, "has left".to_owned(), json!({})),
        EventKind::FactsChanged => (Type::ShmFactsChanged, "publishes new facts".to_owned(), json!({})),
        EventKind::OwnerChanged { network, cast, generation } => {
            let ring = if *cast == Cast::Broadcast { "broadcast" } else { "multicast" };
            (
                Type::ShmOwnerChanged,
                format!("owns the {ring} ring of {network}, generation {generation}"),
                json!({ "network": network_name(network), "ring": ring, "generation": generation }),
            )
        }
        EventKind::Refused { why } => {
            (Type::ShmRefused, format!("is refused: {why}"), json!({ "reason": why }))
        }
        EventKind::SelfClosed { by } => (
            Type::ShmSelfClosed,
            format!("(this one) was declared failed by node {}", by.get()),
            json!({ "by": by.get() }),
        ),
        EventKind::Rejoined => (Type::ShmRejoined, "(this one) has rejoined".to_owned(), json!({})),
        EventKind::RejoinFailed { why } => {
            (Type::ShmRejoinFailed, format!("(this one) could not rejoin: {why}"), json!({ "reason": why }))
        }
        _ => (Type::ShmOther, format!("{kind:?}"), json!({})),
    }
}

#[cfg(test)]
mod tests;
