//! What the control thread shows: the table of active nodes, and the snapshot.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::active::{ActiveNode, ActiveNodes, NodeState};
use super::control::Control;
use super::life::Life;
use super::peer::Peer;
use crate::channel::Channel;
use crate::fabric::handover::RingGauge;
use crate::fabric::snapshot::{
    BellSnapshot, DoorbellSnapshot, GroupLag, GroupSnapshot, NodeSnapshot, RingSnapshot, Snapshot,
};
use crate::layout::ABI_VERSION;
use crate::node::{Cast, Network, NodeId};
use crate::ring::{self, CopyRoutine, Geometry};

impl Control {
    /// The table of active nodes as it is now.
    pub(super) fn active_nodes(&self) -> ActiveNodes {
        let Some(life) = &self.life else { return ActiveNodes::default() };
        let mut nodes: Vec<ActiveNode> = self.peers.values().map(active_node).collect();
        nodes.push(ActiveNode {
            id: self.setup.me,
            incarnation: life.incarnation,
            state: NodeState::Active,
            is_self: true,
            connected: true,
            facts: self.facts.clone(),
        });
        nodes.sort_by_key(|node| node.id);
        ActiveNodes { nodes }
    }

    /// Everything.
    pub(super) fn snapshot(&self) -> Snapshot {
        let setup = &self.setup;
        let mut snapshot = Snapshot {
            facility: setup.facility.name(),
            place: setup.facility.place(),
            max_nodes: setup.layout.max_nodes as u16,
            queues: setup.layout.queues,
            geometry: Some(setup.geometry),
            timing: setup.timing,
            cpu_quota: setup.cpu_quota,
            mapping_cost: setup.facility.cost(),
            bytes_free: setup.facility.free().unwrap_or(0),
            abi_version: ABI_VERSION,
            bells: self
                .seams
                .bells
                .iter()
                .map(|bell| BellSnapshot { heard: bell.heard(), waits: bell.waits() })
                .collect(),
            quarantines: self.quarantines.recent(),
            quarantine_counts: self.quarantines.counts(),
            ..Snapshot::empty(setup.me)
        };
        let Some(life) = &self.life else { return snapshot };
        snapshot.incarnation = life.incarnation;
        snapshot.coherence = life.file.mapping.coherence().name();
        snapshot.bytes_budget = life.file.len;
        snapshot.bytes_used = setup.layout.heap as u64 + life.heap_used();
        snapshot.nodes = self.node_snapshots(life);
        snapshot.rings = self.peers.values().flat_map(|peer| ring_snapshots(setup.me, life, peer)).collect();
        snapshot.groups = self.group_snapshots();
        snapshot
    }

    fn node_snapshots(&self, life: &Life) -> Vec<NodeSnapshot> {
        let mut nodes: Vec<NodeSnapshot> = self.peers.values().map(node_snapshot).collect();
        nodes.push(NodeSnapshot {
            id: self.setup.me,
            incarnation: life.incarnation,
            state: NodeState::Active,
            is_self: true,
            connected: true,
            pid: std::process::id(),
            hostname: self.setup.hostname.clone(),
            arena_bytes: life.file.len,
            silence: self.setup.clock.age(),
            doorbell: None,
            multicast: self.multicast.clone(),
            facts: self.facts.clone(),
        });
        nodes.sort_by_key(|node| node.id);
        nodes
    }

    fn group_snapshots(&self) -> Vec<GroupSnapshot> {
        let mut groups = Vec::new();
        for network in Network::ALL {
            let Some(gauges) = &self.group_gauges[network.index()] else { continue };
            for (gauge, cast) in gauges.iter().zip([Cast::Broadcast, Cast::Multicast]) {
                let lag = gauge.lag.iter().enumerate().filter_map(|(index, lag)| {
                    Some(GroupLag {
                        reader: NodeId::from_index(index)?,
                        lane_slots: lag.lane_slots.load(Relaxed).checked_sub(1)?,
                        references: lag.references.load(Relaxed).checked_sub(1),
                        lost_frames: lag.lost_frames.load(Relaxed),
                    })
                });
                groups.push(GroupSnapshot {
                    network,
                    cast,
                    geometry: self.setup.layout.group,
                    owner: u16::try_from(gauge.owner.load(Relaxed)).ok().and_then(NodeId::new),
                    generation: gauge.generation.load(Relaxed),
                    position: gauge.position.load(Relaxed),
                    ordered: gauge.ordered.load(Relaxed),
                    sent: gauge.sent.load(Relaxed),
                    received: gauge.received.load(Relaxed),
                    lost: gauge.lost.load(Relaxed),
                    overwritten: gauge.overwritten.load(Relaxed),
                    filtered: gauge.filtered.load(Relaxed),
                    unwanted: gauge.unwanted.load(Relaxed),
                    unordered: gauge.unordered.load(Relaxed),
                    lag: lag.collect(),
                });
            }
        }
        groups
    }
}

