//! What if a router or a link failed, or a cost were another: what is asked, and why it may be refused.
//! [`Instance::what_if`](crate::Instance::what_if) answers.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::types::{AreaId, RouterId};

/// A change of the network that is only supposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A router is gone.
    NodeDown(NodeDown),
    /// All links between two routers are gone, or a router's attachment to a network.
    LinkDown(LinkEnd),
    /// The cost of the way from a router to another, or to a network, is another one. The way back keeps its own.
    Cost(CostChange),
}

/// Which router is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeDown {
    /// Its router id.
    pub router: RouterId,
}

/// A router's end of a link: either the neighbor or the network that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LinkEnd {
    /// The router.
    pub router: RouterId,
    /// The router at the other end of point-to-point links, or of links of a point-to-multipoint network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbor: Option<RouterId>,
    /// The network that has a designated router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub network: Option<Ipv4Net>,
}

/// Another cost of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CostChange {
    /// The router whose cost it is.
    pub router: RouterId,
    /// The router at the other end, as of [`LinkEnd`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbor: Option<RouterId>,
    /// The network at the other end, as of [`LinkEnd`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub network: Option<Ipv4Net>,
    /// The cost, 1 to 65535.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub cost: u16,
}

impl CostChange {
    /// The end of the link that it is about.
    pub(crate) fn end(&self) -> LinkEnd {
        LinkEnd { router: self.router, neighbor: self.neighbor, network: self.network }
    }
}

/// Why a change cannot be supposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// No change at all.
    #[error("no change is named")]
    Nothing,
    /// This router, without which nobody calculates.
    #[error("{0} is this router itself: ask one of its neighbors")]
    OwnRouter(RouterId),
    /// No router-LSA of it in any area that this router is attached to.
    #[error("no router {router} in the areas of this router: {}", list(areas))]
    UnknownRouter {
        /// Who was named.
        router: RouterId,
        /// The areas that were looked through.
        areas: Vec<AreaId>,
    },
    /// Neither or both of neighbor and network.
    #[error("name either the neighbor or the network that the link of {router} leads to")]
    NotOneEnd {
        /// Whose link.
        router: RouterId,
    },
    /// The router has no such link.
    #[error("router {router} has no link to neighbor {neighbor}; its neighbors are: {}", list(has))]
    NoSuchNeighbor {
        /// Whose link.
        router: RouterId,
        /// To whom.
        neighbor: RouterId,
        /// To whom it has links.
        has: Vec<Ipv4Addr>,
    },
    /// The router is not attached to the network.
    #[error("router {router} is not attached to network {network}; its transit networks are: {}", list(has))]
    NoSuchNetwork {
        /// Whose link.
        router: RouterId,
        /// To which network.
        network: Ipv4Net,
        /// To which it is attached.
        has: Vec<Ipv4Net>,
    },
    /// Zero is no cost.
    #[error("a cost is 1 to 65535")]
    BadCost,
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    match items {
        [] => "none".to_owned(),
        items => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
