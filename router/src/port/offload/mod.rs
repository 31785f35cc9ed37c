//! What a sender leaves to the hardware, done here: checksums that are not computed yet, and super-frames
//! that are not cut yet.
//!
//! Frames from a veth, a TAP or a NIC with receive offload arrive with a `virtio_net_hdr` (OASIS virtio 1.2,
//! section 5.1.6) in front that says what is left to do. A router must finish it before it forwards: the
//! next link knows nothing of it. Nothing in the header is trusted beyond the frame that it describes.

mod checksum;

use self::checksum::{add, finish, pseudo_header};
use super::PortStatistics;
use crate::packet::{FRAME_CAPACITY, PacketBuffer, Pool};

/// Length of the `virtio_net_hdr` that the kernel puts in front of a frame.
pub const OFFLOAD_HEADER: usize = 10;

/// A super-frame of 64 KiB with its headers and description.
pub const LARGEST_MESSAGE: usize = 65_536 + 128;

const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_UDP: u8 = 3;
const GSO_UDP_L4: u8 = 5;
/// A flag in the type: the flow uses explicit congestion notification.
const GSO_ECN: u8 = 0x80;

const ETHERNET: usize = 14;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const TCP_FIN: u8 = 0x01;
const TCP_PSH: u8 = 0x08;
const TCP_CWR: u8 = 0x80;
const MORE_FRAGMENTS: u16 = 0x2000;

/// What is left to do for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    flags: u8,
    kind: u8,
    segment: u16,
    checksum_start: u16,
    checksum_offset: u16,
}

impl Offload {
    /// A description by the fields of its header.
    pub fn new(flags: u8, kind: u8, segment: u16, checksum_start: u16, checksum_offset: u16) -> Self {
        Self { flags, kind, segment, checksum_start, checksum_offset }
    }

    /// Splits what the socket delivered into the description and the frame. `None`: shorter than that.
    pub fn split(message: &[u8]) -> Option<(Self, &[u8])> {
        let (header, frame) = message.split_first_chunk::<OFFLOAD_HEADER>()?;
        let [flags, kind, _, _, segment @ .., s0, s1, o0, o1] = *header;
        // The legacy header is in the byte order of the host.
        let offload = Self {
            flags,
            kind,
            segment: u16::from_ne_bytes(segment),
            checksum_start: u16::from_ne_bytes([s0, s1]),
            checksum_offset: u16::from_ne_bytes([o0, o1]),
        };
        Some((offload, frame))
    }

    /// Whether the frame is a super-frame, to be cut by [`SuperFrame`].
    pub fn is_super_frame(&self) -> bool {
        self.kind & !GSO_ECN != GSO_NONE
    }

