//! OSPF: the instance, areas, neighbors, routes.

use isthmus_mgmt_api::model::{
    Ospf, OspfAreas, OspfBorderRouters, OspfLocalRib, OspfLsaLog, OspfNeighbors, OspfSpfLog, OspfWhatIf,
};
use isthmus_ospf::view::{AreaView, NeighborState, NeighborView, NextHopView, RouteView};

use super::Render;
use super::ospf_database::short_type;
use crate::cli::output::Style;
use crate::cli::table::{Table, pairs};
use crate::cli::text::{duration, list, or_dash};

impl Render for Ospf {
    fn render(&self, style: Style) -> String {
        let instance = &self.instance;
        let kinds = [
            (instance.area_border_router, "ABR"),
            (instance.as_boundary_router, "ASBR"),
            (instance.stub_router, "stub router"),
        ];
        let identity = pairs(&[
            ("Router ID", instance.router_id.to_string()),
            ("Router type", list(kinds.iter().filter(|(is, _)| *is).map(|(_, name)| name))),
            ("Areas", instance.area_count.to_string()),
            ("Interfaces", instance.interface_count.to_string()),
            ("Neighbors", format!("{}, {} full", instance.neighbor_count, instance.adjacency_count)),
            ("Maximum paths", instance.paths.to_string()),
            ("SPF runs", format!("{}, the last at {}", instance.spf.spf_runs_count, or_dash(self.last_spf))),
            (
                "LSAs",
                format!(
                    "{} originated, {} received",
                    instance.statistics.originate_new_lsa_count, instance.statistics.rx_new_lsas_count
                ),
            ),
        ]);
        format!("{identity}\n{}", areas(&self.area, style))
    }
}

impl Render for OspfAreas {
    fn render(&self, style: Style) -> String {
        areas(&self.area, style)
    }
}

impl Render for AreaView {
    fn render(&self, style: Style) -> String {
        areas(std::slice::from_ref(self), style)
    }
}

fn areas(areas: &[AreaView], style: Style) -> String {
    let mut table =
        Table::new(&["Area", "Type", ">Interfaces", ">Active", ">Full", ">LSAs", ">ABRs", ">SPF runs"]);
    for area in areas {
        table.row([
            area.area_id.to_string(),
            area_type(area),
            area.interface_count.to_string(),
            area.active_interface_count.to_string(),
            area.adjacency_count.to_string(),
            area.statistics.area_scope_lsa_count.to_string(),
            area.statistics.abr_count.to_string(),
            area.statistics.spf_runs_count.to_string(),
        ]);
    }
    let mut text = table.finish("no areas");
    if style.wide {
        let ranges = areas.iter().flat_map(|area| area.ranges.iter().map(move |range| (area.area_id, range)));
        let mut table = Table::new(&["Area", "Range", "Advertised", "Cost", "Active"]);
        for (area, range) in ranges {
            table.row([
                area.to_string(),
                range.prefix.to_string(),
                yes_no(range.advertise),
                or_dash(range.cost),
                yes_no(range.active),
            ]);
        }
        text = format!("{text}\n{}", table.finish("no ranges"));
    }
    text
}

/// The type of an area, what a stub area is told in place of the outside, and who translates for a not-so-stubby one.
fn area_type(area: &AreaView) -> String {
    let summaries = if area.summary == Some(false) { ", no summaries" } else { "" };
    let translator = if area.nssa_translator == Some(true) { ", translator" } else { "" };
    match area.default_cost {
        Some(cost) => format!("{}, default cost {cost}{summaries}{translator}", area.area_type),
        None => format!("{}{translator}", area.area_type),
    }
}

impl Render for OspfNeighbors {
    /// The columns of FRR's `show ip ospf neighbor`; for width what people call it.
    fn render(&self, style: Style) -> String {
        let headings = [
            "Neighbor ID",
            ">Pri",
            "State",
            "Up Time",
            "Dead Time",
            "Address",
            "Interface",
            ">RXmtL",
            ">RqstL",
            ">DBsmL",
            "Host Name",
        ];
        let mut table = Table::new(if style.wide { &headings } else { &headings[..10] });
        for neighbor in &self.neighbor {
            let mut row = vec![
                neighbor.neighbor_router_id.to_string(),
                neighbor.priority.to_string(),
                format!("{}/{}", state_word(neighbor.state), part(neighbor)),
                or_dash(neighbor.up_time.map(|seconds| duration(seconds as f64))),
                or_dash(neighbor.dead_timer.map(|seconds| duration(seconds.into()))),
                neighbor.address.to_string(),
                neighbor.interface.clone(),
                neighbor.statistics.nbr_retrans_qlen.to_string(),
                neighbor.statistics.nbr_request_qlen.to_string(),
                neighbor.statistics.nbr_db_summary_qlen.to_string(),
            ];
            if style.wide {
                row.push(or_dash(neighbor.hostname.as_ref()));
            }
            table.row(row);
        }
        table.finish("no neighbors")
    }
}

/// FRR's spelling of a state.
fn state_word(state: NeighborState) -> &'static str {
    match state {
        NeighborState::Down => "Down",
        NeighborState::Attempt => "Attempt",
        NeighborState::Init => "Init",
        NeighborState::TwoWay => "2-Way",
        NeighborState::ExStart => "ExStart",
        NeighborState::Exchange => "Exchange",
        NeighborState::Loading => "Loading",
        NeighborState::Full => "Full",
    }
}

