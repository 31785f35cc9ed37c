//! Steps of the tour until traffic can flow: the nodes meet, routers become neighbors, roles and routes appear.

use std::io;
use std::time::Instant;

use serde_json::Value;

use super::client::{Api, wait_for};
use super::process::Process;
use super::topology::{self, BORDER_NODES, CLUSTER_NETWORKS, INNER, NODES, OUTSIDE_NETWORK, PREFERRED};
use super::tour::{OUTSIDE, PATIENCE, Tour};

/// Adjacencies in state Full, each end counted: three pairs of nodes on two networks, one backbone adjacency between
/// the border routers, two uplinks.
const ADJACENCIES: u32 = 2 * (3 * 2 + 1 + 2);

/// Interface and address of the next hops of a route.
type NextHops = Vec<(String, String)>;

impl Tour {
    pub(super) async fn joins(&mut self) -> bool {
        for node in NODES {
            let joined = self.meets_all(node).await;
            if !self.step("join", joined) {
                return false;
            }
        }
        true
    }

    /// Waits until a node sees all nodes active.
    pub(super) async fn meets_all(&mut self, node: u8) -> io::Result<String> {
        let api = self.api(node);
        let joined = wait_for(PATIENCE, alive(&mut self.processes), async || {
            let shm = api.get("/api/v1/shm/nodes").await.map_err(|error| error.to_string())?;
            let active = shm["active"].as_array().map_or(0, Vec::len);
            if active == NODES.len() {
                Ok(format!("node-{node} sees nodes {} active", shm["active"]))
            } else {
                Err(format!("node-{node} sees {active} nodes active"))
            }
        });
        joined.await
    }

    pub(super) async fn adjacencies(&mut self, since: Instant) -> bool {
        let full = self.all_full().await.map(|full| {
            self.report.adjacencies_full = full;
            format!("{full} OSPF adjacencies Full, {} ms after the start", since.elapsed().as_millis())
        });
        self.step("adjacencies", full)
    }

    /// Waits until all routers are fully adjacent to all of their neighbors.
    pub(super) async fn all_full(&mut self) -> io::Result<u32> {
        let apis: Vec<Api> = self.processes.keys().map(|&node| self.api(node)).collect();
        let full = wait_for(PATIENCE, alive(&mut self.processes), async || {
            let mut full = 0;
            for api in &apis {
                let neighbors = api.get("/api/v1/ospf/neighbors").await.map_err(|error| error.to_string())?;
                full += full_neighbors(&neighbors);
            }
            if full == ADJACENCIES {
                Ok(full)
            } else {
                Err(format!("{full} of {ADJACENCIES} adjacencies are Full"))
            }
        });
        full.await
    }

    pub(super) async fn roles(&mut self) -> bool {
        for node in NODES {
            let api = self.api(node);
            let expected = if BORDER_NODES.contains(&node) { "abr" } else { "internal" };
            let role = wait_for(PATIENCE, alive(&mut self.processes), async || {
                let system = api.get("/api/v1/system").await.map_err(|error| error.to_string())?;
                let (role, reason) = (&system["role"], &system["role-reason"]);
                let text = format!("node-{node} is {}: {}", text(role), text(reason));
                if role == expected { Ok(text) } else { Err(text) }
            });
            let role = role.await;
            if !self.step("role", role) {
                return false;
            }
        }
        true
    }

    pub(super) async fn border_routers(&mut self) -> bool {
        let api = self.api(OUTSIDE);
        let abrs = wait_for(PATIENCE, alive(&mut self.processes), async || {
            let routers = api.get("/api/v1/ospf/border-routers").await.map_err(|error| error.to_string())?;
            let abrs: Vec<u8> = NODES.into_iter().filter(|&node| lists_as_abr(&routers, node)).collect();
            if abrs == BORDER_NODES {
                Ok(abrs)
            } else {
                Err(format!("the outside router sees {abrs:?} as border routers"))
            }
        });
        let abrs = abrs.await.map(|abrs| {
            self.report.abrs.clone_from(&abrs);
            format!("the outside router sees nodes {abrs:?} as area border routers")
        });
        self.step("role", abrs)
    }

