//! A node of fixed answers: a test double for the shape of HTTP only.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use isthmus_mgmt_api::access::AuthenticationFailure;
use isthmus_mgmt_api::model::*;
use isthmus_mgmt_api::{ApiError, Backend, ProblemKind};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};
use isthmus_ospf::view::{
    AreaView, AuthenticationKeyView, AuthenticationView, BorderRouterView, DatabaseEntryView,
    InstanceStatisticsView, InstanceView, InterfaceState, InterfaceStatisticsView, InterfaceTypeView,
    InterfaceView, LsaHeaderView, MismatchView, NeighborState as OspfNeighborState, NeighborView,
    NextHopView, RouteType, RouteView, SpfLogView, SpfType, SpfView, WhatIfView,
};
use isthmus_ospf::what_if::{Change, WhatIfError};

use crate::fake_config::FakeConfiguration;

pub(crate) struct FakeNode {
    pub(crate) fabric: bool,
    pub(crate) ospf: bool,
    pub(crate) failed: bool,
    pub(crate) later_event: bool,
    pub(crate) configuration: FakeConfiguration,
    pub(crate) refused: Mutex<Vec<AuthenticationFailure>>,
}

impl Default for FakeNode {
    fn default() -> Self {
        Self {
            fabric: true,
            ospf: true,
            failed: false,
            later_event: false,
            configuration: FakeConfiguration::default(),
            refused: Mutex::default(),
        }
    }
}

pub(crate) const NODE_1: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 1);
pub(crate) const NODE_3: Ipv4Addr = Ipv4Addr::new(10, 71, 0, 3);
const GEOMETRY: RingGeometry = RingGeometry { slots: 64, buffer_size: 2048, size: 139_264 };
pub(crate) const COMMON: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);

fn area(last: u8) -> AreaId {
    AreaId(Ipv4Addr::new(0, 0, 0, last))
}

impl FakeNode {
    fn interface(&self, name: &str, driver: &str, interface_type: InterfaceType) -> Interface {
        let fabric = &self.configuration.get().document["fabric"];
        let enabled = name != "lsm0" || fabric["lsm"]["enabled"] != false;
        Interface {
            name: name.to_owned(),
            interface_type,
            driver: driver.to_owned(),
            enabled,
            admin_status: if enabled { AdminStatus::Up } else { AdminStatus::Down },
            oper_status: if enabled { OperStatus::Up } else { OperStatus::Down },
            last_change: Some(DateTime(1_000_000)),
            phys_address: "02:00:00:00:00:01".to_owned(),
            mtu: 9000,
            address: vec![InterfaceAddress { ip: NODE_1, prefix_length: 24, owner: AddressOwner::Router }],
            statistics: InterfaceStatistics {
                in_octets: 1000,
                in_unicast_pkts: 7,
                in_multicast_pkts: 3,
                out_octets: 2000,
                out_unicast_pkts: 20,
                drops: [("no-route".to_owned(), 4)].into(),
                ..InterfaceStatistics::default()
            },
        }
    }
}

fn next_hop() -> NextHop {
    NextHop { outgoing_interface: "lsm0".to_owned(), next_hop: Some(NODE_3) }
}

fn fib_entry() -> FibEntry {
    FibEntry {
        destination_prefix: "192.0.2.0/24".parse().unwrap(),
        next_hops: vec![next_hop()],
        special_next_hop: None,
    }
}

fn ospf_route() -> Route {
    Route {
        destination_prefix: "192.0.2.0/24".parse().unwrap(),
        source_protocol: SourceProtocol::Ospf,
        route_preference: 110,
        active: true,
        metric: 12,
        route_type: Some(RouteType::InterArea),
        tag: None,
        area_id: Some(Ipv4Addr::new(0, 0, 0, 1)),
        next_hops: vec![next_hop()],
        special_next_hop: None,
        last_updated: Some(DateTime(2_000_000)),
    }
}

