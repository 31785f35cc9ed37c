//! Areas: in which a NIC may be, and what is set for them.

use isthmus_ospf::config::{AreaRange, AreaType, NssaConfig, NssaRange, TranslatorRole};
use isthmus_ospf::types::AreaId;

use super::super::Code;
use super::super::model::{AreaSettings, FabricConfig};
use super::super::raw::{RawArea, RawAreaType, RawConfig, RawTranslatorRole};
use super::findings::Findings;
use super::key_chains::KeyChains;
use super::{Entry, virtual_links};

/// A NIC is in the backbone, or in the cluster's area, or in any area where the backbone is at hand, by the cluster or
/// by another NIC: an area border router without an interface in the backbone cannot be one (RFC 2328 section 3.1).
pub(super) fn roles(
    raw: &RawConfig,
    fabric: Option<&FabricConfig>,
    interfaces: &[Entry],
    findings: &mut Findings,
) {
    // A virtual link is an interface in the backbone.
    if raw.ospf.areas.iter().any(|area| !area.virtual_links.is_empty()) {
        return;
    }
    let nic_areas = || interfaces.iter().filter_map(|entry| Some((entry, entry.nic.ospf.as_ref()?.area)));
    match fabric.map(|fabric| fabric.lsm.ospf.area) {
        Some(own) if own.is_backbone() || nic_areas().any(|(_, area)| area.is_backbone()) => {}
        Some(own) => {
            for (entry, area) in nic_areas().filter(|(_, area)| !area.is_backbone() && *area != own) {
                findings.error(
                    Code::UnsupportedArea,
                    entry.path("ospf.area-id"),
                    format!(
                        "`{}` is in area {area}, the cluster in area {own}: the node would join two areas, neither of them the backbone",
                        entry.nic.name
                    ),
                    format!(
                        "put the interface into 0.0.0.0 (area border router) or {own} (internal router), or the cluster into the backbone with `fabric.area-id: 0.0.0.0`"
                    ),
                );
            }
        }
        None => {
            let Some((_, first)) = nic_areas().next() else { return };
            if nic_areas().any(|(_, area)| area.is_backbone()) {
                return;
            }
            for (entry, area) in nic_areas().filter(|(_, area)| *area != first) {
                findings.error(
                    Code::UnsupportedArea,
                    entry.path("ospf.area-id"),
                    format!(
                        "`{}` is in area {area}, another interface in area {first}, and none in the backbone",
                        entry.nic.name
                    ),
                    "put all interfaces into one area, or one of them into 0.0.0.0",
                );
            }
        }
    }
}

/// Without transit the backbone reaches a border router only from outside: where the outside has no other border router
/// of the cluster, or no neighbor at all, the NIC is a piece of backbone of its own.
pub(super) fn transit(fabric: Option<&FabricConfig>, interfaces: &[Entry], findings: &mut Findings) {
    let Some(fabric) = fabric.filter(|fabric| !fabric.transit && !fabric.lsm.ospf.area.is_backbone()) else {
        return;
    };
    let on_backbone = |entry: &&Entry| entry.nic.ospf.as_ref().is_some_and(|ospf| ospf.area.is_backbone());
    let Some(entry) = interfaces.iter().find(on_backbone) else { return };
    findings.warning(
        Code::SplitBackbone,
        "fabric.transit",
        format!(
            "`{}` is in the backbone, and without transit the area border routers of the cluster are no neighbors in it: while its network has no OSPF neighbor that leads to the others, {} is unreachable through them",
            entry.nic.name,
            entry.nic.address.trunc()
        ),
        format!(
            "leave `transit` at true, or put `{}` into the cluster's area {}, or see to it that the outside network connects all border routers",
            entry.nic.name, fabric.lsm.ospf.area
        ),
    );
}

/// What is set for areas.
pub(super) fn settings(
    raw: &RawConfig,
    fabric: Option<&FabricConfig>,
    interfaces: &[Entry],
    key_chains: &KeyChains,
    findings: &mut Findings,
) -> Vec<AreaSettings> {
    let mut settings: Vec<AreaSettings> = Vec::new();
    for (index, raw) in raw.ospf.areas.iter().enumerate() {
        let path = format!("ospf.areas[{index}]");
        let area = findings.area(&format!("{path}.area-id"), &raw.area_id);
        let ranges = ranges(&path, raw, findings);
        let nssa_ranges = nssa_ranges(&path, raw, findings);
        let area_type = area.and_then(|area| area_type(&path, area, raw, findings));
        let (Some(area), Some(area_type)) = (area, area_type) else { continue };
        if settings.iter().any(|other| other.area == area) {
            let reason = format!("area {area} is set twice");
            findings.error(
                Code::DuplicateArea,
                format!("{path}.area-id"),
                reason,
                "put all that is set for it into one entry",
            );
            continue;
        }
        if !is_used(area, fabric, interfaces) {
            findings.warning(
                Code::UnusedArea,
                format!("{path}.area-id"),
                format!("no interface is in area {area}"),
                "correct the id, or remove the entry",
            );
        }
        let virtual_links = virtual_links::virtual_links(&path, raw, (area, area_type), key_chains, findings);
        settings.push(AreaSettings { area, area_type, ranges, nssa_ranges, virtual_links });
    }
    settings
}

