use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{LINE, Mapping, SpanError, lines};

#[test]
fn a_peer_sees_what_the_owner_stores() {
    let (owner, peer) = Mapping::anonymous(4096).unwrap();
    let own = owner.own().unwrap().sub(LINE, LINE).unwrap();
    let theirs = peer.peer().sub(LINE, LINE).unwrap();
    own.store_u64(8, 0x0102_0304_0506_0708, Release);
    own.store_u32(16, 0xa1b2_c3d4, Release);
    own.copy_in(20, b"frame");
    assert_eq!(theirs.load_u64(8, Acquire), 0x0102_0304_0506_0708);
    assert_eq!(theirs.load_u32(16, Acquire), 0xa1b2_c3d4);
    let mut bytes = [0; 5];
    theirs.copy_out(20, &mut bytes);
    assert_eq!(&bytes, b"frame");
    assert_eq!(own.as_peer().load_u64(8, Relaxed), 0x0102_0304_0506_0708);
    own.zero(0, LINE);
    assert_eq!(theirs.load_u64(8, Acquire), 0);
}

#[test]
fn words_are_little_endian() {
    let (owner, peer) = Mapping::anonymous(LINE).unwrap();
    owner.own().unwrap().store_u64(0, 0x0102_0304_0506_0708, Relaxed);
    let mut bytes = [0; 8];
    peer.peer().copy_out(0, &mut bytes);
    assert_eq!(bytes, [8, 7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn spans_are_cut_within_bounds_only() {
    let (owner, _) = Mapping::anonymous(4096).unwrap();
    let span = owner.own().unwrap();
    assert!(span.sub(4096, 0).is_ok());
    assert_eq!(span.sub(4000, 97).err(), Some(SpanError::OutOfBounds { offset: 4000, len: 97, limit: 4096 }));
    assert!(span.sub(usize::MAX, 2).is_err());
    assert!(span.sub(2, usize::MAX).is_err());
    assert!(span.sub(4097, 0).is_err());
    let part = span.sub(128, 256).unwrap();
    assert!(part.sub(200, 57).is_err());
    assert_eq!(part.sub_aligned(4, 8, 128).err(), Some(SpanError::Misaligned { offset: 4, align: 128 }));
    assert!(part.sub_aligned(128, 8, 128).is_ok());
}

#[test]
fn a_read_only_mapping_gives_no_memory_to_write() {
    let (owner, peer) = Mapping::anonymous(4096).unwrap();
    assert!(owner.is_writable() && !peer.is_writable());
    assert_eq!(peer.own().err(), Some(SpanError::ReadOnly));
    assert_eq!(Mapping::anonymous(0).err().map(|error| error.kind()), Some(std::io::ErrorKind::InvalidInput));
}

#[test]
fn quarantine_is_seen_through_every_span() {
    let (_, peer) = Mapping::anonymous(4096).unwrap();
    let span = peer.peer();
    assert!(!span.mapping().is_quarantined());
    peer.quarantine();
    assert!(span.mapping().is_quarantined());
    assert_eq!(span.mapping().len(), 4096);
}

#[test]
#[should_panic(expected = "outside of a span")]
fn an_access_past_the_end_is_refused() {
    let (owner, _) = Mapping::anonymous(LINE).unwrap();
    let _ = owner.own().unwrap().load_u64(LINE - 7, Relaxed);
}

#[test]
fn whole_lines_are_rounded_up() {
    assert_eq!(lines(0), Some(0));
    assert_eq!(lines(1), Some(LINE));
    assert_eq!(lines(LINE), Some(LINE));
    assert_eq!(lines(usize::MAX), None);
}

#[test]
fn a_line_carries_any_number_of_bytes_from_any_place_and_nothing_beside_them() {
    let (owner, peer) = Mapping::anonymous(4 * LINE).unwrap();
    let (own, theirs) = (owner.own().unwrap(), peer.peer());
    let bytes: Vec<u8> = (1..=LINE as u8).collect();
    for at in [0, 1, 7, 24, LINE - 1, LINE] {
        for len in 0..=LINE - at {
            own.zero(0, own.len());
            own.line(LINE).copy_in(at, &bytes[..len]);
            let mut all = vec![0xff; 4 * LINE];
            theirs.copy_out(0, &mut all);
            assert_eq!(all[LINE + at..][..len], bytes[..len], "{len} bytes at {at}");
            assert_eq!(all.iter().filter(|byte| **byte != 0).count(), len, "{len} bytes at {at}");
            let mut out = vec![0xee; len + 2];
            theirs.line(LINE).copy_out(at, &mut out[1..=len]);
            assert_eq!(out[1..=len], bytes[..len], "{len} bytes from {at}");
            assert_eq!((out[0], out[len + 1]), (0xee, 0xee), "{len} bytes from {at}");
        }
    }
    own.line(2 * LINE).store_word(0x0102_0304_0506_0708, Release);
    assert_eq!(theirs.line(2 * LINE).load_word(Acquire), 0x0102_0304_0506_0708);
    assert_eq!(theirs.load_u64(2 * LINE, Relaxed), 0x0102_0304_0506_0708);
}

#[test]
#[should_panic(expected = "outside of a line")]
fn more_than_a_line_holds_is_refused() {
    let (owner, _) = Mapping::anonymous(2 * LINE).unwrap();
    owner.own().unwrap().line(0).copy_in(25, &[0; 104]);
}

#[test]
#[should_panic(expected = "outside of a span")]
fn a_line_that_is_not_whole_is_refused() {
    let (owner, _) = Mapping::anonymous(4096).unwrap();
    let span = owner.own().unwrap().sub(0, 2 * LINE - 8).unwrap();
    let _ = span.as_peer().line(LINE);
}
