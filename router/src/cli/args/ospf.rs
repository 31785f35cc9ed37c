//! The commands that ask OSPF something, or tell it.

use std::net::Ipv4Addr;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use ipnet::Ipv4Net;
use isthmus_ospf::types::RouterId;
use isthmus_ospf::what_if::{Change, CostChange, LinkEnd, NodeDown};

/// A part of OSPF.
#[derive(Debug, Subcommand)]
pub enum ShowOspf {
    /// Neighbors.
    #[command(visible_alias = "neighbors", after_help = "Example:\n  isthmus show ospf neighbor")]
    Neighbor,
    /// Interfaces.
    #[command(visible_alias = "interfaces", after_help = "Example:\n  isthmus show ospf interface lsm0")]
    Interface {
        /// One of them.
        name: Option<String>,
    },
    /// The link state database.
    #[command(after_help = "\
Examples:
  isthmus show ospf database
  isthmus show ospf database summary --area 0.0.0.1 -o wide")]
    Database {
        /// Only advertisements of one type: router, network, summary, asbr-summary, external, or a number.
        lsa_type: Option<String>,
        /// Only those of one originator.
        #[arg(long, value_name = "ROUTER-ID")]
        adv_router: Option<Ipv4Addr>,
        /// Only those with one link state id.
        #[arg(long, value_name = "ID")]
        lsa_id: Option<Ipv4Addr>,
        /// Only those of one area.
        #[arg(long, value_name = "AREA-ID")]
        area: Option<Ipv4Addr>,
    },
    /// OSPF's own routes.
    #[command(visible_alias = "routes", after_help = "Example:\n  isthmus show ospf route")]
    Route,
    /// Reachable border routers.
    #[command(after_help = "Example:\n  isthmus show ospf border-routers")]
    BorderRouters,
    /// The last instances of advertisements that came to the database.
    #[command(after_help = "Example:\n  isthmus show ospf lsa-log")]
    LsaLog,
    /// The last calculations of routes.
    #[command(after_help = "Example:\n  isthmus show ospf spf-log")]
    SpfLog,
    /// Areas.
    #[command(visible_alias = "areas", after_help = "Example:\n  isthmus show ospf area")]
    Area,
}

/// What to ask OSPF.
#[derive(Debug, Subcommand)]
pub enum OspfAction {
    /// Say which of the node's routes would change with the network, without touching it.
    #[command(after_help = "\
Examples:
  isthmus ospf what-if --node-down 10.77.0.1
  isthmus ospf what-if --link-down 10.77.0.1,10.255.0.1
  isthmus ospf what-if --link-down 10.255.0.1,192.0.2.0/24
  isthmus ospf what-if --cost 10.77.0.1,10.255.0.1=500 --node-down 10.77.0.2 -o json

A link is a router and what it leads to: another router, or a network that has a designated router. All
changes together are supposed, and the real route calculation runs on a copy of the databases. What other
areas would announce then is not known here, and taken as it is announced now. Exit code 4 if a change
names something that is not there.")]
    WhatIf(WhatIfArgs),
    /// Let other routers' traffic go around this node, before work on it, or through it again.
    #[command(after_help = "\
Examples:
  isthmus ospf stub-router on
  isthmus ospf stub-router off

The node advertises its links with the largest metric (RFC 6987): what only it leads to is reached as before.
It is the key `ospf.stub-router.always` of the configuration, and stays set over a restart.")]
    StubRouter {
        /// Around it or through it.
        switch: Switch,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It shall be so.
    On,
    /// It shall not.
    Off,
}

/// Options of `ospf what-if`.
#[derive(Debug, ClapArgs)]
pub struct WhatIfArgs {
    /// This router is gone.
    #[arg(long, value_name = "ROUTER")]
    pub node_down: Vec<RouterId>,
    /// The links between two routers are gone, or a router's attachment to a network.
    #[arg(long, value_name = "ROUTER,NEIGHBOR|PREFIX", value_parser = link_end)]
    pub link_down: Vec<LinkEnd>,
    /// The way from a router to another, or to a network, has this cost.
    #[arg(long, value_name = "ROUTER,NEIGHBOR|PREFIX=COST", value_parser = cost_change)]
    pub cost: Vec<CostChange>,
}

impl WhatIfArgs {
    /// The changes, in the form of the API.
    pub fn changes(&self) -> Vec<Change> {
        let nodes = self.node_down.iter().map(|&router| Change::NodeDown(NodeDown { router }));
        let links = self.link_down.iter().cloned().map(Change::LinkDown);
        let costs = self.cost.iter().cloned().map(Change::Cost);
        nodes.chain(links).chain(costs).collect()
    }
}

fn link_end(text: &str) -> Result<LinkEnd, String> {
    let wrong = || "write a router id, a comma, and a router id or prefix: 10.77.0.1,10.255.0.1".to_owned();
    let (router, far) = text.split_once(',').ok_or_else(wrong)?;
    let router: RouterId = router.parse().map_err(|_| wrong())?;
    let neighbor: Option<RouterId> = far.parse().ok();
    let network: Option<Ipv4Net> = far.parse().ok();
    if neighbor.is_none() && network.is_none() {
        return Err(wrong());
    }
    Ok(LinkEnd { router, neighbor, network })
}

fn cost_change(text: &str) -> Result<CostChange, String> {
    let (end, cost) =
        text.rsplit_once('=').ok_or("write the cost behind an equals sign: 10.77.0.1,10.255.0.1=500")?;
    let LinkEnd { router, neighbor, network } = link_end(end)?;
    let cost = cost.parse().ok().filter(|cost| *cost > 0).ok_or("a cost is 1 to 65535")?;
    Ok(CostChange { router, neighbor, network, cost })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_router_or_a_network() {
        let router = RouterId([10, 0, 0, 1].into());
        let end = link_end("10.0.0.1,10.0.0.2").unwrap();
        assert_eq!(
            (end.router, end.neighbor, end.network),
            (router, Some(RouterId([10, 0, 0, 2].into())), None)
        );
        let end = link_end("10.0.0.1,10.0.0.0/24").unwrap();
        assert_eq!((end.neighbor, end.network), (None, "10.0.0.0/24".parse().ok()));
        assert_eq!(cost_change("10.0.0.1,10.0.0.2=7").unwrap().cost, 7);
        for wrong in ["10.0.0.1", "10.0.0.1,", "x,10.0.0.2", "10.0.0.1,y"] {
            assert!(link_end(wrong).is_err() && cost_change(&format!("{wrong}=1")).is_err(), "{wrong}");
        }
        for wrong in ["10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2=0", "10.0.0.1,10.0.0.2=65536"] {
            assert!(cost_change(wrong).is_err(), "{wrong}");
        }
    }
}
