//! What a supposed change of the network would do to the routes.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::RouteView;

/// The answer to a supposition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct WhatIfView {
    /// Routes that would not be what they are, ordered by prefix.
    pub route: Vec<RouteDifferenceView>,
    /// How many routes would stay as they are.
    pub unchanged: u32,
}

/// A route that would be added, removed, or another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RouteDifferenceView {
    /// The destination.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub prefix: Ipv4Net,
    /// The route now; absent if it would be added.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<RouteView>,
    /// The route then; absent if it would be removed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<RouteView>,
}
