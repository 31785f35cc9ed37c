//! Authentication of OSPF packets. No finding repeats a secret.

use isthmus_ospf::config::{Authentication, Key};
use isthmus_ospf::wire::Algorithm;

use super::super::raw::{
    RawAuthentication, RawAuthenticationKey, RawAuthenticationTrailer, RawAuthenticationType, RawSecret,
};
use super::super::{Code, MASK};
use super::findings::Findings;
use super::key_chains::KeyChains;
use super::values::shown;

/// The password field of a packet (RFC 2328 section D.2).
const LONGEST_PASSWORD: usize = 8;
/// A key of keyed MD5 (RFC 2328 section D.3).
const LONGEST_KEY: usize = 16;

impl Findings {
    /// What an interface's packets are authenticated with.
    pub(super) fn authentication(
        &mut self,
        path: &str,
        raw: &RawAuthentication,
        key_chains: &KeyChains,
    ) -> Option<Authentication> {
        let unused_key = raw.key.is_some() && raw.kind != RawAuthenticationType::Simple;
        let unused_keys = !raw.keys.is_empty() && raw.kind != RawAuthenticationType::Md5;
        if unused_key {
            self.unused(path, "key", "simple");
        }
        if unused_keys {
            self.unused(path, "keys", "md5");
        }
        let unused_chain = raw.key_chain.is_some() && raw.kind != RawAuthenticationType::KeyChain;
        if unused_chain {
            self.unused(path, "key-chain", "key-chain");
        }
        let extended = raw.auth_trailer_rfc == RawAuthenticationTrailer::Rfc7474;
        let unused_trailer = extended && raw.kind != RawAuthenticationType::KeyChain;
        if unused_trailer {
            self.unused(path, "auth-trailer-rfc", "key-chain");
        }
        if unused_key || unused_keys || unused_chain || unused_trailer {
            return None;
        }
        match raw.kind {
            RawAuthenticationType::None => Some(Authentication::Null),
            RawAuthenticationType::Simple => self.password(path, raw.key.as_ref()),
            RawAuthenticationType::Md5 => self.keys(path, &raw.keys),
            RawAuthenticationType::KeyChain => {
                self.chain(path, raw.key_chain.as_deref(), extended, key_chains)
            }
        }
    }

    fn unused(&mut self, path: &str, key: &str, kind: &str) {
        self.error(
            Code::ConflictingKeys,
            format!("{path}.{key}"),
            format!("`{key}` is for authentication of type `{kind}`"),
            format!("set `type: {kind}`, or leave `{key}` out"),
        );
    }

    fn password(&mut self, path: &str, key: Option<&RawSecret>) -> Option<Authentication> {
        let Some(key) = key else {
            self.error(
                Code::MissingKey,
                format!("{path}.type"),
                "authentication of type `simple` needs a password",
                format!("set `key` to 1 to {LONGEST_PASSWORD} characters in quotes"),
            );
            return None;
        };
        let key = self.secret(format!("{path}.key"), key, LONGEST_PASSWORD)?;
        let mut password = [0; LONGEST_PASSWORD];
        password.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Some(Authentication::Simple(password))
    }

    /// The keys of a chain; `None` also if there is a finding against the chain itself.
    fn chain(
        &mut self,
        path: &str,
        name: Option<&str>,
        extended: bool,
        key_chains: &KeyChains,
    ) -> Option<Authentication> {
        let Some(name) = name else {
            self.error(
                Code::MissingKey,
                format!("{path}.type"),
                "authentication of type `key-chain` needs the name of a key chain",
                "set `key-chain` to the name of one of `key-chains`",
            );
            return None;
        };
        let Some(keys) = key_chains.get(name) else {
            self.error(
                Code::UnknownKeyChain,
                format!("{path}.key-chain"),
                format!("there is no key chain `{}`", shown(name)),
                "add it to `key-chains`, or name one that is there",
            );
            return None;
        };
        let keys = keys.clone()?;
        if !extended {
            return Some(Authentication::Cryptographic(keys));
        }
        if keys.iter().any(|key| key.algorithm == Algorithm::Md5) {
            self.error(
                Code::ConflictingKeys,
                format!("{path}.auth-trailer-rfc"),
                "RFC 7474 has no MD5, and the key chain has a key of it",
                "give all keys of the chain an algorithm of HMAC-SHA, or leave `auth-trailer-rfc` out",
            );
            return None;
        }
        Some(Authentication::Extended(keys))
    }

    fn keys(&mut self, path: &str, raw: &[RawAuthenticationKey]) -> Option<Authentication> {
        if raw.is_empty() {
            self.error(
                Code::MissingKey,
                format!("{path}.type"),
                "authentication of type `md5` needs at least one key",
                "set `keys` to a list such as `[{key-id: 1, key: \"...\"}]`",
            );
            return None;
        }
        let mut keys: Vec<Key> = Vec::new();
        let mut complete = true;
        for (index, raw) in raw.iter().enumerate() {
            let path = format!("{path}.keys[{index}]");
            let id = self.number(format!("{path}.key-id"), raw.key_id, 0..=255_u8, "");
            let key = self.secret(format!("{path}.key"), &raw.key, LONGEST_KEY);
            let (Some(id), Some(key)) = (id, key) else {
                complete = false;
                continue;
            };
            complete &= self.unique_key(&path, &keys, id);
            keys.push(Key::always(id, Algorithm::Md5, key));
        }
        complete.then_some(Authentication::Cryptographic(keys))
    }

    /// Whether none of the other keys has the number.
    pub(super) fn unique_key(&mut self, path: &str, others: &[Key], id: u8) -> bool {
        let is_unique = others.iter().all(|other| other.id != id);
        if !is_unique {
            let reason = format!("key {id} stands twice");
            let remedy = "give each key a number of its own";
            self.error(Code::DuplicateKey, format!("{path}.key-id"), reason, remedy);
        }
        is_unique
    }

    /// The bytes of a secret: what every make of router takes and every keyboard has.
    pub(super) fn secret<'s>(
        &mut self,
        path: String,
        secret: &'s RawSecret,
        longest: usize,
    ) -> Option<&'s [u8]> {
        let text = secret.0.as_str();
        let reason = match () {
            () if text.is_empty() => "the secret is empty".to_owned(),
            () if text == MASK => {
                "this is the mask that is shown in place of a secret, not a secret".to_owned()
            }
            () if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                "the secret has characters outside printable ASCII".to_owned()
            }
            () if text.len() > longest => {
                format!("the secret has {} characters, and there is room for {longest}", text.len())
            }
            () => return Some(text.as_bytes()),
        };
        self.error(
            Code::BadSecret,
            path,
            reason,
            format!("use 1 to {longest} letters, digits and signs of ASCII, the same on all routers of the network"),
        );
        None
    }
}
