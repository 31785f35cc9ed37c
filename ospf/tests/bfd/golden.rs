//! Packets of other programs, byte for byte.

use isthmus_ospf::bfd::packet::ControlPacket;
use isthmus_ospf::bfd::view::{Diagnostic, SessionState};

#[test]
fn the_packet_of_section_4_1_byte_for_byte() {
    // Laid out by hand from the figure of RFC 5880 section 4.1.
    let bytes = [
        0x23, // version 1, diagnostic 3
        0xe8, // state Up, Poll, control plane independent
        5,    // detection multiplier
        24,   // length
        0x01, 0x02, 0x03, 0x04, // my discriminator
        0x0a, 0x0b, 0x0c, 0x0d, // your discriminator
        0x00, 0x00, 0x27, 0x10, // desired min tx interval: 10 ms
        0x00, 0x04, 0x93, 0xe0, // required min rx interval: 300 ms
        0x00, 0x00, 0xc3, 0x50, // required min echo rx interval: 50 ms
    ];
    let packet = ControlPacket {
        diagnostic: Diagnostic::NeighborDown,
        state: SessionState::Up,
        poll: true,
        final_: false,
        control_plane_independent: true,
        demand: false,
        detect_multiplier: 5,
        my_discriminator: 0x0102_0304,
        your_discriminator: 0x0a0b_0c0d,
        desired_min_tx: 10_000,
        required_min_rx: 300_000,
        required_min_echo_rx: 50_000,
    };
    assert_eq!(ControlPacket::decode(&bytes), Ok(packet));
    assert_eq!(packet.encode(), bytes);
}
