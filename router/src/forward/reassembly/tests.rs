use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const COMMON: Ipv4Addr = Ipv4Addr::new(10, 78, 255, 1);

/// A fragment to be: `options` are octets of the header beyond the fixed 20.
#[derive(Clone, Debug)]
struct Piece {
    source: Ipv4Addr,
    identification: u16,
    protocol: u8,
    offset: u16,
    more: bool,
    options: usize,
    payload: Vec<u8>,
}

fn piece(identification: u16, offset: u16, more: bool, payload: &[u8]) -> Piece {
    Piece { source: HOST, identification, protocol: 17, offset, more, options: 0, payload: payload.to_vec() }
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        let length = IPV4_HEADER + self.options;
        let mut bytes = vec![0u8; length];
        bytes[0] = 0x40 | (length / 4) as u8;
        bytes[2..4].copy_from_slice(&((length + self.payload.len()) as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&self.identification.to_be_bytes());
        let flags = self.offset | if self.more { 0x2000 } else { 0 };
        bytes[6..8].copy_from_slice(&flags.to_be_bytes());
        bytes[8] = 64;
        bytes[9] = self.protocol;
        bytes[12..16].copy_from_slice(&self.source.octets());
        bytes[16..20].copy_from_slice(&COMMON.octets());
        // No operation.
        bytes[IPV4_HEADER..].fill(1);
        write_header_checksum(&mut bytes, length);
        bytes.extend(&self.payload);
        bytes
    }
}

/// A reassembler with what it lost.
struct Bench {
    reassembler: Reassembler<u32>,
    lost: HashMap<&'static str, u32>,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self { reassembler: Reassembler::new(0), lost: HashMap::new(), now: Duration::from_secs(1) }
    }

    fn put(&mut self, piece: &Piece) -> Option<Vec<u8>> {
        self.put_by(0, piece)
    }

    fn put_by(&mut self, feeder: u16, piece: &Piece) -> Option<Vec<u8>> {
        let bytes = piece.bytes();
        let header = Ipv4Header::parse(&bytes).unwrap();
        let lost = &mut self.lost;
        let count = |_, reason: DropReason, packets| *lost.entry(reason.label()).or_default() += packets;
        let whole = self.reassembler.insert(self.now, &header, &bytes, (feeder, 7), count)?;
        let datagram = whole.bytes().to_vec();
        assert_eq!(whole.context, 7);
        self.reassembler.give_back(whole);
        let header = Ipv4Header::parse(&datagram).unwrap();
        assert_eq!(header.total_length, datagram.len());
        assert!(!header.is_fragment());
        Some(datagram[header.header_length..].to_vec())
    }

    fn lost(&self, reason: DropReason) -> u32 {
        self.lost.get(reason.label()).copied().unwrap_or(0)
    }

    fn in_use(&self) -> usize {
        self.reassembler.places.iter().filter(|place| place.key.is_some()).count()
    }
}

