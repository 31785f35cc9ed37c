//! OSPF: interfaces, who is designated on them, and what other routers there are configured differently.

use isthmus_mgmt_api::model::{OspfInterface, OspfInterfaces, OspfMismatch};
use isthmus_ospf::view::{InterfaceState, InterfaceTypeView, InterfaceView};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::{Table, pairs};
use crate::cli::text::{list, or_dash};

const COLUMNS: [&str; 13] = [
    "Interface",
    "Area",
    "Address",
    "Type",
    "State",
    ">Cost",
    ">Pri",
    "DR",
    "BDR",
    ">Nbrs",
    ">Full",
    ">Hello",
    ">Dead",
];

const WIDE_COLUMNS: [&str; 6] = [">Rxmt", ">MTU", ">In", ">Out", ">Bad", ">Retransmitted"];

impl Render for OspfInterfaces {
    fn render(&self, style: Style) -> String {
        let views = self.interface.iter().map(|interface| &interface.view);
        let table = if style.wide {
            let mut table = Table::new(&[COLUMNS.as_slice(), WIDE_COLUMNS.as_slice()].concat());
            views.for_each(|view| table.row(wide_row(view)));
            table
        } else {
            let mut table = Table::new(&COLUMNS);
            views.for_each(|view| table.row(row(view)));
            table
        };
        let mut text = table.finish("no interfaces");
        let differences = self.interface.iter().flat_map(|interface| {
            let name = &interface.view.name;
            interface.mismatch.iter().map(move |mismatch| format!("{name}: {}\n", difference(mismatch)))
        });
        let differences: String = differences.collect();
        if !differences.is_empty() {
            text.push('\n');
            text.push_str(&differences);
        }
        text
    }
}

fn row(view: &InterfaceView) -> [String; 13] {
    [
        view.name.clone(),
        view.area_id.to_string(),
        view.address.to_string(),
        view.interface_type.to_string(),
        state(view),
        view.cost.to_string(),
        view.priority.to_string(),
        or_dash(view.dr_router_id),
        or_dash(view.bdr_router_id),
        view.neighbor_count.to_string(),
        view.adjacency_count.to_string(),
        view.hello_interval.to_string(),
        view.dead_interval.to_string(),
    ]
}

fn wide_row(view: &InterfaceView) -> [String; 19] {
    let [name, area, address, kind, state, cost, priority, dr, bdr, neighbors, full, hello, dead] = row(view);
    let statistics = &view.statistics;
    [
        name,
        area,
        address,
        kind,
        state,
        cost,
        priority,
        dr,
        bdr,
        neighbors,
        full,
        hello,
        dead,
        view.retransmit_interval.to_string(),
        view.mtu.to_string(),
        statistics.packets.received.total().to_string(),
        statistics.packets.sent.total().to_string(),
        statistics.bad_packets.values().sum::<u64>().to_string(),
        statistics.retransmission_count.to_string(),
    ]
}

impl Render for OspfInterface {
    fn render(&self, _style: Style) -> String {
        let view = &self.view;
        let mut rows = vec![
            ("Interface", view.name.clone()),
            ("Area", view.area_id.to_string()),
            ("Address", format!("{}{}", view.address, if view.unnumbered { " (unnumbered)" } else { "" })),
            ("Type", view.interface_type.to_string()),
            ("State", state(view)),
            ("Cost", view.cost.to_string()),
            ("Priority", view.priority.to_string()),
            ("Timers", timers(view)),
            ("MTU", format!("{}{}", view.mtu, if view.mtu_ignore { " (not checked)" } else { "" })),
        ];
        if let (Some(area), Some(router)) = (view.transit_area_id, view.virtual_router_id) {
            rows.push(("Virtual link", format!("to {router} through area {area}")));
        }
        if matches!(view.interface_type, InterfaceTypeView::Broadcast | InterfaceTypeView::NonBroadcast) {
            rows.push(("Designated router", designated(view.dr_router_id, view.dr_ip_addr)));
            rows.push(("Backup", designated(view.bdr_router_id, view.bdr_ip_addr)));
        }
        rows.push(("Neighbors", format!("{}, {} full", view.neighbor_count, view.adjacency_count)));
        if let Some(hops) = view.ttl_security_hops {
            rows.push(("TTL security", format!("sends 255, takes what has come over {hops} at most")));
        }
        rows.extend(authentication(view));
        rows.extend(self.mismatch.iter().map(|mismatch| ("Differs", difference(mismatch))));
        rows.extend(packets(view));
        pairs(&rows)
    }
}

fn timers(view: &InterfaceView) -> String {
    let configured = format!(
        "hello {} s, dead {} s, retransmit {} s",
        view.hello_interval, view.dead_interval, view.retransmit_interval
    );
    match view.wait_timer {
        Some(left) => format!("{configured}, waiting for a designated router {left} s more"),
        None => configured,
    }
}

/// Which key signs, and what else is to be known of the keys.
fn authentication(view: &InterfaceView) -> Option<(&'static str, String)> {
    let authentication = &view.authentication;
    if matches!(authentication.auth_type.as_str(), "" | "none") {
        return None;
    }
    let keys = authentication.keys.iter().map(|key| {
        let notes = [
            (key.sending, "signs"),
            (key.accepted, "accepted"),
            (key.expired, "expired"),
            (!key.sending && !key.accepted && !key.expired, "not begun"),
        ];
        let notes: Vec<_> = notes.iter().filter(|(holds, _)| *holds).map(|(_, note)| *note).collect();
        format!("key {} {} ({})", key.key_id, key.crypto_algorithm, notes.join(", "))
    });
    let words: Vec<String> = std::iter::once(authentication.auth_type.clone()).chain(keys).collect();
    Some(("Authentication", words.join(", ")))
}

fn packets(view: &InterfaceView) -> [(&'static str, String); 5] {
    let statistics = &view.statistics;
    let by_type = |counters: [(&str, u64); 5]| list(counters.map(|(name, count)| format!("{name} {count}")));
    [
        ("Received", by_type(statistics.packets.received.by_type())),
        ("Sent", by_type(statistics.packets.sent.by_type())),
        ("Bad packets", list(statistics.bad_packets.iter().map(|(why, count)| format!("{why} {count}")))),
        (
            "Ignored packets",
            list(statistics.ignored_packets.iter().map(|(why, count)| format!("{why} {count}"))),
        ),
        ("Retransmitted", statistics.retransmission_count.to_string()),
    ]
}

/// A router of the network by id and address.
fn designated(id: Option<isthmus_ospf::types::RouterId>, address: Option<std::net::Ipv4Addr>) -> String {
    match (id, address) {
        (Some(id), Some(address)) => format!("{id}, address {address}"),
        (None, Some(address)) => format!("address {address}"),
        (id, None) => or_dash(id),
    }
}

/// What another router is configured differently, with both values.
fn difference(mismatch: &OspfMismatch) -> String {
    let OspfMismatch { packet_source, error, own, theirs, count, last } = mismatch;
    let packets = if *count == 1 { "packet" } else { "packets" };
    format!("{packet_source} {error}: {own} here, {theirs} there ({count} {packets}, the last at {last})")
}

fn state(view: &InterfaceView) -> String {
    let passive = if view.passive && view.state != InterfaceState::Down { " (passive)" } else { "" };
    format!("{}{passive}", view.state)
}
