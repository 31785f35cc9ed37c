//! Interfaces and the stations on them.

use isthmus_mgmt_api::model::{Interface, Interfaces, Neighbors};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::{Table, pairs};
use crate::cli::text::{duration, list, or_dash, word};

impl Render for Interfaces {
    fn render(&self, style: Style) -> String {
        let headings: &[&str] = if style.wide {
            &[
                "Name",
                "Type",
                "Driver",
                "Admin",
                "Oper",
                "Address",
                "MAC",
                ">MTU",
                ">RX bytes",
                ">RX packets",
                ">RX drops",
                ">TX bytes",
                ">TX packets",
                ">TX drops",
                ">Errors",
            ]
        } else {
            &[
                "Name",
                "Type",
                "Driver",
                "Admin",
                "Oper",
                "Address",
                ">MTU",
                ">RX packets",
                ">TX packets",
                ">Drops",
            ]
        };
        let mut table = Table::new(headings);
        for interface in &self.interface {
            if style.wide { table.row(wide_row(interface)) } else { table.row(row(interface)) }
        }
        table.finish("no interfaces")
    }
}

impl Render for Interface {
    fn render(&self, _style: Style) -> String {
        let s = &self.statistics;
        let mut lines = vec![
            ("Name", self.name.clone()),
            ("Type", word(self.interface_type)),
            ("Driver", self.driver.clone()),
            ("Status", format!("{} (administratively {})", word(self.oper_status), word(self.admin_status))),
            ("Last change", or_dash(self.last_change)),
            ("MAC", self.phys_address.clone()),
            ("MTU", self.mtu.to_string()),
            ("Addresses", addresses(self)),
            (
                "Received",
                format!(
                    "{} octets; {} unicast, {} broadcast, {} multicast packets; {} discarded, {} errors",
                    s.in_octets,
                    s.in_unicast_pkts,
                    s.in_broadcast_pkts,
                    s.in_multicast_pkts,
                    s.in_discards,
                    s.in_errors
                ),
            ),
            (
                "Sent",
                format!(
                    "{} octets; {} unicast, {} broadcast, {} multicast packets; {} discarded, {} errors",
                    s.out_octets,
                    s.out_unicast_pkts,
                    s.out_broadcast_pkts,
                    s.out_multicast_pkts,
                    s.out_discards,
                    s.out_errors
                ),
            ),
        ];
        let drops = s.drops.iter().filter(|(_, packets)| **packets > 0);
        lines.push(("Drops", list(drops.map(|(reason, packets)| format!("{reason} {packets}")))));
        pairs(&lines)
    }
}

impl Render for Neighbors {
    fn render(&self, _style: Style) -> String {
        let mut table = Table::new(&["Address", "MAC", "Interface", "State", "Origin", ">Age"]);
        for neighbor in &self.neighbor {
            table.row([
                neighbor.ip.to_string(),
                or_dash(neighbor.link_layer_address.as_ref()),
                neighbor.interface.clone(),
                word(neighbor.state),
                word(neighbor.origin),
                or_dash(neighbor.age.map(duration)),
            ]);
        }
        table.finish("no stations known")
    }
}

fn row(interface: &Interface) -> [String; 10] {
    let s = &interface.statistics;
    [
        interface.name.clone(),
        word(interface.interface_type),
        interface.driver.clone(),
        word(interface.admin_status),
        word(interface.oper_status),
        addresses(interface),
        interface.mtu.to_string(),
        (s.in_unicast_pkts + s.in_broadcast_pkts + s.in_multicast_pkts).to_string(),
        (s.out_unicast_pkts + s.out_broadcast_pkts + s.out_multicast_pkts).to_string(),
        (s.in_discards + s.out_discards).to_string(),
    ]
}

fn wide_row(interface: &Interface) -> [String; 15] {
    let s = &interface.statistics;
    [
        interface.name.clone(),
        word(interface.interface_type),
        interface.driver.clone(),
        word(interface.admin_status),
        word(interface.oper_status),
        addresses(interface),
        interface.phys_address.clone(),
        interface.mtu.to_string(),
        s.in_octets.to_string(),
        (s.in_unicast_pkts + s.in_broadcast_pkts + s.in_multicast_pkts).to_string(),
        s.in_discards.to_string(),
        s.out_octets.to_string(),
        (s.out_unicast_pkts + s.out_broadcast_pkts + s.out_multicast_pkts).to_string(),
        s.out_discards.to_string(),
        (s.in_errors + s.out_errors).to_string(),
    ]
}

fn addresses(interface: &Interface) -> String {
    list(interface.address.iter().map(|address| format!("{}/{}", address.ip, address.prefix_length)))
}
