//! Frames are built and judged by etherparse, which shares no code with the router.

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;

const SOURCE: [u8; 4] = [10, 1, 2, 3];
const DESTINATION: [u8; 4] = [192, 168, 7, 8];

fn header(flags: u8, kind: u8, segment: u16, start: u16, offset: u16) -> Offload {
    Offload { flags, kind, segment, checksum_start: start, checksum_offset: offset }
}

fn tcp_frame(payload: &[u8], sequence: u32) -> Vec<u8> {
    let options = [etherparse::TcpOptionElement::Timestamp(77, 88)];
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(SOURCE, DESTINATION, 61)
        .tcp(4444, 80, sequence, 512)
        .ack(99)
        .psh()
        .fin()
        .cwr()
        .options(&options)
        .unwrap();
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&0xfffe_u16.to_be_bytes());
    frame
}

fn udp_frame(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(SOURCE, DESTINATION, 61)
        .udp(5555, 53);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn pieces(mut frame: Vec<u8>, offload: &Offload) -> Vec<Vec<u8>> {
    let mut super_frame = SuperFrame::parse(&mut frame, offload, 9088).unwrap();
    let mut out = vec![0; 9088];
    std::iter::from_fn(|| super_frame.next_piece(&frame, &mut out).map(|len| out[..len].to_vec())).collect()
}

/// Header checksum, lengths and, where there is one, transport checksum, recomputed by etherparse.
fn assert_valid(frame: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else { panic!("not IPv4") };
    let ip_header = ip.header().to_header();
    assert_eq!(ip_header.header_checksum, ip_header.calc_header_checksum());
    assert_eq!(usize::from(ip_header.total_len), frame.len() - ETHERNET);
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(SOURCE, DESTINATION).unwrap());
        }
        Some(TransportSlice::Udp(udp)) => {
            let header = udp.to_header();
            assert_eq!(
                header.checksum,
                header.calc_checksum_ipv4_raw(SOURCE, DESTINATION, udp.payload()).unwrap()
            );
        }
        _ => assert!(ip.payload().fragmented),
    }
}

fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 256) as u8).collect()
}

#[test]
fn a_header_is_split_off_in_host_order() {
    let mut message = vec![NEEDS_CSUM, GSO_TCPV4 | GSO_ECN];
    for field in [54_u16, 1448, 34, 16] {
        message.extend(field.to_ne_bytes());
    }
    message.extend([1, 2, 3]);
    let (offload, frame) = Offload::split(&message).unwrap();
    assert_eq!(offload, header(NEEDS_CSUM, GSO_TCPV4 | GSO_ECN, 1448, 34, 16));
    assert!(offload.is_super_frame() && offload.needs_checksum());
    assert_eq!(frame, [1, 2, 3]);
    assert_eq!(Offload::split(&message[..9]), None);
}

#[test]
fn a_tcp_super_frame_becomes_valid_segments() {
    let payload = counting(64_000);
    let cut = pieces(tcp_frame(&payload, u32::MAX - 2000), &header(NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16));
    assert_eq!(cut.len(), 64_000_usize.div_ceil(1448));
    let mut joined = Vec::new();
    for (index, piece) in cut.iter().enumerate() {
        assert_valid(piece);
        let packet = SlicedPacket::from_ethernet(piece).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("not TCP") };
        let (first, last) = (index == 0, index == cut.len() - 1);
        assert_eq!(tcp.sequence_number(), (u32::MAX - 2000).wrapping_add((index * 1448) as u32));
        assert_eq!((tcp.fin(), tcp.psh(), tcp.cwr(), tcp.ack()), (last, last, first, true));
        assert_eq!(
            tcp.options(),
            SlicedPacket::from_ethernet(&cut[0]).unwrap().transport.map(options).unwrap()
        );
        let id = u16::from_be_bytes([piece[ETHERNET + 4], piece[ETHERNET + 5]]);
        assert_eq!(id, 0xfffe_u16.wrapping_add(index as u16));
        joined.extend_from_slice(tcp.payload());
    }
    assert_eq!(joined, payload);
}

fn options(transport: TransportSlice<'_>) -> Vec<u8> {
    let TransportSlice::Tcp(tcp) = transport else { panic!("not TCP") };
    tcp.options().to_vec()
}

#[test]
fn a_udp_super_frame_becomes_valid_datagrams() {
    let payload = counting(5000);
    let cut = pieces(udp_frame(&payload), &header(NEEDS_CSUM, GSO_UDP_L4, 1200, 34, 6));
    assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [1242, 1242, 1242, 1242, 242]);
    for (index, piece) in cut.iter().enumerate() {
        assert_valid(piece);
        assert_eq!(piece[42..], payload[index * 1200..(index * 1200 + 1200).min(5000)]);
    }
}

#[test]
fn a_large_datagram_becomes_fragments_that_join_to_a_valid_one() {
    let payload = counting(5000);
    let whole = udp_frame(&payload);
    let mut begun = whole.clone();
    begin_checksum(&mut begun, 6);
    let cut = pieces(begun, &header(NEEDS_CSUM, GSO_UDP, 1480, 34, 6));
    let mut joined = Vec::new();
    for (index, piece) in cut.iter().enumerate() {
        assert_valid(piece);
        let flags = u16::from_be_bytes([piece[ETHERNET + 6], piece[ETHERNET + 7]]);
        assert_eq!(usize::from(flags & 0x1fff) * 8, joined.len());
        assert_eq!(flags & MORE_FRAGMENTS != 0, index + 1 < cut.len());
        joined.extend_from_slice(&piece[34..]);
    }
    assert_eq!(joined, whole[34..]);
}