    /// Whether the transport checksum is only begun.
    pub fn needs_checksum(&self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// Finishes the transport checksum. Returns `false`, with the frame unchanged, if the description does
    /// not fit the frame.
    pub fn complete_checksum(&self, frame: &mut [u8]) -> bool {
        let start = usize::from(self.checksum_start);
        let field = start + usize::from(self.checksum_offset);
        // What follows the datagram is padding of the link, and not part of it.
        let datagram = Datagram::parse(frame);
        let end = datagram.map_or(frame.len(), |datagram| datagram.end);
        if start < ETHERNET || field + 2 > end {
            return false;
        }
        // The field holds the sum over the pseudo-header already.
        let protocol = datagram.map_or(0, |datagram| datagram.protocol);
        let sum = transport_checksum(protocol, add(0, &frame[start..end]));
        frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        true
    }
}

/// Where an IPv4 datagram lies in a frame. All positions are inside the frame.
#[derive(Clone, Copy, Debug)]
struct Datagram {
    /// End of the IPv4 header.
    transport: usize,
    /// End of the datagram.
    end: usize,
    protocol: u8,
    is_fragment: bool,
}

impl Datagram {
    fn parse(frame: &[u8]) -> Option<Self> {
        if frame.get(12..ETHERNET)? != ETHERTYPE_IPV4 {
            return None;
        }
        let header: &[u8; 20] = frame.get(ETHERNET..)?.first_chunk()?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
        if header[0] >> 4 != 4 || header_len < 20 || total < header_len || ETHERNET + total > frame.len() {
            return None;
        }
        Some(Self {
            transport: ETHERNET + header_len,
            end: ETHERNET + total,
            protocol: header[9],
            is_fragment: fragment != 0,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// TCP segments.
    Tcp,
    /// UDP datagrams of one size.
    Datagrams,
    /// Fragments of one UDP datagram.
    Fragments,
}

/// A frame that stands for several, and how far it is cut.
///
/// Each piece gets its own IP length, header checksum and, except fragments, identification (counted up)
/// and transport checksum; TCP pieces their sequence number, with FIN and PSH on the last and CWR on the first
/// only; UDP pieces their length.
#[derive(Clone, Copy, Debug)]
pub struct SuperFrame {
    cut: Cut,
    datagram: Datagram,
    /// End of the headers that each piece repeats.
    payload: usize,
    step: usize,
    /// Where the next piece's payload begins.
    position: usize,
    count: u16,
}

impl SuperFrame {
    /// Reads how `frame` is to be cut into pieces of at most `room` bytes. A checksum that a fragmented
    /// datagram needs is completed here. `None`: not a super-frame that can be cut.
    pub fn parse(frame: &mut [u8], offload: &Offload, room: usize) -> Option<Self> {
        let datagram = Datagram::parse(frame)?;
        let step = usize::from(offload.segment);
        let (cut, protocol) = match offload.kind & !GSO_ECN {
            GSO_TCPV4 => (Cut::Tcp, PROTOCOL_TCP),
            GSO_UDP_L4 => (Cut::Datagrams, PROTOCOL_UDP),
            GSO_UDP => (Cut::Fragments, PROTOCOL_UDP),
            _ => return None,
        };
        if datagram.protocol != protocol || datagram.is_fragment {
            return None;
        }
        let transport = frame.get(datagram.transport..datagram.end)?;
        let (payload, step) = match cut {
            Cut::Tcp => {
                let header = usize::from(transport.get(12)? >> 4) * 4;
                (datagram.transport + Some(header).filter(|&len| len >= 20)?, step)
            }
            Cut::Datagrams => (datagram.transport + 8, step),
            // All fragments but the last are a multiple of eight bytes long.
            Cut::Fragments => (datagram.transport, step & !7),
        };
        if step == 0 || payload >= datagram.end || payload + step > room {
            return None;
        }
        if cut == Cut::Fragments && offload.needs_checksum() && !offload.complete_checksum(frame) {
            return None;
        }
        Some(Self { cut, datagram, payload, step, position: payload, count: 0 })
    }

    /// Writes the next piece of `frame`, which is the one that was parsed, to the front of `out`. Returns its
    /// length, or `None` after the last one.
    pub fn next_piece(&mut self, frame: &[u8], out: &mut [u8]) -> Option<usize> {
        let end = (self.position + self.step).min(self.datagram.end);
        let payload = frame.get(self.position..end).filter(|payload| !payload.is_empty())?;
        let len = self.payload + payload.len();
        let out = out.get_mut(..len)?;
        out[..self.payload].copy_from_slice(frame.get(..self.payload)?);
        out[self.payload..].copy_from_slice(payload);
        self.fix_transport(out, end == self.datagram.end);
        self.fix_ip(out, end == self.datagram.end);
        self.position = end;
        self.count = self.count.wrapping_add(1);
        Some(len)
    }

    /// Where the piece's payload begins in the whole payload.
    fn offset(&self) -> usize {
        self.position - self.payload
    }

    fn fix_transport(&self, piece: &mut [u8], last: bool) {
        let (head, transport) = piece.split_at_mut(self.datagram.transport);
        let field = match self.cut {
            Cut::Fragments => return,
            Cut::Tcp => {
                let sequence = u32::from_be_bytes([transport[4], transport[5], transport[6], transport[7]]);
                // The whole is at most 64 KiB long.
                let sequence = sequence.wrapping_add(self.offset() as u32);
                transport[4..8].copy_from_slice(&sequence.to_be_bytes());
                if !last {
                    transport[13] &= !(TCP_FIN | TCP_PSH);
                }
                if self.offset() > 0 {
                    transport[13] &= !TCP_CWR;
                }
                16
            }
            Cut::Datagrams => {
                let len = transport.len() as u16;
                transport[4..6].copy_from_slice(&len.to_be_bytes());
                6
            }
        };
        transport[field..field + 2].fill(0);
        let sum = pseudo_header(&head[ETHERNET + 12..ETHERNET + 20], self.datagram.protocol, transport.len());
        let sum = transport_checksum(self.datagram.protocol, add(sum, transport));
        transport[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }

    fn fix_ip(&self, piece: &mut [u8], last: bool) {
        let total = (piece.len() - ETHERNET) as u16;
        let ip = &mut piece[ETHERNET..self.datagram.transport];
        ip[2..4].copy_from_slice(&total.to_be_bytes());
        if self.cut == Cut::Fragments {
            let flags = u16::from_be_bytes([ip[6], ip[7]]) & 0x8000;
            let more = if last { 0 } else { MORE_FRAGMENTS };
            let position = (self.offset() / 8) as u16;
            ip[6..8].copy_from_slice(&(flags | more | position).to_be_bytes());
        } else {
            let identification = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(self.count);
            ip[4..6].copy_from_slice(&identification.to_be_bytes());
        }
        ip[10..12].fill(0);
        let sum = finish(add(0, ip));
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// A sum over pseudo-header and transport as the protocol writes it: in UDP zero means "none", and 0xffff is the
/// same number (RFC 768).
fn transport_checksum(protocol: u8, sum: u64) -> u16 {
    match finish(sum) {
        0 if protocol == PROTOCOL_UDP => 0xffff,
        sum => sum,
    }
}

/// Turns messages (a description and a frame) into finished frames. A super-frame stays here while it is cut,
/// which may take several bursts.
pub(super) struct Finisher {
    frame: Vec<u8>,
    cut: Option<SuperFrame>,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    /// One frame, which is in the buffer, and needed nothing.
    Frame,
    /// One frame, which is in the buffer, with its checksum completed.
    Completed,
    /// A super-frame, to be taken in pieces.
    SuperFrame,
    /// Nothing: frame and description make no sense together.
    Damaged,
    /// Nothing: the frame is longer than a buffer.
    TooLong,
}

impl Finisher {
    pub(super) fn new() -> Self {
        Self { frame: Vec::with_capacity(LARGEST_MESSAGE), cut: None }
    }

    /// Finishes a message into `buffer`, or keeps it to be cut. Pieces in hand are lost: take them first.
    pub(super) fn accept(&mut self, message: &[u8], buffer: &mut PacketBuffer) -> Finished {
        let Some((offload, frame)) = Offload::split(message) else { return Finished::Damaged };
        if offload.is_super_frame() {
            return self.keep(&offload, frame);
        }
        if !buffer.fill(frame) {
            return Finished::TooLong;
        }
        self.finish(&offload, buffer)
    }

    /// Finishes the frame that is in `buffer` already, or keeps it to be cut.
    pub(super) fn finish(&mut self, offload: &Offload, buffer: &mut PacketBuffer) -> Finished {
        if offload.is_super_frame() {
            return self.keep(offload, buffer.bytes());
        }
        if !offload.needs_checksum() {
            return Finished::Frame;
        }
        if offload.complete_checksum(buffer.bytes_mut()) { Finished::Completed } else { Finished::Damaged }
    }

    fn keep(&mut self, offload: &Offload, frame: &[u8]) -> Finished {
        self.frame.clear();
        self.frame.extend_from_slice(frame);
        self.cut = SuperFrame::parse(&mut self.frame, offload, FRAME_CAPACITY);
        if self.cut.is_some() { Finished::SuperFrame } else { Finished::Damaged }
    }

    /// Puts the next piece of the super-frame in hand into `buffer`. `false`: there is none.
    pub(super) fn take_piece(&mut self, buffer: &mut PacketBuffer) -> bool {
        let Some(cut) = &mut self.cut else { return false };
        let Some(len) = cut.next_piece(&self.frame, buffer.space_mut()) else {
            self.cut = None;
            return false;
        };
        buffer.set_len(len);
        true
    }

    /// Whether there may be a piece in hand.
    pub(super) fn has_pieces(&self) -> bool {
        self.cut.is_some()
    }
}

/// The burst loop of a port whose medium delivers messages with a description. `take` finishes the next
/// message into the buffer, or answers `None` when the medium is empty.
pub(super) fn receive_burst<M>(
    medium: &mut M,
    (batch, pool, limit): (&mut Vec<PacketBuffer>, &mut Pool, usize),
    parts: impl Fn(&mut M) -> (&mut Finisher, &mut PortStatistics),
    mut take: impl FnMut(&mut M, &mut PacketBuffer) -> Option<Finished>,
) -> usize {
    let mut count = 0;
    while count < limit {
        let Some(mut buffer) = pool.take() else { break };
        let finished = if parts(medium).0.take_piece(&mut buffer) {
            Some(Finished::Frame)
        } else {
            take(medium, &mut buffer)
        };
        let statistics = parts(medium).1;
        match finished {
            Some(Finished::Frame) => {}
            Some(Finished::Completed) => statistics.checksums_completed += 1,
            Some(other) => {
                match other {
                    Finished::SuperFrame => statistics.segmented += 1,
                    Finished::TooLong => statistics.receive_drops += 1,
                    _ => statistics.receive_errors += 1,
                }
                pool.give(buffer);
                continue;
            }
            None => {
                pool.give(buffer);
                break;
            }
        }
        batch.push(buffer);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests;