fn ospf_interface(name: &str, area_id: AreaId) -> InterfaceView {
    InterfaceView {
        name: name.to_owned(),
        interface_id: InterfaceId(1),
        area_id,
        interface_type: InterfaceTypeView::PointToMultipoint,
        transit_area_id: None,
        virtual_router_id: None,
        state: InterfaceState::PointToPoint,
        address: "10.71.0.1/24".parse().unwrap(),
        unnumbered: false,
        mtu: 9000,
        mtu_ignore: false,
        passive: false,
        priority: 1,
        cost: 2,
        hello_interval: 1,
        dead_interval: 4,
        retransmit_interval: 5,
        transmit_delay: 1,
        hello_timer: Some(1),
        dr_router_id: None,
        dr_ip_addr: None,
        bdr_router_id: None,
        bdr_ip_addr: None,
        wait_timer: None,
        mismatches: Vec::new(),
        neighbor_count: 1,
        adjacency_count: 1,
        ttl_security_hops: Some(1),
        authentication: AuthenticationView {
            auth_type: "cryptographic".to_owned(),
            keys: vec![AuthenticationKeyView {
                key_id: 7,
                crypto_algorithm: "hmac-sha-256".to_owned(),
                sending: true,
                accepted: true,
                expired: false,
            }],
        },
        statistics: InterfaceStatisticsView {
            bad_packets: [("lsa_checksum".to_owned(), 2)].into(),
            ignored_packets: [("dd_duplicate".to_owned(), 1)].into(),
            ..InterfaceStatisticsView::default()
        },
    }
}

fn mismatch() -> MismatchView {
    MismatchView {
        packet_source: Ipv4Addr::new(192, 0, 2, 9),
        error: "hello-interval-mismatch".to_owned(),
        own: "10".to_owned(),
        theirs: "5".to_owned(),
        count: 3,
        last: isthmus_ospf::types::Instant(6_000_000),
    }
}

fn neighbor(id: Ipv4Addr, interface: &str, area_id: AreaId, state: OspfNeighborState) -> NeighborView {
    NeighborView {
        neighbor_router_id: RouterId(id),
        hostname: Some("node".to_owned()),
        address: id,
        interface: interface.to_owned(),
        area_id,
        state,
        priority: 1,
        dr_ip_addr: None,
        bdr_ip_addr: None,
        dead_timer: Some(3),
        restart_helper_age: None,
        restart_helper_exit_reason: None,
        up_time: (state == OspfNeighborState::Full).then_some(65),
        statistics: Default::default(),
    }
}

fn lsa(
    area_id: AreaId,
    type_number: u8,
    lsa_type: &str,
    adv_router: Ipv4Addr,
    age: u16,
) -> DatabaseEntryView {
    DatabaseEntryView {
        area_id: Some(area_id),
        interface: None,
        header: LsaHeaderView {
            age,
            lsa_type: lsa_type.to_owned(),
            type_number,
            adv_router: RouterId(adv_router),
            lsa_id: adv_router,
            seq_num: 0x8000_0001,
            checksum: "0x1e7d".to_owned(),
            length: 36,
        },
        decode_completed: false,
        raw_data: "00".to_owned(),
        body: None,
    }
}

impl Backend for FakeNode {
    fn system(&self) -> System {
        System {
            node_id: Some(1),
            hostname: "node1".to_owned(),
            version: "0.1.0".to_owned(),
            commit: None,
            pid: 4711,
            started: DateTime(1_000_000_500_000),
            uptime: 65.5,
            router_id: NODE_1,
            role: Role::Abr,
            role_reason: "eth1 is up in area 0.0.0.0".to_owned(),
            stack: StackKind::Embedded,
            address: vec![SystemAddress {
                ip: NODE_1,
                prefix_length: 24,
                interface: "lsm0".to_owned(),
                owner: AddressOwner::Router,
            }],
            common_address: vec![COMMON],
            listen: vec!["unix:/run/isthmus/1.sock".to_owned()],
            config_file: None,
            check: vec![Check {
                name: "fabric".to_owned(),
                status: if self.failed { CheckStatus::Failed } else { CheckStatus::Ok },
                detail: "3 of 3 nodes are active".to_owned(),
                remedy: None,
            }],
        }
    }

