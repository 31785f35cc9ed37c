//! Not-so-stubby areas (RFC 3101 appendix D).

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// What a router does as a border router of a not-so-stubby area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct NssaConfig {
    /// Whether it announces the networks of other areas in the area (ImportSummaries). Without them it announces a default
    /// route in a summary.
    pub summary: bool,
    /// With summaries: whether it announces a default route all the same, in a type 7 advertisement that is not translated.
    pub default_route: bool,
    /// What it announces the default route with, 0 to 16777214.
    pub default_cost: u32,
    /// When it translates (NSSATranslatorRole).
    pub translator_role: TranslatorRole,
}

impl Default for NssaConfig {
    /// Summaries and a default route of cost 1; a candidate.
    fn default() -> Self {
        Self {
            summary: true,
            default_route: true,
            default_cost: 1,
            translator_role: TranslatorRole::Candidate,
        }
    }
}

/// When a border router translates type 7 advertisements into type 5 (RFC 3101 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslatorRole {
    /// If it is elected among the area's border routers.
    #[default]
    Candidate,
    /// Whoever else does.
    Always,
}

/// A range of a not-so-stubby area's external routes (RFC 3101 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NssaRange {
    /// Networks inside this prefix are translated into it.
    pub prefix: Ipv4Net,
    /// `false`: they are not translated at all.
    pub advertise: bool,
    /// The tag of what they are translated into.
    pub tag: u32,
}
