//! Snapshots for management: the state of one moment as values of [`crate::view`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::Instance;
use crate::config::InterfaceType;
use crate::interface::{Interface, SilentNeighbor};
use crate::lsdb::{Entry, Lsdb, Scope};
use crate::neighbor::{Neighbor, NeighborKey};
use crate::timer::TimerId;
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::view::{
    DatabaseEntryView, InstanceStatisticsView, InstanceView, InterfaceStatisticsView, InterfaceTypeView,
    InterfaceView, LsaLogView, NeighborState, NeighborStatisticsView, NeighborView, PacketCountersView,
    RestartExitReason, SpfLogView, SpfView,
};

impl Instance {
    /// The instance.
    pub fn view_instance(&self, now: Instant) -> InstanceView {
        let neighbors = || self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        InstanceView {
            router_id: self.config.router_id,
            area_border_router: self.is_area_border_router(),
            as_boundary_router: self.config.areas.keys().any(|area| self.is_as_boundary_router(*area)),
            stub_router: self.config.stub_router,
            area_count: count(self.areas.len()),
            interface_count: count(self.interfaces.len()),
            neighbor_count: count(neighbors().count()),
            adjacency_count: count(neighbors().filter(|n| n.state == NeighborState::Full).count()),
            paths: count(self.config.maximum_paths),
            spf: SpfView {
                spf_runs_count: self.statistics.spf_runs,
                last_run: self.spf_log.last().map(|run| run.start_timestamp),
                next_run: self.timers.at(TimerId::Spf),
                current_state: self.back_off.state(now),
            },
            statistics: InstanceStatisticsView {
                originate_new_lsa_count: self.statistics.originated_lsas,
                rx_new_lsas_count: self.statistics.received_lsas,
                rx_new_lsas: by_label(&self.statistics.received_lsas_by_type),
                as_scope_lsa_count: count(self.as_scope.lsdb.len()),
                as_scope_lsa_cksum_sum: checksum_sum(now, &self.as_scope.lsdb),
            },
        }
    }

    /// All interfaces, ordered by id.
    pub fn view_interfaces(&self, now: Instant) -> Vec<InterfaceView> {
        self.interfaces.iter().map(|(id, interface)| self.view_interface(now, *id, interface)).collect()
    }

    /// All neighbors, ordered by interface and router id.
    pub fn view_neighbors(&self, now: Instant) -> Vec<NeighborView> {
        let of_interface = |(id, interface): (&InterfaceId, _)| self.view_neighbors_of(now, *id, interface);
        self.interfaces.iter().flat_map(of_interface).collect()
    }

    /// The database of an area, or with `None` the AS-external advertisements, ordered by type, id and router.
    /// Empty if there is no such area.
    pub fn view_database(&self, now: Instant, area: Option<AreaId>) -> Vec<DatabaseEntryView> {
        let entries = self.lsdb(area.map_or(Scope::As, Scope::Area)).into_iter().flat_map(Lsdb::iter);
        entries.map(|(_, entry)| DatabaseEntryView::new(area, &entry.lsa.with_age(entry.age(now)))).collect()
    }

    /// What stays on links (type 9, RFC 5250), ordered by interface, id and router.
    pub fn view_link_databases(&self, now: Instant) -> Vec<DatabaseEntryView> {
        let of_link = |interface: &Interface| -> Vec<DatabaseEntryView> {
            let view = |entry: &Entry| DatabaseEntryView {
                interface: Some(interface.config.name.clone()),
                ..DatabaseEntryView::new(Some(interface.config.area), &entry.lsa.with_age(entry.age(now)))
            };
            interface.link_scope.lsdb.iter().map(|(_, entry)| view(entry)).collect()
        };
        self.interfaces.values().flat_map(of_link).collect()
    }

    /// The last calculations of routes, the oldest first.
    pub fn view_spf_log(&self) -> Vec<SpfLogView> {
        self.spf_log.iter().cloned().collect()
    }

    /// The last instances of advertisements that came to the database, the oldest first.
    pub fn view_lsa_log(&self) -> Vec<LsaLogView> {
        self.lsa_log.views().collect()
    }

