//! Datagrams for the throughput test, to the discard port (RFC 863) of another node.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};
use tokio::sync::oneshot;

use crate::packet::PacketBuffer;

/// The discard service's UDP port.
pub const DISCARD_PORT: u16 = 9;

/// A stream of equal datagrams.
#[derive(Clone, Debug)]
pub struct GeneratorRequest {
    /// Where to.
    pub destination: Ipv4Addr,
    /// Length of each IP datagram in bytes, at least 28.
    pub datagram_len: usize,
    /// For how long.
    pub duration: Duration,
}

/// What was sent. What arrived is counted by the receiving node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorReport {
    /// Datagrams handed to the worker.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The time that it took.
    pub elapsed: Duration,
}

/// A stream under way.
pub struct Generator {
    template: Vec<u8>,
    started: Instant,
    until: Instant,
    report: GeneratorReport,
    reply: oneshot::Sender<GeneratorReport>,
    /// Where the datagrams go.
    pub destination: Ipv4Addr,
}

impl Generator {
    /// A stream from `source` that starts now.
    pub fn new(
        now: Instant,
        source: Ipv4Addr,
        request: &GeneratorRequest,
        reply: oneshot::Sender<GeneratorReport>,
    ) -> Self {
        Self {
            template: template(source, request),
            started: now,
            until: now + request.duration,
            report: GeneratorReport::default(),
            reply,
            destination: request.destination,
        }
    }

    /// Whether the stream's time is over.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until || self.reply.is_closed()
    }

    /// Writes the next datagram into `buffer`. Returns `false` if it does not fit.
    pub fn fill(&mut self, buffer: &mut PacketBuffer) -> bool {
        buffer.fill(&self.template)
    }

    /// Counts one datagram as sent.
    pub fn sent(&mut self) {
        self.report.datagrams += 1;
        self.report.bytes += self.template.len() as u64;
    }

    /// Ends the stream and reports.
    pub fn finish(mut self, now: Instant) {
        self.report.elapsed = now.saturating_duration_since(self.started);
        // Nobody waits any more if this fails.
        let _ = self.reply.send(self.report);
    }
}

fn template(source: Ipv4Addr, request: &GeneratorRequest) -> Vec<u8> {
    const HEADERS: usize = 28;
    let payload_len = request.datagram_len.saturating_sub(HEADERS);
    let mut datagram = vec![0; HEADERS + payload_len];
    let udp = UdpRepr { src_port: DISCARD_PORT, dst_port: DISCARD_PORT };
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: request.destination,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload_len,
        hop_limit: 64,
    };
    let mut packet = Ipv4Packet::new_unchecked(&mut datagram[..]);
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    udp.emit(
        &mut UdpPacket::new_unchecked(packet.payload_mut()),
        &IpAddress::Ipv4(source),
        &IpAddress::Ipv4(request.destination),
        payload_len,
        |_| (),
        &ChecksumCapabilities::default(),
    );
    datagram
}

/// Whether a received datagram is for the discard service.
pub fn is_discard(datagram: &[u8]) -> bool {
    let Ok(packet) = Ipv4Packet::new_checked(datagram) else { return false };
    packet.next_header() == IpProtocol::Udp
        && packet.frag_offset() == 0
        && UdpPacket::new_checked(packet.payload()).is_ok_and(|udp| udp.dst_port() == DISCARD_PORT)
}
