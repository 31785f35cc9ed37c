//! Key chains: names, keys, lifetimes. No finding repeats a secret.

use std::collections::BTreeMap;

use isthmus_mgmt_api::model::DateTime;
use isthmus_ospf::config::{Key, Lifetime};
use isthmus_ospf::wire::Algorithm;

use super::super::Code;
use super::super::raw::{RawCryptoAlgorithm, RawKeyChain, RawKeyChainKey, RawLifetime};
use super::findings::Findings;
use super::values::shown;

/// The chains by name; `None` for one that has a finding against it.
pub(super) type KeyChains = BTreeMap<String, Option<Vec<Key>>>;

/// The chains of the file.
pub(super) fn key_chains(raw: &[RawKeyChain], findings: &mut Findings) -> KeyChains {
    let mut chains = KeyChains::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("key-chains[{index}]");
        if chains.contains_key(&raw.name) {
            findings.error(
                Code::DuplicateName,
                format!("{path}.name"),
                format!("the key chain `{}` stands twice", shown(&raw.name)),
                "give each chain a name of its own",
            );
            continue;
        }
        let keys = chain(&path, raw, findings);
        chains.insert(raw.name.clone(), keys);
    }
    chains
}

fn chain(path: &str, raw: &RawKeyChain, findings: &mut Findings) -> Option<Vec<Key>> {
    if raw.keys.is_empty() {
        findings.error(
            Code::MissingKey,
            format!("{path}.keys"),
            "a key chain needs at least one key",
            "set `keys` to a list such as `[{key-id: 1, key-string: \"...\"}]`",
        );
        return None;
    }
    let mut keys: Vec<Key> = Vec::new();
    let mut complete = true;
    for (index, raw) in raw.keys.iter().enumerate() {
        let path = format!("{path}.keys[{index}]");
        let Some(key) = key(&path, raw, findings) else {
            complete = false;
            continue;
        };
        complete &= findings.unique_key(&path, &keys, key.id);
        keys.push(key);
    }
    complete.then_some(keys)
}

fn key(path: &str, raw: &RawKeyChainKey, findings: &mut Findings) -> Option<Key> {
    let algorithm = match raw.crypto_algorithm {
        RawCryptoAlgorithm::Md5 => Algorithm::Md5,
        RawCryptoAlgorithm::HmacSha1 => Algorithm::HmacSha1,
        RawCryptoAlgorithm::HmacSha256 => Algorithm::HmacSha256,
        RawCryptoAlgorithm::HmacSha384 => Algorithm::HmacSha384,
        RawCryptoAlgorithm::HmacSha512 => Algorithm::HmacSha512,
    };
    let id = findings.number(format!("{path}.key-id"), raw.key_id, 0..=255_u8, "");
    // RFC 5709 section 3.3 hashes longer ones first, which not all makes of routers do: no use in having them disagree.
    let secret = findings.secret(format!("{path}.key-string"), &raw.key_string, algorithm.digest_len());
    let send = lifetime(&format!("{path}.send-lifetime"), &raw.send_lifetime, findings);
    let accept = lifetime(&format!("{path}.accept-lifetime"), &raw.accept_lifetime, findings);
    Some(Key { id: id?, algorithm, secret: secret?.to_vec(), send: send?, accept: accept? })
}

fn lifetime(path: &str, raw: &RawLifetime, findings: &mut Findings) -> Option<Lifetime> {
    let start = moment(format!("{path}.start-date-time"), raw.start_date_time.as_deref(), findings);
    let end = moment(format!("{path}.end-date-time"), raw.end_date_time.as_deref(), findings);
    let (start, end) = (start?.unwrap_or_default(), end?);
    if end.is_some_and(|end| end <= start) {
        findings.error(
            Code::BadLifetime,
            format!("{path}.end-date-time"),
            "the lifetime ends before it begins",
            "set `end-date-time` to a later time than `start-date-time`",
        );
        return None;
    }
    Some(Lifetime { start, end })
}

/// Seconds since 1970; `Some(None)` if nothing is given, `None` if there is a finding.
fn moment(path: String, text: Option<&str>, findings: &mut Findings) -> Option<Option<u32>> {
    let Some(text) = text else { return Some(None) };
    let seconds = text.parse::<DateTime>().ok().and_then(|time| u32::try_from(time.0 / 1_000_000).ok());
    if seconds.is_none() {
        findings.error(
            Code::BadLifetime,
            path,
            format!("`{}` is no time in UTC between 1970 and 2106", shown(text)),
            "write it such as 2026-12-01T00:00:00Z",
        );
    }
    seconds.map(Some)
}