    fn readiness(&self) -> Readiness {
        let waiting_for = if self.failed { vec!["the fabric".to_owned()] } else { Vec::new() };
        Readiness { ready: !self.failed, waiting_for }
    }

    fn config(&self) -> serde_json::Value {
        // The keys whose defaults matter to where a resource is.
        let mut config = serde_json::json!({
            "fabric": { "area-id": "0.0.0.1", "lsm": {}, "gsm": {}, "common-addresses": ["10.80.0.1"] },
            "interfaces": [],
            "ospf": { "areas": [] },
        });
        for (name, value) in self.configuration.get().document.as_object().into_iter().flatten() {
            match (config[name].as_object_mut(), value.as_object()) {
                (Some(defaults), Some(members)) => defaults.extend(members.clone()),
                _ => config[name] = value.clone(),
            }
        }
        for interface in config["interfaces"].as_array_mut().into_iter().flatten() {
            if interface["ospf"]["area-id"].is_null() {
                interface["ospf"]["area-id"] = "0.0.0.0".into();
            }
        }
        config
    }

    fn configuration(&self) -> Configuration {
        self.configuration.get()
    }

    async fn configure(&self, change: ConfigurationChange) -> Result<ConfigurationOutcome, ApiError> {
        self.configuration.configure(change)
    }

    async fn confirm_configuration(&self, author: String) -> Result<Configuration, ApiError> {
        self.configuration.confirm(author)
    }

    async fn rollback_configuration(
        &self,
        number: u64,
        author: String,
        dry_run: bool,
    ) -> Result<ConfigurationOutcome, ApiError> {
        self.configuration.rollback(number, author, dry_run)
    }

    fn configuration_history(&self) -> ConfigurationHistory {
        self.configuration.history()
    }

    fn configuration_at(&self, number: u64) -> Option<HistoricConfiguration> {
        self.configuration.at(number)
    }

    fn configuration_schema(&self) -> serde_json::Value {
        serde_json::json!({ "type": "object", "properties": { "hostname": { "type": "string" } } })
    }

    fn interfaces(&self) -> Interfaces {
        Interfaces {
            interface: vec![
                self.interface("lsm0", "shm", InterfaceType::Lsm),
                self.interface("gsm0", "shm", InterfaceType::Gsm),
                self.interface("eth1", "packet", InterfaceType::Ethernet),
            ],
        }
    }

    fn neighbors(&self, interface: &str) -> Option<Neighbors> {
        let neighbor = match interface {
            "eth1" => vec![Neighbor {
                ip: Ipv4Addr::new(10, 0, 1, 2),
                link_layer_address: Some("02:00:00:00:00:02".to_owned()),
                interface: "eth1".to_owned(),
                origin: NeighborOrigin::Dynamic,
                state: NeighborState::Reachable,
                age: Some(1.5),
            }],
            "lsm0" | "gsm0" => Vec::new(),
            _ => return None,
        };
        Some(Neighbors { neighbor })
    }

    fn routes(&self) -> Routes {
        Routes { route: vec![ospf_route()] }
    }

    fn fib(&self) -> Fib {
        Fib { generation: 5, entry: vec![fib_entry()] }
    }

    fn fib_lookup(&self, destination: Ipv4Addr, explain: bool) -> FibLookup {
        let step = ExplainStep { step: "longest-prefix".to_owned(), detail: "192.0.2.0/24".to_owned() };
        FibLookup {
            destination,
            verdict: LookupVerdict::Forward,
            entry: Some(fib_entry()),
            route: Some(ospf_route()),
            explanation: if explain { vec![step] } else { Vec::new() },
        }
    }

