//! The shared memory and the common address.

use isthmus_mgmt_api::model::{
    Shm, ShmDoorbell, ShmFirstRing, ShmGroupRing, ShmNode, ShmNodes, ShmQuarantine, ShmRing, ShmRings,
    Steering,
};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::{Table, pairs};
use crate::cli::text::{list, octets, or_dash, word};

impl Render for Shm {
    fn render(&self, style: Style) -> String {
        let memory = pairs(&[
            ("Segment", format!("{} ({})", self.segment, self.facility)),
            ("Memory", memory_in_words(self)),
            (
                "Layout",
                format!(
                    "version {}, {}",
                    self.layout_version,
                    if self.queues == 1 {
                        "1 queue per network".to_owned()
                    } else {
                        format!("{} queues per network", self.queues)
                    }
                ),
            ),
            ("First rings", list(self.first_ring.iter().map(first_ring_in_words))),
            (
                "This node",
                format!("{} of at most {}, incarnation {}", self.node_id, self.max_nodes, self.incarnation),
            ),
            ("Arena", format!("{}, {} free", octets(self.arena_size), octets(self.arena_free))),
            ("Doorbells", list(self.doorbell.iter().map(doorbell_in_words))),
            ("Active", list(&self.active)),
        ]);
        let mut links = Table::new(&["Network", ">Peer", ">Incarnation", "State"]);
        for link in &self.link {
            links.row([
                link.network.label().to_owned(),
                link.peer.to_string(),
                link.peer_incarnation.to_string(),
                word(link.state),
            ]);
        }
        let quarantined =
            if self.quarantine.is_empty() { String::new() } else { quarantines(&self.quarantine) };
        format!("{memory}\n{}\n{}{quarantined}", nodes(&self.node, style), links.finish("no links"))
    }
}

impl Render for ShmNodes {
    fn render(&self, style: Style) -> String {
        let (segment, facility) = (&self.segment, &self.facility);
        format!(
            "segment: {segment} ({facility})\nactive: {}\n\n{}",
            list(&self.active),
            nodes(&self.node, style)
        )
    }
}

fn memory_in_words(shm: &Shm) -> String {
    let coherence = match shm.coherence.as_str() {
        "" => "not a member".to_owned(),
        coherence => format!("{coherence} coherence"),
    };
    match shm.mapping_cost {
        Some(cost) => {
            format!("{coherence}, {} ns to read a line, {} ns to write", cost.read_ns, cost.write_ns)
        }
        None => coherence,
    }
}

fn first_ring_in_words(first: &ShmFirstRing) -> String {
    let geometry = first.geometry;
    format!("{} {} x {} octets", first.network.label(), geometry.slots, geometry.buffer_size)
}

fn doorbell_in_words(doorbell: &ShmDoorbell) -> String {
    format!("queue {}: waited {} times, heard {}", doorbell.queue, doorbell.waits, doorbell.heard)
}

/// Those that are not believed any more, and why.
fn quarantines(quarantines: &[ShmQuarantine]) -> String {
    let mut table = Table::new(&["Quarantined", ">Incarnation", ">Ago", "Cause", "Reason"]);
    for quarantine in quarantines {
        table.row([
            quarantine.node_id.to_string(),
            quarantine.incarnation.to_string(),
            format!("{:.0} s", quarantine.age),
            quarantine.cause.clone(),
            quarantine.reason.clone(),
        ]);
    }
    format!("\n{}", table.finish("none"))
}

fn nodes(nodes: &[ShmNode], style: Style) -> String {
    let headings = [
        "Node",
        "State",
        ">Incarnation",
        ">Heartbeat",
        "Role",
        "LSM address",
        "GSM address",
        "Router ID",
        ">Weight",
        "Healthy",
        "Draining",
        ">Epoch",
        "Doorbell",
        ">Rung",
    ];
    let mut table = Table::new(if style.wide { &headings } else { &headings[..7] });
    for node in nodes {
        let facts = node.facts.as_ref();
        let common = [
            format!("{}{}", node.node_id, if node.local { " (this)" } else { "" }),
            node.state.label().to_owned(),
            node.incarnation.to_string(),
            format!("{:.1} ms", node.heartbeat_age * 1000.0),
            or_dash(facts.map(|facts| facts.role.label())),
            or_dash(facts.map(|facts| facts.lsm_address)),
            or_dash(facts.map(|facts| facts.gsm_address)),
        ];
        if !style.wide {
            table.row(common);
            continue;
        }
        let [id, state, incarnation, heartbeat, role, lsm, gsm] = common;
        table.row([
            id,
            state,
            incarnation,
            heartbeat,
            role,
            lsm,
            gsm,
            or_dash(facts.and_then(|facts| facts.router_id)),
            or_dash(facts.map(|facts| facts.weight)),
            or_dash(facts.map(|facts| facts.healthy)),
            or_dash(facts.map(|facts| facts.draining)),
            or_dash(facts.map(|facts| facts.steering_epoch)),
            or_dash(node.doorbell.as_ref().map(|doorbell| &doorbell.kind)),
            or_dash(node.doorbell.as_ref().map(|doorbell| doorbell.rung)),
        ]);
    }
    table.finish("no nodes")
}

