//! Router information (RFC 7770), with the dynamic hostname in it (RFC 5642).

use crate::wire::error::DecodeError;
use crate::wire::writer::Writer;

use super::{tlvs, write_tlv};

bitflags::bitflags! {
    /// What a router says of itself (RFC 7770 section 2.4). Bits without a name keep their place.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Capabilities: u32 {
        /// It can restart gracefully (RFC 3623).
        const GRACEFUL_RESTART = 1 << 31;
        /// It helps others to (RFC 3623).
        const GRACEFUL_RESTART_HELPER = 1 << 30;
        /// It can be a stub router (RFC 6987).
        const STUB_ROUTER = 1 << 29;
        /// Traffic engineering (RFC 3630).
        const TRAFFIC_ENGINEERING = 1 << 28;
        /// Point-to-point over a LAN (RFC 5309).
        const POINT_TO_POINT_LAN = 1 << 27;
        const _ = !0;
    }
}

/// What a router information advertisement says.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RouterInformation {
    /// TLV 1.
    pub capabilities: Option<Capabilities>,
    /// TLV 7: what people call the router. Only ASCII without control characters; RFC 5642 section 3.1 allows 1 to 255 octets.
    pub hostname: Option<String>,
}

impl RouterInformation {
    /// Reads a body. Elements that are not known are passed over, and of several of one kind the first counts (RFC 7770 section 2.3, RFC
    /// 5642 section 3.1); a name that is none is left out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] for an element that the body does not hold.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        for tlv in tlvs(body)? {
            match tlv.kind {
                CAPABILITIES if found.capabilities.is_none() => {
                    // Bits are counted from the most significant one; there may be more than 32 of them.
                    let bits = tlv.value.first_chunk().map(|bits| u32::from_be_bytes(*bits));
                    found.capabilities = bits.map(Capabilities::from_bits_retain);
                }
                HOSTNAME if found.hostname.is_none() => found.hostname = hostname(tlv.value),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The body to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(64);
        if let Some(capabilities) = self.capabilities {
            write_tlv(&mut writer, CAPABILITIES, &capabilities.bits().to_be_bytes());
        }
        if let Some(name) = self.hostname.as_deref().and_then(|name| hostname(name.as_bytes())) {
            write_tlv(&mut writer, HOSTNAME, name.as_bytes());
        }
        writer.into_bytes()
    }
}

/// A name as far as it is one: what an attacker may have put there is shown to people.
fn hostname(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let name = str::from_utf8(bytes).ok()?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then(|| name.to_owned())
}

const CAPABILITIES: u16 = 1;
const HOSTNAME: u16 = 7;
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let information = RouterInformation {
            capabilities: Some(Capabilities::STUB_ROUTER | Capabilities::GRACEFUL_RESTART_HELPER),
            hostname: Some("node-1".to_owned()),
        };
        let bytes = information.encode();
        assert_eq!(bytes, b"\0\x01\0\x04\x60\0\0\0\0\x07\0\x06node-1\0\0");
        assert_eq!(RouterInformation::decode(&bytes).unwrap(), information);
        assert_eq!(RouterInformation::default().encode(), b"");
    }

    #[test]
    fn the_first_of_a_kind_counts_and_the_unknown_is_passed_over() {
        let bytes = b"\0\x63\0\x01\xff\0\0\0\0\x07\0\x01a\0\0\0\0\x07\0\x01b\0\0\0\0\x01\0\x02\0\0\0\0";
        let found = RouterInformation::decode(bytes).unwrap();
        assert_eq!(found, RouterInformation { capabilities: None, hostname: Some("a".to_owned()) });
    }

    #[test]
    fn a_name_that_is_none_is_left_out() {
        for name in [&b""[..], b"\x1b[31mred", b"two words", b"\xff\xfe", b"nul\0"] {
            let mut body = vec![0, 7, 0, name.len() as u8];
            body.extend_from_slice(name);
            assert_eq!(RouterInformation::decode(&body).unwrap().hostname, None, "{name:?}");
        }
        let long = RouterInformation { hostname: Some("x".repeat(300)), ..RouterInformation::default() };
        let read = RouterInformation::decode(&long.encode()).unwrap();
        assert_eq!(read.hostname.map(|name| name.len()), Some(255));
    }
}
