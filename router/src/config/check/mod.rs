//! From the file to the configuration: everything that is refused, and why.
//!
//! Each subject turns its part of the file into its part of the [`Config`], or into findings; then the cross checks
//! look at all of it. Nothing stops at the first finding.

mod areas;
mod authentication;
mod fabric;
mod findings;
mod interfaces;
mod key_chains;
mod management;
mod network_type;
mod networks;
mod redistribution;
mod reflected;
mod room;
mod routes;
mod segment;
mod values;
mod virtual_links;

use isthmus_ospf::config::{GracefulRestart, RouteRules, SpfDelay};
use isthmus_ospf::types::RouterId;
use isthmus_shmnet::Region;

use super::environment::Environment;
use super::model::{Config, FabricConfig, NicConfig, OspfConfig, SegmentConfig, StubRouter};
use super::raw::{RawConfig, RawSpfDelay, RawStubRouter};
use super::{Code, Diagnostic};
use findings::Findings;
pub(super) use room::room;

/// Checks a file. `None` beside the findings if one of them is an error.
pub(super) fn check(raw: &RawConfig, environment: &Environment) -> (Option<Config>, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let config = build(raw, environment, &mut findings);
    let findings = findings.into_list();
    let refused = findings.iter().any(|finding| finding.severity == super::Severity::Error);
    (config.filter(|_| !refused), findings)
}

fn build(raw: &RawConfig, environment: &Environment, findings: &mut Findings) -> Option<Config> {
    let hostname = hostname(raw, environment, findings);
    let fabric = fabric::fabric(raw, findings);
    // What the machine has is looked at where the memory is taken, and by `isthmus check`.
    if let Some(fabric) = &fabric
        && let SegmentConfig::Region(region, _) = &fabric.segment
        && let Region::File { size: Some(bytes), .. } | Region::Dax { size: Some(bytes), .. } = region
    {
        findings.extend(room(fabric, region, *bytes));
    }
    let key_chains = key_chains::key_chains(&raw.key_chains, findings);
    let interfaces = interfaces::interfaces(raw, fabric.as_ref(), &key_chains, findings);
    networks::check(fabric.as_ref(), &interfaces, findings);
    areas::roles(raw, fabric.as_ref(), &interfaces, findings);
    areas::transit(fabric.as_ref(), &interfaces, findings);
    let area_settings = areas::settings(raw, fabric.as_ref(), &interfaces, &key_chains, findings);
    let router_id = router_id(raw, fabric.as_ref(), &interfaces, findings);
    if let Some(own) = router_id {
        virtual_links::not_to_own(own, &area_settings, &raw.ospf.areas, findings);
    }
    let maximum_paths = findings.number("ospf.maximum-paths", raw.ospf.maximum_paths, 1..=64, "");
    let spf_delay = spf_delay(&raw.ospf.ietf_spf_delay, findings);
    let stub_router = stub_router(&raw.ospf.stub_router, findings);
    let redistribute = redistribution::redistribute(&raw.ospf.redistribute, findings);
    let default_information =
        redistribution::default_information(raw.ospf.default_information_originate.as_ref(), findings);
    let management = management::management(raw, environment, fabric.as_ref(), findings);
    let static_routes = routes::static_routes(raw, fabric.as_ref(), &interfaces, findings);
    if raw.node_id.is_some() && fabric.is_none() {
        return None;
    }
    let interfaces = interfaces.into_iter().map(|entry| entry.nic).collect();
    let ospf = OspfConfig {
        router_id: router_id?,
        areas: area_settings,
        maximum_paths: maximum_paths?,
        spf_delay: spf_delay?,
        route_rules: RouteRules {
            rfc1583_compatibility: raw.ospf.rfc1583_compatibility,
            provider_edge: raw.ospf.provider_edge,
        },
        stub_router: stub_router?,
        graceful_restart: GracefulRestart {
            helper_enabled: raw.ospf.graceful_restart.helper_enabled,
            helper_strict_lsa_checking: raw.ospf.graceful_restart.helper_strict_lsa_checking,
        },
        redistribute: redistribute?,
        default_information: default_information?,
    };
    Some(Config { hostname: hostname?, fabric, interfaces, ospf, management: management?, static_routes })
}

