//! The shared memory: nodes, rings, and who serves the common address.

use isthmus_mgmt_api::model::{
    CopyRoutine, GroupKind, LinkState, Network, NodeState, RingGeometry, Role, Shm, ShmDoorbell, ShmFacts,
    ShmFirstRing, ShmGroupReader, ShmGroupRing, ShmLink, ShmMappingCost, ShmNode, ShmPeerDoorbell,
    ShmQuarantine, ShmQuarantineCount, ShmRing, ShmRings, Steering, SteeringEpoch, SteeringMember,
};
use isthmus_shmnet::{
    Cast, CopyRoutine as FabricCopyRoutine, Geometry, GroupSnapshot, Network as FabricNetwork, NodeId,
    NodeState as FabricNodeState, Quarantine, RingSnapshot, Snapshot,
};

use super::super::shared::Shared;

/// The segment as this node sees it.
pub(super) fn shm(shared: &Shared) -> Option<Shm> {
    let snapshot = shared.fabric.as_ref()?.picture();
    let mut node = nodes(&snapshot);
    let gone = shared.fabric_record.gone(&node);
    node.extend(gone);
    node.sort_by_key(|node| node.node_id);
    Some(Shm {
        segment: snapshot.place.clone(),
        facility: snapshot.facility.to_owned(),
        coherence: snapshot.coherence.to_owned(),
        mapping_cost: snapshot
            .mapping_cost
            .map(|cost| ShmMappingCost { read_ns: cost.read_ns, write_ns: cost.write_ns }),
        layout_version: snapshot.abi_version,
        ring_slots: snapshot.geometry.map_or(0, |[lsm, _]| lsm.slots()),
        ring_buffer_size: snapshot.geometry.map_or(0, |[lsm, _]| lsm.buffer()),
        queues: snapshot.queues,
        first_ring: first_rings(&snapshot),
        max_nodes: snapshot.max_nodes,
        node_id: snapshot.node.get(),
        incarnation: snapshot.incarnation,
        arena_size: snapshot.bytes_budget,
        arena_free: snapshot.bytes_budget.saturating_sub(snapshot.bytes_used),
        active: shared.fabric.as_ref()?.active_nodes().nodes.iter().map(|node| node.id.get()).collect(),
        doorbell: (0..)
            .zip(&snapshot.bells)
            .map(|(queue, bell)| ShmDoorbell { queue, heard: bell.heard, waits: bell.waits })
            .collect(),
        node,
        link: links(&snapshot),
        quarantine: quarantines(&snapshot),
        quarantine_count: quarantine_counts(&snapshot),
    })
}

fn first_rings(snapshot: &Snapshot) -> Vec<ShmFirstRing> {
    let geometry = snapshot.geometry.into_iter().flatten();
    let model = |(network, geometry): (Network, Geometry)| ShmFirstRing {
        network,
        geometry: RingGeometry {
            slots: geometry.slots(),
            buffer_size: geometry.buffer(),
            size: geometry.bytes() as u64,
        },
    };
    [Network::Lsm, Network::Gsm].into_iter().zip(geometry).map(model).collect()
}

fn nodes(snapshot: &Snapshot) -> Vec<ShmNode> {
    snapshot
        .nodes
        .iter()
        .map(|node| ShmNode {
            node_id: node.id.get(),
            local: node.is_self,
            incarnation: node.incarnation,
            state: match node.state {
                FabricNodeState::Active => NodeState::Active,
                FabricNodeState::Suspect => NodeState::Suspect,
            },
            heartbeat_age: node.silence.as_secs_f64(),
            doorbell: node
                .doorbell
                .map(|bell| ShmPeerDoorbell { kind: bell.kind.name().to_owned(), rung: bell.rung }),
            facts: Some(ShmFacts {
                lsm_address: node.facts.lsm_address,
                gsm_address: node.facts.gsm_address,
                router_id: Some(node.facts.router_id),
                role: if node.facts.abr { Role::Abr } else { Role::Internal },
                weight: u32::from(node.facts.weight),
                healthy: node.facts.accepting,
                draining: node.facts.draining,
                steering_epoch: node.facts.steering.last().map_or(0, |epoch| epoch.number),
            }),
            quarantined: None,
        })
        .collect()
}

fn quarantines(snapshot: &Snapshot) -> Vec<ShmQuarantine> {
    let model = |quarantine: &Quarantine| ShmQuarantine {
        node_id: quarantine.node.get(),
        incarnation: quarantine.incarnation,
        cause: quarantine.cause.name().to_owned(),
        reason: quarantine.why.clone(),
        age: quarantine.age.as_secs_f64(),
    };
    snapshot.quarantines.iter().map(model).collect()
}

fn quarantine_counts(snapshot: &Snapshot) -> Vec<ShmQuarantineCount> {
    let counts = snapshot.quarantine_counts.iter().filter(|(_, count)| *count > 0);
    counts
        .map(|(cause, count)| ShmQuarantineCount { cause: cause.name().to_owned(), count: *count })
        .collect()
}

