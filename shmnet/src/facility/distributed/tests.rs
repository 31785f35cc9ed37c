//! Hosts on this host: each has an address of its own in 127.0.0.0/8.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::config::{CoherenceMode, Timing};
use crate::layout::{PAGE, State, StateWord, at};
use crate::memory::{OwnSpan, PeerSpan, Reflector};

fn node(id: u16) -> NodeId {
    NodeId::new(id).unwrap()
}

/// The hosts of one test, which other tests do not use.
struct Hosts(u8);

impl Hosts {
    fn new() -> Self {
        static USED: AtomicU8 = AtomicU8::new(1);
        Self(USED.fetch_add(1, Ordering::Relaxed))
    }

    fn address(&self, id: u16) -> SocketAddr {
        let port = 20_000 + (std::process::id() % 20_000) as u16;
        (Ipv4Addr::new(127, 77, self.0, id as u8), port).into()
    }

    fn config(&self, me: u16) -> ReflectedMemory {
        let peers: BTreeMap<_, _> = (1..=3).map(|id| (node(id), self.address(id))).collect();
        ReflectedMemory { provider: "tcp".into(), listen: self.address(me), peers, window: 1 << 20 }
    }

    fn facility(&self, me: u16) -> Distributed {
        let timing = Timing { failed: Duration::from_secs(20), ..Timing::default() };
        let terms = Terms { max_nodes: 8, queues: 1, timing, coherence: CoherenceMode::Hardware };
        Distributed::open(self.config(me), terms).unwrap()
    }
}

/// A node with an arena: a header of two pages, and pages for rings.
struct Node {
    facility: Distributed,
    lock: Box<dyn IdLock>,
    own: OwnSpan,
    reflector: Arc<dyn Reflector>,
}

impl Node {
    fn join(facility: Distributed, me: u16) -> Self {
        let lock = facility.lock(node(me), false).unwrap();
        let file = facility.create(node(me), ARENA as u64, ARENA as u64).unwrap();
        facility.reserve(0, HEADER as u64, None);
        let Coherence::Reflected(reflector) = file.mapping.coherence().clone() else {
            panic!("not reflected")
        };
        Self { facility, lock, own: file.mapping.own().unwrap(), reflector }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.own.copy_in(offset, bytes);
        self.reflector.publish(offset, bytes.len());
    }

    fn copy_of(&self, id: u16) -> PeerSpan {
        let file = wait(|| self.facility.open(node(id)).unwrap());
        file.mapping.peer()
    }
}

const HEADER: usize = 2 * PAGE;
const ARENA: usize = 64 * PAGE;

fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn bytes<const N: usize>(span: &PeerSpan, offset: usize) -> [u8; N] {
    let mut found = [0; N];
    span.copy_out(offset, &mut found);
    found
}

fn await_bytes(span: &PeerSpan, offset: usize, expected: &[u8; 16]) {
    wait(|| (bytes::<16>(span, offset) == *expected).then_some(()));
}

#[test]
fn what_one_writes_the_others_read_and_a_ring_only_its_receiver() {
    let hosts = Hosts::new();
    let one = Node::join(hosts.facility(1), 1);
    // Before it is shown, and before anybody is there.
    one.write(256, &[1; 16]);
    one.facility.reserve(HEADER as u64, PAGE as u64, Some(node(2)));
    one.write(HEADER, &[2; 16]);
    one.facility.show(node(1)).unwrap();
    let two = Node::join(hosts.facility(2), 2);
    let three = Node::join(hosts.facility(3), 3);
    assert_eq!(two.facility.present().unwrap().len(), 1);
    let (at_two, at_three) = (two.copy_of(1), three.copy_of(1));
    assert_eq!((at_two.len(), at_three.len()), (ARENA, ARENA));
    await_bytes(&at_two, 256, &[1; 16]);
    await_bytes(&at_three, 256, &[1; 16]);
    await_bytes(&at_two, HEADER, &[2; 16]);

    one.write(HEADER + 128, &[3; 16]);
    one.facility.reserve((HEADER + PAGE) as u64, PAGE as u64, Some(node(3)));
    one.write(HEADER + PAGE, &[4; 16]);
    // What comes after all that has come, too.
    one.write(512, &[5; 16]);
    await_bytes(&at_two, 512, &[5; 16]);
    await_bytes(&at_three, 512, &[5; 16]);
    assert_eq!((bytes(&at_two, HEADER + 128), bytes(&at_two, HEADER + PAGE)), ([3; 16], [0; 16]));
    assert_eq!((bytes(&at_three, HEADER), bytes(&at_three, HEADER + 128)), ([0; 16], [0; 16]));
    assert_eq!(bytes(&at_three, HEADER + PAGE), [4; 16]);

    // And the other way.
    two.facility.show(node(2)).unwrap();
    two.write(0, &[6; 16]);
    await_bytes(&one.copy_of(2), 0, &[6; 16]);

    // Its last words arrive; then it is not found any more.
    one.write(640, &[7; 16]);
    one.facility.remove(node(1));
    wait(|| two.facility.open(node(1)).unwrap().is_none().then_some(()));
    assert_eq!(bytes(&at_two, 640), [7; 16]);
}

