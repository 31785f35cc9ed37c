//! Cutting a datagram into fragments (RFC 791 section 3.2, RFC 1812 section 5.2.6).

use crate::forward::wire::{IPV4_HEADER, Ipv4Header, Options, option, write_header_checksum};
use crate::packet::PacketBuffer;

/// The fragments of one datagram, written one after the other into buffers.
pub struct Fragments<'a> {
    header: Ipv4Header,
    datagram: &'a [u8],
    mtu: usize,
    sent: usize,
}

impl<'a> Fragments<'a> {
    /// The fragments of the checked `datagram` that each fit in `mtu` bytes; `None` if not even 8 bytes of
    /// payload fit beside the header.
    pub fn new(header: Ipv4Header, datagram: &'a [u8], mtu: usize) -> Option<Self> {
        let fits = mtu >= header.header_length + 8 && datagram.len() >= header.total_length;
        fits.then_some(Self { header, datagram, mtu, sent: 0 })
    }

    /// Writes the next fragment into `buffer`; `false`: there is none left.
    pub fn next_into(&mut self, buffer: &mut PacketBuffer) -> bool {
        let payload = &self.datagram[self.header.header_length..self.header.total_length];
        if self.sent >= payload.len() {
            return false;
        }
        let mut head = [0u8; MAX_HEADER];
        let head_length = self.write_header(&mut head);
        let left = payload.len() - self.sent;
        let room = self.mtu - head_length;
        let (length, last) = if left <= room { (left, true) } else { (room & !7, false) };
        let offset = usize::from(self.header.fragment_offset) + self.sent / 8;
        // The offset field has 13 bits; a datagram that goes beyond is not valid, and the bits are cut.
        let mut word = (offset & 0x1fff) as u16;
        if !last || self.header.more_fragments {
            word |= 0x2000;
        }
        head[2..4].copy_from_slice(&((head_length + length) as u16).to_be_bytes());
        head[6..8].copy_from_slice(&word.to_be_bytes());
        write_header_checksum(&mut head, head_length);
        let space = buffer.space_mut();
        space[..head_length].copy_from_slice(&head[..head_length]);
        space[head_length..head_length + length].copy_from_slice(&payload[self.sent..self.sent + length]);
        buffer.set_len(head_length + length);
        self.sent += length;
        true
    }

    /// The header of the next fragment: all options on the first, the copied ones on the others.
    fn write_header(&self, head: &mut [u8; MAX_HEADER]) -> usize {
        let original = &self.datagram[..self.header.header_length];
        if self.sent == 0 {
            head[..original.len()].copy_from_slice(original);
            return original.len();
        }
        head[..IPV4_HEADER].copy_from_slice(&original[..IPV4_HEADER]);
        let mut length = IPV4_HEADER;
        for item in Options::new(&original[IPV4_HEADER..]).flatten() {
            if item.kind & option::COPIED != 0 {
                head[length..length + item.bytes.len()].copy_from_slice(item.bytes);
                length += item.bytes.len();
            }
        }
        // End-of-options bytes, which are zero, fill up the last word.
        length = length.next_multiple_of(4);
        head[0] = 0x40 | (length / 4) as u8;
        length
    }
}

/// The longest IPv4 header.
const MAX_HEADER: usize = 60;
