//! Which value of which view becomes which sample.

use std::collections::BTreeMap;

use isthmus_ospf::types::MAX_AGE;
use isthmus_ospf::view::{DatabaseEntryView, InterfaceView, NeighborState, NeighborView};
use prometheus::proto::MetricFamily;

use super::family::Families;
use super::names as m;
use crate::backend::Backend;
use crate::model::{
    Configuration, ConfigurationHistory, CopyRoutine, Counters, DateTime, Drops, Interfaces, Measurements,
    Neighbors, NodeState, OperStatus, OspfSnapshot, Role, Routes, Shm, ShmRing, ShmRings, StackKind,
    Steering, System,
};

/// All samples of the node at this moment.
pub(super) fn all<B: Backend>(backend: &B) -> Vec<MetricFamily> {
    let mut out = Families::default();
    let system = backend.system();
    node(&mut out, &system);
    let measurements = backend.measurements();
    process(&mut out, &system, &measurements);
    workers(&mut out, &measurements);
    configuration(&mut out, &backend.configuration(), &backend.configuration_history());
    out.count(&m::READY, &[], backend.readiness().ready.into());
    let interface_list = backend.interfaces();
    interfaces(&mut out, &interface_list);
    for interface in &interface_list.interface {
        let table = backend.neighbors(&interface.name).unwrap_or_default();
        arp(&mut out, &interface.name, &table);
    }
    counters(&mut out, &backend.counters());
    drops(&mut out, &backend.drops());
    routes(&mut out, &backend.routes());
    let fib = backend.fib();
    out.count(&m::FIB_ROUTES, &[], fib.entry.len() as u64);
    out.count(&m::FIB_UPDATES, &[], fib.generation);
    let engine = backend.ospf();
    out.count(&m::OSPF_UP, &[], engine.is_some().into());
    if let Some(engine) = &engine {
        ospf(&mut out, &system, engine);
        out.histogram(&m::OSPF_CONVERGENCE, &measurements.convergence);
        database(&mut out, &backend.ospf_database().unwrap_or_default());
    }
    if let Some(memory) = backend.shm() {
        shm(&mut out, &memory, &measurements);
        rings(&mut out, memory.node_id, &backend.shm_rings().unwrap_or_default());
    }
    if let Some(table) = backend.steering() {
        steering(&mut out, &table);
    }
    out.into_vec()
}

fn node(out: &mut Families, system: &System) {
    out.count(&m::BUILD_INFO, &[&system.version, system.commit.as_deref().unwrap_or("")], 1);
    let node_id = system.node_id.map(|id| id.to_string()).unwrap_or_default();
    let stack = match system.stack {
        StackKind::Embedded => "embedded",
        StackKind::Kernel => "kernel",
    };
    out.count(&m::NODE_INFO, &[&node_id, &system.hostname, &system.router_id.to_string(), stack], 1);
    out.add(&m::START_TIME, &[], seconds(system.started));
    for check in &system.check {
        out.count(&m::CHECK_STATUS, &[&check.name], check.status as u64);
    }
}

fn process(out: &mut Families, system: &System, measurements: &Measurements) {
    let process = &measurements.process;
    out.add(&m::PROCESS_START, &[], seconds(system.started));
    if let Some(seconds) = process.cpu {
        out.add(&m::PROCESS_CPU, &[], seconds);
    }
    for (metric, value) in [
        (&m::PROCESS_RESIDENT, process.resident),
        (&m::PROCESS_VIRTUAL, process.virtual_size),
        (&m::PROCESS_DESCRIPTORS, process.descriptors),
        (&m::PROCESS_MAX_DESCRIPTORS, process.max_descriptors),
        (&m::PROCESS_THREADS, process.threads),
    ] {
        if let Some(value) = value {
            out.count(metric, &[], value);
        }
    }
    for (event_type, events) in &measurements.events {
        out.count(&m::EVENTS, &[event_type], *events);
    }
    for (level, lines) in &measurements.log {
        out.count(&m::LOG_LINES, &[level], *lines);
    }
}

