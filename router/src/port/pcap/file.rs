//! The pcapng file format (draft-ietf-opsawg-pcapng), as far as a capture of Ethernet frames needs it: section
//! header, interface description, enhanced packet and interface statistics blocks, little-endian, with times in
//! nanoseconds. Each function appends one block, so a capture can be a stream as well as a file.

use std::time::Duration;

use super::{CapturedFrame, Direction};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;

const OPTION_END: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const ISB_IFDROP: u16 = 5;
const EPB_FLAGS: u16 = 2;

/// Begins a section; its interfaces are numbered from 0 in the order of their descriptions.
pub fn section_header(out: &mut Vec<u8>) {
    block(out, SECTION_HEADER, |out| {
        out.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        // The length of the section is not known.
        out.extend(u64::MAX.to_le_bytes());
        option(out, SHB_USERAPPL, concat!("isthmus ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// Describes an interface of which `snap_length` bytes of each frame are kept.
pub fn interface(out: &mut Vec<u8>, name: &str, snap_length: usize) {
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend(LINKTYPE_ETHERNET.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        out.extend(u32::try_from(snap_length).unwrap_or(u32::MAX).to_le_bytes());
        option(out, IF_NAME, name.as_bytes());
        // A power of ten: nanoseconds.
        option(out, IF_TSRESOL, &[9]);
        option(out, OPTION_END, &[]);
    });
}

/// A frame on the interface with this number.
pub fn packet(out: &mut Vec<u8>, interface: u32, frame: &CapturedFrame<'_>) {
    let direction: u32 = match frame.direction {
        Direction::Received => 1,
        Direction::Sent => 2,
    };
    block(out, ENHANCED_PACKET, |out| {
        out.extend(interface.to_le_bytes());
        timestamp(out, frame.time);
        out.extend(word(frame.bytes.len()));
        out.extend(word(frame.length));
        out.extend_from_slice(frame.bytes);
        pad(out);
        option(out, EPB_FLAGS, &direction.to_le_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// What the capture on the interface with this number lost until `time`.
pub fn statistics(out: &mut Vec<u8>, interface: u32, time: Duration, lost: u64) {
    block(out, INTERFACE_STATISTICS, |out| {
        out.extend(interface.to_le_bytes());
        timestamp(out, time);
        option(out, ISB_IFDROP, &lost.to_le_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// A block: its type, its length, its body, its length.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    // Blocks are multiples of four bytes long, and so is what was written before.
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = word(out.len() + 4 - start);
    out.extend(length);
    out[start + 4..start + 8].copy_from_slice(&length);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

fn timestamp(out: &mut Vec<u8>, time: Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    out.extend(((nanoseconds >> 32) as u32).to_le_bytes());
    out.extend((nanoseconds as u32).to_le_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}