/// Far more than the window and the queue hold, from two threads, each counting in a line of its own.
#[test]
fn nothing_is_lost_when_there_is_more_than_there_is_room_for() {
    const COUNT: u64 = 60_000;
    let hosts = Hosts::new();
    let one = Node::join(hosts.facility(1), 1);
    one.facility.reserve(HEADER as u64, 16 * PAGE as u64, Some(node(2)));
    one.facility.show(node(1)).unwrap();
    let two = Node::join(hosts.facility(2), 2);
    let copy = two.copy_of(1);
    std::thread::scope(|scope| {
        for line in [256_usize, 512] {
            let (own, reflector) = (one.own.clone(), Arc::clone(&one.reflector));
            scope.spawn(move || {
                for count in 1..=COUNT {
                    // As a guarded record: odd, content, even.
                    own.store_u64(line, 2 * count - 1, std::sync::atomic::Ordering::Release);
                    reflector.publish(line, 8);
                    own.copy_in(line + 8, &[(count % 251) as u8; 112]);
                    reflector.publish(line + 8, 112);
                    own.store_u64(line, 2 * count, std::sync::atomic::Ordering::Release);
                    reflector.publish(line, 8);
                }
            });
        }
        let mut seen = [0; 2];
        let give_up = Instant::now() + Duration::from_secs(60);
        while seen != [2 * COUNT; 2] {
            assert!(Instant::now() < give_up, "stuck at {seen:?}");
            for (seen, line) in seen.iter_mut().zip([256, 512]) {
                let before = copy.load_u64(line, std::sync::atomic::Ordering::Acquire);
                let content: [u8; 112] = bytes(&copy, line + 8);
                std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
                if copy.load_u64(line, std::sync::atomic::Ordering::Relaxed) == before
                    && before.is_multiple_of(2)
                {
                    assert!(before >= *seen, "back from {seen} to {before}");
                    assert!(content.iter().all(|byte| *byte == (before / 2 % 251) as u8), "torn at {before}");
                    *seen = before;
                }
            }
        }
    });
}

#[test]
fn a_second_process_of_a_node_is_refused_unless_it_takes_over() {
    let hosts = Hosts::new();
    let one = Node::join(hosts.facility(1), 1);
    let two = Node::join(hosts.facility(2), 2);
    two.facility.show(node(2)).unwrap();
    let state = StateWord { incarnation: 9, state: State::Active };
    two.write(at::STATE, &state.to_word().to_le_bytes());
    one.copy_of(2);
    // A heartbeat, as it were.
    let beating = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let (own, reflector, beating) = (&two.own, &two.reflector, &beating);
        scope.spawn(move || {
            while beating.load(std::sync::atomic::Ordering::Relaxed) {
                own.copy_in(at::HEARTBEAT, &[1; 8]);
                reflector.publish(at::HEARTBEAT, 8);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let second = Distributed::open(
            ReflectedMemory { listen: SocketAddr::new(hosts.address(2).ip(), 0), ..hosts.config(2) },
            two.facility.terms,
        );
        let refused = second.unwrap().lock(node(2), false);
        let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
        beating.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    });
    assert!(two.lock.still_held());

    let second = ReflectedMemory { listen: SocketAddr::new(hosts.address(2).ip(), 0), ..hosts.config(2) };
    let second = Distributed::open(second, two.facility.terms).unwrap();
    let lock = second.lock(node(2), true).unwrap();
    // The peer remembers what the first one had reached.
    assert_eq!(lock.previous(), 9);
    assert!(one.facility.open(node(2)).unwrap().is_none());
    wait(|| (!two.lock.still_held()).then_some(()));
}

#[test]
fn strangers_and_nonsense_at_the_control_port_do_no_harm() {
    use std::io::{Read, Write};
    let hosts = Hosts::new();
    let one = Node::join(hosts.facility(1), 1);
    let address = hosts.address(1);
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 300], b""] {
        let mut caller = TcpStream::connect(address).unwrap();
        caller.write_all(nonsense).unwrap();
    }
    // A well-formed greeting, from an address that is none of the peers'.
    let hello = control::Hello {
        from: node(2),
        to: node(1),
        process: 1,
        takeover: true,
        holder: control::Holder::here(),
    };
    let mut caller = TcpStream::connect(address).unwrap();
    hello.send(&caller).unwrap();
    assert_eq!(control::Answer::receive(&caller).unwrap(), control::Answer::Stranger);
    assert_eq!(caller.read(&mut [0; 8]).unwrap(), 0);

    one.facility.show(node(1)).unwrap();
    one.write(0, &[8; 16]);
    let two = Node::join(hosts.facility(2), 2);
    await_bytes(&two.copy_of(1), 0, &[8; 16]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let hosts = Hosts::new();
    let terms = hosts.facility(1).terms;
    let good = hosts.config(1);
    for bad in [
        ReflectedMemory { listen: "0.0.0.0:7471".parse().unwrap(), ..good.clone() },
        ReflectedMemory { window: 100_000, ..good.clone() },
        ReflectedMemory { window: 128 << 20, ..good.clone() },
    ] {
        assert!(matches!(Distributed::open(bad, terms), Err(JoinError::BadValue { .. })));
    }
    let unknown = Distributed::open(ReflectedMemory { provider: "no-such".into(), ..good }, terms).unwrap();
    assert!(unknown.lock(node(1), false).is_err());
}
