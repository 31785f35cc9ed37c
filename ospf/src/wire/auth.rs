//! Authentication of packets (RFC 2328 appendix D, RFC 5709, RFC 7474): what the sender puts in, and the comparison at the
//! receiver.

use std::net::Ipv4Addr;

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::header::{AUTH_DATA_AT, AUTH_TYPE_AT, CHECKSUM_AT, Frame, auth_type, fill_checksum};

/// Length of an MD5 digest, and of its key (RFC 2328 section D.3).
pub const MD5_LEN: usize = 16;
/// The longest digest of all algorithms.
const LONGEST_DIGEST: usize = 64;
/// What stands in for the digest while the digest is computed (RFC 5709 section 3.3, Apad).
const APAD: [u8; 4] = [0x87, 0x8f, 0xe1, 0xf3];
/// Length of an extended sequence number, which stands between packet and digest (RFC 7474 section 3).
const SEQUENCE_LEN: usize = 8;
/// OSPFv2 among the protocols that may share a key (RFC 7474 section 6, IANA's registry of cryptographic protocol ids).
const PROTOCOL_ID: [u8; 2] = [0, 3];

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Keyed MD5 (RFC 2328 section D.4.3).
    #[serde(rename = "md5")]
    Md5,
    /// HMAC-SHA-1 (RFC 5709).
    #[serde(rename = "hmac-sha-1")]
    HmacSha1,
    /// HMAC-SHA-256 (RFC 5709).
    #[serde(rename = "hmac-sha-256")]
    HmacSha256,
    /// HMAC-SHA-384 (RFC 5709).
    #[serde(rename = "hmac-sha-384")]
    HmacSha384,
    /// HMAC-SHA-512 (RFC 5709).
    #[serde(rename = "hmac-sha-512")]
    HmacSha512,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 5] =
        [Self::Md5, Self::HmacSha1, Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Length of a digest in bytes.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => MD5_LEN,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => LONGEST_DIGEST,
        }
    }

    /// Its identity among the cryptographic algorithms of key chains (RFC 8177).
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::HmacSha1 => "hmac-sha-1",
            Self::HmacSha256 => "hmac-sha-256",
            Self::HmacSha384 => "hmac-sha-384",
            Self::HmacSha512 => "hmac-sha-512",
        }
    }
}

/// What the sender of a packet proves itself with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seal<'a> {
    /// Nothing (RFC 2328 section D.4.1).
    Null,
    /// The network's password, in clear (section D.4.2).
    Simple(&'a [u8; 8]),
    /// A digest over packet and key (section D.4.3, RFC 5709 section 3).
    Cryptographic {
        /// The number of the key.
        key_id: u8,
        /// How it signs.
        algorithm: Algorithm,
        /// The secret. For MD5 what is missing to 16 bytes is zero, and what is beyond them is not used.
        key: &'a [u8],
        /// Never less than in the packet before.
        sequence: u32,
    },
    /// A digest over packet, key, sequence number and IP source (RFC 7474 section 3).
    Extended {
        /// The number of the key.
        key_id: u32,
        /// How it signs. HMAC: keyed MD5 leaves out the source.
        algorithm: Algorithm,
        /// The secret.
        key: &'a [u8],
        /// More than in the packet before: the boot count above 32 bits that count packets.
        sequence: u64,
        /// The IP source of the packet.
        source: Ipv4Addr,
    },
}

impl Seal<'_> {
    /// Bytes that it adds after the packet.
    pub fn trailer_len(&self) -> usize {
        match self {
            Self::Null | Self::Simple(_) => 0,
            Self::Cryptographic { algorithm, .. } => algorithm.digest_len(),
            Self::Extended { algorithm, .. } => SEQUENCE_LEN + algorithm.digest_len(),
        }
    }

    /// Puts it into a packet whose checksum and authentication fields are zero.
    pub(super) fn apply(&self, packet: &mut Vec<u8>) {
        match self {
            Self::Null => fill_checksum(packet),
            Self::Simple(password) => {
                write_fields(packet, auth_type::SIMPLE, password);
                fill_checksum(packet);
            }
            // The checksum stays zero (section D.4.3 (1)); the digest is no part of the packet's length.
            Self::Cryptographic { key_id, algorithm, key, sequence } => {
                let [a, b, c, d] = sequence.to_be_bytes();
                let length = algorithm.digest_len() as u8;
                write_fields(packet, auth_type::CRYPTOGRAPHIC, &[0, 0, *key_id, length, a, b, c, d]);
                let digest = digest(*algorithm, key, &[packet], APAD);
                packet.extend_from_slice(digest.bytes());
            }
            Self::Extended { key_id, algorithm, key, sequence, source } => {
                let [a, b, c, d] = key_id.to_be_bytes();
                let length = algorithm.digest_len() as u8;
                write_fields(packet, auth_type::EXTENDED, &[0, 0, 0, length, a, b, c, d]);
                packet.extend_from_slice(&sequence.to_be_bytes());
                let digest = extended_digest(*algorithm, key, &[packet], *source);
                packet.extend_from_slice(digest.bytes());
            }
        }
    }
}

fn write_fields(packet: &mut [u8], auth_type: u16, data: &[u8; 8]) {
    packet[CHECKSUM_AT..AUTH_TYPE_AT].fill(0);
    packet[AUTH_TYPE_AT..AUTH_DATA_AT].copy_from_slice(&auth_type.to_be_bytes());
    packet[AUTH_DATA_AT..AUTH_DATA_AT + 8].copy_from_slice(data);
}

