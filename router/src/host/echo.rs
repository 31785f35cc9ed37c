//! ICMP echo requests in flight: one request, one outcome. Ping and traceroute are made of these.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::raw;
use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, IpProtocol, Ipv4Packet, Ipv4Repr};
use tokio::sync::oneshot;

/// One echo request.
#[derive(Clone, Debug)]
pub struct EchoRequest {
    /// Where to.
    pub destination: Ipv4Addr,
    /// From which of the node's addresses; `None`: the usual one.
    pub source: Option<Ipv4Addr>,
    /// Time to live.
    pub ttl: u8,
    /// Bytes after the ICMP header.
    pub payload_len: usize,
    /// How long to wait.
    pub timeout: Duration,
}

/// What came of an echo request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EchoOutcome {
    /// The destination answered.
    Reply {
        /// Who answered.
        from: Ipv4Addr,
        /// Time to live of the answer on arrival.
        ttl: u8,
        /// Bytes after the ICMP header.
        payload_len: usize,
        /// From sending to receiving.
        round_trip: Duration,
    },
    /// A router on the way let the time to live run out.
    TimeExceeded {
        /// Which router.
        from: Ipv4Addr,
        /// From sending to receiving.
        round_trip: Duration,
    },
    /// A router on the way, or the destination, refused.
    Unreachable {
        /// Who says so.
        from: Ipv4Addr,
        /// The ICMP code (RFC 792, RFC 1812 section 5.2.7.1).
        code: u8,
        /// From sending to receiving.
        round_trip: Duration,
    },
    /// Nothing came in time.
    Timeout,
    /// The request could not be sent: it is longer than the adapter takes, or too many are in flight.
    NotSent,
}

/// Header sizes on the way out.
const IPV4_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
/// Requests that may be in flight at once.
const MAX_IN_FLIGHT: usize = 1024;

struct InFlight {
    sent: Instant,
    deadline: Instant,
    reply: oneshot::Sender<EchoOutcome>,
}

/// The requests in flight. The identifier is one per process, the sequence number one per request.
pub struct EchoTable {
    ident: u16,
    next_sequence: u16,
    in_flight: BTreeMap<u16, InFlight>,
}

impl EchoTable {
    /// An empty table whose requests carry `ident`.
    pub fn new(ident: u16) -> Self {
        Self { ident, next_sequence: 1, in_flight: BTreeMap::new() }
    }

    /// Sends a request by `socket`, the ICMP socket of the adapter that reaches the destination.
    pub fn send(
        &mut self,
        now: Instant,
        socket: &mut raw::Socket<'_>,
        source: Ipv4Addr,
        request: &EchoRequest,
        reply: oneshot::Sender<EchoOutcome>,
    ) {
        let sequence = self.next_sequence;
        let length = IPV4_HEADER + ICMP_HEADER + request.payload_len;
        let room = self.in_flight.len() < MAX_IN_FLIGHT && !self.in_flight.contains_key(&sequence);
        let slot = if room && length <= usize::from(u16::MAX) { socket.send(length).ok() } else { None };
        let Some(datagram) = slot else {
            // Nobody waits any more if this fails.
            let _ = reply.send(EchoOutcome::NotSent);
            return;
        };
        write_echo_request(datagram, source, request, self.ident, sequence);
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.in_flight.insert(sequence, InFlight { sent: now, deadline: now + request.timeout, reply });
    }

    /// Reads what an ICMP socket has received and settles the requests that it speaks of.
    pub fn receive(&mut self, now: Instant, socket: &mut raw::Socket<'_>) {
        while let Ok(datagram) = socket.recv() {
            if let Some((sequence, heard)) = parse(datagram, self.ident)
                && let Some(request) = self.in_flight.remove(&sequence)
            {
                let round_trip = now.saturating_duration_since(request.sent);
                let outcome = match heard {
                    Heard::Reply { from, ttl, payload_len } => {
                        EchoOutcome::Reply { from, ttl, payload_len, round_trip }
                    }
                    Heard::TimeExceeded { from } => EchoOutcome::TimeExceeded { from, round_trip },
                    Heard::Unreachable { from, code } => EchoOutcome::Unreachable { from, code, round_trip },
                };
                let _ = request.reply.send(outcome);
            }
        }
    }

