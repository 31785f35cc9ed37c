//! `management`, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token that the management plane takes. `isthmus token create` makes the secret and prints these lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawToken {
    /// Whose it is, or what for; the history of the configuration names it as author.
    pub name: String,
    /// What its holder may do.
    pub role: RawRole,
    /// SHA-256 of the secret, 64 hexadecimal digits. The secret itself stands nowhere.
    pub sha256: String,
}

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawRole {
    /// Read.
    Viewer,
    /// Also use tools and capture.
    Operator,
    /// Also change the configuration.
    Admin,
}

/// TLS of the addresses that other hosts can reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawTls {
    /// Path of the certificate in PEM, followed by those that it was signed with.
    pub certificate: String,
    /// Path of its private key in PEM. Nobody but the node's user should be able to read it.
    pub private_key: String,
}
