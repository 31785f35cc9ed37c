//! Tokens: a secret that its holder has, and the hash of it that the node has.
//!
//! A secret is 32 octets from the system's generator, so there is nothing to guess and one round of SHA-256 is enough:
//! slow hashes are for what people choose. What a configuration file shows is of no use to who reads it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::caller::{Caller, Role};

/// What every secret begins with, so that scanners know one where it should not be.
const PREFIX: &str = "isthmus_";

/// A secret, as its holder has it. It is shown once and kept nowhere.
pub struct Secret(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut octets = [0; 32];
        getrandom::fill(&mut octets)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(octets))))
    }

    /// The text that goes behind `Bearer`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// Says that there is a secret, and not which.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a secret.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl FromStr for TokenHash {
    type Err = BadTokenHash;

    fn from_str(text: &str) -> Result<Self, BadTokenHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadTokenHash);
        }
        for (octet, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| BadTokenHash)?;
            *octet = u8::from_str_radix(digits, 16).map_err(|_| BadTokenHash)?;
        }
        Ok(Self(hash))
    }
}

/// Not the hash of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits, as `isthmus token create` prints it")]
pub struct BadTokenHash;

/// A token that the node takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is, or what for.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The hash of its secret.
    pub hash: TokenHash,
}

/// The tokens that a node takes. They can be replaced while it serves.
#[derive(Debug, Default)]
pub struct Tokens(ArcSwap<Vec<Token>>);

impl Tokens {
    /// Those of a configuration.
    pub fn new(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self(ArcSwap::from_pointee(tokens.into_iter().collect()))
    }

    /// Takes these instead of those before, for every request from now on.
    pub fn replace(&self, tokens: impl IntoIterator<Item = Token>) {
        self.0.store(Arc::new(tokens.into_iter().collect()));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    /// Who has this secret. How long the answer takes says nothing about the hashes.
    pub fn caller(&self, secret: &str) -> Option<Caller> {
        let presented = TokenHash::of(secret);
        let tokens = self.0.load();
        let mut found = None;
        for token in tokens.iter() {
            if bool::from(token.hash.0.ct_eq(&presented.0)) {
                found = Some(token);
            }
        }
        found.map(|token| Caller { name: token.name.clone(), role: token.role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_alone() {
        let (secret, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(secret.expose().len(), PREFIX.len() + 43);
        assert_ne!(secret.expose(), other.expose());
        let hash: TokenHash = secret.hash().to_string().parse().unwrap();
        let tokens = Tokens::new([Token { name: "grafana".to_owned(), role: Role::Viewer, hash }]);
        let caller = Caller { name: "grafana".to_owned(), role: Role::Viewer };
        assert_eq!(tokens.caller(secret.expose()), Some(caller));
        for wrong in [other.expose(), &secret.expose()[8..], &hash.to_string(), "", "isthmus_"] {
            assert_eq!(tokens.caller(wrong), None);
        }
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }

    #[test]
    fn a_hash_is_sha_256_in_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(TokenHash::of("abc")));
        for bad in ["", "abc", &abc[1..], &format!("{abc}0"), &abc.replace('b', "+"), &"é".repeat(32)] {
            assert_eq!(bad.parse::<TokenHash>(), Err(BadTokenHash), "{bad}");
        }
    }
}
