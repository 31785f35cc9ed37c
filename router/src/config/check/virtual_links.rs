//! Virtual links: through which areas, to whom.

use isthmus_ospf::config::AreaType;
use isthmus_ospf::types::{AreaId, RouterId};

use super::super::Code;
use super::super::model::VirtualLinkConfig;
use super::super::raw::{RawArea, RawVirtualLink};
use super::findings::Findings;
use super::key_chains::KeyChains;
use super::values::shown;

/// The virtual links through an area. `path` is the area's.
pub(super) fn virtual_links(
    path: &str,
    raw: &RawArea,
    (area, area_type): (AreaId, AreaType),
    key_chains: &KeyChains,
    findings: &mut Findings,
) -> Vec<VirtualLinkConfig> {
    if raw.virtual_links.is_empty() {
        return Vec::new();
    }
    // RFC 2328 sections 3.6 and 15.
    let why_not = if area.is_backbone() {
        Some("a virtual link leads through another area than the backbone")
    } else if !area_type.takes_externals() {
        Some("no virtual link leads through an area that does not take external routes")
    } else {
        None
    };
    if let Some(reason) = why_not {
        findings.error(
            Code::ConflictingKeys,
            format!("{path}.virtual-links"),
            reason,
            "list the link with the normal area that both of its ends are in",
        );
        return Vec::new();
    }
    let mut links: Vec<VirtualLinkConfig> = Vec::new();
    for (index, raw) in raw.virtual_links.iter().enumerate() {
        let path = format!("{path}.virtual-links[{index}]");
        let Some(link) = virtual_link(&path, raw, key_chains, findings) else { continue };
        if links.iter().any(|other| other.router_id == link.router_id) {
            findings.error(
                Code::DuplicateName,
                format!("{path}.router-id"),
                format!("the virtual link to {} through area {area} stands twice", link.router_id),
                "remove one of them",
            );
            continue;
        }
        links.push(link);
    }
    links
}

fn virtual_link(
    path: &str,
    raw: &RawVirtualLink,
    key_chains: &KeyChains,
    findings: &mut Findings,
) -> Option<VirtualLinkConfig> {
    let router_id = router_id(&format!("{path}.router-id"), &raw.router_id, findings);
    let timers = findings.timers(path, raw.hello_interval, raw.dead_interval, raw.dead_interval != 40);
    let retransmit =
        findings.seconds(format!("{path}.retransmit-interval"), raw.retransmit_interval, 1..=3_600);
    let delay = findings.number(format!("{path}.transmit-delay"), raw.transmit_delay, 1..=3_600_u16, " s");
    let authentication =
        findings.authentication(&format!("{path}.authentication"), &raw.authentication, key_chains);
    let (hello_interval, dead_interval) = timers?;
    Some(VirtualLinkConfig {
        router_id: router_id?,
        hello_interval,
        dead_interval,
        retransmit_interval: retransmit?,
        transmit_delay: delay?,
        authentication: authentication?,
    })
}

fn router_id(path: &str, text: &str, findings: &mut Findings) -> Option<RouterId> {
    match text.parse::<RouterId>() {
        Ok(id) if !id.0.is_unspecified() => Some(id),
        _ => {
            findings.error(
                Code::BadRouterId,
                path,
                format!("`{}` is not a router id", shown(text)),
                "write that of the router at the other end, such as 192.0.2.1",
            );
            None
        }
    }
}

/// Nobody has a virtual link to himself.
pub(super) fn not_to_own(
    own: RouterId,
    areas: &[super::super::model::AreaSettings],
    raw: &[RawArea],
    findings: &mut Findings,
) {
    let own_text = own.to_string();
    let has_own = areas.iter().any(|area| area.virtual_links.iter().any(|link| link.router_id == own));
    for (area_index, area) in raw.iter().enumerate().filter(|_| has_own) {
        for (index, link) in area.virtual_links.iter().enumerate() {
            if link.router_id == own_text {
                findings.error(
                    Code::BadRouterId,
                    format!("ospf.areas[{area_index}].virtual-links[{index}].router-id"),
                    format!("{own} is this router's own id"),
                    "name the router at the other end",
                );
            }
        }
    }
}
