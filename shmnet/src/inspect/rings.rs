//! Pair rings, the pointers of those that the node reads, and group areas.

use super::InspectedArena;
use super::field::{Section, Value, word};
use crate::channel::Channel;
use crate::group::{self, AreaWords};
use crate::layout::{Layout, PeerArena};
use crate::memory::PeerSpan;
use crate::node::{Network, NodeId};
use crate::ring::{self, Limits, RingKey};

/// The rings that the node writes: the directory's entries, and what lies where they point.
pub(super) fn directory(peer: &PeerArena, span: &PeerSpan, layout: &Layout, arena: &mut InspectedArena) {
    let mut section = Section::new(layout.directory, "directory");
    let mut found = Vec::new();
    for (node, channel) in pairs(layout) {
        let offset = layout.directory_entry(node, channel) - layout.directory;
        let name = format!("{channel} to node {node}");
        let Some(entry) = peer.directory(node, channel) else {
            arena.problems.push(format!("the directory entry {name} does not hold still"));
            continue;
        };
        if entry.len == 0 {
            continue;
        }
        let text = format!(
            "epoch {}, incarnations {} to {}, {} bytes at {:#x}",
            entry.epoch, entry.tx_incarnation, entry.rx_incarnation, entry.len, entry.offset
        );
        section.text(offset, name.clone(), text);
        let key = RingKey {
            tx_incarnation: entry.tx_incarnation,
            rx_incarnation: entry.rx_incarnation,
            epoch: entry.epoch,
        };
        match peer.heap(&entry) {
            Some(memory) => found.push((name, entry.offset, key, memory)),
            None => arena.problems.push(format!("the ring {name} would lie outside of the heap")),
        }
    }
    arena.sections.push(section);
    debug_assert!(span.len() >= layout.heap);
    for (name, offset, key, memory) in found {
        let mut section = Section::new(offset as usize, format!("ring {name}"));
        match ring::geometry(&memory, key, Limits::default()) {
            Ok(geometry) => {
                section.number(8, "slots", geometry.slots().into());
                section.number(8, "buffer bytes", geometry.buffer().into());
                section.number(16, "transmitter's incarnation", key.tx_incarnation);
                section.number(24, "receiver's incarnation", key.rx_incarnation);
                section.number(32, "epoch", key.epoch.into());
                section.number(128, "write pointer", ring::write_pointer(&memory));
            }
            Err(error) => arena.problems.push(format!("the ring {name} cannot be read: {error}")),
        }
        arena.sections.push(section);
    }
}

/// How far the node has read the rings of others.
pub(super) fn read_pointers(span: &PeerSpan, layout: &Layout, arena: &mut InspectedArena) {
    let mut section = Section::new(layout.pointers, "read pointers");
    for (node, channel) in pairs(layout) {
        let at = layout.read_pointer(node, channel);
        if let Some(value) = word(span, at).filter(|value| *value != 0) {
            let (tag, position) = ring::pointer_parts(value);
            let text = format!("position {position}, tag {tag:#08x}");
            section.text(at - layout.pointers, format!("{channel} from node {node}"), text);
        }
    }
    arena.sections.push(section);
}

/// The four group areas.
pub(super) fn groups(peer: &PeerArena, layout: &Layout, arena: &mut InspectedArena) {
    for network in Network::ALL {
        for (kind, name) in ["broadcast", "multicast"].into_iter().enumerate() {
            let Ok(area) = peer.group(network, kind) else { continue };
            let mut section = Section::new(layout.group(network, kind), format!("{network} {name}"));
            let Some(words) = AreaWords::load(&area, layout.group) else {
                section.text(0, "content", "no group area of this geometry");
                arena.sections.push(section);
                continue;
            };
            section.number(group::offset::INCARNATION, "incarnation", words.incarnation);
            section.number(group::offset::LANE_TAIL, "lane tail", words.lane_tail);
            section.number(group::offset::LANE_HEAD, "lane head", words.lane_head);
            section.number(group::offset::CLAIM, "generation claimed", words.claimed);
            let followed = words.followed.map_or_else(
                || "none".to_owned(),
                |claim| format!("generation {} of node {}", claim.generation, claim.owner),
            );
            section.text(group::offset::FOLLOWED, "claim followed", followed);
            section.add(group::offset::ORDER_HEAD, "order head", Value::Number(words.order_head));
            for (source, next) in words.acknowledged {
                section.number(
                    group::offset::ACKNOWLEDGED + 8 * usize::from(source),
                    format!("next of node {source}"),
                    next,
                );
            }
            arena.sections.push(section);
        }
    }
}

fn pairs(layout: &Layout) -> impl Iterator<Item = (NodeId, Channel)> {
    let nodes = (0..layout.max_nodes).filter_map(NodeId::from_index);
    nodes.flat_map(|node| layout.channels().map(move |channel| (node, channel)))
}