fn configuration(out: &mut Families, running: &Configuration, history: &ConfigurationHistory) {
    let newest = history.entry.iter().max_by_key(|entry| entry.number);
    out.count(&m::CONFIG_GENERATION, &[], newest.map_or(0, |entry| entry.number));
    if let Some(newest) = newest {
        out.add(&m::CONFIG_COMMITTED, &[], seconds(newest.time));
    }
    out.count(&m::CONFIG_SAVED, &[], running.saved.into());
    if let Some(deadline) = running.confirm_deadline {
        out.add(&m::CONFIG_CONFIRM_DEADLINE, &[], seconds(deadline));
    }
}

/// Since 1970.
fn seconds(time: DateTime) -> f64 {
    time.0 as f64 / 1e6
}

fn workers(out: &mut Families, measurements: &Measurements) {
    for worker in &measurements.worker {
        let labels: &[&str] = &[&worker.name];
        out.add(&m::WORKER_BUSY, labels, worker.busy);
        out.add(&m::WORKER_BUSY_RATIO, labels, worker.busy_ratio);
        out.add(&m::WORKER_SILENCE, labels, worker.silence);
        out.count(&m::WORKER_WAKEUPS, labels, worker.wakeups);
    }
}

fn interfaces(out: &mut Families, interfaces: &Interfaces) {
    for interface in &interfaces.interface {
        let labels: &[&str] = &[&interface.name, &interface.driver];
        let s = &interface.statistics;
        out.count(&m::INTERFACE_UP, labels, (interface.oper_status == OperStatus::Up).into());
        out.count(&m::INTERFACE_ENABLED, labels, interface.enabled.into());
        out.count(&m::INTERFACE_MTU, labels, interface.mtu.into());
        out.count(&m::RECEIVE_BYTES, labels, s.in_octets);
        out.count(&m::RECEIVE_PACKETS, labels, s.in_unicast_pkts + s.in_broadcast_pkts + s.in_multicast_pkts);
        out.count(&m::RECEIVE_DROPS, labels, s.in_discards);
        out.count(&m::RECEIVE_ERRORS, labels, s.in_errors);
        out.count(&m::TRANSMIT_BYTES, labels, s.out_octets);
        out.count(
            &m::TRANSMIT_PACKETS,
            labels,
            s.out_unicast_pkts + s.out_broadcast_pkts + s.out_multicast_pkts,
        );
        out.count(&m::TRANSMIT_DROPS, labels, s.out_discards);
        out.count(&m::TRANSMIT_ERRORS, labels, s.out_errors);
    }
}

fn arp(out: &mut Families, interface: &str, neighbors: &Neighbors) {
    let mut by_state: BTreeMap<&'static str, u64> = BTreeMap::new();
    for neighbor in &neighbors.neighbor {
        *by_state.entry(neighbor.state.label()).or_default() += 1;
    }
    for (state, count) in by_state {
        out.count(&m::ARP_ENTRIES, &[interface, state], count);
    }
}

fn counters(out: &mut Families, counters: &Counters) {
    for counter in &counters.counter {
        match (counter.group.as_str(), counter.name.as_str()) {
            ("forward", verdict) => out.count(&m::FORWARD_PACKETS, &[verdict], counter.value),
            ("lsm", "captured-packets") => out.count(&m::LSM_CAPTURED, &[], counter.value),
            ("gsm", "captured-packets") => out.count(&m::GSM_CAPTURED, &[], counter.value),
            ("fragments", "fragmented") => out.count(&m::FRAGMENTED, &[], counter.value),
            ("fragments", "reassembled") => out.count(&m::REASSEMBLED, &[], counter.value),
            ("icmp", "suppressed") => out.count(&m::ICMP_SUPPRESSED, &[], counter.value),
            ("arp", direction @ ("received" | "sent")) => {
                let direction = if direction == "received" { "receive" } else { "transmit" };
                out.count(&m::ARP_PACKETS, &[direction], counter.value);
            }
            ("authentication", name) => {
                let reason = name.trim_start_matches("refused-");
                out.count(&m::AUTHENTICATION_FAILURES, &[reason], counter.value);
            }
            ("ospf", reason) => out.count(&m::OSPF_DATAGRAM_DROPS, &[reason], counter.value),
            // It is shown with the worker.
            ("worker", "wakeups") => {}
            ("icmp", name) if name.starts_with("sent-") => {
                out.count(&m::ICMP_SENT, &[name.trim_start_matches("sent-")], counter.value);
            }
            (group, name) => out.count(&m::COUNTER, &[group, name], counter.value),
        }
    }
}

