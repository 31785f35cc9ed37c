//! Keys of an interface with algorithms and lifetimes (RFC 5709): which one signs, whom to believe, and what is told when
//! the last one expires.

use std::time::Duration;

use isthmus_ospf::config::{AreaConfig, Authentication, Key, Lifetime};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::NeighborState;
use isthmus_ospf::wire::{ALL_SPF_ROUTERS, Algorithm, Frame, Header, Packet, PacketBody, Seal};
use isthmus_ospf::{Notification, Output};

use crate::bench::{Bench, OWN, PEER, PEER_ADDRESS, hello, link_config};

/// When the tests begin, in seconds since 1970.
const BEGIN: u32 = 1_800_000_000;

fn key(id: u8, algorithm: Algorithm, from: u32, until: Option<u32>) -> Key {
    let lifetime = Lifetime { start: BEGIN + from, end: until.map(|until| BEGIN + until) };
    Key { send: lifetime, accept: lifetime, ..Key::always(id, algorithm, &secret(id)) }
}

fn secret(id: u8) -> Vec<u8> {
    format!("secret-{id}").into_bytes()
}

fn bench(keys: &[Key]) -> Bench {
    let mut config = link_config();
    config.authentication = Authentication::Cryptographic(keys.to_vec());
    let mut bench = Bench::with(config, AreaConfig::default());
    bench.engine.set_wall_clock(bench.now, BEGIN);
    bench.collect();
    bench.sent.clear();
    bench.said.clear();
    bench
}

impl Bench {
    fn receive_keyed(&mut self, key_id: u8, algorithm: Algorithm, key: &[u8], sequence: u32) {
        let body = PacketBody::Hello(hello(vec![OWN]));
        let packet = Packet { header: Header { router_id: PEER, area_id: AreaId::BACKBONE }, body };
        let seal = Seal::Cryptographic { key_id, algorithm, key, sequence };
        self.receive_bytes(PEER_ADDRESS, ALL_SPF_ROUTERS, &packet.encode_sealed(&seal));
    }

    /// The peer signs with a key until a moment, hello by hello.
    fn heard_until(&mut self, id: u8, algorithm: Algorithm, seconds: u32) {
        let end = isthmus_ospf::types::Instant(1_000_000_000) + Duration::from_secs(seconds.into());
        while self.now < end {
            self.advance(end.since(self.now).min(Duration::from_secs(5)));
            let second = BEGIN + (self.now.0 / 1_000_000 - 1000) as u32;
            self.receive_keyed(id, algorithm, &secret(id), second);
        }
    }

    /// The keys that have signed what was sent since the last look; every signature is right.
    fn signed_by(&mut self, keys: &[Key]) -> Vec<u8> {
        let mut signed: Vec<u8> = Vec::new();
        for (_, transmit, _) in std::mem::take(&mut self.sent) {
            let frame = Frame::decode(&transmit.payload).expect("a packet");
            let id = frame.cryptographic().key_id;
            let key = keys.iter().find(|key| key.id == id).expect("one of the keys");
            assert!(frame.has_digest(key.algorithm, &key.secret));
            signed.push(id);
        }
        signed.dedup();
        signed
    }

    fn expired_keys_told(&mut self) -> Vec<u32> {
        let said = std::mem::take(&mut self.said).into_iter();
        said.filter_map(|output| match output {
            Output::Notification(Notification::KeyExpired { key_id, .. }) => Some(key_id),
            _ => None,
        })
        .collect()
    }
}

#[test]
fn every_algorithm_signs_and_is_believed_and_none_passes_for_another() {
    for algorithm in Algorithm::ALL {
        let keys = [Key::always(1, algorithm, b"secret-1")];
        let mut bench = bench(&keys);
        bench.advance(Duration::from_secs(10));
        assert_eq!(bench.signed_by(&keys), [1]);
        let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        others.iter().for_each(|other| bench.receive_keyed(1, *other, b"secret-1", BEGIN));
        bench.receive_keyed(1, algorithm, b"secret-2", BEGIN);
        assert_eq!((bench.refused("authentication_failure"), bench.state()), (5, NeighborState::Down));
        bench.receive_keyed(1, algorithm, b"secret-1", BEGIN);
        assert_eq!(bench.state(), NeighborState::ExStart);
        let view = bench.interface().authentication;
        assert_eq!((view.auth_type.as_str(), view.keys.len()), ("cryptographic", 1));
        assert_eq!(view.keys[0].crypto_algorithm, algorithm.name());
    }
}

