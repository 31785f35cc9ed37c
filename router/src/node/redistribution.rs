//! Which routes from outside OSPF the engine is told to announce: those that the configuration names and packets are
//! forwarded by at present. Routes that came from OSPF are never among them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{ExternalRoute, InterfaceType};

use crate::config::Config;
use crate::config::model::NicConfig;
use crate::rib::{Action, Rib, Route, Source};

/// The routes to announce, of those in the table.
pub fn routes(rib: &Rib, config: &Config) -> BTreeMap<Ipv4Net, ExternalRoute> {
    let mut routes = connected(rib, config);
    // A prefix has one active route, so that none is in two of these.
    routes.extend(by_hand(rib, config));
    routes.extend(default_route(rib, config));
    routes
}

/// OSPF announces the networks that it runs on by itself.
fn connected(rib: &Rib, config: &Config) -> BTreeMap<Ipv4Net, ExternalRoute> {
    let Some(settings) = &config.ospf.redistribute.connected else { return BTreeMap::new() };
    let runs_ospf = |prefix: Ipv4Net| {
        let nics = config.interfaces.iter().filter(|nic| nic.ospf.is_some());
        nics.map(|nic| nic.address.trunc()).any(|network| network == prefix)
    };
    let networks = config.interfaces.iter().filter(|nic| nic.ospf.is_none()).map(|nic| nic.address.trunc());
    networks
        .filter(|prefix| !runs_ospf(*prefix) && settings.permits(*prefix))
        .filter(|prefix| active(rib, *prefix, Source::Connected).is_some())
        .map(|prefix| (prefix, settings.route))
        .collect()
}

fn by_hand(rib: &Rib, config: &Config) -> BTreeMap<Ipv4Net, ExternalRoute> {
    let Some(settings) = &config.ospf.redistribute.by_hand else { return BTreeMap::new() };
    let prefixes = config.static_routes.iter().map(|route| route.prefix.trunc());
    prefixes
        .filter(|prefix| prefix.prefix_len() > 0 && settings.permits(*prefix))
        .filter_map(|prefix| Some((prefix, active(rib, prefix, Source::Static)?)))
        .map(|(prefix, route)| {
            let forwarding_address = forwarding_address(route, config);
            (prefix, ExternalRoute { forwarding_address, ..settings.route })
        })
        .collect()
}

fn default_route(rib: &Rib, config: &Config) -> Option<(Ipv4Net, ExternalRoute)> {
    let settings = config.ospf.default_information?;
    let prefix = Ipv4Net::default();
    match active(rib, prefix, Source::Static) {
        Some(route) => {
            let forwarding_address = forwarding_address(route, config);
            Some((prefix, ExternalRoute { forwarding_address, ..settings.route }))
        }
        None => settings.always.then_some((prefix, settings.route)),
    }
}

fn active(rib: &Rib, prefix: Ipv4Net, source: Source) -> Option<&Route> {
    rib.active(prefix).filter(|(of, _)| *of == source).map(|(_, route)| route)
}

/// RFC 2328 section 12.4.4: where the other routers of a network of many can reach the next hop themselves, packets need
/// not come by this router.
fn forwarding_address(route: &Route, config: &Config) -> Ipv4Addr {
    let Action::Via(gateway) = route.action else { return Ipv4Addr::UNSPECIFIED };
    let is_shared = |nic: &&NicConfig| {
        let ospf = nic.ospf.as_ref();
        ospf.is_some_and(|ospf| {
            let has_designated_router =
                matches!(ospf.interface_type, InterfaceType::Broadcast | InterfaceType::NonBroadcast);
            !ospf.passive && has_designated_router
        })
    };
    let mut shared = config.interfaces.iter().filter(is_shared);
    match shared.any(|nic| nic.address.contains(&gateway)) {
        true => gateway,
        false => Ipv4Addr::UNSPECIFIED,
    }
}

#[cfg(test)]
mod tests;