    /// Until every node can answer the outside host, and is reached from there: what is originated twice within
    /// MinLSInterval comes a second later.
    pub(super) async fn routes(&mut self) -> bool {
        for node in NODES {
            let found = self.route_to_the_outside(node).await;
            if !self.step("route", found) {
                return false;
            }
        }
        for destination in CLUSTER_NETWORKS {
            let found = self.route_to_the_cluster(destination).await;
            if !self.step("route", found) {
                return false;
            }
        }
        true
    }

    /// Waits for a node's route to the outside network: by its own NIC, or by the preferred border router.
    pub(super) async fn route_to_the_outside(&mut self, node: u8) -> io::Result<String> {
        let api = self.api(node);
        let via = topology::local_address(PREFERRED).to_string();
        let found = wait_for(PATIENCE, alive(&mut self.processes), async || {
            let hops = next_hops(&api, OUTSIDE_NETWORK).await?;
            let expected = match hops.as_slice() {
                [] => false,
                hops if node == INNER => hops == [("lsm0".to_owned(), via.clone())],
                _ => true,
            };
            let text = format!("node-{node}: {OUTSIDE_NETWORK} {}", list(&hops));
            if expected { Ok(text) } else { Err(text) }
        });
        found.await
    }

    /// Waits for the outside router's route to a network of the cluster by the preferred border router.
    pub(super) async fn route_to_the_cluster(&mut self, destination: &str) -> io::Result<String> {
        let api = self.api(OUTSIDE);
        let via = topology::uplink_address(PREFERRED).to_string();
        let found = wait_for(PATIENCE, alive(&mut self.processes), async || {
            let hops = next_hops(&api, destination).await?;
            let text = format!("outside: {destination} {}", list(&hops));
            if matches!(hops.as_slice(), [(_, hop)] if *hop == via) { Ok(text) } else { Err(text) }
        });
        found.await
    }
}

/// Says which process has ended, if one has.
fn alive(processes: &mut std::collections::BTreeMap<u8, Process>) -> impl FnMut() -> Result<(), String> + '_ {
    || match processes.values_mut().find_map(|process| Some((process.ended()?, process.name()))) {
        Some((how, name)) => Err(format!("{name}: {how}")),
        None => Ok(()),
    }
}

fn full_neighbors(neighbors: &Value) -> u32 {
    let neighbors = neighbors["neighbor"].as_array().into_iter().flatten();
    neighbors.filter(|neighbor| neighbor["state"] == "full").count() as u32
}

fn lists_as_abr(routers: &Value, node: u8) -> bool {
    let id = topology::local_address(node).to_string();
    let abr = |router: &Value| router["router-id"] == id.as_str() && router["abr"] == true;
    routers["border-router"].as_array().is_some_and(|routers| routers.iter().any(abr))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn list(hops: &[(String, String)]) -> String {
    if hops.is_empty() {
        return "has no route yet".to_owned();
    }
    let hops: Vec<String> = hops.iter().map(|(interface, hop)| format!("via {hop} on {interface}")).collect();
    hops.join(" and ")
}

/// The next hops of a router to a prefix.
async fn next_hops(api: &Api, prefix: &str) -> Result<NextHops, String> {
    let routes =
        api.get("/api/v1/routing/ribs/ipv4-default/routes").await.map_err(|error| error.to_string())?;
    let route = |route: &&Value| route["destination-prefix"] == prefix && route["active"] == true;
    let route = routes["route"].as_array().into_iter().flatten().find(route);
    let hops = route.and_then(|route| route["next-hops"].as_array()).into_iter().flatten();
    Ok(hops
        .map(|hop| (text(&hop["outgoing-interface"]).to_owned(), text(&hop["next-hop"]).to_owned()))
        .collect())
}