impl Render for ShmRings {
    fn render(&self, style: Style) -> String {
        format!("{}\n{}", pair_rings(&self.ring, style), group_rings(&self.group_ring, style))
    }
}

fn pair_rings(rings: &[ShmRing], style: Style) -> String {
    let headings = [
        "Network",
        "Direction",
        ">Queue",
        ">Epoch",
        ">Slots",
        ">Buffer",
        ">Write",
        ">Read",
        ">Occupancy",
        ">Frames",
        ">Full",
        ">Distance",
        "Copy",
        ">Octets",
        ">Too long",
        ">Invalid",
        ">Size",
        ">TX inc.",
        ">RX inc.",
    ];
    let mut table = Table::new(if style.wide { &headings } else { &headings[..13] });
    for ring in rings {
        let common = [
            ring.network.label().to_owned(),
            format!("{} -> {}", ring.transmitter, ring.receiver),
            ring.queue.to_string(),
            ring.epoch.to_string(),
            ring.geometry.slots.to_string(),
            ring.geometry.buffer_size.to_string(),
            ring.write_pointer.to_string(),
            ring.read_pointer.to_string(),
            ring.occupancy.to_string(),
            ring.frames.to_string(),
            ring.full.to_string(),
            or_dash(ring.distance_ns.map(|distance| format!("{distance} ns"))),
            or_dash(ring.copy_routine.map(|routine| routine.label())),
        ];
        if !style.wide {
            table.row(common);
            continue;
        }
        let [
            network,
            direction,
            queue,
            epoch,
            slots,
            buffer,
            write,
            read,
            occupancy,
            frames,
            full,
            distance,
            copy,
        ] = common;
        table.row([
            network,
            direction,
            queue,
            epoch,
            slots,
            buffer,
            write,
            read,
            occupancy,
            frames,
            full,
            distance,
            copy,
            ring.octets.to_string(),
            ring.too_long.to_string(),
            ring.invalid.to_string(),
            octets(ring.geometry.size),
            ring.transmitter_incarnation.to_string(),
            ring.receiver_incarnation.to_string(),
        ]);
    }
    table.finish("no rings")
}

fn group_rings(rings: &[ShmGroupRing], style: Style) -> String {
    let mut table = if style.wide {
        Table::new(&[
            "Network",
            "Group",
            ">Owner",
            ">Generation",
            ">Position",
            "Readers (lag, lost)",
            ">Submitted",
            ">Delivered",
            ">Lost",
            ">Overwritten",
            ">Filtered",
            ">Unwanted",
            ">Unordered",
            ">Slots",
        ])
    } else {
        Table::new(&["Network", "Group", ">Owner", ">Generation", ">Position", "Readers (lag, lost)"])
    };
    for ring in rings {
        let common = [
            ring.network.label().to_owned(),
            ring.kind.label().to_owned(),
            or_dash(ring.owner),
            ring.generation.to_string(),
            ring.position.to_string(),
            list(
                ring.reader
                    .iter()
                    .map(|reader| format!("{} ({}, {})", reader.node_id, or_dash(reader.lag), reader.lost)),
            ),
        ];
        if !style.wide {
            table.row(common);
            continue;
        }
        let [network, group, owner, generation, position, readers] = common;
        table.row([
            network,
            group,
            owner,
            generation,
            position,
            readers,
            ring.submitted.to_string(),
            ring.delivered.to_string(),
            ring.lost.to_string(),
            ring.overwritten.to_string(),
            ring.filtered.to_string(),
            ring.unwanted.to_string(),
            ring.unordered.to_string(),
            ring.geometry.slots.to_string(),
        ]);
    }
    table.finish("no broadcast or multicast rings")
}

impl Render for Steering {
    fn render(&self, style: Style) -> String {
        let summary = pairs(&[
            ("Common address", list(&self.common_address)),
            ("Epoch", self.epoch.to_string()),
            ("Slots", self.slots.to_string()),
            ("Dropped for want of a node", self.no_active_node.to_string()),
        ]);
        let mut members =
            Table::new(&[">Node", ">Weight", ">Slots", ">Share", ">Steered packets", ">Steered octets"]);
        for member in &self.member {
            members.row([
                member.node_id.to_string(),
                member.weight.to_string(),
                member.slots.to_string(),
                format!("{:.1} %", member.share * 100.0),
                member.steered_packets.to_string(),
                member.steered_octets.to_string(),
            ]);
        }
        let mut text = format!("{summary}\n{}", members.finish("no node takes flows"));
        if style.wide {
            let mut history = Table::new(&[">Epoch", "Members", "Since"]);
            for epoch in &self.history {
                history.row([epoch.epoch.to_string(), list(&epoch.member), or_dash(epoch.since)]);
            }
            text = format!("{text}\n{}", history.finish("no earlier epochs"));
        }
        text
    }
}
