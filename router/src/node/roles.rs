//! What a node is to OSPF, and why. No line of configuration says it: a node is an area border router while an
//! OSPF interface on one of its NICs, in another area than the fabric's, is up.

use isthmus_ospf::types::AreaId;

use crate::config::Config;

/// What a node is to OSPF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// It connects areas.
    pub area_border_router: bool,
    /// It has a live NIC in the backbone while the fabric is not in it: it keeps the backbone together with the
    /// cluster's other nodes of this kind.
    pub on_backbone: bool,
    /// Why, in words.
    pub reason: String,
}

/// Whether the NIC at each position of the configuration is up.
pub fn role(config: &Config, nic_is_up: &[bool]) -> Role {
    let fabric_area = config.fabric.as_ref().map(|fabric| fabric.lsm.ospf.area);
    let live = |position: usize| nic_is_up.get(position).copied().unwrap_or(false);
    let nics: Vec<(&str, AreaId, bool)> = config
        .interfaces
        .iter()
        .enumerate()
        .filter_map(|(position, nic)| {
            nic.ospf.as_ref().map(|ospf| (nic.name.as_str(), ospf.area, live(position)))
        })
        .collect();
    let Some(fabric_area) = fabric_area else {
        let virtual_links = config.ospf.areas.iter().filter(|area| !area.virtual_links.is_empty());
        return router_without_fabric(&nics, virtual_links.map(|area| area.area).collect());
    };
    let on_backbone =
        !fabric_area.is_backbone() && nics.iter().any(|(_, area, up)| *up && area.is_backbone());
    // Areas meet in the backbone only (RFC 2328 section 3.1).
    let joins = fabric_area.is_backbone() || on_backbone;
    let other = nics.iter().find(|(_, area, up)| *up && *area != fabric_area);
    let border = other.filter(|_| joins);
    let reason = match border {
        Some((name, area, _)) => {
            format!("NIC {name} in area {area} is up, and the fabric is in area {fabric_area}")
        }
        None if other.is_some() => "no NIC in the backbone is up".to_owned(),
        None if config.interfaces.is_empty() => "the node has no NIC".to_owned(),
        None if nics.is_empty() => "no NIC runs OSPF".to_owned(),
        None => match nics.iter().find(|(_, area, up)| !*up && *area != fabric_area) {
            Some((name, area, _)) => format!("NIC {name} in area {area} is down"),
            None => format!("every NIC is in the fabric's own area {fabric_area}"),
        },
    };
    Role { area_border_router: border.is_some(), on_backbone, reason }
}

/// Virtual links lead through the `transit` areas, and join the backbone.
fn router_without_fabric(nics: &[(&str, AreaId, bool)], transit: Vec<AreaId>) -> Role {
    let mut areas: Vec<AreaId> = nics.iter().filter(|(_, _, up)| *up).map(|(_, area, _)| *area).collect();
    areas.sort_unstable();
    areas.dedup();
    let area_border_router =
        areas.len() > 1 && areas.iter().any(|area| area.is_backbone() || transit.contains(area));
    let reason = match areas.as_slice() {
        [] => "the router has no fabric, and none of its OSPF interfaces is up".to_owned(),
        [area] => format!("the router has no fabric, and all of its live interfaces are in area {area}"),
        areas => {
            let list: Vec<String> = areas.iter().map(ToString::to_string).collect();
            format!("the router has no fabric; its live interfaces are in areas {}", list.join(", "))
        }
    };
    Role { area_border_router, on_backbone: false, reason }
}
