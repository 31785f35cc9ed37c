//! What a border router of a not-so-stubby area does for it (RFC 3101 section 3): who translates, and into what.
//!
//! Like [`crate::abr`] this follows from the routing table and the configuration alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::config::{NssaRange, TranslatorRole};
use crate::route::{PathType, RouteTable};
use crate::spf::Translatable;
use crate::types::{AreaId, LS_INFINITY, RouterId};
use crate::wire::AsExternalLsa;

/// Whether a border router of the area translates (section 3.1): always, or if no other border router of the area does so always,
/// and none has a larger router id.
pub(crate) fn is_elected(own: RouterId, role: TranslatorRole, area: AreaId, table: &RouteTable) -> bool {
    let routers = table.routers.get(&area).into_iter().flatten();
    let mut rivals = routers.filter(|(_, route)| route.abr && route.path_type == PathType::IntraArea);
    // A border router without bit E does not know of translation (section 3.1).
    role == TranslatorRole::Always || !rivals.any(|(id, route)| route.translator || (route.asbr && *id > own))
}

/// What type 5 advertisements are to say of an area's external routes (section 3.2).
pub(crate) fn translations<'a>(
    ranges: &[NssaRange],
    routes: impl Iterator<Item = (Ipv4Net, &'a Translatable)> + Clone,
) -> BTreeMap<Ipv4Net, AsExternalLsa> {
    let condensed = condensed_ranges(ranges, routes.clone().map(|(prefix, _)| prefix));
    let mut translations = BTreeMap::new();
    for (prefix, route) in routes {
        match range_of(ranges, prefix) {
            // Step 1.
            Some(range) if !range.advertise => {}
            // Step 3.
            Some(range) if condensed.contains(&range.prefix.trunc()) => {
                let network = range.prefix.trunc();
                let body = condensed_body(range, route);
                translations
                    .entry(network)
                    .and_modify(|present: &mut AsExternalLsa| *present = farther(*present, body))
                    .or_insert(body);
            }
            // Step 2: as it is.
            _ => {
                translations.insert(prefix, route.external);
            }
        }
    }
    translations
}

/// The ranges that stand for other networks than just themselves.
pub(crate) fn condensed_ranges(
    ranges: &[NssaRange],
    networks: impl Iterator<Item = Ipv4Net>,
) -> BTreeSet<Ipv4Net> {
    let range_around = |network| {
        let range = range_of(ranges, network)?.prefix.trunc();
        (range != network).then_some(range)
    };
    let condensed: BTreeSet<_> = networks.filter_map(range_around).collect();
    let advertised = |prefix: &Ipv4Net| ranges.iter().any(|r| r.advertise && r.prefix.trunc() == *prefix);
    condensed.into_iter().filter(advertised).collect()
}

/// The most specific range that holds a network.
fn range_of(ranges: &[NssaRange], network: Ipv4Net) -> Option<&NssaRange> {
    let holding = ranges.iter().filter(|range| range.prefix.contains(&network));
    holding.max_by_key(|range| range.prefix.prefix_len())
}

/// What a range says of one of its networks. Of type 2 the metric is one more, so that the range is farther than its networks; of
/// type 1 the way to the network counts, since the range leads to us.
fn condensed_body(range: &NssaRange, route: &Translatable) -> AsExternalLsa {
    let external = route.external;
    let metric = if external.e2 { external.metric.saturating_add(1) } else { route.cost };
    AsExternalLsa {
        network_mask: range.prefix.netmask(),
        metric: metric.min(LS_INFINITY - 1),
        e2: external.e2,
        forwarding_address: Ipv4Addr::UNSPECIFIED,
        tag: range.tag,
    }
}

/// A range is of type 2 if one of its networks is, and as far as the farthest of that type.
fn farther(one: AsExternalLsa, other: AsExternalLsa) -> AsExternalLsa {
    if (other.e2, other.metric) > (one.e2, one.metric) { other } else { one }
}