    fn ospf(&self) -> Option<OspfSnapshot> {
        let mut spf_durations = Histogram::default();
        spf_durations.observe(Duration::from_micros(40));
        self.ospf.then(|| OspfSnapshot {
            instance: InstanceView {
                router_id: RouterId(NODE_1),
                area_border_router: true,
                as_boundary_router: false,
                stub_router: false,
                area_count: 2,
                interface_count: 2,
                neighbor_count: 2,
                adjacency_count: 1,
                paths: 16,
                spf: SpfView {
                    spf_runs_count: 3,
                    last_run: Some(Instant(5)),
                    next_run: None,
                    ..SpfView::default()
                },
                statistics: InstanceStatisticsView {
                    rx_new_lsas_count: 6,
                    rx_new_lsas: [("ospfv2-router-lsa".to_owned(), 6)].into(),
                    ..InstanceStatisticsView::default()
                },
            },
            areas: [0, 1]
                .map(|id| AreaView {
                    area_id: area(id),
                    area_type: "normal-area".to_owned(),
                    summary: None,
                    default_cost: None,
                    nssa_translator: None,
                    interface_count: 1,
                    active_interface_count: 1,
                    adjacency_count: 1,
                    ranges: Vec::new(),
                    statistics: Default::default(),
                })
                .to_vec(),
            interfaces: vec![
                InterfaceView { mismatches: vec![mismatch()], ..ospf_interface("eth1", area(0)) },
                ospf_interface("lsm0", area(1)),
            ],
            neighbors: vec![
                neighbor(Ipv4Addr::new(10, 0, 1, 2), "eth1", area(0), OspfNeighborState::ExStart),
                neighbor(NODE_3, "lsm0", area(1), OspfNeighborState::Full),
            ],
            local_rib: vec![RouteView {
                prefix: "192.0.2.0/24".parse().unwrap(),
                next_hops: vec![NextHopView {
                    outgoing_interface: "lsm0".to_owned(),
                    next_hop: Some(NODE_3),
                    neighbor_router_id: None,
                }],
                metric: 12,
                route_type: RouteType::InterArea,
                area_id: Some(area(1)),
                route_tag: 0,
            }],
            border_routers: vec![BorderRouterView {
                router_id: RouterId(NODE_3),
                abr: true,
                asbr: false,
                route_type: RouteType::IntraArea,
                area_id: area(1),
                metric: 2,
                next_hops: Vec::new(),
            }],
            lsa_log: Vec::new(),
            spf_log: vec![SpfLogView {
                id: 3,
                spf_type: SpfType::Full,
                schedule_timestamp: Instant(4),
                start_timestamp: Instant(5),
                end_timestamp: Instant(5),
                trigger_lsa: Vec::new(),
            }],
            spf_durations,
            time_origin: DateTime(1_000_000),
        })
    }

    fn ospf_database(&self) -> Option<Vec<DatabaseEntryView>> {
        self.ospf.then(|| {
            vec![
                lsa(area(0), 1, "ospfv2-router-lsa", NODE_1, 10),
                lsa(area(0), 3, "ospfv2-network-summary-lsa", NODE_1, 3600),
                lsa(area(1), 1, "ospfv2-router-lsa", NODE_1, 10),
                lsa(area(1), 1, "ospfv2-router-lsa", NODE_3, 20),
            ]
        })
    }

    fn ospf_what_if(&self, changes: &[Change]) -> Option<Result<WhatIfView, WhatIfError>> {
        self.ospf.then(|| match changes {
            [] => Err(WhatIfError::Nothing),
            _ => Ok(WhatIfView { route: Vec::new(), unchanged: changes.len() as u32 }),
        })
    }