    fn view_interface(&self, now: Instant, id: InterfaceId, interface: &Interface) -> InterfaceView {
        let config = &interface.config;
        let statistics = &interface.statistics;
        InterfaceView {
            name: config.name.clone(),
            interface_id: id,
            area_id: config.area,
            interface_type: match config.interface_type {
                InterfaceType::PointToPoint => InterfaceTypeView::PointToPoint,
                InterfaceType::PointToMultipoint => InterfaceTypeView::PointToMultipoint,
                InterfaceType::Broadcast => InterfaceTypeView::Broadcast,
                InterfaceType::NonBroadcast => InterfaceTypeView::NonBroadcast,
                InterfaceType::VirtualLink { .. } => InterfaceTypeView::VirtualLink,
            },
            transit_area_id: config.interface_type.virtual_link().map(|(area, _)| area),
            virtual_router_id: config.interface_type.virtual_link().map(|(_, router)| router),
            state: interface.state,
            address: interface.view_address(),
            unnumbered: config.unnumbered,
            mtu: config.mtu,
            mtu_ignore: config.mtu_ignore,
            passive: config.passive,
            priority: config.priority,
            cost: interface.cost(),
            hello_interval: seconds(config.hello_interval),
            dead_interval: seconds(config.dead_interval),
            retransmit_interval: seconds(config.retransmit_interval),
            transmit_delay: config.transmit_delay,
            hello_timer: self.seconds_to(now, TimerId::Hello(id)),
            dr_router_id: interface.router_at(self.config.router_id, interface.designated),
            dr_ip_addr: specified(interface.designated),
            bdr_router_id: interface.router_at(self.config.router_id, interface.backup),
            bdr_ip_addr: specified(interface.backup),
            wait_timer: self.seconds_to(now, TimerId::Wait(id)),
            mismatches: interface.mismatches.views(),
            neighbor_count: count(interface.neighbors.len()),
            adjacency_count: count(interface.full_neighbors().count()),
            ttl_security_hops: config.ttl_security,
            authentication: interface.view_authentication(self.sequence.time()),
            statistics: InterfaceStatisticsView {
                if_event_count: statistics.events,
                retransmission_count: statistics.retransmissions,
                packets: PacketCountersView { received: statistics.received, sent: statistics.sent },
                bad_packets: by_label(&statistics.bad),
                ignored_packets: by_label(&statistics.ignored),
            },
        }
    }

    fn view_neighbors_of(
        &self,
        now: Instant,
        id: InterfaceId,
        interface: &Interface,
    ) -> impl Iterator<Item = NeighborView> {
        let silent = interface
            .silent
            .iter()
            .map(move |(address, silent)| self.view_silent_neighbor(now, id, interface, *address, *silent));
        silent.chain(
            interface
                .neighbors
                .values()
                .map(move |neighbor| self.view_neighbor(now, id, interface, neighbor)),
        )
    }

    /// A neighbor that is listed and not heard: its router id is not known.
    fn view_silent_neighbor(
        &self,
        now: Instant,
        id: InterfaceId,
        interface: &Interface,
        address: Ipv4Addr,
        silent: SilentNeighbor,
    ) -> NeighborView {
        let attempt = self.seconds_to(now, TimerId::SilentNeighbor(id, address));
        NeighborView {
            neighbor_router_id: RouterId(Ipv4Addr::UNSPECIFIED),
            hostname: None,
            address,
            interface: interface.config.name.clone(),
            area_id: interface.config.area,
            state: silent.state(),
            priority: interface.listed_priority(address),
            dr_ip_addr: None,
            bdr_ip_addr: None,
            dead_timer: attempt.filter(|_| silent.is_attempted),
            up_time: None,
            restart_helper_age: None,
            restart_helper_exit_reason: None,
            statistics: NeighborStatisticsView {
                nbr_event_count: silent.events,
                ..NeighborStatisticsView::default()
            },
        }
    }

    fn view_neighbor(
        &self,
        now: Instant,
        id: InterfaceId,
        interface: &Interface,
        neighbor: &Neighbor,
    ) -> NeighborView {
        let key = NeighborKey { interface: id, router: neighbor.router_id };
        NeighborView {
            neighbor_router_id: neighbor.router_id,
            hostname: self.hostname_of(now, neighbor.router_id),
            address: neighbor.address,
            interface: interface.config.name.clone(),
            area_id: interface.config.area,
            state: neighbor.state,
            priority: neighbor.priority,
            dr_ip_addr: specified(neighbor.designated),
            bdr_ip_addr: specified(neighbor.backup),
            dead_timer: self.seconds_to(now, TimerId::Inactivity(key)),
            restart_helper_age: neighbor.helped_until.map(|until| until.since(now).as_secs()),
            restart_helper_exit_reason: Some(neighbor.restart_exit_reason)
                .filter(|reason| *reason != RestartExitReason::None),
            up_time: (neighbor.state == NeighborState::Full).then(|| now.since(neighbor.changed).as_secs()),
            statistics: NeighborStatisticsView {
                nbr_event_count: neighbor.events,
                nbr_retrans_qlen: count(neighbor.retransmissions.len()),
                nbr_request_qlen: count(neighbor.requests.len()),
                nbr_db_summary_qlen: count(neighbor.summaries.len()),
            },
        }
    }

    fn seconds_to(&self, now: Instant, timer: TimerId) -> Option<u32> {
        self.timers.at(timer).map(|at| seconds(at.since(now)))
    }
}

fn by_label(counters: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counters.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

/// Sum of the checksums of a database, by which two databases are compared at a glance.
pub(super) fn checksum_sum(now: Instant, lsdb: &Lsdb) -> u32 {
    let live = lsdb.iter().filter(|(_, entry)| !entry.is_max_age(now));
    live.fold(0, |sum, (_, entry)| sum.wrapping_add(u32::from(entry.lsa.header.checksum)))
}

pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// 0.0.0.0 is nobody.
fn specified(address: Ipv4Addr) -> Option<Ipv4Addr> {
    Some(address).filter(|address| !address.is_unspecified())
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
