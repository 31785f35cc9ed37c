//! Key chains (RFC 8177): keys with their algorithms and lifetimes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawSecret;

/// A key chain: keys that follow each other in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawKeyChain {
    /// What interfaces call it by.
    pub name: String,
    /// Its keys. Of those that may sign, the one signs whose lifetime began last, and of several of these the first; what any of
    /// those has signed that are accepted is taken. When the lifetimes of all are over, the last one goes on, and an event
    /// says so.
    pub keys: Vec<RawKeyChainKey>,
}

/// A key of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawKeyChainKey {
    /// Its number, which packets carry.
    #[schemars(range(min = 0, max = 255))]
    pub key_id: i64,
    /// How it signs.
    #[serde(default)]
    pub crypto_algorithm: RawCryptoAlgorithm,
    /// The secret: 1 character up to as many as a digest has bytes, which is 16 for MD5, 20, 32, 48 and 64 for HMAC.
    pub key_string: RawSecret,
    /// When it signs what is sent. Default: always.
    #[serde(default)]
    pub send_lifetime: RawLifetime,
    /// When what it has signed is taken: from a little before to a little after `send-lifetime` on the other routers, as
    /// clocks differ. Default: always.
    #[serde(default)]
    pub accept_lifetime: RawLifetime,
}

/// How a key signs (RFC 2328 section D.3, RFC 5709).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RawCryptoAlgorithm {
    /// Keyed MD5, 16 bytes: what the oldest routers know.
    #[serde(rename = "md5")]
    Md5,
    /// HMAC-SHA-1, 20 bytes.
    #[serde(rename = "hmac-sha-1")]
    HmacSha1,
    /// HMAC-SHA-256, 32 bytes.
    #[default]
    #[serde(rename = "hmac-sha-256")]
    HmacSha256,
    /// HMAC-SHA-384, 48 bytes.
    #[serde(rename = "hmac-sha-384")]
    HmacSha384,
    /// HMAC-SHA-512, 64 bytes.
    #[serde(rename = "hmac-sha-512")]
    HmacSha512,
}

/// From when until when, by the clock of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RawLifetime {
    /// The time when it begins, in UTC, such as `2026-12-01T00:00:00Z`. Default: it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<String>,
    /// The time when it is over. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date_time: Option<String>,
}
