//! Opaque advertisements (RFC 5250): what their link state ids mean, and the TLVs that their bodies are made of.
//!
//! ```text
//!  link state id   opaque type (8 bits) | opaque id (24 bits)
//!  body            type (16) | length (16) | value, and zeroes up to a multiple of 4 octets | type ...
//! ```
//! The engine carries all of them as they are. Those that it reads itself: [`RouterInformation`], [`Grace`].

mod grace;
mod router_information;

pub use grace::{Grace, RestartReason};
pub use router_information::{Capabilities, RouterInformation};

use std::net::Ipv4Addr;

use super::super::error::{DecodeError, Part};
use super::super::reader::Reader;
use super::super::writer::Writer;

/// The opaque type of grace-LSAs (RFC 3623 appendix A).
pub const GRACE: u8 = 3;
/// The opaque type of router information (RFC 7770 section 2.1).
pub const ROUTER_INFORMATION: u8 = 4;

/// The link state id of an opaque advertisement: of `opaque_id` the lowest 24 bits count.
#[must_use]
pub fn id(opaque_type: u8, opaque_id: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(opaque_type) << 24 | opaque_id & 0xff_ffff)
}

/// Opaque type and opaque id of a link state id.
#[must_use]
pub fn parts(id: Ipv4Addr) -> (u8, u32) {
    let id = u32::from(id);
    ((id >> 24) as u8, id & 0xff_ffff)
}

/// One element of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is, in the numbering of its advertisement's kind.
    pub kind: u16,
    /// Its value, without what fills it up.
    pub value: &'a [u8],
}

/// The elements of a body, up to the first that leads beyond its end. What follows the last whole one and is shorter than the head
/// of another is passed over.
///
/// # Errors
/// [`DecodeError::Truncated`] for an element that the body does not hold.
pub fn tlvs(body: &[u8]) -> Result<Vec<Tlv<'_>>, DecodeError> {
    let mut reader = Reader::new(body, Part::OpaqueLsa);
    let mut found = Vec::new();
    while reader.remaining() >= HEAD {
        let (kind, length) = (reader.u16()?, usize::from(reader.u16()?));
        let value = reader.take(length)?;
        // The last one may do without.
        reader.take((length.next_multiple_of(ALIGNMENT) - length).min(reader.remaining()))?;
        found.push(Tlv { kind, value });
    }
    Ok(found)
}

/// Appends an element. A value beyond 65,535 bytes is cut there.
fn write_tlv(writer: &mut Writer, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    writer.u16(kind);
    // The line above bounds the length, so the conversion keeps its value.
    writer.u16(value.len() as u16);
    writer.slice(value);
    writer.slice(&[0; ALIGNMENT][..value.len().next_multiple_of(ALIGNMENT) - value.len()]);
}

/// Type and length.
const HEAD: usize = 4;
const ALIGNMENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_state_id_is_type_and_id() {
        assert_eq!(id(4, 0), Ipv4Addr::new(4, 0, 0, 0));
        assert_eq!(id(3, 0x0102_0304), Ipv4Addr::new(3, 2, 3, 4));
        assert_eq!(parts(Ipv4Addr::new(3, 2, 3, 4)), (3, 0x02_0304));
    }

    #[test]
    fn elements_are_filled_up_to_four_octets_and_the_last_need_not_be() {
        let mut writer = Writer::with_capacity(32);
        write_tlv(&mut writer, 7, b"abcde");
        write_tlv(&mut writer, 9, b"");
        write_tlv(&mut writer, 1, &[1, 2, 3, 4]);
        let bytes = writer.into_bytes();
        assert_eq!(&bytes[..12], b"\0\x07\0\x05abcde\0\0\0");
        let expected = [
            Tlv { kind: 7, value: b"abcde" },
            Tlv { kind: 9, value: b"" },
            Tlv { kind: 1, value: &[1, 2, 3, 4] },
        ];
        assert_eq!(tlvs(&bytes).unwrap(), expected);
        assert_eq!(tlvs(&[0, 7, 0, 1, 9]).unwrap(), [Tlv { kind: 7, value: &[9] }]);
        assert_eq!(
            tlvs(&[0, 7, 0, 0, 9, 9, 9]).unwrap().len(),
            1,
            "what is shorter than a head says nothing"
        );
    }

    #[test]
    fn an_element_beyond_the_end_is_an_error() {
        for bytes in [&[0, 7, 0, 5, 1, 2, 3, 4][..], &[0, 1, 0xff, 0xff]] {
            assert!(matches!(tlvs(bytes), Err(DecodeError::Truncated { part: Part::OpaqueLsa, .. })));
        }
    }
}
