//! The node itself: who it is, what it is to OSPF, whether it is well.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::interfaces::AddressOwner;
use super::time::DateTime;

/// `/system`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct System {
    /// Its number in the fabric; absent without a fabric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<u16>,
    /// Its name for people.
    pub hostname: String,
    /// The program's version.
    pub version: String,
    /// The commit that the program was built from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The process.
    pub pid: u32,
    /// When the process started.
    pub started: DateTime,
    /// Seconds since then.
    pub uptime: f64,
    /// The router's name in OSPF.
    pub router_id: Ipv4Addr,
    /// What the node is to OSPF.
    pub role: Role,
    /// Why, as a sentence: which interface of which area makes it so.
    pub role_reason: String,
    /// Which stack answers for the node's addresses.
    pub stack: StackKind,
    /// All addresses of the node.
    pub address: Vec<SystemAddress>,
    /// The addresses to which all nodes answer.
    pub common_address: Vec<Ipv4Addr>,
    /// Where the API listens, as `--api` takes it.
    pub listen: Vec<String>,
    /// The file that the running configuration was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// What is examined to call the node well.
    pub check: Vec<Check>,
}

/// What a node is to OSPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// All its areas are one (RFC 2328 section 3.3).
    Internal,
    /// An area border router.
    Abr,
}

impl Role {
    /// Both, in the order of the metric's series.
    pub const ALL: [Self; 2] = [Self::Internal, Self::Abr];

    /// The word in JSON and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Abr => "abr",
        }
    }
}

/// Which stack answers for the node's LSM, GSM and common addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StackKind {
    /// The router's own.
    Embedded,
    /// The kernel's, through two TAP devices.
    Kernel,
}

/// An address of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SystemAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix_length: u8,
    /// The interface that it is on.
    pub interface: String,
    /// Who answers for it.
    pub owner: AddressOwner,
}

/// One thing that is examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Its name: `fabric`, `ospf-adjacencies`.
    pub name: String,
    /// How it stands.
    pub status: CheckStatus,
    /// What was found.
    pub detail: String,
    /// What to do about it, if something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a check stands. Ordered: the worst is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// The node works; somebody should look.
    Warning,
    /// The node does not do its work.
    Failed,
}

/// `/system/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// The worst of the checks.
    pub status: CheckStatus,
    /// All of them.
    pub check: Vec<Check>,
}

impl Health {
    /// The health that the checks amount to.
    pub fn of(check: Vec<Check>) -> Self {
        let status = check.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok);
        Self { status, check }
    }
}

/// `/system/ready`: whether the node has joined, formed its adjacencies and published its routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Readiness {
    /// Whether it has.
    pub ready: bool,
    /// What is still waited for, as sentences.
    pub waiting_for: Vec<String>,
}
