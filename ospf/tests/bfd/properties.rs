//! What holds for every sequence of packets, whoever sends them.

use std::time::Duration;

use isthmus_ospf::bfd::packet::ControlPacket;
use isthmus_ospf::bfd::{Output, Sessions};
use isthmus_ospf::types::Instant;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::pair::{ADDRESSES, LINK, parameters, wanted};

proptest! {
    #[test]
    fn any_bytes_are_read_or_discarded(bytes in vec(any::<u8>(), 0..64)) {
        if let Ok(packet) = ControlPacket::decode(&bytes) {
            prop_assert_eq!(ControlPacket::decode(&packet.encode()).unwrap().my_discriminator, packet.my_discriminator);
        }
    }

    /// A hostile peer that knows our discriminator, with any contents and at any times: timers always lead forward, and
    /// what we say is bounded by what it says and by the time that passes.
    #[test]
    fn a_hostile_peer_is_survived(
        packets in vec((vec(any::<u8>(), 24), any::<bool>(), 0u64..2_000_000), 0..100),
        min_tx in 0u64..50,
    ) {
        let mut sessions = Sessions::new(3);
        sessions.configure(Instant(0), &wanted(0, parameters(min_tx, 10, 3)));
        let ours = sessions.views(Instant(0), |_| String::new())[0].local_discriminator;
        let (mut now, mut sent, mut steps) = (Instant(0), 0u64, 0u64);
        for (mut bytes, valid, wait) in packets.clone() {
            if valid {
                bytes[0] = 0x20 | bytes[0] & 0x1f;
                bytes[1] &= 0xfa;
                bytes[3] = 24;
                bytes[8..12].copy_from_slice(&ours.to_be_bytes());
            }
            let until = now + Duration::from_micros(wait);
            while let Some(at) = sessions.poll_timeout().filter(|at| *at <= until) {
                prop_assert!(at >= now, "timers do not lead back");
                now = at;
                sessions.handle_timeout(now);
                prop_assert!(sessions.poll_timeout().is_none_or(|next| next > now), "everything due was done");
                steps += 1;
                // With an interval of zero configured the wire's least, a microsecond, is what was asked for.
                if steps > 20_000 { return Ok(()); }
            }
            now = until;
            let _ = sessions.handle_packet(now, LINK, ADDRESSES[1], 255, &bytes);
            while let Some(output) = sessions.poll_output() {
                sent += u64::from(matches!(output, Output::Transmit(_)));
            }
        }
        let least = 750 * min_tx.max(1);
        if min_tx > 0 {
            prop_assert!(sent <= 3 * packets.len() as u64 + now.0 / least + 2, "{} in {} us", sent, now.0);
        }
    }
}
