//! Authentication of OSPF packets. No finding repeats a secret.

use isthmus_ospf::config::{Authentication, Md5Key};

use super::super::raw::{RawAuthentication, RawAuthenticationKey, RawAuthenticationType, RawSecret};
use super::super::{Code, MASK};
use super::findings::Findings;

/// The password field of a packet (RFC 2328 section D.2).
const LONGEST_PASSWORD: usize = 8;
/// A key of keyed MD5 (RFC 2328 section D.3).
const LONGEST_KEY: usize = 16;
impl Findings {
    /// What an interface's packets are authenticated with.
    pub(super) fn authentication(&mut self, path: &str, raw: &RawAuthentication) -> Option<Authentication> {
        let unused_key = raw.key.is_some() && raw.kind != RawAuthenticationType::Simple;
        let unused_keys = !raw.keys.is_empty() && raw.kind != RawAuthenticationType::Md5;
        if unused_key {
            self.unused(path, "key", "simple");
        }
        if unused_keys {
            self.unused(path, "keys", "md5");
        }
        if unused_key || unused_keys {
            return None;
        }
        match raw.kind {
            RawAuthenticationType::None => Some(Authentication::Null),
            RawAuthenticationType::Simple => self.password(path, raw.key.as_ref()),
            RawAuthenticationType::Md5 => self.keys(path, &raw.keys),
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
        let mut keys: Vec<Md5Key> = Vec::new();
        let mut complete = true;
        for (index, raw) in raw.iter().enumerate() {
            let path = format!("{path}.keys[{index}]");
            let id = self.number(format!("{path}.key-id"), raw.key_id, 0..=255_u8, "");
            let key = self.secret(format!("{path}.key"), &raw.key, LONGEST_KEY);
            let (Some(id), Some(key)) = (id, key) else {
                complete = false;
                continue;
            };
            if keys.iter().any(|other| other.id == id) {
                let reason = format!("key {id} stands twice");
                self.error(
                    Code::DuplicateKey,
                    format!("{path}.key-id"),
                    reason,
                    "give each key a number of its own",
                );
                complete = false;
            }
            keys.push(Md5Key { id, key: key.to_vec() });
        }
        complete.then_some(Authentication::Md5(keys))
    }

    /// The bytes of a secret: what every make of router takes and every keyboard has.
    fn secret<'s>(&mut self, path: String, secret: &'s RawSecret, longest: usize) -> Option<&'s [u8]> {
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
                format!("the secret has {} characters, and packets have room for {longest}", text.len())
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