/// A digest of any algorithm.
struct Digest {
    space: [u8; LONGEST_DIGEST],
    length: usize,
}

impl Digest {
    fn new(digest: &[u8]) -> Self {
        let mut space = [0; LONGEST_DIGEST];
        space.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
        Self { space, length: digest.len().min(LONGEST_DIGEST) }
    }

    fn bytes(&self) -> &[u8] {
        &self.space[..self.length]
    }
}

/// The digest of RFC 7474: the protocol is part of the key (section 6), the source the beginning of Apad (section 5).
fn extended_digest(algorithm: Algorithm, key: &[u8], parts: &[&[u8]], source: Ipv4Addr) -> Digest {
    digest(algorithm, &[key, &PROTOCOL_ID].concat(), parts, source.octets())
}

/// The digest that a key makes of a packet in parts. HMAC puts Apad in the digest's place, which begins with `head`.
fn digest(algorithm: Algorithm, key: &[u8], packet: &[&[u8]], head: [u8; 4]) -> Digest {
    match algorithm {
        Algorithm::Md5 => md5(key, packet),
        Algorithm::HmacSha1 => hmac::<Sha1, Hmac<Sha1>>(key, packet, head),
        Algorithm::HmacSha256 => hmac::<Sha256, Hmac<Sha256>>(key, packet, head),
        Algorithm::HmacSha384 => hmac::<Sha384, Hmac<Sha384>>(key, packet, head),
        Algorithm::HmacSha512 => hmac::<Sha512, Hmac<Sha512>>(key, packet, head),
    }
}

/// The digest over the packet and the key padded to 16 bytes (RFC 2328 section D.4.3 (3)).
fn md5(key: &[u8], packet: &[&[u8]]) -> Digest {
    let mut padded = [0; MD5_LEN];
    padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let packet = packet.iter().fold(Md5::new(), |digest, part| digest.chain_update(part));
    Digest::new(&packet.chain_update(padded).finalize())
}

/// The HMAC over the packet with Apad in the digest's place (RFC 5709 section 3.3).
fn hmac<H: md5::Digest, M: Mac + KeyInit>(key: &[u8], packet: &[&[u8]], head: [u8; 4]) -> Digest {
    // Ko: what is longer than the digest is hashed first, although HMAC itself takes keys as long as a block.
    let hashed = H::digest(key);
    let ko = if key.len() > hashed.len() { &hashed[..] } else { key };
    let mut block = Key::<M>::default();
    block.iter_mut().zip(ko).for_each(|(to, from)| *to = *from);
    let mut mac = M::new(&block);
    packet.iter().for_each(|part| mac.update(part));
    mac.update(&head);
    for _ in 1..hashed.len() / APAD.len() {
        mac.update(&APAD);
    }
    Digest::new(&mac.finalize().into_bytes())
}

/// The authentication fields of a packet with cryptographic authentication (RFC 2328 section D.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cryptographic {
    /// The number of the key.
    pub key_id: u8,
    /// The length of the digest that follows the packet.
    pub digest_len: u8,
    /// The cryptographic sequence number.
    pub sequence: u32,
}

/// The authentication fields of a packet with extended sequence numbers (RFC 7474 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The number of the key.
    pub key_id: u32,
    /// The length of the digest that follows the sequence number.
    pub digest_len: u8,
    /// The sequence number.
    pub sequence: u64,
}

impl Frame<'_> {
    /// Whether the packet carries that password. The comparison takes the same time wherever the first difference is.
    pub fn has_password(&self, password: &[u8; 8]) -> bool {
        self.auth.data.ct_eq(password).into()
    }

    /// The authentication fields, read as those of cryptographic authentication.
    pub fn cryptographic(&self) -> Cryptographic {
        let [_, _, key_id, digest_len, a, b, c, d] = self.auth.data;
        Cryptographic { key_id, digest_len, sequence: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Whether the digest after the packet is the one that the key makes. Link-local signalling may follow the digest
    /// (RFC 5613 section 2.2).
    pub fn has_digest(&self, algorithm: Algorithm, key: &[u8]) -> bool {
        let length = algorithm.digest_len();
        let Some(found) = self.trailer.get(..length) else { return false };
        usize::from(self.cryptographic().digest_len) == length
            && bool::from(digest(algorithm, key, &[self.packet], APAD).bytes().ct_eq(found))
    }

    /// The authentication fields, read as those of extended sequence numbers; `None` if there is no room for one after the
    /// packet.
    pub fn extended(&self) -> Option<Extended> {
        let [_, _, _, digest_len, a, b, c, d] = self.auth.data;
        let (sequence, _) = self.trailer.split_first_chunk::<SEQUENCE_LEN>()?;
        let key_id = u32::from_be_bytes([a, b, c, d]);
        Some(Extended { key_id, digest_len, sequence: u64::from_be_bytes(*sequence) })
    }

    /// Whether the digest after the sequence number is the one that the key makes of a packet from `source`.
    pub fn has_extended_digest(&self, algorithm: Algorithm, key: &[u8], source: Ipv4Addr) -> bool {
        let length = algorithm.digest_len();
        let Some((sequence, rest)) = self.trailer.split_first_chunk::<SEQUENCE_LEN>() else { return false };
        let Some(found) = rest.get(..length) else { return false };
        let digest = extended_digest(algorithm, key, &[self.packet, sequence], source);
        usize::from(self.auth.data[3]) == length && bool::from(digest.bytes().ct_eq(found))
    }
}
