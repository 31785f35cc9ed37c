//! Every metric, once. Base units; counters end in `_total`; no gauge ends in `_count`.
//!
//! All begin with `isthmus_`, but for those of the process: they have the names that every exporter gives them, so that
//! what is drawn for any process is drawn for this one.

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One line about it.
    pub help: &'static str,
}

/// What a metric's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grow.
    Counter,
    /// Go up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Definition =
                Definition { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*

        /// All metrics.
        pub static ALL: &[&Definition] = &[$(&$constant,)*];
    };
}

metrics! {
    BUILD_INFO = Gauge "isthmus_build_info" ["version" "commit"] "1, with what the program was built from.";
    NODE_INFO = Gauge "isthmus_node_info" ["node" "hostname" "router_id" "stack"] "1, with who the node is.";
    START_TIME = Gauge "isthmus_start_time_seconds" [] "When the process started, in seconds since 1970.";
    READY = Gauge "isthmus_ready" [] "1 once the node has joined and has its routes.";
    CHECK_STATUS = Gauge "isthmus_check_status" ["check"] "0 as it should be, 1 warning, 2 failed.";
    AUTHENTICATION_FAILURES = Counter "isthmus_authentication_failures_total" ["reason"] "Requests to the management plane that were refused for who sent them.";
    COUNTER = Counter "isthmus_counter_total" ["group" "counter"] "Counters of the node that have no metric of their own.";

    PROCESS_CPU = Counter "process_cpu_seconds_total" [] "Processor time of the process, in user and system mode.";
    PROCESS_RESIDENT = Gauge "process_resident_memory_bytes" [] "Octets of memory that are resident.";
    PROCESS_VIRTUAL = Gauge "process_virtual_memory_bytes" [] "Octets of address space; the arenas of all peers are in it.";
    PROCESS_DESCRIPTORS = Gauge "process_open_fds" [] "Descriptors that are open.";
    PROCESS_MAX_DESCRIPTORS = Gauge "process_max_fds" [] "The most descriptors that may be open.";
    PROCESS_START = Gauge "process_start_time_seconds" [] "When the process started, in seconds since 1970.";
    PROCESS_THREADS = Gauge "process_threads" [] "Threads of the process.";
    LOG_LINES = Counter "isthmus_log_lines_total" ["level"] "Lines logged: `error`, `warning`, and `other` for what tells of ordinary things.";

    EVENTS = Counter "isthmus_events_total" ["type"] "Events, by their type; the reference of events has them all.";
    CONFIG_GENERATION = Gauge "isthmus_config_generation" [] "Number of the newest configuration in the history; 0 before the first change.";
    CONFIG_COMMITTED = Gauge "isthmus_config_last_commit_timestamp_seconds" [] "When that was committed, in seconds since 1970; absent before the first change.";
    CONFIG_SAVED = Gauge "isthmus_config_saved" [] "1 while the running configuration is that of the file, with which the node would start.";
    CONFIG_CONFIRM_DEADLINE = Gauge "isthmus_config_confirm_deadline_timestamp_seconds" [] "Until when the running configuration must be confirmed, in seconds since 1970; absent while none waits.";

    WORKER_BUSY = Counter "isthmus_worker_busy_seconds_total" ["worker"] "Time that the worker spent on turns that found work.";
    WORKER_BUSY_RATIO = Gauge "isthmus_worker_busy_ratio" ["worker"] "Its part of the last second that was measured, 0 to 1.";
    WORKER_SILENCE = Gauge "isthmus_worker_silence_seconds" ["worker"] "Time since the worker's last turn began: one that sleeps has ten turns in a second.";
    WORKER_WAKEUPS = Counter "isthmus_worker_wakeups_total" ["worker"] "Times that the worker slept and woke.";

    INTERFACE_UP = Gauge "isthmus_interface_up" ["interface" "kind"] "1 while the interface passes packets.";
    INTERFACE_ENABLED = Gauge "isthmus_interface_enabled" ["interface" "kind"] "1 while the interface is administratively up.";
    INTERFACE_MTU = Gauge "isthmus_interface_mtu_bytes" ["interface" "kind"] "Largest IP datagram.";
    RECEIVE_BYTES = Counter "isthmus_interface_receive_bytes_total" ["interface" "kind"] "Octets received, Ethernet header included.";
    RECEIVE_PACKETS = Counter "isthmus_interface_receive_packets_total" ["interface" "kind"] "Packets received.";
    RECEIVE_DROPS = Counter "isthmus_interface_receive_drops_total" ["interface" "kind"] "Packets received and dropped.";
    RECEIVE_ERRORS = Counter "isthmus_interface_receive_errors_total" ["interface" "kind"] "Packets received damaged.";
    TRANSMIT_BYTES = Counter "isthmus_interface_transmit_bytes_total" ["interface" "kind"] "Octets sent, Ethernet header included.";
    TRANSMIT_PACKETS = Counter "isthmus_interface_transmit_packets_total" ["interface" "kind"] "Packets sent.";
    TRANSMIT_DROPS = Counter "isthmus_interface_transmit_drops_total" ["interface" "kind"] "Packets to be sent, and dropped.";
    TRANSMIT_ERRORS = Counter "isthmus_interface_transmit_errors_total" ["interface" "kind"] "Packets that the medium refused.";
    ARP_ENTRIES = Gauge "isthmus_arp_entries" ["interface" "state"] "Stations known on the interface.";

    FORWARD_PACKETS = Counter "isthmus_forward_packets_total" ["verdict"] "Packets by what became of them.";
    FORWARD_DROPS = Counter "isthmus_forward_drops_total" ["interface" "reason"] "Packets dropped; the interface is empty where there was none.";
    FRAGMENTED = Counter "isthmus_fragmented_packets_total" [] "Packets that were cut into fragments.";
    REASSEMBLED = Counter "isthmus_reassembled_packets_total" [] "Packets to the common address that were put together from fragments.";
    ICMP_SENT = Counter "isthmus_icmp_sent_total" ["type"] "ICMP errors that the router sent.";
    ICMP_SUPPRESSED = Counter "isthmus_icmp_suppressed_total" [] "ICMP errors that the rate limit held back.";
    ARP_PACKETS = Counter "isthmus_arp_packets_total" ["direction"] "ARP packets.";
    LSM_CAPTURED = Counter "isthmus_lsm_captured_packets_total" [] "Packets taken from the node's own stacks onto the local network.";
    GSM_CAPTURED = Counter "isthmus_gsm_captured_packets_total" [] "Packets taken from the node's own stacks onto the global network.";
    RIB_ROUTES = Gauge "isthmus_rib_routes" ["source_protocol" "route_type"] "Routes of each source, chosen or not.";
    FIB_ROUTES = Gauge "isthmus_fib_routes" [] "Prefixes in the forwarding table.";
    FIB_UPDATES = Counter "isthmus_fib_updates_total" [] "Forwarding tables published.";

    OSPF_UP = Gauge "isthmus_ospf_up" [] "1 while the OSPF engine runs.";
    OSPF_ROLE = Gauge "isthmus_ospf_role_info" ["role"] "1 for the node's role, 0 for the other.";
    OSPF_NEIGHBOR_STATE = Gauge "isthmus_ospf_neighbor_state" ["area" "interface" "neighbor"] "ospfNbrState of RFC 4750: 1 down to 8 full.";
    OSPF_NEIGHBOR_UPTIME = Gauge "isthmus_ospf_neighbor_uptime_seconds" ["area" "interface" "neighbor"] "Time in state full.";
    OSPF_NEIGHBOR_RETRANSMIT_QUEUE = Gauge "isthmus_ospf_neighbor_retransmit_queue" ["area" "interface" "neighbor"] "Advertisements not acknowledged yet.";
    OSPF_INTERFACE_NEIGHBORS = Gauge "isthmus_ospf_interface_neighbors" ["area" "interface" "state"] "Neighbors in each state.";
    OSPF_INTERFACE_STATE = Gauge "isthmus_ospf_interface_state" ["area" "interface"] "ospfIfState of RFC 4750, and RFC 9129: 1 down, 3 waiting, 4 point-to-point, 5 DR, 6 BDR, 7 other.";
    OSPF_INTERFACE_EVENTS = Counter "isthmus_ospf_interface_events_total" ["area" "interface"] "Changes of the interface's state.";
    OSPF_INTERFACE_COST = Gauge "isthmus_ospf_interface_cost" ["area" "interface"] "Output cost.";
    OSPF_AREA_INTERFACES = Gauge "isthmus_ospf_area_interfaces" ["area"] "Interfaces in the area.";
    OSPF_LSDB_LSAS = Gauge "isthmus_ospf_lsdb_lsas" ["scope" "area" "lsa_type"] "Advertisements in the database.";
    OSPF_LSDB_MAXAGE = Gauge "isthmus_ospf_lsdb_maxage_lsas" [] "Advertisements that are being flushed.";
    OSPF_LSA_ORIGINATED = Counter "isthmus_ospf_lsa_originated_total" [] "Instances of advertisements that the router originated.";
    OSPF_LSA_RECEIVED = Counter "isthmus_ospf_lsa_received_total" ["lsa_type"] "New instances of advertisements received.";
    OSPF_SPF_RUNS = Counter "isthmus_ospf_spf_runs_total" ["area" "spf_type"] "Shortest path trees calculated.";
    OSPF_SPF_DURATION = Histogram "isthmus_ospf_spf_duration_seconds" [] "How long calculations of routes took.";
    OSPF_CONVERGENCE = Histogram "isthmus_ospf_convergence_seconds" [] "From the advertisement received, or the change here, to the published forwarding table with the routes that follow.";
    OSPF_PACKETS = Counter "isthmus_ospf_packets_total" ["area" "interface" "direction" "type"] "OSPF packets accepted or sent.";
    OSPF_PACKET_ERRORS = Counter "isthmus_ospf_packet_errors_total" ["area" "interface" "reason"] "OSPF packets refused: malformed, or of a router that is configured differently.";
    OSPF_PACKETS_IGNORED = Counter "isthmus_ospf_packets_ignored_total" ["area" "interface" "reason"] "What a healthy network passes over: duplicates, packets that have crossed.";
    OSPF_DATAGRAM_DROPS = Counter "isthmus_ospf_datagram_drops_total" ["reason"] "OSPF packets lost between the data plane and the engine.";
    OSPF_RETRANSMISSIONS = Counter "isthmus_ospf_retransmissions_total" ["area" "interface"] "Advertisements sent again.";

    SHM_ACTIVE_NODES = Gauge "isthmus_shm_active_nodes" [] "Nodes that this node takes for active, itself included.";
    SHM_NODE_STATE = Gauge "isthmus_shm_node_state" ["node" "state"] "1 for the state that the node is in, 0 for the others.";
    SHM_NODE_SUSPICIONS = Counter "isthmus_shm_node_suspicions_total" ["node"] "Times that the node's heartbeat was late.";
    SHM_NODE_FAILURES = Counter "isthmus_shm_node_failures_total" ["node"] "Times that the node was taken for dead.";
    SHM_REJOINS = Counter "isthmus_shm_rejoins_total" [] "Times that this node became a member again after its peers had given it up.";
    SHM_NODE_INCARNATION = Gauge "isthmus_shm_node_incarnation" ["node"] "Lives of the node's id.";
    SHM_HEARTBEAT_AGE = Gauge "isthmus_shm_node_heartbeat_age_seconds" ["node"] "Time since the node's heartbeat moved.";
    SHM_ARENA_SIZE = Gauge "isthmus_shm_arena_size_bytes" [] "Octets of this node's arena.";
    SHM_ARENA_FREE = Gauge "isthmus_shm_arena_free_bytes" [] "Octets of it that are not cut into rings.";
    SHM_INFO = Gauge "isthmus_shm_info" ["facility" "coherence"] "1: the kind of memory, and how writes reach the other nodes.";
    SHM_QUEUES = Gauge "isthmus_shm_queues" [] "Queues of each network of a pair of nodes.";
    SHM_FIRST_RING_SLOTS = Gauge "isthmus_shm_first_ring_slots" ["network"] "Slots of the ring with which a pair of nodes begins.";
    SHM_FIRST_RING_BUFFER = Gauge "isthmus_shm_first_ring_buffer_bytes" ["network"] "Octets of one of its buffers.";
    SHM_MAPPING_ACCESS = Gauge "isthmus_shm_mapping_access_seconds" ["access"] "What one read or write of a line takes, measured when the memory was mapped; absent where the facility does not measure it.";
    SHM_QUARANTINES = Counter "isthmus_shm_quarantines_total" ["cause"] "Incarnations of nodes that were not believed any more.";
    SHM_DOORBELL_RUNG = Counter "isthmus_shm_doorbell_rung_total" ["node"] "Times that this node rang the node's doorbell.";
    SHM_DOORBELL_HEARD = Counter "isthmus_shm_doorbell_heard_total" ["queue"] "Times that the queue's worker awoke and its doorbell had been rung.";
    SHM_DOORBELL_WAITS = Counter "isthmus_shm_doorbell_waits_total" ["queue"] "Times that the queue's worker found nothing to do and went to wait for its doorbell.";
    SHM_RING_OCCUPANCY = Gauge "isthmus_shm_ring_occupancy" ["network" "peer" "direction" "queue"] "Slots written and not known to be read.";
    SHM_RING_SLOTS = Gauge "isthmus_shm_ring_slots" ["network" "peer" "direction" "queue"] "Slots of the ring.";
    SHM_RING_EPOCH = Gauge "isthmus_shm_ring_epoch" ["network" "peer" "direction" "queue"] "Counts the rings of this pair: 1 for the first, and one more for each that replaced a smaller one.";
    SHM_RING_SIZE = Gauge "isthmus_shm_ring_size_bytes" ["network" "peer" "direction" "queue"] "Octets of memory of the ring.";
    SHM_RING_FRAMES = Counter "isthmus_shm_ring_frames_total" ["network" "peer" "direction" "queue"] "Frames through the ring.";
    SHM_RING_BYTES = Counter "isthmus_shm_ring_bytes_total" ["network" "peer" "direction" "queue"] "Octets through the ring.";
    SHM_RING_FULL = Counter "isthmus_shm_ring_full_total" ["network" "peer" "direction" "queue"] "Frames dropped because the ring was full.";
    SHM_RING_INVALID = Counter "isthmus_shm_ring_invalid_total" ["network" "peer" "direction" "queue"] "Entries that made no sense.";
    SHM_RING_TOO_LONG = Counter "isthmus_shm_ring_too_long_total" ["network" "peer" "direction" "queue"] "Frames dropped because they were longer than the ring or the receiver's buffer.";
    SHM_RING_BUFFER = Gauge "isthmus_shm_ring_buffer_bytes" ["network" "peer" "direction" "queue"] "Octets of one buffer of the ring.";
    SHM_RING_DISTANCE = Gauge "isthmus_shm_ring_distance_seconds" ["network" "peer" "queue"] "What a cache line takes from the peer's processor, as last measured by this node, the transmitter; absent until it has sent enough to know.";
    SHM_RING_STREAMING = Gauge "isthmus_shm_ring_copy_streaming" ["network" "peer" "queue"] "1 while this node, the transmitter, copies frames past the caches, as for a peer that is far; 0 while through the cache.";
    SHM_GROUP_OWNER = Gauge "isthmus_shm_group_ring_owner" ["network" "kind"] "Id of the node that owns the ring; 0 while none does.";
    SHM_GROUP_GENERATION = Gauge "isthmus_shm_group_ring_generation" ["network" "kind"] "How often the ring has changed hands.";
    SHM_GROUP_LAG = Gauge "isthmus_shm_group_ring_lag" ["network" "kind" "reader"] "References that the reader is behind the owner's order; absent while it follows another owner than this node.";
    SHM_GROUP_POSITION = Gauge "isthmus_shm_group_ring_position" ["network" "kind"] "References that the owner has written in this generation.";
    SHM_GROUP_UNREAD = Gauge "isthmus_shm_group_reader_unread_slots" ["network" "kind" "reader"] "Slots of this node's lane that the reader has not read.";
    SHM_GROUP_READER_LOST = Counter "isthmus_shm_group_reader_lost_frames_total" ["network" "kind" "reader"] "Frames of this node that were overwritten before the reader had them.";
    SHM_GROUP_SUBMITTED = Counter "isthmus_shm_group_frames_submitted_total" ["network" "kind"] "Frames that this node submitted.";
    SHM_GROUP_DELIVERED = Counter "isthmus_shm_group_frames_delivered_total" ["network" "kind"] "Frames that this node delivered.";
    SHM_GROUP_LOST = Counter "isthmus_shm_group_frames_lost_total" ["network" "kind"] "Frames that this node was too slow for.";
    SHM_GROUP_OVERWRITTEN = Counter "isthmus_shm_group_frames_overwritten_total" ["network" "kind"] "Frames of this node that were overwritten before every reader had them.";
    SHM_GROUP_FILTERED = Counter "isthmus_shm_group_frames_filtered_total" ["network" "kind"] "Frames to groups that this node has not joined, which it passed over.";
    SHM_GROUP_UNWANTED = Counter "isthmus_shm_group_frames_unwanted_total" ["network" "kind"] "Frames to groups that no other node has joined, which this node did not send.";
    SHM_GROUP_UNORDERED = Counter "isthmus_shm_group_frames_unordered_total" ["network" "kind"] "Frames that this node delivered without the owner's order, which was withheld or went past it.";

    STEERING_EPOCH = Gauge "isthmus_steering_epoch" [] "The steering epoch in force.";
    STEERING_MEMBERS = Gauge "isthmus_steering_members" [] "Nodes that serve the common address.";
    STEERING_SHARE = Gauge "isthmus_steering_share_ratio" ["node"] "Part of the flows to the common address that the node serves.";
    STEERING_PACKETS = Counter "isthmus_steering_packets_total" ["node"] "Packets that this node has steered to the node.";
    STEERING_BYTES = Counter "isthmus_steering_bytes_total" ["node"] "Octets of them.";
}
