//! `show` and `route`: one resource each.

use isthmus_mgmt_api::model::{
    Counters, Drops, Events, Fib, FibLookup, Interface, Interfaces, LookupVerdict, Neighbors, Ospf,
    OspfAreas, OspfBorderRouters, OspfDatabase, OspfInterface, OspfInterfaces, OspfLocalRib, OspfLsaLog,
    OspfNeighbors, OspfSpfLog, Routes, Shm, ShmNodes, ShmRings, Steering, System,
};

use super::args::{Route, Show, ShowOspf, ShowShm};
use super::client::{Client, escaped};
use super::error::{CliError, Exit};
use super::monitor;
use super::output::Output;

pub(super) fn show(client: &Client, what: &Show, output: &mut Output) -> Result<Exit, CliError> {
    match what {
        Show::System => drop(output.show::<System>(client, "/api/v1/system")?),
        Show::Interface { name: None } => drop(output.show::<Interfaces>(client, "/api/v1/interfaces")?),
        Show::Interface { name: Some(name) } => {
            drop(output.show::<Interface>(client, &format!("/api/v1/interfaces/{}", escaped(name)))?);
        }
        Show::Route => drop(output.show::<Routes>(client, "/api/v1/routing/ribs/ipv4-default/routes")?),
        Show::Fib => drop(output.show::<Fib>(client, "/api/v1/routing/fib")?),
        Show::Arp { interface: None } => drop(output.show::<Neighbors>(client, "/api/v1/neighbors")?),
        Show::Arp { interface: Some(name) } => {
            let path = format!("/api/v1/interfaces/{}/neighbors", escaped(name));
            drop(output.show::<Neighbors>(client, &path)?);
        }
        Show::Shm { part: None } => drop(output.show::<Shm>(client, "/api/v1/shm")?),
        Show::Shm { part: Some(ShowShm::Nodes) } => {
            drop(output.show::<ShmNodes>(client, "/api/v1/shm/nodes")?);
        }
        Show::Shm { part: Some(ShowShm::Rings) } => {
            drop(output.show::<ShmRings>(client, "/api/v1/shm/rings")?);
        }
        Show::Shm { part: Some(ShowShm::Events { limit }) } => {
            let limit = limit.map(|limit| ("limit", limit.to_string()));
            drop(output.show::<Events>(client, &with_query("/api/v1/shm/events", [limit]))?);
        }
        Show::Steering => drop(output.show::<Steering>(client, "/api/v1/steering")?),
        Show::Counters => drop(output.show::<Counters>(client, "/api/v1/counters")?),
        Show::Drops => drop(output.show::<Drops>(client, "/api/v1/counters/drops")?),
        Show::Events { limit, event_type, follow: true } => {
            monitor::recent_and_on(client, *limit, event_type.as_deref(), output)?;
        }
        Show::Events { limit, event_type, follow: false } => {
            let limit = limit.map(|limit| ("limit", limit.to_string()));
            let event_type = event_type.clone().map(|event_type| ("type", event_type));
            drop(output.show::<Events>(client, &with_query("/api/v1/events/recent", [limit, event_type]))?);
        }
        Show::Config => output.document(&client.get("/api/v1/config?with-defaults=report-all")?)?,
        Show::Ospf { part } => show_ospf(client, part.as_ref(), output)?,
    }
    Ok(Exit::Success)
}

fn show_ospf(client: &Client, part: Option<&ShowOspf>, output: &mut Output) -> Result<(), CliError> {
    match part {
        None => drop(output.show::<Ospf>(client, "/api/v1/ospf")?),
        Some(ShowOspf::Neighbor) => drop(output.show::<OspfNeighbors>(client, "/api/v1/ospf/neighbors")?),
        Some(ShowOspf::Interface { name: None }) => {
            drop(output.show::<OspfInterfaces>(client, "/api/v1/ospf/interfaces")?);
        }
        Some(ShowOspf::Interface { name: Some(name) }) => {
            drop(output.show::<OspfInterface>(client, &ospf_interface_path(client, name)?)?);
        }
        Some(ShowOspf::Database { lsa_type, adv_router, lsa_id, area }) => {
            let path = match area {
                Some(area) => format!("/api/v1/ospf/areas/{area}/database"),
                None => "/api/v1/ospf/database".to_owned(),
            };
            let query = [
                lsa_type.clone().map(|lsa_type| ("lsa-type", lsa_type)),
                adv_router.map(|router| ("adv-router", router.to_string())),
                lsa_id.map(|id| ("lsa-id", id.to_string())),
            ];
            drop(output.show::<OspfDatabase>(client, &with_query(&path, query))?);
        }
        Some(ShowOspf::Route) => drop(output.show::<OspfLocalRib>(client, "/api/v1/ospf/local-rib")?),
        Some(ShowOspf::BorderRouters) => {
            drop(output.show::<OspfBorderRouters>(client, "/api/v1/ospf/border-routers")?);
        }
        Some(ShowOspf::LsaLog) => drop(output.show::<OspfLsaLog>(client, "/api/v1/ospf/lsa-log")?),
        Some(ShowOspf::SpfLog) => drop(output.show::<OspfSpfLog>(client, "/api/v1/ospf/spf-log")?),
        Some(ShowOspf::Area) => drop(output.show::<OspfAreas>(client, "/api/v1/ospf/areas")?),
    }
    Ok(())
}

/// The resource of an interface lies in its area, which the node knows and the user need not. An interface that is in
/// none is asked for in the backbone, so that the refusal comes from the node.
fn ospf_interface_path(client: &Client, name: &str) -> Result<String, CliError> {
    let path = "/api/v1/ospf/interfaces";
    let interfaces: OspfInterfaces =
        serde_json::from_value(client.get(path)?).map_err(|error| client.bad_answer(path, error))?;
    let found = interfaces.interface.iter().find(|interface| interface.view.name == name);
    let area = found.map_or_else(|| "0.0.0.0".to_owned(), |interface| interface.view.area_id.to_string());
    Ok(format!("/api/v1/ospf/areas/{area}/interfaces/{}", escaped(name)))
}

pub(super) fn route(client: &Client, what: &Route, output: &mut Output) -> Result<Exit, CliError> {
    let Route::Get { destination, explain } = what;
    let explain = explain.then(|| ("explain", "true".to_owned()));
    let path = with_query("/api/v1/routing/fib/lookup", [Some(("dst", destination.to_string())), explain]);
    let lookup: FibLookup = output.show(client, &path)?;
    match lookup.verdict {
        LookupVerdict::Forward | LookupVerdict::Local | LookupVerdict::Steer => Ok(Exit::Success),
        LookupVerdict::Discard | LookupVerdict::NoRoute | LookupVerdict::Unreachable => Ok(Exit::Negative),
    }
}

/// A path with those of the parameters that are there.
pub(super) fn with_query<const N: usize>(path: &str, parameters: [Option<(&str, String)>; N]) -> String {
    let pairs: Vec<String> =
        parameters.into_iter().flatten().map(|(name, value)| format!("{name}={}", escaped(&value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_what_is_there() {
        assert_eq!(with_query("/a", [None, None]), "/a");
        let query = [None, Some(("b", "1 2".to_owned())), Some(("c", "&".to_owned()))];
        assert_eq!(with_query("/a", query), "/a?b=1%202&c=%26");
    }
}