/// Octets that tell their place.
fn octets(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn cut(identification: u16, payload: &[u8], length: usize) -> Vec<Piece> {
    let count = payload.len().div_ceil(length);
    let at = |(index, part): (usize, &[u8])| {
        piece(identification, (index * length / 8) as u16, index + 1 < count, part)
    };
    payload.chunks(length).enumerate().map(at).collect()
}

#[test]
fn the_longest_datagram_is_made_of_the_smallest_pieces() {
    let mut bench = Bench::new();
    let payload = octets(LONGEST_PAYLOAD);
    let pieces = cut(1, &payload, 8);
    for piece in &pieces[1..] {
        assert!(bench.put(piece).is_none());
    }
    assert!(bench.put(&pieces[0]).unwrap() == payload);
    assert!(bench.lost.is_empty() && bench.in_use() == 0);
    // The place is used again, and holds nothing of the one before.
    assert!(bench.put(&piece(1, 1, false, b"end")).is_none());
    assert_eq!(bench.put(&piece(1, 0, true, b"beginnin")).unwrap(), b"beginninend");
}

#[test]
fn the_header_is_that_of_the_first_fragment() {
    let mut bench = Bench::new();
    let first = Piece { options: 8, ..piece(1, 0, true, &[1; 8]) };
    let last = Piece { options: 4, ..piece(1, 1, false, &[2; 3]) };
    bench.put(&last);
    let bytes = first.bytes();
    let header = Ipv4Header::parse(&bytes).unwrap();
    let whole = bench.reassembler.insert(bench.now, &header, &bytes, (0, 3), |_, _, _| {}).unwrap();
    assert_eq!(Ipv4Header::parse(whole.bytes()).unwrap().header_length, 28);
    assert_eq!(whole.context, 3);
    bench.reassembler.give_back(whole);
    // With options it may be too long where each piece was not.
    let payload = octets(LONGEST_PAYLOAD);
    let mut pieces = cut(2, &payload, 32_760);
    pieces[0].options = 4;
    for piece in &pieces {
        assert!(bench.put(piece).is_none());
    }
    assert_eq!(bench.lost(DropReason::BadFragment), pieces.len() as u32);
    assert_eq!(bench.in_use(), 0);
}

#[test]
fn overlaps_spoil_the_datagram_and_all_that_comes_of_it() {
    let eight = |fill: u8, count: usize| vec![fill; 8 * count];
    let hostile = [
        // Other octets at the same place; a part of it; around it; behind the end; an end before what is there; another end.
        vec![piece(1, 0, true, &eight(1, 2)), piece(1, 0, true, &eight(2, 2))],
        vec![piece(1, 0, true, &eight(1, 2)), piece(1, 1, true, &eight(1, 2))],
        vec![piece(1, 1, true, &eight(1, 1)), piece(1, 0, true, &eight(1, 3))],
        vec![piece(1, 1, false, &eight(1, 1)), piece(1, 2, true, &eight(1, 1))],
        vec![piece(1, 3, true, &eight(1, 1)), piece(1, 1, false, &eight(1, 1))],
        vec![piece(1, 3, false, &eight(1, 1)), piece(1, 1, false, &eight(1, 1))],
        vec![piece(1, 1, false, b"four"), piece(1, 1, false, b"fours")],
    ];
    for pieces in hostile {
        let mut bench = Bench::new();
        for piece in &pieces {
            assert!(bench.put(piece).is_none());
        }
        assert_eq!(bench.lost(DropReason::FragmentOverlap), 2, "{pieces:?}");
        // What would complete it does not, for as long as the name may be in use.
        for piece in cut(1, &octets(32), 8) {
            assert!(bench.put(&piece).is_none(), "{pieces:?}");
        }
        assert_eq!(bench.lost(DropReason::FragmentOverlap), 6);
        bench.now += TIMEOUT;
        let expired = bench.reassembler.expire(bench.now).unwrap();
        assert_eq!((expired.fragments, expired.bytes().len()), (0, 0), "nothing is answered");
        bench.reassembler.give_back(expired);
        for piece in &cut(1, &octets(32), 8)[..3] {
            assert!(bench.put(piece).is_none());
        }
        assert_eq!(bench.put(&cut(1, &octets(32), 8)[3]), Some(octets(32)));
    }
}

#[test]
fn what_arrives_twice_harms_nothing() {
    let mut bench = Bench::new();
    let pieces = cut(1, &octets(27), 8);
    for piece in &pieces[..3] {
        assert!(bench.put(piece).is_none());
        assert!(bench.put(piece).is_none());
    }
    assert_eq!(bench.put(&pieces[3]), Some(octets(27)));
    assert_eq!(bench.lost, HashMap::from([("duplicate-fragment", 3)]));
}

#[test]
fn fragments_that_cannot_be_are_refused_before_they_take_a_place() {
    let mut bench = Bench::new();
    let tcp = Piece { protocol: protocol::TCP, ..piece(1, 1, true, &[0; 8]) };
    for refused in [
        piece(1, 0, true, b""),
        piece(1, 0, true, b"seven__"),
        piece(1, 8191, true, &[0; 8]),
        piece(1, 8191, false, b"beyond"),
        tcp,
    ] {
        assert!(bench.put(&refused).is_none());
        assert_eq!(bench.in_use(), 0, "{refused:?}");
    }
    assert_eq!(bench.lost, HashMap::from([("bad-fragment", 5)]));
}

#[test]
fn a_source_replaces_its_own_and_a_flood_its_feeders() {
    let mut bench = Bench::new();
    let from = |source: u32, identification| Piece {
        source: Ipv4Addr::from_bits(0xc633_6400 + source),
        ..piece(identification, 0, true, &[0; 8])
    };
    let end = |of: &Piece| Piece { offset: 1, more: false, ..of.clone() };
    // An honest feeder, with a source that has all that it may have.
    let honest: Vec<Piece> = (0..PER_SOURCE as u16).map(|id| from(1, id)).collect();
    for piece in &honest {
        bench.put_by(2, piece);
        bench.now += Duration::from_millis(1);
    }
    bench.put_by(2, &from(1, 500));
    assert_eq!(bench.lost(DropReason::ReassemblyLimit), 1);
    // A hostile one invents sources, and only replaces its own.
    for source in 0..5_000 {
        bench.put_by(3, &from(1000 + source, 1));
    }
    assert_eq!(bench.in_use(), DATAGRAMS);
    assert_eq!(bench.lost(DropReason::ReassemblyLimit) as usize, 1 + 5_000 - (DATAGRAMS - PER_SOURCE));
    for piece in &honest[1..] {
        assert!(bench.put_by(2, &end(piece)).is_some());
    }
    assert!(bench.put_by(2, &end(&honest[0])).is_none(), "its oldest was replaced");
}

#[test]
fn what_never_ends_is_given_up_with_its_first_fragment() {
    let mut bench = Bench::new();
    assert_eq!(bench.reassembler.deadline(), None);
    bench.put(&piece(1, 0, true, &[5; 16]));
    bench.put(&piece(1, 4, true, &[6; 8]));
    bench.now += Duration::from_secs(1);
    bench.put(&piece(2, 2, true, &[7; 8]));
    assert_eq!(bench.reassembler.deadline(), Some(Duration::from_secs(1) + TIMEOUT));
    assert!(bench.reassembler.expire(bench.now).is_none());
    bench.now += TIMEOUT;
    let first = bench.reassembler.expire(bench.now).unwrap();
    assert_eq!((first.fragments, first.bytes()), (2, &piece(1, 0, true, &[5; 16]).bytes()[..]));
    bench.reassembler.give_back(first);
    let second = bench.reassembler.expire(bench.now).unwrap();
    assert_eq!((second.fragments, second.bytes().len()), (1, 0));
    bench.reassembler.give_back(second);
    assert!(bench.reassembler.expire(bench.now).is_none());
    assert_eq!((bench.reassembler.deadline(), bench.in_use()), (None, 0));
}

proptest! {
    #[test]
    fn any_cut_in_any_order_makes_the_datagram(
        length in 9usize..20_000,
        cuts in proptest::collection::btree_set(1usize..2_500, 1..40),
        seed: u64,
    ) {
        let payload = octets(length);
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut * 8).filter(|end| *end < length).collect();
        ends.push(length);
        let mut start = 0;
        let mut pieces = Vec::new();
        for end in ends {
            pieces.push(piece(9, (start / 8) as u16, end < length, &payload[start..end]));
            start = end;
        }
        if pieces.len() > 1 {
            pieces.sort_by_key(|piece| crate::forward::hash::mix(seed ^ u64::from(piece.offset)));
            let mut bench = Bench::new();
            let (last, before) = pieces.split_last().unwrap();
            for piece in before {
                prop_assert!(bench.put(piece).is_none());
            }
            prop_assert_eq!(bench.put(last), Some(payload));
        }
    }

    /// Whatever comes, a datagram is only ever made of octets that were sent for it, and every fragment is accounted for.
    #[test]
    fn hostile_fragments_are_survived_and_counted(
        fragments in proptest::collection::vec((0u16..4, 0u16..12, any::<bool>(), 0usize..5, 0u8..2), 1..200),
    ) {
        let mut bench = Bench::new();
        let (mut sent, mut delivered) = (0u32, 0u32);
        for (identification, offset, more, blocks, fill) in fragments {
            let length = if more { blocks * 8 } else { blocks * 5 };
            sent += 1;
            bench.now += Duration::from_millis(100);
            let held = |bench: &Bench| -> u32 {
                bench.reassembler.places.iter().zip(&bench.reassembler.datagrams)
                    .filter(|(place, _)| place.key.is_some()).map(|(_, datagram)| datagram.fragments).sum()
            };
            let before = held(&bench);
            if let Some(payload) = bench.put(&piece(identification, offset, more, &vec![fill; length])) {
                prop_assert!(payload.iter().all(|octet| *octet < 2));
                delivered += before + 1 - held(&bench);
            }
            let lost: u32 = bench.lost.values().sum();
            prop_assert_eq!(lost + delivered + held(&bench), sent);
        }
    }
}
