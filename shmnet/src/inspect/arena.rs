//! The fixed part and the tables of one arena.

use super::field::{Section, Value, word};
use super::{InspectedArena, rings};
use crate::facts::Facts;
use crate::layout::{GEOMETRY_FIELDS, Identity, Layout, MAGIC, Malformed, PeerArena, State, at};
use crate::liveness::{word_is_dead, word_is_held};
use crate::memory::PeerSpan;
use crate::node::{Network, NodeId};

/// Reads the arena that begins with the span.
pub(super) fn read(place: String, span: &PeerSpan) -> InspectedArena {
    let mut arena = InspectedArena {
        place,
        node: 0,
        bytes: span.len() as u64,
        problems: Vec::new(),
        sections: Vec::new(),
    };
    let identity = match PeerArena::identity_of(span) {
        Ok(identity) => identity,
        Err(malformed) => {
            arena.problems.push(unreadable(span, malformed));
            return arena;
        }
    };
    arena.node = identity.node.get();
    arena.sections.push(identity_section(&identity));
    words(span, &mut arena);
    let Some(layout) = layout_of(&identity, &mut arena.problems) else { return arena };
    match PeerArena::new(span.clone(), layout) {
        Ok(peer) => tables(&peer, span, &layout, &mut arena),
        Err(error) => arena.problems.push(format!("shorter than its tables: {error}")),
    }
    if span.is_quarantined() {
        arena
            .problems
            .push("a part that was read has no memory behind it: the file was cut short".to_owned());
    }
    arena
}

fn unreadable(span: &PeerSpan, malformed: Malformed) -> String {
    match malformed {
        Malformed::Version(version) => {
            format!("layout version {version}; this program reads version {}", crate::layout::ABI_VERSION)
        }
        Malformed::NotAnArena => match word(span, 0) {
            Some(0) => "empty: no node has been here".to_owned(),
            Some(MAGIC) => "it begins as an arena does, and contradicts itself".to_owned(),
            Some(_) => "no arena".to_owned(),
            None => "shorter than an arena's first word".to_owned(),
        },
    }
}

/// The layout by which the owner has written, if it is one that this program knows.
fn layout_of(identity: &Identity, problems: &mut Vec<String>) -> Option<Layout> {
    let layout = identity.layout();
    if layout.is_none() {
        problems.push("its tables lie where this program does not expect them".to_owned());
    }
    layout
}

fn identity_section(identity: &Identity) -> Section {
    let mut section = Section::new(at::IDENTITY, "identity");
    section.number(12, "node id", identity.node.get().into());
    section.number(16, "incarnation", identity.incarnation);
    section.number(24, "arena length", identity.arena_len);
    section.number(32, "process id", identity.pid.into());
    let micros = |time: std::time::Duration| time.as_micros() as u64;
    section.number(36, "heartbeat interval (us)", micros(identity.timing.heartbeat));
    section.number(40, "suspicion timeout (us)", micros(identity.timing.suspect));
    section.number(44, "failure timeout (us)", micros(identity.timing.failed));
    section.text(64, "host name", identity.hostname.clone());
    for (index, (name, value)) in GEOMETRY_FIELDS.iter().zip(identity.geometry).enumerate() {
        section.number(128 + 8 * index, *name, value);
    }
    for (network, parameters) in Network::ALL.into_iter().zip(&identity.parameters) {
        let begin = 256 + 32 * network.index();
        section.number(begin, format!("{network} area id"), parameters.area_id.into());
        section.number(begin + 4, format!("{network} dead interval"), parameters.dead_interval.into());
        section.number(begin + 8, format!("{network} hello interval"), parameters.hello_interval.into());
        section.number(begin + 10, format!("{network} cost"), parameters.cost.into());
        section.number(begin + 12, format!("{network} MTU"), parameters.mtu.into());
        section.number(begin + 14, format!("{network} network type"), parameters.network_type.into());
        section.number(begin + 15, format!("{network} prefix length"), parameters.prefix_len.into());
        section.add(begin + 16, format!("{network} prefix"), Value::Address(parameters.prefix));
    }
    section
}