/// The neighbor's part in the election of its network; `-` where none is held.
fn part(neighbor: &NeighborView) -> &'static str {
    match (neighbor.dr_ip_addr, neighbor.bdr_ip_addr) {
        (Some(dr), _) if dr == neighbor.address => "DR",
        (_, Some(bdr)) if bdr == neighbor.address => "Backup",
        (None, None) => "-",
        _ => "DROther",
    }
}

impl Render for OspfLocalRib {
    fn render(&self, _style: Style) -> String {
        let mut table = Table::new(&["Destination", "Type", ">Metric", "Area", "Next hop", "Interface"]);
        for route in &self.route {
            let first = [
                route.prefix.to_string(),
                route.route_type.to_string(),
                route.metric.to_string(),
                or_dash(route.area_id),
            ];
            for (position, [gateway, interface]) in hops(&route.next_hops).into_iter().enumerate() {
                let [prefix, kind, metric, area] =
                    first.clone().map(|text| if position == 0 { text } else { String::new() });
                table.row([prefix, kind, metric, area, gateway, interface]);
            }
        }
        table.finish("no routes")
    }
}

impl Render for OspfWhatIf {
    fn render(&self, _style: Style) -> String {
        let mut table =
            Table::new(&["Change", "Destination", "Type", ">Metric", "Area", "Next hop", "Interface"]);
        for difference in &self.what_if.route {
            let (old, new) = (difference.before.as_ref(), difference.after.as_ref());
            let what = match (old, new) {
                (None, _) => ["", "added"],
                (_, None) => ["removed", ""],
                _ => ["from", "to"],
            };
            let mut rows = |what: &str, route: &RouteView| {
                for (position, [gateway, interface]) in hops(&route.next_hops).into_iter().enumerate() {
                    let first = |text: String| if position == 0 { text } else { String::new() };
                    let area = or_dash(route.area_id);
                    table.row([
                        first(what.to_owned()),
                        first(route.prefix.to_string()),
                        first(route.route_type.to_string()),
                        first(route.metric.to_string()),
                        first(area),
                        gateway,
                        interface,
                    ]);
                }
            };
            for (what, route) in what.into_iter().zip([old, new]) {
                if let Some(route) = route {
                    rows(what, route);
                }
            }
        }
        let table = table.finish("no route would change");
        format!("{table}\n{} routes would stay as they are\n", self.what_if.unchanged)
    }
}

impl Render for OspfBorderRouters {
    fn render(&self, _style: Style) -> String {
        let mut table =
            Table::new(&["Router ID", "Kind", "Type", ">Metric", "Area", "Next hop", "Interface"]);
        for router in &self.border_router {
            let kinds = [(router.abr, "ABR"), (router.asbr, "ASBR")];
            let first = [
                router.router_id.to_string(),
                list(kinds.iter().filter(|(is, _)| *is).map(|(_, name)| name)),
                router.route_type.to_string(),
                router.metric.to_string(),
                router.area_id.to_string(),
            ];
            for (position, [gateway, interface]) in hops(&router.next_hops).into_iter().enumerate() {
                let [id, kind, way, metric, area] =
                    first.clone().map(|text| if position == 0 { text } else { String::new() });
                table.row([id, kind, way, metric, area, gateway, interface]);
            }
        }
        table.finish("no border routers")
    }
}

/// Each way's router and interface; one line without either where there is no way.
fn hops(next_hops: &[NextHopView]) -> Vec<[String; 2]> {
    if next_hops.is_empty() {
        return vec![["-".to_owned(), "-".to_owned()]];
    }
    let way = |hop: &NextHopView| {
        let gateway = hop.next_hop.map_or_else(|| "direct".to_owned(), |gateway| gateway.to_string());
        [gateway, hop.outgoing_interface.clone()]
    };
    next_hops.iter().map(way).collect()
}

impl Render for OspfLsaLog {
    fn render(&self, _style: Style) -> String {
        let mut table =
            Table::new(&[">Id", "Time", "Area", "Type", "Link ID", "ADV Router", "Seq#", "Reason"]);
        for event in &self.event {
            let lsa = &event.lsa;
            table.row([
                event.id.to_string(),
                event.received_timestamp.to_string(),
                or_dash(lsa.area_id),
                short_type(&lsa.lsa_type).to_owned(),
                lsa.lsa_id.to_string(),
                lsa.adv_router.to_string(),
                format!("{:#010x}", lsa.seq_num),
                event.reason.to_string(),
            ]);
        }
        table.finish("no advertisements yet")
    }
}

impl Render for OspfSpfLog {
    fn render(&self, _style: Style) -> String {
        let mut table = Table::new(&[">Id", "Type", "Scheduled", ">Delay", ">Duration", "Trigger"]);
        for event in &self.event {
            let seconds = |from, to: isthmus_mgmt_api::model::DateTime| to.since(from).as_secs_f64();
            let triggers = event.trigger_lsa.iter();
            table.row([
                event.id.to_string(),
                event.spf_type.to_string(),
                event.schedule_timestamp.to_string(),
                format!("{:.6}s", seconds(event.schedule_timestamp, event.start_timestamp)),
                format!("{:.6}s", seconds(event.start_timestamp, event.end_timestamp)),
                list(triggers.map(|lsa| format!("{} {} of {}", lsa.lsa_type, lsa.lsa_id, lsa.adv_router))),
            ]);
        }
        table.finish("no calculations yet")
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}
