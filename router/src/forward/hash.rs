//! Hashes of flows: which of several equal next hops, and which node for a common address.
//!
//! The steering hash is part of the agreement between nodes: every node, on any machine and of any version,
//! must get the same value, so its constants and test vectors never change. It is
//! `mix(mix(SEED ^ (source << 32 | destination)) ^ (protocol << 32 | first << 16 | second))`, where `mix` is the
//! finalizer of splitmix64 and addresses and ports are numbers in host order:
//!
//! | packet | protocol | first | second |
//! |---|---|---|---|
//! | TCP, UDP, UDP-Lite, SCTP, DCCP | its number | source port | destination port |
//! | ICMP echo and echo reply | 1 | identifier | 0 |
//! | ICMP error | those of the flow that it quotes, turned round | | |
//! | any fragment | its number + 256 | identification | 0 |
//! | anything else | its number | 0 | 0 |

use std::net::Ipv4Addr;

use crate::forward::wire::{IPV4_HEADER, Ipv4Header, protocol};

/// What a flow is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IP protocol; with [`Self::FRAGMENT`] for a fragment.
    pub protocol: u16,
    /// Source port, ICMP identifier or identification.
    pub first: u16,
    /// Destination port.
    pub second: u16,
}

impl Flow {
    /// Added to the protocol number of fragments.
    pub const FRAGMENT: u16 = 256;

    /// The flow that a datagram belongs to where all packets of a flow, and all fragments of a packet, must
    /// meet at one node.
    pub fn for_steering(header: &Ipv4Header, datagram: &[u8]) -> Self {
        if header.is_fragment() {
            return Self {
                protocol: Self::FRAGMENT + u16::from(header.protocol),
                first: header.identification,
                ..Self::without_ports(header)
            };
        }
        let payload = datagram.get(header.header_length..).unwrap_or_default();
        if header.protocol == protocol::ICMP
            && is_icmp_error(payload)
            && let Some(flow) = quoted_flow(payload)
        {
            return flow;
        }
        Self::with_ports(header, payload)
    }

    /// The flow that a datagram belongs to where equal paths are shared. Fragments are told apart by address
    /// only, so that those of one flow do not overtake each other.
    pub fn for_forwarding(header: &Ipv4Header, datagram: &[u8]) -> Self {
        if header.is_fragment() {
            return Self::without_ports(header);
        }
        Self::with_ports(header, datagram.get(header.header_length..).unwrap_or_default())
    }

    /// The flow's hash.
    pub const fn hash(&self) -> u64 {
        let addresses = (self.source.to_bits() as u64) << 32 | self.destination.to_bits() as u64;
        let rest = (self.protocol as u64) << 32 | (self.first as u64) << 16 | self.second as u64;
        mix(mix(SEED ^ addresses) ^ rest)
    }

    fn without_ports(header: &Ipv4Header) -> Self {
        Self {
            source: header.source,
            destination: header.destination,
            protocol: u16::from(header.protocol),
            first: 0,
            second: 0,
        }
    }

    fn with_ports(header: &Ipv4Header, payload: &[u8]) -> Self {
        let (first, second) = ports(header.protocol, payload);
        Self { first, second, ..Self::without_ports(header) }
    }
}

/// The finalizer of splitmix64: every bit of the input changes about half of the bits of the output.
pub const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Whether an ICMP message is an error (RFC 1122 section 3.2.2): unreachable, source quench, redirect, time
/// exceeded, parameter problem.
pub fn is_icmp_error(message: &[u8]) -> bool {
    matches!(message.first(), Some(3 | 4 | 5 | 11 | 12))
}

fn ports(number: u8, payload: &[u8]) -> (u16, u16) {
    match (number, payload) {
        (
            protocol::TCP | protocol::UDP | protocol::UDP_LITE | protocol::SCTP | protocol::DCCP,
            [a, b, c, d, ..],
        ) => (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
        // Echo and echo reply: both directions of one ping carry the same identifier.
        (protocol::ICMP, [0 | 8, _, _, _, a, b, ..]) => (u16::from_be_bytes([*a, *b]), 0),
        _ => (0, 0),
    }
}

/// The inbound flow that an ICMP error is about. It quotes a packet that went out, so both ends change places.
fn quoted_flow(message: &[u8]) -> Option<Flow> {
    let quote = message.get(8..)?;
    let fixed: &[u8; IPV4_HEADER] = quote.first_chunk()?;
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] >> 4 != 4 || header_length < IPV4_HEADER {
        return None;
    }
    let fragment_offset = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x1fff;
    let payload = if fragment_offset == 0 { quote.get(header_length..).unwrap_or_default() } else { &[] };
    let (source_port, destination_port) = ports(fixed[9], payload);
    // An echo identifier is no end of the flow: it stays in its place.
    let (first, second) = match fixed[9] {
        protocol::ICMP => (source_port, destination_port),
        _ => (destination_port, source_port),
    };
    Some(Flow {
        source: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        destination: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
        protocol: u16::from(fixed[9]),
        first,
        second,
    })
}

/// "isthmus\0" as a big-endian number.
const SEED: u64 = 0x6973_7468_6d75_7300;

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(source: [u8; 4], destination: [u8; 4], protocol: u16, first: u16, second: u16) -> Flow {
        Flow { source: source.into(), destination: destination.into(), protocol, first, second }
    }

    #[test]
    fn vectors_never_change() {
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_eq!(flow([0; 4], [0; 4], 0, 0, 0).hash(), VECTOR_0);
        assert_eq!(flow([192, 0, 2, 1], [10, 77, 0, 1], 6, 40000, 80).hash(), VECTOR_1);
        assert_eq!(flow([198, 51, 100, 7], [10, 77, 0, 1], 256 + 17, 0x1234, 0).hash(), VECTOR_2);
    }

    #[test]
    fn neighboring_flows_spread_evenly() {
        let mut buckets = [0u32; 16];
        for port in 0..16_000 {
            let hash = flow([192, 0, 2, 1], [10, 77, 0, 1], 6, 1024 + port, 80).hash();
            buckets[(hash % 16) as usize] += 1;
        }
        // 1000 each; the chance of a deviation beyond 20 % is nil for a good hash.
        assert!(buckets.iter().all(|&count| (800..1200).contains(&count)), "{buckets:?}");
    }

    const VECTOR_0: u64 = 0xbb6a_8b44_2876_beb6;
    const VECTOR_1: u64 = 0x3b7f_447d_dc42_d59e;
    const VECTOR_2: u64 = 0x3b58_a1a7_6fe5_b568;
}
