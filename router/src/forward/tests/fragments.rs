//! Fragments: what is cut, how, and what must not be.

use super::*;
use crate::forward::DropReason;

/// Puts fragments together again, and checks that they are whole.
fn reassemble(frames: &[Vec<u8>]) -> (Ipv4Header, Vec<u8>) {
    let mut parts: Vec<_> = frames.iter().map(|frame| read(frame)).collect();
    parts.sort_by_key(|(header, _)| header.fragment_offset);
    let mut payload = Vec::new();
    let start = usize::from(parts[0].0.fragment_offset.value()) * 8;
    for (header, part) in &parts {
        assert_eq!(
            usize::from(header.fragment_offset.value()) * 8,
            start + payload.len(),
            "no hole, no overlap"
        );
        payload.extend(part);
    }
    (parts[0].0.clone(), payload)
}

fn long(destination: Ipv4Addr, length: usize) -> Packet {
    let payload = (0..length).map(|at| (at % 251) as u8).collect();
    Packet { payload, ..Packet::udp(Ipv4Addr::new(10, 77, 0, 2), destination) }
}

#[test]
fn fragments_make_the_original_again() {
    let mut lab = Lab::with_neighbors();
    for length in [1481, 1488, 2960, 2961, 4000, 8980] {
        let packet = long(REMOTE, length);
        let sent = lab.put_and_run(LSM, &packet.frame_to(LSM));
        assert!(sent.iter().all(|(position, frame)| *position == ETH1 && frame.len() <= 1514));
        assert_eq!(sent.len(), length.div_ceil(1480));
        let frames: Vec<_> = sent.into_iter().map(|(_, frame)| frame).collect();
        for (at, frame) in frames.iter().enumerate() {
            let (header, _) = read(frame);
            assert_eq!(header.more_fragments, at + 1 < frames.len());
            assert_eq!((header.identification, header.time_to_live), (0x1234, 63));
            assert_eq!(frame[..6], GATEWAY_MAC);
        }
        assert_eq!(reassemble(&frames).1, packet.payload);
    }
    assert_eq!(lab.counts().fragmented, 6);
    assert_eq!(lab.counts().forwarded, 6);
}

#[test]
fn a_fragment_is_cut_further() {
    let mut lab = Lab::with_neighbors();
    for more_fragments in [true, false] {
        let packet = Packet { offset: 100, more_fragments, ..long(REMOTE, 3200) };
        let sent = lab.put_and_run(LSM, &packet.frame_to(LSM));
        let frames: Vec<_> = sent.into_iter().map(|(_, frame)| frame).collect();
        assert_eq!(read(&frames[0]).0.fragment_offset.value(), 100);
        assert!(read(&frames[0]).0.more_fragments);
        assert_eq!(read(frames.last().unwrap()).0.more_fragments, more_fragments);
        assert_eq!(reassemble(&frames).1, packet.payload);
    }
}

#[test]
fn only_options_with_the_copied_bit_are_on_later_fragments() {
    let mut lab = Lab::with_neighbors();
    // Record route (not copied), router alert (copied), filler.
    let options = vec![7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 1];
    let packet = Packet { options: options.clone(), ..long(REMOTE, 4000) };
    let frames: Vec<_> =
        lab.put_and_run(LSM, &packet.frame_to(LSM)).into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(read(&frames[0]).0.options[..], options);
    for frame in &frames[1..] {
        assert_eq!(read(frame).0.options[..], [148, 4, 0, 0]);
    }
    assert_eq!(reassemble(&frames).1, packet.payload);
}

#[test]
fn what_must_not_be_cut_is_answered_with_the_mtu() {
    let mut lab = Lab::with_neighbors();
    let packet = Packet { dont_fragment: true, ..long(REMOTE, 1481) };
    let (back, error) = lab.only(LSM, &packet.frame_to(LSM));
    assert_eq!(back, LSM);
    let (header, message) = read(&error);
    assert_eq!(header.source, [10, 77, 0, 1]);
    assert_eq!(message[..2], [3, 4]);
    assert_eq!(message[6..8], 1500u16.to_be_bytes());
    assert_eq!(lab.dropped(DropReason::FragmentationNeeded), 1);
    assert_eq!(lab.counts().icmp_sent[2], 1);
    // One byte less fits.
    let fits = Packet { dont_fragment: true, ..long(REMOTE, 1480) };
    assert_eq!(lab.only(LSM, &fits.frame_to(LSM)).0, ETH1);
}

#[test]
fn fragments_of_a_flow_take_one_path() {
    let mut lab = Lab::with_neighbors();
    let first = Packet { more_fragments: true, ..Packet::udp(HOST, REMOTE_TWO_WAYS) };
    let (path, _) = lab.only(ETH0, &first.frame_to(ETH0));
    for identification in 0..20 {
        let later = Packet { offset: 3, identification, payload: vec![9; 40], ..first.clone() };
        assert_eq!(lab.only(ETH0, &later.frame_to(ETH0)).0, path);
    }
}
