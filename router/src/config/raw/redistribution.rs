//! What OSPF is told of routes that do not come from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which routes from outside OSPF this router announces in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawRedistribute {
    /// The networks of interfaces on which OSPF does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<RawRedistributeSource>,
    /// The routes by hand that packets are forwarded by at present, but the default route, which has
    /// `default-information-originate`.
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<RawRedistributeSource>,
}

/// How routes of a source are announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawRedistributeSource {
    /// Their cost.
    #[schemars(range(min = 0, max = 16777214))]
    pub metric: i64,
    /// 1: the cost counts as those of interfaces do. 2: it counts for more than any way inside the autonomous system.
    #[schemars(range(min = 1, max = 2))]
    pub metric_type: i64,
    /// Carried along for other routers' filters.
    #[schemars(range(min = 0, max = 4294967295_i64))]
    pub tag: i64,
    /// Which of them: the first rule that fits a route decides, and a route that none fits is not announced. Without rules
    /// all are.
    pub filter: Vec<RawFilterRule>,
}

/// A rule of a filter of prefixes, with the leaves of RFC 9067's prefix sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawFilterRule {
    /// What becomes of a prefix that fits.
    #[serde(default)]
    pub action: RawFilterAction,
    /// A prefix fits if it lies inside this one and its length is one of the lengths below.
    pub ip_prefix: String,
    /// The shortest length. Default: the length of `ip-prefix`.
    #[schemars(range(min = 0, max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_length_lower: Option<i64>,
    /// The longest length. Default: that of `ip-prefix`, or 32 with `mask-length-lower`.
    #[schemars(range(min = 0, max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_length_upper: Option<i64>,
}

/// What becomes of what a rule fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawFilterAction {
    /// It passes.
    #[default]
    Permit,
    /// It does not.
    Deny,
}

/// The default route as this router announces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawDefaultInformation {
    /// Announces it also while this router has no default route by hand.
    pub always: bool,
    /// Its cost.
    #[schemars(range(min = 0, max = 16777214))]
    pub metric: i64,
    /// 1: the cost counts as those of interfaces do. 2: it counts for more than any way inside the autonomous system.
    #[schemars(range(min = 1, max = 2))]
    pub metric_type: i64,
    /// Carried along for other routers' filters.
    #[schemars(range(min = 0, max = 4294967295_i64))]
    pub tag: i64,
}

impl Default for RawRedistributeSource {
    fn default() -> Self {
        Self { metric: 20, metric_type: 2, tag: 0, filter: Vec::new() }
    }
}

impl Default for RawDefaultInformation {
    fn default() -> Self {
        Self { always: false, metric: 10, metric_type: 2, tag: 0 }
    }
}