/// What a sender that leaves the checksum to the hardware puts into the field.
fn begin_checksum(frame: &mut [u8], field: usize) {
    let datagram = Datagram::parse(frame).unwrap();
    let len = datagram.end - datagram.transport;
    let addresses = frame[ETHERNET + 12..ETHERNET + 20].to_vec();
    let begun = !finish(pseudo_header(&addresses, datagram.protocol, len));
    let at = datagram.transport + field;
    frame[at..at + 2].copy_from_slice(&begun.to_be_bytes());
}

#[test]
fn descriptions_that_do_not_fit_the_frame_are_refused() {
    let mut frame = tcp_frame(&counting(3000), 1);
    let untouched = frame.clone();
    let end = frame.len() as u16;
    for (start, offset) in [(end - 1, 0), (0, 0), (13, 4), (u16::MAX, u16::MAX), (34, end - 35)] {
        assert!(!header(NEEDS_CSUM, GSO_NONE, 0, start, offset).complete_checksum(&mut frame));
    }
    for offload in [
        header(NEEDS_CSUM, GSO_TCPV4, 0, 34, 16),
        header(NEEDS_CSUM, GSO_TCPV4, 9087, 34, 16),
        header(NEEDS_CSUM, GSO_UDP_L4, 1000, 34, 6),
        header(NEEDS_CSUM, 4, 1000, 34, 16),
        header(NEEDS_CSUM, 0x7f, 1000, 34, 16),
    ] {
        assert!(SuperFrame::parse(&mut frame, &offload, 9088).is_none(), "{offload:?}");
    }
    assert_eq!(frame, untouched);
    let mut fragmented = frame.clone();
    fragmented[ETHERNET + 6] = 0x20;
    assert!(SuperFrame::parse(&mut fragmented, &header(NEEDS_CSUM, GSO_TCPV4, 1000, 34, 16), 9088).is_none());
    let mut short_header = frame;
    short_header[34 + 12] = 0x40;
    assert!(
        SuperFrame::parse(&mut short_header, &header(NEEDS_CSUM, GSO_TCPV4, 1000, 34, 16), 9088).is_none()
    );
}

proptest! {
    #[test]
    fn completed_checksums_are_what_the_sender_would_have_computed(
        payload in proptest::collection::vec(any::<u8>(), 0..1400),
        padding in 0_usize..8,
        tcp in any::<bool>(),
    ) {
        let (mut whole, field) = if tcp { (tcp_frame(&payload, 5), 16) } else { (udp_frame(&payload), 6) };
        let mut begun = whole.clone();
        begin_checksum(&mut begun, field);
        // Not all of a short frame's padding is zero in the wild.
        whole.resize(whole.len() + padding, 0xa5);
        begun.resize(begun.len() + padding, 0xa5);
        prop_assert!(header(NEEDS_CSUM, GSO_NONE, 0, 34, field as u16).complete_checksum(&mut begun));
        prop_assert_eq!(begun, whole);
    }

    #[test]
    fn no_description_and_no_frame_makes_it_panic(
        mut frame in proptest::collection::vec(any::<u8>(), 0..200),
        sane in any::<bool>(),
        flags in any::<u8>(), kind in 0_u8..6, segment in any::<u16>(), start in 0_u16..300, offset in 0_u16..300,
    ) {
        if sane && frame.len() > 34 {
            let total = (frame.len() - ETHERNET) as u16;
            frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
            frame[16..18].copy_from_slice(&total.to_be_bytes());
            frame[20..22].fill(0);
            frame[23] = if kind == GSO_TCPV4 { PROTOCOL_TCP } else { PROTOCOL_UDP };
        }
        let offload = header(flags, kind, segment, start, offset);
        offload.complete_checksum(&mut frame);
        let mut out = [0; 9088];
        let mut taken = 0;
        if let Some(mut super_frame) = SuperFrame::parse(&mut frame, &offload, 9088) {
            while let Some(len) = super_frame.next_piece(&frame, &mut out) {
                taken += 1;
                prop_assert!(len <= 9088);
            }
            prop_assert!(taken > 0);
        }
        prop_assert!(taken <= 200);
    }
}

#[test]
fn a_checksum_of_zero_is_written_as_the_protocol_wants() {
    // The last two payload bytes are chosen so that the sum over the rest is cancelled.
    for (field, written) in [(16, 0), (6, 0xffff)] {
        let build = |payload: &[u8]| if field == 16 { tcp_frame(payload, 5) } else { udp_frame(payload) };
        let plain = build(&[0; 20]);
        let sum = [plain[34 + field], plain[34 + field + 1]];
        let mut payload = [0; 20];
        payload[18..].copy_from_slice(&sum);
        let mut frame = build(&payload);
        begin_checksum(&mut frame, field);
        assert!(header(NEEDS_CSUM, GSO_NONE, 0, 34, field as u16).complete_checksum(&mut frame));
        assert_eq!(u16::from_be_bytes([frame[34 + field], frame[34 + field + 1]]), written);
        assert_eq!(frame, build(&payload));
    }
}