    fn shm(&self) -> Option<Shm> {
        let facts = ShmFacts {
            lsm_address: NODE_3,
            gsm_address: Ipv4Addr::new(10, 72, 0, 3),
            router_id: Some(NODE_3),
            role: Role::Internal,
            weight: 1,
            healthy: true,
            draining: false,
            steering_epoch: 2,
        };
        self.fabric.then(|| Shm {
            segment: "/dev/shm/cluster".to_owned(),
            facility: "file".to_owned(),
            coherence: "hardware".to_owned(),
            mapping_cost: Some(ShmMappingCost { read_ns: 3, write_ns: 5 }),
            layout_version: 1,
            ring_slots: 64,
            ring_buffer_size: 2048,
            first_ring: [Network::Lsm, Network::Gsm]
                .map(|network| ShmFirstRing { network, geometry: GEOMETRY })
                .to_vec(),
            doorbell: vec![ShmDoorbell { queue: 0, heard: 6, waits: 8 }],
            max_nodes: 16,
            queues: 1,
            node_id: 1,
            incarnation: 2,
            arena_size: 1 << 20,
            arena_free: 1 << 19,
            active: vec![1, 3],
            node: vec![ShmNode {
                node_id: 3,
                local: false,
                incarnation: 1,
                state: NodeState::Active,
                heartbeat_age: 0.004,
                doorbell: Some(ShmPeerDoorbell { kind: "eventfd".to_owned(), rung: 7 }),
                facts: Some(facts),
                quarantined: None,
            }],
            link: vec![ShmLink { network: Network::Lsm, peer: 3, peer_incarnation: 1, state: LinkState::Up }],
            quarantine: Vec::new(),
            quarantine_count: vec![ShmQuarantineCount { cause: "slot".to_owned(), count: 1 }],
        })
    }

    fn shm_rings(&self) -> Option<ShmRings> {
        let geometry = GEOMETRY;
        let ring = |transmitter, receiver, epoch, frames| ShmRing {
            network: Network::Lsm,
            transmitter,
            receiver,
            queue: 0,
            transmitter_incarnation: 1,
            receiver_incarnation: 1,
            epoch,
            geometry,
            write_pointer: frames,
            read_pointer: frames - 2,
            occupancy: 2,
            frames,
            octets: 100 * frames,
            full: 1,
            too_long: 3,
            invalid: 0,
            distance_ns: (transmitter == 1).then_some(120),
            copy_routine: (transmitter == 1).then_some(CopyRoutine::Cached),
        };
        let group = ShmGroupRing {
            network: Network::Gsm,
            kind: GroupKind::Broadcast,
            owner: Some(1),
            generation: 2,
            position: 9,
            geometry,
            submitted: 4,
            delivered: 9,
            lost: 0,
            overwritten: 2,
            filtered: 5,
            unwanted: 6,
            unordered: 1,
            reader: vec![ShmGroupReader {
                node_id: 3,
                position: Some(8),
                lag: Some(1),
                unread_slots: 1,
                lost: 2,
            }],
        };
        self.fabric.then(|| ShmRings {
            ring: vec![ring(1, 3, 1, 10), ring(1, 3, 2, 20), ring(3, 1, 1, 30)],
            group_ring: vec![group],
        })
    }

    fn steering(&self) -> Option<Steering> {
        self.fabric.then(|| Steering {
            common_address: vec![COMMON],
            epoch: 2,
            slots: 251,
            member: vec![SteeringMember {
                node_id: 3,
                weight: 1,
                slots: 126,
                share: 0.5,
                steered_packets: 11,
                steered_octets: 1100,
            }],
            no_active_node: 0,
            history: Vec::new(),
        })
    }

    fn counters(&self) -> Counters {
        let counter = |group: &str, name: &str, value| Counter {
            group: group.to_owned(),
            name: name.to_owned(),
            value,
        };
        Counters {
            counter: vec![
                counter("forward", "forwarded", 100),
                counter("gsm", "captured-packets", 6),
                counter("authentication", "refused-missing-token", 3),
                counter("icmp", "sent-time-exceeded", 2),
                counter("icmp", "suppressed", 1),
                counter("arp", "received", 5),
                counter("arp", "sent", 4),
                counter("fragments", "fragmented", 3),
                counter("fragments", "reassembled", 2),
                counter("ospf", "lost-queue-full", 1),
                counter("worker", "wakeups", 10),
                counter("group-without-metric", "name", 8),
            ],
        }
    }