/// A NIC that passed on its own, with its place in the file.
struct Entry {
    index: usize,
    nic: NicConfig,
}

impl Entry {
    fn path(&self, key: &str) -> String {
        format!("interfaces[{}].{key}", self.index)
    }
}

fn hostname(raw: &RawConfig, environment: &Environment, findings: &mut Findings) -> Option<String> {
    let Some(name) = &raw.hostname else {
        // The host's own name is not the file's fault, whatever it is.
        return Some(match environment.hostname.is_empty() {
            true => "isthmus".to_owned(),
            false => environment.hostname.clone(),
        });
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        findings.error(
            Code::BadName,
            "hostname",
            format!("`{}` is not a host name", values::shown(name)),
            "use 1 to 64 letters, digits, hyphens and dots",
        );
        return None;
    }
    Some(name.clone())
}

fn spf_delay(raw: &RawSpfDelay, findings: &mut Findings) -> Option<SpfDelay> {
    let mut delay =
        |key: &str, value| findings.milliseconds(format!("ospf.ietf-spf-delay.{key}"), value, 0..=60_000);
    let initial = delay("initial-delay", raw.initial_delay);
    let short = delay("short-delay", raw.short_delay);
    let long = delay("long-delay", raw.long_delay);
    let time_to_learn = delay("time-to-learn", raw.time_to_learn);
    let hold_down = delay("hold-down", raw.hold_down);
    Some(SpfDelay {
        initial: initial?,
        short: short?,
        long: long?,
        time_to_learn: time_to_learn?,
        hold_down: hold_down?,
    })
}

fn stub_router(raw: &RawStubRouter, findings: &mut Findings) -> Option<StubRouter> {
    let on_startup = findings.seconds("ospf.stub-router.on-startup", raw.on_startup, 0..=86_400);
    let on_shutdown = findings.seconds("ospf.stub-router.on-shutdown", raw.on_shutdown, 0..=3600);
    Some(StubRouter { always: raw.always, on_startup: on_startup?, on_shutdown: on_shutdown? })
}

/// The configured router id, else the LSM address, else the address of the first NIC.
fn router_id(
    raw: &RawConfig,
    fabric: Option<&FabricConfig>,
    interfaces: &[Entry],
    findings: &mut Findings,
) -> Option<RouterId> {
    let path = "ospf.router-id";
    let Some(text) = &raw.ospf.router_id else {
        let first = interfaces.first().map(|entry| entry.nic.address.addr());
        let default = fabric.map(|fabric| fabric.lsm.address.addr()).or(first);
        if default.is_none() && raw.node_id.is_none() && raw.segment.is_none() && raw.interfaces.is_empty() {
            findings.error(
                Code::MissingKey,
                path,
                "the router has neither a node id nor an interface to take its router id from",
                "set `node-id` and `segment`, or list an interface, or set `ospf.router-id`",
            );
        }
        return default.map(RouterId);
    };
    let Ok(id) = text.parse::<std::net::Ipv4Addr>() else {
        findings.error(
            Code::BadRouterId,
            path,
            format!("`{}` is not a dotted quad", values::shown(text)),
            "write four numbers from 0 to 255 with dots between, such as 192.0.2.1",
        );
        return None;
    };
    let common = fabric.is_some_and(|fabric| fabric.common_addresses.contains(&id));
    let reason = match () {
        () if id.is_unspecified() => "0.0.0.0 means no router".to_owned(),
        () if id.is_broadcast() => "255.255.255.255 names no router".to_owned(),
        () if common => format!("{id} is a common address: every node would have this router id"),
        () => return Some(RouterId(id)),
    };
    let remedy = "use an address of this router alone, or leave the key out";
    findings.error(Code::BadRouterId, path, reason, remedy);
    None
}