fn drops(out: &mut Families, drops: &Drops) {
    for drop in &drops.drop {
        let interface = drop.interface.as_deref().unwrap_or("");
        out.count(&m::FORWARD_DROPS, &[interface, &drop.reason], drop.packets);
    }
}

fn routes(out: &mut Families, routes: &Routes) {
    let mut by_kind: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    for route in &routes.route {
        let route_type = route.route_type.map_or("", |route_type| route_type.as_str());
        *by_kind.entry((route.source_protocol.label(), route_type)).or_default() += 1;
    }
    for ((source, route_type), count) in by_kind {
        out.count(&m::RIB_ROUTES, &[source, route_type], count);
    }
}

fn ospf(out: &mut Families, system: &System, engine: &OspfSnapshot) {
    for role in Role::ALL {
        out.count(&m::OSPF_ROLE, &[role.label()], (role == system.role).into());
    }
    out.count(&m::OSPF_LSA_ORIGINATED, &[], engine.instance.statistics.originate_new_lsa_count);
    for (lsa_type, received) in &engine.instance.statistics.rx_new_lsas {
        out.count(&m::OSPF_LSA_RECEIVED, &[lsa_type], *received);
    }
    for area in &engine.areas {
        let id = area.area_id.to_string();
        out.count(&m::OSPF_AREA_INTERFACES, &[&id], area.interface_count.into());
        out.count(&m::OSPF_SPF_RUNS, &[&id, "full"], area.statistics.spf_runs_count);
    }
    out.histogram(&m::OSPF_SPF_DURATION, &engine.spf_durations);
    for interface in &engine.interfaces {
        ospf_interface(out, interface, &engine.neighbors);
    }
    // One that is listed and was never heard has no router id yet: it counts in its interface's states.
    for neighbor in engine.neighbors.iter().filter(|it| !it.neighbor_router_id.0.is_unspecified()) {
        let labels: &[&str] =
            &[&neighbor.area_id.to_string(), &neighbor.interface, &neighbor.neighbor_router_id.to_string()];
        out.count(&m::OSPF_NEIGHBOR_STATE, labels, neighbor.state.number().into());
        out.count(&m::OSPF_NEIGHBOR_UPTIME, labels, neighbor.up_time.unwrap_or(0));
        out.count(&m::OSPF_NEIGHBOR_RETRANSMIT_QUEUE, labels, neighbor.statistics.nbr_retrans_qlen.into());
    }
}

fn ospf_interface(out: &mut Families, interface: &InterfaceView, neighbors: &[NeighborView]) {
    let area = interface.area_id.to_string();
    let name = interface.name.as_str();
    let here = |neighbor: &&NeighborView| neighbor.area_id == interface.area_id && neighbor.interface == name;
    for state in NeighborState::ALL {
        let in_state = neighbors.iter().filter(here).filter(|neighbor| neighbor.state == *state);
        out.count(&m::OSPF_INTERFACE_NEIGHBORS, &[&area, name, state.as_str()], in_state.count() as u64);
    }
    out.count(&m::OSPF_INTERFACE_STATE, &[&area, name], interface.state.number().into());
    out.count(&m::OSPF_INTERFACE_COST, &[&area, name], interface.cost.into());
    let statistics = &interface.statistics;
    out.count(&m::OSPF_INTERFACE_EVENTS, &[&area, name], statistics.if_event_count);
    for (direction, packets) in
        [("receive", &statistics.packets.received), ("transmit", &statistics.packets.sent)]
    {
        for (packet_type, count) in packets.by_type() {
            out.count(&m::OSPF_PACKETS, &[&area, name, direction, packet_type], count);
        }
    }
    for (reason, count) in &statistics.bad_packets {
        out.count(&m::OSPF_PACKET_ERRORS, &[&area, name, reason], *count);
    }
    for (reason, count) in &statistics.ignored_packets {
        out.count(&m::OSPF_PACKETS_IGNORED, &[&area, name, reason], *count);
    }
    out.count(&m::OSPF_RETRANSMISSIONS, &[&area, name], statistics.retransmission_count);
}