/// RFC 2328 section 3.6, and `area-type` with its leaves in RFC 9129.
fn area_type(path: &str, area: AreaId, raw: &RawArea, findings: &mut Findings) -> Option<AreaType> {
    let default_cost = match raw.default_cost {
        None => Some(1),
        Some(cost) => findings.number(format!("{path}.default-cost"), cost, 0..=16_777_214_u32, ""),
    };
    if raw.area_type != RawAreaType::NssaArea && !is_without_nssa_keys(path, area, raw, findings) {
        return None;
    }
    match raw.area_type {
        RawAreaType::StubArea | RawAreaType::NssaArea if area.is_backbone() => {
            findings.error(
                Code::ConflictingKeys,
                format!("{path}.area-type"),
                "the backbone carries what the areas tell each other, and cannot be a stub or not-so-stubby area",
                "leave `area-type` out, or name another area",
            );
            None
        }
        RawAreaType::StubArea => {
            Some(AreaType::Stub { default_cost: default_cost?, summary: raw.summary.unwrap_or(true) })
        }
        RawAreaType::NssaArea => Some(AreaType::Nssa(NssaConfig {
            summary: raw.summary.unwrap_or(true),
            default_route: raw.default_route.unwrap_or(true),
            default_cost: default_cost?,
            translator_role: match raw.translator_role {
                None | Some(RawTranslatorRole::Candidate) => TranslatorRole::Candidate,
                Some(RawTranslatorRole::Always) => TranslatorRole::Always,
            },
        })),
        RawAreaType::NormalArea => {
            let given = [("summary", raw.summary.is_some()), ("default-cost", raw.default_cost.is_some())];
            for (key, _) in given.into_iter().filter(|(_, given)| *given) {
                findings.error(
                    Code::ConflictingKeys,
                    format!("{path}.{key}"),
                    format!("area {area} is a normal area: `{key}` is for stub and not-so-stubby areas"),
                    format!("set `area-type: stub-area` or `nssa-area`, or leave `{key}` out"),
                );
            }
            given.iter().all(|(_, given)| !given).then_some(AreaType::Normal)
        }
    }
}

/// Keys that mean nothing but in a not-so-stubby area.
fn is_without_nssa_keys(path: &str, area: AreaId, raw: &RawArea, findings: &mut Findings) -> bool {
    let given = [
        ("default-route", raw.default_route.is_some()),
        ("translator-role", raw.translator_role.is_some()),
        ("nssa-ranges", !raw.nssa_ranges.is_empty()),
    ];
    for (key, _) in given.into_iter().filter(|(_, given)| *given) {
        findings.error(
            Code::ConflictingKeys,
            format!("{path}.{key}"),
            format!("area {area} is no not-so-stubby area: `{key}` is for those"),
            format!("set `area-type: nssa-area`, or leave `{key}` out"),
        );
    }
    given.iter().all(|(_, given)| !given)
}

fn is_used(area: AreaId, fabric: Option<&FabricConfig>, interfaces: &[Entry]) -> bool {
    // With a fabric the backbone is there too: area border routers meet in it over the shared memory.
    fabric.is_some_and(|fabric| fabric.lsm.ospf.area == area || area.is_backbone())
        || interfaces.iter().any(|entry| entry.nic.ospf.as_ref().is_some_and(|ospf| ospf.area == area))
}

fn nssa_ranges(path: &str, raw: &RawArea, findings: &mut Findings) -> Vec<NssaRange> {
    let mut ranges: Vec<NssaRange> = Vec::new();
    for (index, raw) in raw.nssa_ranges.iter().enumerate() {
        let path = format!("{path}.nssa-ranges[{index}]");
        let prefix = findings.prefix(&format!("{path}.prefix"), &raw.prefix);
        let tag = findings.number(format!("{path}.tag"), raw.tag, 0..=u32::MAX, "");
        let (Some(prefix), Some(tag)) = (prefix, tag) else { continue };
        if ranges.iter().any(|other| other.prefix == prefix) {
            let reason = format!("the range {prefix} stands twice");
            findings.error(Code::DuplicateRange, format!("{path}.prefix"), reason, "remove one of them");
            continue;
        }
        ranges.push(NssaRange { prefix, advertise: raw.advertise, tag });
    }
    ranges
}

fn ranges(path: &str, raw: &RawArea, findings: &mut Findings) -> Vec<AreaRange> {
    let mut ranges: Vec<AreaRange> = Vec::new();
    for (index, raw) in raw.ranges.iter().enumerate() {
        let path = format!("{path}.ranges[{index}]");
        let prefix = findings.prefix(&format!("{path}.prefix"), &raw.prefix);
        let cost =
            raw.cost.and_then(|cost| findings.number(format!("{path}.cost"), cost, 0..=16_777_214_u32, ""));
        let Some(prefix) = prefix else { continue };
        if ranges.iter().any(|other| other.prefix == prefix) {
            let reason = format!("the range {prefix} stands twice");
            findings.error(Code::DuplicateRange, format!("{path}.prefix"), reason, "remove one of them");
            continue;
        }
        ranges.push(AreaRange { prefix, advertise: raw.advertise, cost });
    }
    ranges
}