    /// Gives up on the requests whose time has passed.
    pub fn expire(&mut self, now: Instant) {
        while let Some(sequence) =
            self.in_flight.iter().find(|(_, request)| request.deadline <= now).map(|(&sequence, _)| sequence)
        {
            if let Some(request) = self.in_flight.remove(&sequence) {
                let _ = request.reply.send(EchoOutcome::Timeout);
            }
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.in_flight.values().map(|request| request.deadline).min()
    }
}

fn write_echo_request(
    datagram: &mut [u8],
    source: Ipv4Addr,
    request: &EchoRequest,
    ident: u16,
    sequence: u16,
) {
    let repr = Ipv4Repr {
        src_addr: source,
        dst_addr: request.destination,
        next_header: IpProtocol::Icmp,
        payload_len: ICMP_HEADER + request.payload_len,
        hop_limit: request.ttl,
    };
    let mut packet = Ipv4Packet::new_unchecked(datagram);
    repr.emit(&mut packet, &ChecksumCapabilities::default());
    let mut icmp = Icmpv4Packet::new_unchecked(packet.payload_mut());
    icmp.set_msg_type(Icmpv4Message::EchoRequest);
    icmp.set_msg_code(0);
    icmp.set_echo_ident(ident);
    icmp.set_echo_seq_no(sequence);
    for (index, byte) in icmp.data_mut().iter_mut().enumerate() {
        *byte = index as u8;
    }
    icmp.fill_checksum();
}

enum Heard {
    Reply { from: Ipv4Addr, ttl: u8, payload_len: usize },
    TimeExceeded { from: Ipv4Addr },
    Unreachable { from: Ipv4Addr, code: u8 },
}

/// What a received ICMP datagram says about a request with `ident`, and which one.
fn parse(datagram: &[u8], ident: u16) -> Option<(u16, Heard)> {
    let packet = Ipv4Packet::new_checked(datagram).ok()?;
    let icmp = Icmpv4Packet::new_checked(packet.payload()).ok()?;
    if !icmp.verify_checksum() {
        return None;
    }
    let from = packet.src_addr();
    match icmp.msg_type() {
        Icmpv4Message::EchoReply if icmp.echo_ident() == ident => Some((
            icmp.echo_seq_no(),
            Heard::Reply { from, ttl: packet.hop_limit(), payload_len: icmp.data().len() },
        )),
        Icmpv4Message::TimeExceeded => {
            quoted_sequence(icmp.data(), ident).map(|sequence| (sequence, Heard::TimeExceeded { from }))
        }
        Icmpv4Message::DstUnreachable => {
            let code = u8::from(Icmpv4DstUnreachable::from(icmp.msg_code()));
            quoted_sequence(icmp.data(), ident).map(|sequence| (sequence, Heard::Unreachable { from, code }))
        }
        _ => None,
    }
}

/// The sequence number of the echo request that an ICMP error quotes, if it is one of ours. The quote is cut
/// (RFC 792: header and 8 bytes), so lengths inside it are not checked against it.
fn quoted_sequence(quote: &[u8], ident: u16) -> Option<u16> {
    let header_len = usize::from(quote.first()? & 0x0f) * 4;
    let is_icmp = *quote.get(9)? == u8::from(IpProtocol::Icmp);
    let icmp = quote.get(header_len..header_len + ICMP_HEADER)?;
    let word = |at: usize| Some(u16::from_be_bytes([*icmp.get(at)?, *icmp.get(at + 1)?]));
    let is_request = icmp.first() == Some(&u8::from(Icmpv4Message::EchoRequest));
    (header_len >= IPV4_HEADER && is_icmp && is_request && word(4)? == ident).then_some(word(6)?)
}