fn active_node(peer: &Peer) -> ActiveNode {
    ActiveNode {
        id: peer.node,
        incarnation: peer.incarnation,
        state: state(peer),
        is_self: false,
        connected: peer.is_connected(),
        facts: peer.facts.clone(),
    }
}

fn node_snapshot(peer: &Peer) -> NodeSnapshot {
    NodeSnapshot {
        id: peer.node,
        incarnation: peer.incarnation,
        state: state(peer),
        is_self: false,
        connected: peer.is_connected(),
        pid: peer.identity.pid,
        hostname: peer.identity.hostname.clone(),
        arena_bytes: peer.arena.bytes() as u64,
        silence: Duration::from_micros(peer.silence.load(Relaxed)),
        doorbell: peer.bells.first().map(|bell| DoorbellSnapshot {
            kind: bell.kind(),
            rung: peer.bells.iter().map(|bell| bell.rung()).sum(),
        }),
        multicast: peer.multicast.clone(),
        facts: peer.facts.clone(),
    }
}

fn state(peer: &Peer) -> NodeState {
    if peer.suspect { NodeState::Suspect } else { NodeState::Active }
}

fn ring_snapshots(me: NodeId, life: &Life, peer: &Peer) -> Vec<RingSnapshot> {
    let mut rings = Vec::new();
    for (channel, to) in peer.to.iter() {
        if let Some(to) = to {
            let write = life.arena.heap(to.chunk.offset, to.chunk.len).ok();
            let write = write.map_or(0, |ring| ring::write_pointer(&ring.as_peer()));
            let read = peer.arena.read_pointer(me, channel).ok();
            let read = read.map_or(0, |line| ring::read_pointer(&line));
            let ring =
                ring_snapshot(channel, (me, peer.node), to.epoch, to.geometry, (write, read), &to.gauge);
            let distance = to.gauge.distance.load(Relaxed);
            let streaming = to.gauge.streaming.load(Relaxed);
            rings.push(RingSnapshot {
                distance_ns: (distance > 0).then_some(distance),
                copy: Some(if streaming { CopyRoutine::Streaming } else { CopyRoutine::Cached }),
                ..ring
            });
        }
        if let Some(from) = &peer.from[channel] {
            let write = peer.arena.heap(&from.entry).map_or(0, |ring| ring::write_pointer(&ring));
            let read = life.arena.read_pointer(peer.node, channel).ok();
            let read = read.map_or(0, |line| ring::read_pointer(&line.as_peer()));
            let epoch = from.entry.epoch;
            rings.push(ring_snapshot(
                channel,
                (peer.node, me),
                epoch,
                from.geometry,
                (write, read),
                &from.gauge,
            ));
        }
    }
    rings
}

fn ring_snapshot(
    channel: Channel,
    (transmitter, receiver): (NodeId, NodeId),
    epoch: u32,
    geometry: Geometry,
    (write_pointer, read_pointer): (u64, u64),
    gauge: &RingGauge,
) -> RingSnapshot {
    RingSnapshot {
        network: channel.network,
        queue: channel.queue,
        transmitter,
        receiver,
        epoch,
        bytes: geometry.bytes() as u64,
        slots: geometry.slots(),
        buffer: geometry.buffer(),
        write_pointer,
        read_pointer,
        // Both are published lazily and by different nodes: for a moment either may be the older.
        occupancy: write_pointer.saturating_sub(read_pointer).min(geometry.slots().into()),
        frames: gauge.frames.load(Relaxed),
        frame_bytes: gauge.bytes.load(Relaxed),
        full: gauge.full.load(Relaxed),
        too_long: gauge.too_long.load(Relaxed),
        faults: gauge.faults.load(Relaxed),
        distance_ns: None,
        copy: None,
    }
}
