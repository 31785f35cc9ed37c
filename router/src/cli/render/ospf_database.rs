//! The link state database: a line for each advertisement, with what it says when asked for width.

use isthmus_mgmt_api::model::OspfDatabase;
use isthmus_ospf::view::{DatabaseEntryView, LsaBodyView, OpaqueBodyView};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::Table;
use crate::cli::text::{list, or_dash};

impl Render for OspfDatabase {
    fn render(&self, style: Style) -> String {
        let headings =
            ["Area", "Type", "Link ID", "ADV Router", ">Age", "Seq#", "CkSum", ">Length", "Contents"];
        let mut table = Table::new(if style.wide { &headings } else { &headings[..8] });
        for entry in &self.lsa {
            let header = &entry.header;
            let common = [
                or_dash(entry.area_id),
                short_type(&header.lsa_type).to_owned(),
                header.lsa_id.to_string(),
                header.adv_router.to_string(),
                header.age.to_string(),
                format!("{:#010x}", header.seq_num),
                header.checksum.clone(),
                header.length.to_string(),
            ];
            if style.wide {
                let [area, kind, id, router, age, sequence, checksum, length] = common;
                table.row([area, kind, id, router, age, sequence, checksum, length, contents(entry)]);
            } else {
                table.row(common);
            }
        }
        table.finish("no advertisements")
    }
}

/// `router` for `ospfv2-router-lsa`.
pub(super) fn short_type(identity: &str) -> &str {
    let name = identity.strip_prefix("ospfv2-").unwrap_or(identity);
    name.strip_suffix("-lsa").unwrap_or(name)
}

fn contents(entry: &DatabaseEntryView) -> String {
    match &entry.body {
        None => "-".to_owned(),
        Some(LsaBodyView::Router(body)) => {
            let links = body.links.iter().map(|link| {
                let kind = link.link_type.strip_suffix("-link").unwrap_or(&link.link_type);
                format!("{kind} {} {} cost {}", link.link_id, link.link_data, link.metric)
            });
            let bits = body.rtr_lsa_bits.iter().cloned();
            list(bits.chain(links))
        }
        Some(LsaBodyView::Network(body)) => {
            format!("mask {}, routers {}", body.network_mask, list(&body.attached_routers))
        }
        Some(LsaBodyView::Summary(body)) => format!("mask {}, metric {}", body.network_mask, body.metric),
        Some(LsaBodyView::Opaque(body)) => opaque(entry.interface.as_deref(), body),
        Some(LsaBodyView::External(body)) => format!(
            "mask {}, metric {}{}, forward {}, tag {}",
            body.network_mask,
            body.metric,
            if body.flags.contains('E') { " (type 2)" } else { "" },
            body.forwarding_address,
            body.external_route_tag
        ),
    }
}

/// `opaque type 4, id 0, host node-1, stub-router`; with the interface of one that stays on a link.
fn opaque(interface: Option<&str>, body: &OpaqueBodyView) -> String {
    let mut text = format!("opaque type {}, id {}", body.opaque_type, body.opaque_id);
    if let Some(interface) = interface {
        text.push_str(&format!(", on {interface}"));
    }
    if let Some(information) = &body.router_information {
        if let Some(hostname) = &information.hostname {
            text.push_str(&format!(", host {hostname}"));
        }
        for capability in &information.informational_capabilities {
            text.push_str(&format!(", {capability}"));
        }
    }
    text
}