fn database(out: &mut Families, database: &[DatabaseEntryView]) {
    let mut by_type: BTreeMap<(&'static str, String, &str), u64> = BTreeMap::new();
    for entry in database {
        let (scope, area) = match entry.area_id {
            Some(area) => ("area", area.to_string()),
            None => ("as", String::new()),
        };
        *by_type.entry((scope, area, &entry.header.lsa_type)).or_default() += 1;
    }
    for ((scope, area, lsa_type), count) in by_type {
        out.count(&m::OSPF_LSDB_LSAS, &[scope, &area, lsa_type], count);
    }
    let flushed = database.iter().filter(|entry| entry.header.age >= MAX_AGE).count();
    out.count(&m::OSPF_LSDB_MAXAGE, &[], flushed as u64);
}

fn shm(out: &mut Families, shm: &Shm, measurements: &Measurements) {
    for member in &measurements.member {
        let id = member.node_id.to_string();
        out.count(&m::SHM_NODE_SUSPICIONS, &[&id], member.suspicions);
        out.count(&m::SHM_NODE_FAILURES, &[&id], member.failures);
    }
    out.count(&m::SHM_REJOINS, &[], measurements.rejoins);
    out.count(&m::SHM_ACTIVE_NODES, &[], shm.active.len() as u64);
    out.count(&m::SHM_ARENA_SIZE, &[], shm.arena_size);
    out.count(&m::SHM_ARENA_FREE, &[], shm.arena_free);
    out.count(&m::SHM_INFO, &[&shm.facility, &shm.coherence], 1);
    out.count(&m::SHM_QUEUES, &[], shm.queues.into());
    for first in &shm.first_ring {
        out.count(&m::SHM_FIRST_RING_SLOTS, &[first.network.label()], first.geometry.slots.into());
        out.count(&m::SHM_FIRST_RING_BUFFER, &[first.network.label()], first.geometry.buffer_size.into());
    }
    if let Some(cost) = shm.mapping_cost {
        out.add(&m::SHM_MAPPING_ACCESS, &["read"], nanoseconds(cost.read_ns));
        out.add(&m::SHM_MAPPING_ACCESS, &["write"], nanoseconds(cost.write_ns));
    }
    for quarantined in &shm.quarantine_count {
        out.count(&m::SHM_QUARANTINES, &[&quarantined.cause], quarantined.count);
    }
    for doorbell in &shm.doorbell {
        let queue = doorbell.queue.to_string();
        out.count(&m::SHM_DOORBELL_HEARD, &[&queue], doorbell.heard);
        out.count(&m::SHM_DOORBELL_WAITS, &[&queue], doorbell.waits);
    }
    for node in &shm.node {
        let id = node.node_id.to_string();
        if let Some(doorbell) = &node.doorbell {
            out.count(&m::SHM_DOORBELL_RUNG, &[&id], doorbell.rung);
        }
        for state in NodeState::ALL {
            out.count(&m::SHM_NODE_STATE, &[&id, state.label()], (state == node.state).into());
        }
        out.count(&m::SHM_NODE_INCARNATION, &[&id], node.incarnation);
        out.add(&m::SHM_HEARTBEAT_AGE, &[&id], node.heartbeat_age);
    }
}

fn nanoseconds(nanoseconds: u32) -> f64 {
    f64::from(nanoseconds) / 1e9
}

fn rings(out: &mut Families, own_id: u16, rings: &ShmRings) {
    for ring in newest_of_each_direction(&rings.ring) {
        let (peer, direction) = if ring.transmitter == own_id {
            (ring.receiver, "transmit")
        } else {
            (ring.transmitter, "receive")
        };
        let (network, peer, queue) = (ring.network.label(), peer.to_string(), ring.queue.to_string());
        let labels: &[&str] = &[network, &peer, direction, &queue];
        out.count(&m::SHM_RING_OCCUPANCY, labels, ring.occupancy);
        out.count(&m::SHM_RING_SLOTS, labels, ring.geometry.slots.into());
        out.count(&m::SHM_RING_EPOCH, labels, ring.epoch.into());
        out.count(&m::SHM_RING_SIZE, labels, ring.geometry.size);
        out.count(&m::SHM_RING_FRAMES, labels, ring.frames);
        out.count(&m::SHM_RING_BYTES, labels, ring.octets);
        out.count(&m::SHM_RING_FULL, labels, ring.full);
        out.count(&m::SHM_RING_TOO_LONG, labels, ring.too_long);
        out.count(&m::SHM_RING_INVALID, labels, ring.invalid);
        out.count(&m::SHM_RING_BUFFER, labels, ring.geometry.buffer_size.into());
        let labels: &[&str] = &[network, &peer, &queue];
        if let Some(distance) = ring.distance_ns {
            out.add(&m::SHM_RING_DISTANCE, labels, nanoseconds(distance));
        }
        if let Some(routine) = ring.copy_routine {
            out.count(&m::SHM_RING_STREAMING, labels, (routine == CopyRoutine::Streaming).into());
        }
    }
    for ring in &rings.group_ring {
        let labels: &[&str] = &[ring.network.label(), ring.kind.label()];
        out.count(&m::SHM_GROUP_OWNER, labels, ring.owner.unwrap_or(0).into());
        out.count(&m::SHM_GROUP_GENERATION, labels, ring.generation);
        out.count(&m::SHM_GROUP_SUBMITTED, labels, ring.submitted);
        out.count(&m::SHM_GROUP_DELIVERED, labels, ring.delivered);
        out.count(&m::SHM_GROUP_LOST, labels, ring.lost);
        out.count(&m::SHM_GROUP_POSITION, labels, ring.position);
        out.count(&m::SHM_GROUP_OVERWRITTEN, labels, ring.overwritten);
        out.count(&m::SHM_GROUP_FILTERED, labels, ring.filtered);
        out.count(&m::SHM_GROUP_UNWANTED, labels, ring.unwanted);
        out.count(&m::SHM_GROUP_UNORDERED, labels, ring.unordered);
        for reader in &ring.reader {
            let labels: &[&str] = &[ring.network.label(), ring.kind.label(), &reader.node_id.to_string()];
            if let Some(lag) = reader.lag {
                out.count(&m::SHM_GROUP_LAG, labels, lag);
            }
            out.count(&m::SHM_GROUP_UNREAD, labels, reader.unread_slots);
            out.count(&m::SHM_GROUP_READER_LOST, labels, reader.lost);
        }
    }
}

/// While a ring is being replaced there are two for one direction; a metric has room for one.
fn newest_of_each_direction(rings: &[ShmRing]) -> impl Iterator<Item = &ShmRing> {
    let mut newest: BTreeMap<_, &ShmRing> = BTreeMap::new();
    for ring in rings {
        let kept = newest.entry((ring.network, ring.queue, ring.transmitter, ring.receiver)).or_insert(ring);
        let age = |ring: &ShmRing| (ring.transmitter_incarnation, ring.receiver_incarnation, ring.epoch);
        if age(ring) > age(kept) {
            *kept = ring;
        }
    }
    newest.into_values()
}

fn steering(out: &mut Families, steering: &Steering) {
    out.count(&m::STEERING_EPOCH, &[], steering.epoch);
    out.count(&m::STEERING_MEMBERS, &[], steering.member.len() as u64);
    for member in &steering.member {
        let id = member.node_id.to_string();
        out.add(&m::STEERING_SHARE, &[&id], member.share);
        out.count(&m::STEERING_PACKETS, &[&id], member.steered_packets);
        out.count(&m::STEERING_BYTES, &[&id], member.steered_octets);
    }
}
