//! The owner of an arena dies before each of its accesses to it in turn: while it joins in memory that a former incarnation has used,
//! announces a ring or a larger one, closes a peer, and leaves. Who reads must find what was there before or what is there after, or
//! nothing; and the next incarnation must be readable in the same memory.

use super::tests::{channel, identity, layout};
use super::*;
use crate::facts::Facts;
use crate::memory::Mapping;
use crate::memory::interrupt::{self, Then};

const OLD: u64 = 9;
const NEW: u64 = 10;
const NEXT: u64 = 11;

fn peer() -> NodeId {
    NodeId::new(64).unwrap()
}

fn facts(incarnation: u64) -> Facts {
    Facts { hostname: format!("incarnation {incarnation}"), ..Facts::default() }
}

fn entry(incarnation: u64, epoch: u32) -> DirectoryEntry {
    let offset = layout().heap as u64 + 4096 * u64::from(epoch);
    DirectoryEntry { tx_incarnation: incarnation, rx_incarnation: 4, offset, len: 4096, epoch }
}

/// A member's whole life so far: it joined, has a ring to a peer, and has closed an incarnation of it.
fn live(arena: &OwnArena, incarnation: u64) {
    arena.initialise(&Identity { incarnation, ..identity() }, &facts(incarnation));
    arena.set_state(incarnation, State::Joining);
    arena.close(peer(), 3);
    arena.set_directory(peer(), channel(Network::Lsm), entry(incarnation, 1));
    arena.set_state(incarnation, State::Active);
}

/// What must hold of an incarnation whatever was interrupted, if it is announced at all.
fn assert_whole(arena: &PeerArena, view: &Mapped, incarnation: u64) {
    let found = PeerArena::identity_of(&view.1.peer()).map(|identity| identity.incarnation);
    assert_eq!(found, Ok(incarnation));
    assert_eq!(arena.facts().map(|(_, facts)| facts), Some(facts(incarnation)));
}

type Mapped = (std::sync::Arc<Mapping>, std::sync::Arc<Mapping>);

/// Runs the operation with a death before each of its accesses, until it gets through. `check` is told whether there was one.
fn at_every_access(
    operation: &str,
    run: impl Fn(&OwnArena),
    check: impl Fn(&PeerArena, &Mapped, /* died */ bool),
) {
    let mapped = Mapping::anonymous(layout().heap + (1 << 20)).unwrap();
    let own = OwnArena::new(mapped.0.own().unwrap(), layout()).unwrap();
    let arena = PeerArena::new(mapped.1.peer(), layout()).unwrap();
    let points = (0..)
        .take_while(|access| {
            live(&own, OLD);
            let ((), died) = interrupt::during(*access, Box::new(|| Then::Die), || run(&own));
            check(&arena, &mapped, died);
            live(&own, NEXT);
            assert_eq!(arena.state(), StateWord { incarnation: NEXT, state: State::Active });
            assert_whole(&arena, &mapped, NEXT);
            assert_eq!(arena.directory(peer(), channel(Network::Lsm)), Some(entry(NEXT, 1)));
            assert_eq!(arena.directory(peer(), channel(Network::Gsm)), Some(DirectoryEntry::default()));
            died
        })
        .count();
    println!("{operation}: died before each of {points} accesses");
    assert!(points > 0);
}

#[test]
fn a_joiner_that_dies_is_not_announced_or_whole() {
    let join = |arena: &OwnArena| live(arena, NEW);
    at_every_access("join", join, |arena, mapped, died| {
        let state = arena.state();
        match (state.incarnation, state.state) {
            // Before its first store, and before it is announced.
            (OLD, State::Active) => assert_whole(arena, mapped, OLD),
            (_, State::Empty) => {}
            (NEW, State::Joining | State::Active) => {
                assert_whole(arena, mapped, NEW);
                let ring = arena.directory(peer(), channel(Network::Lsm));
                assert!([None, Some(DirectoryEntry::default()), Some(entry(NEW, 1))].contains(&ring));
                assert!(state.state == State::Joining || ring == Some(entry(NEW, 1)));
            }
            _ => panic!("{state:?}"),
        }
        assert!(died || state == StateWord { incarnation: NEW, state: State::Active });
    });
}

#[test]
fn a_ring_announcement_that_is_cut_off_is_the_old_one_or_the_new_one_or_none() {
    let grow = |arena: &OwnArena| {
        arena.set_directory(peer(), channel(Network::Lsm), entry(OLD, 2));
        arena.changed();
    };
    at_every_access("directory, a larger ring", grow, |arena, mapped, died| {
        assert_whole(arena, mapped, OLD);
        let ring = arena.directory(peer(), channel(Network::Lsm));
        assert!([None, Some(entry(OLD, 1)), Some(entry(OLD, 2))].contains(&ring), "{ring:?}");
        assert!(died || ring == Some(entry(OLD, 2)));
    });
}

#[test]
fn whoever_dies_while_it_closes_a_peer_or_leaves_is_whole_to_others() {
    let close = |arena: &OwnArena| {
        arena.close(peer(), 4);
        arena.clear_directory(peer());
        arena.changed();
    };
    at_every_access("close", close, |arena, mapped, died| {
        assert_whole(arena, mapped, OLD);
        let ring = arena.directory(peer(), channel(Network::Lsm));
        // The ring is taken away only after the closing is seen.
        assert!(ring == Some(entry(OLD, 1)) || arena.closed(peer()) == 4);
        assert!(died || ring == Some(DirectoryEntry::default()));
    });
    at_every_access(
        "leave",
        |arena| arena.set_state(OLD, State::Left),
        |arena, mapped, died| {
            assert_whole(arena, mapped, OLD);
            let left = if died { State::Active } else { State::Left };
            assert_eq!(arena.state(), StateWord { incarnation: OLD, state: left });
        },
    );
}
