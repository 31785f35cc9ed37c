//! ICMP errors of the router (RFC 792, RFC 1812 section 4.3): which are allowed, how they look, how many.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::forward::wire::{IPV4_HEADER, Ipv4Header, checksum, protocol, write_header_checksum};
use crate::packet::PacketBuffer;

/// An ICMP error that the packet path sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// No route to the destination.
    NetworkUnreachable,
    /// The next hop on an attached network does not answer.
    HostUnreachable,
    /// Too long for the next link, whose MTU this is, and not to be fragmented (RFC 1191 section 4).
    FragmentationNeeded(u16),
    /// The time to live ran out on the way.
    TimeExceeded,
    /// The fragments of a datagram did not come in time.
    ReassemblyTimeExceeded,
}

impl IcmpError {
    /// Number of kinds, and so of counters.
    pub const KINDS: usize = 5;

    /// The labels in metrics, in the order of [`Self::index`].
    pub const LABELS: [&'static str; Self::KINDS] = [
        "network-unreachable",
        "host-unreachable",
        "fragmentation-needed",
        "time-exceeded",
        "reassembly-time-exceeded",
    ];

    /// The place of the kind in a table of counters.
    pub const fn index(self) -> usize {
        match self {
            Self::NetworkUnreachable => 0,
            Self::HostUnreachable => 1,
            Self::FragmentationNeeded(_) => 2,
            Self::TimeExceeded => 3,
            Self::ReassemblyTimeExceeded => 4,
        }
    }

    /// Type, code and the second word of the message.
    const fn fields(self) -> (u8, u8, u16) {
        match self {
            Self::NetworkUnreachable => (3, 0, 0),
            Self::HostUnreachable => (3, 1, 0),
            Self::FragmentationNeeded(mtu) => (3, 4, mtu),
            Self::TimeExceeded => (11, 0, 0),
            Self::ReassemblyTimeExceeded => (11, 1, 0),
        }
    }
}

/// Whether an error about `datagram` may be sent (RFC 1812 section 4.3.2.7). Broadcast on the link is the
/// caller's to check.
pub fn may_answer(header: &Ipv4Header, datagram: &[u8]) -> bool {
    if header.fragment_offset != 0 || !is_single_host(header.source) || !is_single_host(header.destination) {
        return false;
    }
    if header.protocol != protocol::ICMP {
        return true;
    }
    // Only about messages that are known to be no errors: a type that this router does not know may be one.
    datagram.get(header.header_length).is_some_and(|&kind| matches!(kind, 0 | 8..=10 | 13..=18 | 42 | 43))
}

/// Writes the error about `datagram` into `buffer` as an IPv4 datagram from `source`: the quote is as long as
/// 576 bytes allow (RFC 1812 section 4.3.2.3), the precedence is internetwork control (section 4.3.2.5).
pub fn write_error(
    buffer: &mut PacketBuffer,
    error: IcmpError,
    source: Ipv4Addr,
    identification: u16,
    header: &Ipv4Header,
    datagram: &[u8],
) {
    let quote = &datagram[..datagram.len().min(header.total_length).min(LONGEST - OVERHEAD)];
    let total = OVERHEAD + quote.len();
    let message = &mut buffer.space_mut()[..total];
    message[..OVERHEAD].fill(0);
    message[0] = 0x45;
    message[1] = 0xc0;
    message[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    message[4..6].copy_from_slice(&identification.to_be_bytes());
    message[8] = 64;
    message[9] = protocol::ICMP;
    message[12..16].copy_from_slice(&source.octets());
    message[16..20].copy_from_slice(&header.source.octets());
    write_header_checksum(message, IPV4_HEADER);
    let (kind, code, word) = error.fields();
    message[20] = kind;
    message[21] = code;
    message[26..28].copy_from_slice(&word.to_be_bytes());
    message[OVERHEAD..].copy_from_slice(quote);
    let sum = checksum(&message[IPV4_HEADER..]);
    message[22..24].copy_from_slice(&sum.to_be_bytes());
    buffer.set_len(total);
}

/// Limits how many errors are sent (RFC 1812 section 4.3.2.8): a token bucket.
#[derive(Debug)]
pub struct RateLimit {
    tokens: u32,
    filled: Duration,
}

impl RateLimit {
    /// Errors that may be sent at once.
    pub const BURST: u32 = 100;
    /// One more may be sent after this time: 1000 in a second.
    pub const INTERVAL: Duration = Duration::from_millis(1);

    /// A full bucket.
    pub const fn new() -> Self {
        Self { tokens: Self::BURST, filled: Duration::ZERO }
    }

    /// Whether an error may be sent at `now`; takes its token.
    pub fn allow(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.filled).as_micros() / Self::INTERVAL.as_micros();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(Self::BURST);
            self.filled =
                if self.tokens == Self::BURST { now } else { self.filled + Self::INTERVAL * earned };
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an address can name one host (RFC 1812 section 4.3.2.7).
fn is_single_host(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    first != 0 && first != 127 && first < 224
}

/// The longest error.
const LONGEST: usize = 576;
/// IPv4 header and ICMP header.
const OVERHEAD: usize = IPV4_HEADER + 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_empties_and_refills_at_its_rate() {
        let mut limit = RateLimit::new();
        let second = Duration::from_secs(1);
        assert_eq!((0..500).filter(|_| limit.allow(second)).count(), RateLimit::BURST as usize);
        assert!(!limit.allow(second + Duration::from_micros(999)));
        assert!(limit.allow(second + Duration::from_millis(1)));
        assert!(!limit.allow(second + Duration::from_millis(1)));
        let sent = (0..1000).filter(|ms| limit.allow(second + Duration::from_millis(2 + ms))).count();
        assert_eq!(sent, 1000);
        assert!(limit.allow(Duration::from_secs(3600)));
        assert!(limit.tokens < RateLimit::BURST);
    }
}
