//! Authentication of packets (RFC 2328 appendix D): what the sender puts in, and the comparison at the receiver.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::header::{AUTH_DATA_AT, AUTH_TYPE_AT, CHECKSUM_AT, Frame, auth_type, fill_checksum};

/// Length of an MD5 digest, and of its key (section D.3).
pub const MD5_LEN: usize = 16;

/// What the sender of a packet proves itself with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seal<'a> {
    /// Nothing (section D.4.1).
    Null,
    /// The network's password, in clear (section D.4.2).
    Simple(&'a [u8; 8]),
    /// A digest over packet and key (section D.4.3).
    Md5 {
        /// The number of the key.
        key_id: u8,
        /// The secret; what is missing to 16 bytes is zero, what is beyond them is not used.
        key: &'a [u8],
        /// Never less than in the packet before.
        sequence: u32,
    },
}

impl Seal<'_> {
    /// Bytes that it adds after the packet.
    pub fn trailer_len(&self) -> usize {
        match self {
            Self::Null | Self::Simple(_) => 0,
            Self::Md5 { .. } => MD5_LEN,
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
            Self::Md5 { key_id, key, sequence } => {
                let [a, b, c, d] = sequence.to_be_bytes();
                write_fields(packet, auth_type::CRYPTOGRAPHIC, &[0, 0, *key_id, MD5_LEN as u8, a, b, c, d]);
                let digest = md5_digest(packet, key);
                packet.extend_from_slice(&digest);
            }
        }
    }
}

fn write_fields(packet: &mut [u8], auth_type: u16, data: &[u8; 8]) {
    packet[CHECKSUM_AT..AUTH_TYPE_AT].fill(0);
    packet[AUTH_TYPE_AT..AUTH_DATA_AT].copy_from_slice(&auth_type.to_be_bytes());
    packet[AUTH_DATA_AT..AUTH_DATA_AT + 8].copy_from_slice(data);
}

/// The digest over the packet and the key padded to 16 bytes (section D.4.3 (3)).
fn md5_digest(packet: &[u8], key: &[u8]) -> [u8; MD5_LEN] {
    let mut padded = [0; MD5_LEN];
    for (to, from) in padded.iter_mut().zip(key) {
        *to = *from;
    }
    Md5::new().chain_update(packet).chain_update(padded).finalize().into()
}

/// The authentication fields of a packet with cryptographic authentication (section D.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cryptographic {
    /// The number of the key.
    pub key_id: u8,
    /// The length of the digest that follows the packet.
    pub digest_len: u8,
    /// The cryptographic sequence number.
    pub sequence: u32,
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
    pub fn has_md5_digest(&self, key: &[u8]) -> bool {
        let Some((digest, _)) = self.trailer.split_first_chunk::<MD5_LEN>() else { return false };
        usize::from(self.cryptographic().digest_len) == MD5_LEN
            && bool::from(md5_digest(self.packet, key).ct_eq(digest))
    }
}