/// The words at fixed offsets.
fn words(span: &PeerSpan, arena: &mut InspectedArena) {
    if let Some(state) = PeerArena::state_of(span) {
        let mut section = Section::new(at::STATE, "state");
        section.number(0, "incarnation", state.incarnation);
        section.text(
            0,
            "state",
            match state.state {
                State::Empty => "empty",
                State::Joining => "joining",
                State::Active => "active",
                State::Left => "left",
            },
        );
        arena.sections.push(section);
    }
    if let Some(word) = PeerArena::liveness_of(span) {
        let mut section = Section::new(at::LIVENESS, "liveness");
        section.add(0, "futex word", Value::Bits(word.into()));
        let held = if word_is_dead(word) {
            "its holder died"
        } else if word_is_held(word) {
            "held"
        } else {
            "not held"
        };
        section.text(0, "meaning", held);
        arena.sections.push(section);
    }
    for (offset, name, field) in [
        (at::HEARTBEAT, "heartbeat", "heartbeats"),
        (at::SUBSCRIPTIONS, "subscriptions", "networks"),
        (at::CHANGES, "changes", "changes"),
    ] {
        if let Some(value) = word(span, offset) {
            let mut section = Section::new(offset, name);
            section.number(0, field, value);
            arena.sections.push(section);
        }
    }
    arena.sections.sort_by_key(|section| section.offset);
}

/// What lies where the layout says.
fn tables(peer: &PeerArena, span: &PeerSpan, layout: &Layout, arena: &mut InspectedArena) {
    match peer.facts() {
        Some((guards, facts)) => {
            arena.sections.push(facts_section(guards[0], &facts));
            arena.sections.push(steering_section(guards[1], &facts));
        }
        None => arena
            .problems
            .push("facts or steering epochs do not hold still: their owner died while writing".to_owned()),
    }
    arena.sections.push(closed_section(peer, layout));
    rings::directory(peer, span, layout, arena);
    rings::read_pointers(span, layout, arena);
    rings::groups(peer, layout, arena);
    arena.sections.sort_by_key(|section| section.offset);
}

fn facts_section(guard: u64, facts: &Facts) -> Section {
    let mut section = Section::new(at::FACTS, "facts");
    section.number(0, "guard", guard);
    section.add(8, "LSM address", Value::Address(facts.lsm_address));
    section.add(12, "GSM address", Value::Address(facts.gsm_address));
    section.add(16, "router id", Value::Address(facts.router_id));
    let flags = [
        (facts.abr, "border"),
        (facts.transit, "transit"),
        (facts.accepting, "accepting"),
        (facts.draining, "draining"),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    section.text(20, "flags", flags.join(" "));
    section.number(24, "weight", facts.weight.into());
    section.text(32, "name", facts.hostname.clone());
    section
}

fn steering_section(guard: u64, facts: &Facts) -> Section {
    let mut section = Section::new(at::STEERING, "steering");
    section.number(0, "guard", guard);
    for (index, epoch) in facts.steering.iter().enumerate() {
        let begin = 8 + index * 552;
        section.number(begin, "epoch", epoch.number);
        let members: Vec<String> =
            epoch.members().iter().map(|(node, weight)| format!("{node}:{weight}")).collect();
        section.text(begin + 8, "members:weights", members.join(" "));
    }
    section
}

fn closed_section(peer: &PeerArena, layout: &Layout) -> Section {
    let mut section = Section::new(at::CLOSED, "closed");
    for node in (0..layout.max_nodes).filter_map(NodeId::from_index) {
        let incarnation = peer.closed(node);
        if incarnation != 0 {
            section.number(
                Layout::closed(node) - at::CLOSED,
                format!("node {node}, incarnation"),
                incarnation,
            );
        }
    }
    section
}