    fn drops(&self) -> Drops {
        let drop = |interface: Option<&str>| Drop {
            reason: "no-route".to_owned(),
            interface: interface.map(str::to_owned),
            packets: 4,
        };
        Drops { total: 8, drop: vec![drop(Some("lsm0")), drop(None)] }
    }

    fn measurements(&self) -> Measurements {
        let mut convergence = Histogram::default();
        convergence.observe(Duration::from_millis(40));
        Measurements {
            process: Process {
                cpu: Some(1.5),
                resident: Some(4096),
                virtual_size: Some(8192),
                descriptors: Some(12),
                max_descriptors: Some(1024),
                threads: Some(9),
            },
            worker: vec![Worker {
                name: "worker".to_owned(),
                busy: 2.5,
                busy_ratio: 0.25,
                silence: 0.1,
                wakeups: 10,
            }],
            convergence,
            log: vec![("error", 1), ("warning", 2)],
            events: vec![("config-rollback", 2)],
            member: vec![Member { node_id: 3, suspicions: 4, failures: 1 }],
            rejoins: 1,
        }
    }

    fn events(&self) -> Events {
        let event = |sequence, event_type: &str| Event {
            sequence,
            time: DateTime(sequence * 1_000_000),
            event_type: event_type.to_owned(),
            message: "something".to_owned(),
            detail: Default::default(),
        };
        let mut events =
            vec![event(1, "shm-announced"), event(2, "shm-connected"), event(3, "shm-allocated")];
        events.extend(self.later_event.then(|| event(4, "shm-left")));
        Events { forgotten: 0, event: events }
    }

    fn authentication_failed(&self, failure: &AuthenticationFailure) {
        self.refused.lock().unwrap().push(failure.clone());
    }

    fn event_stream(&self, after: Option<u64>) -> BoxStream<'static, Event> {
        let (log, next) = (self.events().event, after.unwrap_or(3) + 1);
        stream::iter(log.into_iter().filter(move |event| event.sequence >= next))
            .chain(stream::pending())
            .boxed()
    }

    async fn ping(&self, request: PingRequest) -> Result<BoxStream<'static, PingReply>, ApiError> {
        let destination = request.destination;
        Ok(stream::iter(1..=request.count)
            .map(move |sequence| PingReply {
                sequence,
                outcome: PingOutcome::Reply,
                from: Some(destination),
                size: Some(56),
                ttl: Some(63),
                time: Some(0.25),
            })
            .boxed())
    }

    async fn traceroute(
        &self,
        request: TracerouteRequest,
    ) -> Result<BoxStream<'static, TracerouteHop>, ApiError> {
        if request.source.is_some() {
            return Err(ApiError::new(ProblemKind::Conflict, "no such source", "use one of this node's"));
        }
        let probe = TracerouteProbe { outcome: PingOutcome::Timeout, from: None, time: None };
        Ok(stream::iter([TracerouteHop { ttl: 1, probe: vec![probe], reached: false }]).boxed())
    }

    async fn throughput(&self, request: ThroughputRequest) -> Result<ThroughputReport, ApiError> {
        Ok(ThroughputReport {
            packets: 2,
            octets: 2 * u64::from(request.datagram_length),
            time: request.duration,
        })
    }

    async fn capture(&self, query: CaptureQuery) -> Result<BoxStream<'static, Bytes>, ApiError> {
        let frames = stream::iter([Bytes::from_static(b"header"), Bytes::from_static(b"frame")]);
        // Without a count the capture goes on until the caller ends it.
        let rest = stream::pending();
        Ok(if query.count.is_some() { frames.boxed() } else { frames.chain(rest).boxed() })
    }
}