/// One for each peer and network: allocated by us, connected to theirs, or both.
fn links(snapshot: &Snapshot) -> Vec<ShmLink> {
    let mut links = Vec::new();
    for peer in snapshot.nodes.iter().filter(|node| !node.is_self) {
        for network in [FabricNetwork::Lsm, FabricNetwork::Gsm] {
            let has = |transmitter, receiver| {
                snapshot.rings.iter().any(|ring| {
                    ring.network == network && ring.transmitter == transmitter && ring.receiver == receiver
                })
            };
            let (ours, theirs) = (has(snapshot.node, peer.id), has(peer.id, snapshot.node));
            links.push(ShmLink {
                network: network_model(network),
                peer: peer.id.get(),
                peer_incarnation: peer.incarnation,
                state: match (ours, theirs) {
                    (true, true) => LinkState::Up,
                    (true, false) => LinkState::Allocated,
                    (false, true) => LinkState::Connected,
                    (false, false) => LinkState::Down,
                },
            });
        }
    }
    links
}

fn network_model(network: FabricNetwork) -> Network {
    match network {
        FabricNetwork::Lsm => Network::Lsm,
        FabricNetwork::Gsm => Network::Gsm,
    }
}

/// All rings of this node, to and from its peers.
pub(super) fn rings(shared: &Shared) -> Option<ShmRings> {
    let snapshot = shared.fabric.as_ref()?.picture();
    let incarnation =
        |id| snapshot.nodes.iter().find(|node| node.id == id).map_or(0, |node| node.incarnation);
    let ring = snapshot.rings.iter().map(|ring| ring_model(ring, incarnation)).collect();
    let group_ring = snapshot.groups.iter().map(group_ring_model).collect();
    Some(ShmRings { ring, group_ring })
}

fn ring_model(ring: &RingSnapshot, incarnation: impl Fn(NodeId) -> u64) -> ShmRing {
    ShmRing {
        network: network_model(ring.network),
        queue: ring.queue,
        transmitter: ring.transmitter.get(),
        receiver: ring.receiver.get(),
        transmitter_incarnation: incarnation(ring.transmitter),
        receiver_incarnation: incarnation(ring.receiver),
        epoch: ring.epoch,
        geometry: RingGeometry { slots: ring.slots, buffer_size: ring.buffer, size: ring.bytes },
        write_pointer: ring.write_pointer,
        read_pointer: ring.read_pointer,
        occupancy: ring.occupancy,
        frames: ring.frames,
        octets: ring.frame_bytes,
        full: ring.full,
        too_long: ring.too_long,
        invalid: ring.faults,
        distance_ns: ring.distance_ns,
        copy_routine: ring.copy.map(|routine| match routine {
            FabricCopyRoutine::Cached => CopyRoutine::Cached,
            FabricCopyRoutine::Streaming => CopyRoutine::Streaming,
        }),
    }
}

fn group_ring_model(group: &GroupSnapshot) -> ShmGroupRing {
    let reader = group.lag.iter().map(|lag| ShmGroupReader {
        node_id: lag.reader.get(),
        position: lag.references.map(|references| group.position.saturating_sub(references)),
        lag: lag.references,
        unread_slots: lag.lane_slots,
        lost: lag.lost_frames,
    });
    ShmGroupRing {
        network: network_model(group.network),
        kind: if group.cast == Cast::Broadcast { GroupKind::Broadcast } else { GroupKind::Multicast },
        owner: group.owner.map(|owner| owner.get()),
        generation: group.generation,
        position: group.position,
        geometry: RingGeometry {
            slots: group.geometry.lane_slots() as u32,
            buffer_size: group.geometry.slot_bytes(),
            size: group.geometry.bytes() as u64,
        },
        submitted: group.sent,
        delivered: group.received,
        lost: group.lost,
        overwritten: group.overwritten,
        filtered: group.filtered,
        unwanted: group.unwanted,
        unordered: group.unordered,
        reader: reader.collect(),
    }
}

/// Who serves the common addresses.
pub(super) fn steering(shared: &Shared) -> Option<Steering> {
    let config = shared.config();
    let fabric = config.fabric.as_ref()?;
    let state = shared.worker.state.load();
    let counts = shared.worker.counters.snapshot();
    let slots: Vec<u16> = state.steering.nodes().collect();
    let mut members = slots.clone();
    members.sort_unstable();
    members.dedup();
    let epochs = shared.epochs().clone();
    let weight = |id: u16| {
        let of = |epoch: &isthmus_shmnet::SteeringEpoch| epoch.weight(isthmus_shmnet::NodeId::new(id)?);
        u32::from(epochs.last().and_then(of).unwrap_or(0))
    };
    let member = members
        .into_iter()
        .map(|id| {
            let steered =
                counts.steered.iter().find(|steered| steered.node == id).copied().unwrap_or_default();
            let share = slots.iter().filter(|&&slot| slot == id).count();
            SteeringMember {
                node_id: id,
                weight: weight(id),
                slots: share as u32,
                share: share as f64 / slots.len().max(1) as f64,
                steered_packets: steered.packets,
                steered_octets: steered.bytes,
            }
        })
        .collect();
    let history = epochs
        .iter()
        .map(|epoch| SteeringEpoch {
            epoch: epoch.number,
            member: epoch.members().iter().map(|(node, _)| node.get()).collect(),
            since: None,
        })
        .collect();
    Some(Steering {
        common_address: fabric.common_addresses.clone(),
        epoch: state.steering.epoch,
        slots: slots.len() as u32,
        member,
        no_active_node: counts.drops.count(crate::forward::DropReason::NoActiveNode),
        history,
    })
}