#[test]
fn lifetimes_roll_from_one_key_and_algorithm_to_the_next() {
    let keys = [key(1, Algorithm::Md5, 0, Some(100)), key(2, Algorithm::HmacSha512, 60, None)];
    let mut bench = bench(&keys);
    bench.heard_until(1, Algorithm::Md5, 59);
    assert_eq!(bench.signed_by(&keys), [1]);
    bench.receive_keyed(2, Algorithm::HmacSha512, &secret(2), BEGIN + 59);
    assert_eq!(bench.refused("authentication_key_lifetime"), 1, "its lifetime has not begun");
    // Both are believed while their lifetimes overlap, the newer one signs.
    bench.heard_until(1, Algorithm::Md5, 99);
    assert_eq!(bench.signed_by(&keys), [2]);
    bench.heard_until(2, Algorithm::HmacSha512, 130);
    assert_eq!(bench.signed_by(&keys), [2]);
    bench.receive_keyed(1, Algorithm::Md5, &secret(1), BEGIN + 130);
    assert_eq!(bench.refused("authentication_key_lifetime"), 2, "its lifetime is over");
    assert_eq!(bench.state(), NeighborState::ExStart, "the neighbor was never lost");
    assert_eq!(bench.engine.view_neighbors(bench.now)[0].statistics.nbr_event_count, 2);
    assert_eq!(bench.expired_keys_told(), [] as [u32; 0]);
    let mismatch = &bench.interface().mismatches[0];
    let told = (mismatch.error.as_str(), mismatch.own.as_str(), mismatch.theirs.as_str());
    assert_eq!(told, ("auth-failure", "key id 2", "key id 1, which is not valid now"));
}

#[test]
fn the_last_key_goes_on_after_its_end_and_that_is_told_once() {
    let keys = [key(1, Algorithm::HmacSha1, 0, Some(20)), key(2, Algorithm::HmacSha256, 0, Some(30))];
    let mut bench = bench(&keys);
    bench.heard_until(2, Algorithm::HmacSha256, 90);
    assert_eq!((bench.expired_keys_told(), bench.state()), (vec![2], NeighborState::ExStart));
    assert_eq!(bench.signed_by(&keys), [1, 2]);
    let view = bench.interface().authentication.keys;
    let flags = view.iter().map(|key| (key.key_id, key.sending, key.accepted, key.expired));
    assert_eq!(flags.collect::<Vec<_>>(), [(1, false, false, true), (2, true, true, true)]);
    // Its lifetime is extended; then that is over as well.
    let longer = [keys[0].clone(), key(2, Algorithm::HmacSha256, 0, Some(100))];
    bench.reconfigure(|link| link.authentication = Authentication::Cryptographic(longer.to_vec()));
    assert!(!bench.interface().authentication.keys[1].expired);
    bench.heard_until(2, Algorithm::HmacSha256, 120);
    assert_eq!((bench.expired_keys_told(), bench.state()), (vec![2], NeighborState::ExStart));
    // Another key replaces it.
    let next = [longer[1].clone(), key(3, Algorithm::HmacSha384, 0, None)];
    bench.reconfigure(|link| link.authentication = Authentication::Cryptographic(next.to_vec()));
    bench.sent.clear();
    bench.heard_until(3, Algorithm::HmacSha384, 140);
    assert_eq!((bench.signed_by(&next), bench.expired_keys_told()), (vec![3], vec![]));
    bench.receive_keyed(2, Algorithm::HmacSha256, &secret(2), BEGIN + 140);
    assert_eq!(bench.refused("authentication_key_lifetime"), 1);
}

#[test]
fn a_clock_that_is_set_moves_the_lifetimes_with_it() {
    let keys = [key(1, Algorithm::HmacSha256, 0, Some(1000)), key(2, Algorithm::HmacSha256, 900, None)];
    let mut bench = bench(&keys);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.signed_by(&keys), [1]);
    bench.engine.set_wall_clock(bench.now, BEGIN + 2000);
    bench.advance(Duration::from_secs(10));
    assert_eq!(bench.signed_by(&keys), [2]);
    // Back again: the first key signs, with numbers that do not go back.
    bench.engine.set_wall_clock(bench.now, BEGIN);
    bench.advance(Duration::from_secs(10));
    let sequences: Vec<_> = bench
        .sent
        .iter()
        .map(|(_, sent, _)| Frame::decode(&sent.payload).expect("a packet").cryptographic().sequence)
        .collect();
    assert_eq!((sequences, bench.signed_by(&keys)), (vec![BEGIN + 2010], vec![1]));
}

#[test]
fn no_secret_is_in_what_can_be_shown() {
    let keys = [key(1, Algorithm::HmacSha256, 0, Some(10)), key(2, Algorithm::HmacSha512, 5, None)];
    let mut bench = bench(&keys);
    bench.receive_keyed(1, Algorithm::HmacSha256, b"hunter22", BEGIN);
    bench.receive_keyed(2, Algorithm::HmacSha512, &secret(2), BEGIN);
    let everything = format!("{:?} {:?} {:?}", bench.said, bench.interface(), bench.config);
    assert!(!everything.contains("secret-") && !everything.contains("hunter22"), "{everything}");
    assert!(!everything.contains("115, 101, 99, 114, 101, 116"), "{everything}");
}
