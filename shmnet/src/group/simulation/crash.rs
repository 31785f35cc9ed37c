//! A member of a group dies before each of its stores to shared memory in turn, whatever it is doing: sending, into a lane with room or
//! into a full one, ordering what all have sent, taking over from an owner that is dead or only taken for dead, stepping down,
//! receiving by the order or without, joining, meeting a joiner, and reading a leaver no more. Three others live on.
//!
//! After each death they have to follow one living owner, get all that they send each other, once, in order and whole, and the frames of the
//! dead at most once; two that follow one owner have one order; and the dead one's next incarnation is a member as before, in the memory
//! that it had or in new. Each death happens twice: while the others do nothing, and after each of them had its turn in between.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::rc::Rc;

use super::frame::{Life, frame, parse};
use super::oracle::Oracle;
use crate::group::flaw::{self, Flaw};
use crate::group::tests::{Area, area};
use crate::group::{GroupEndpoint, GroupGeometry, Start};
use crate::memory::interrupt::{self, Then};

const NODES: u16 = 4;

/// In one slot of the lane, in two, and in three.
const LENGTHS: [usize; 3] = [40, 200, 300];

type Shared = Rc<RefCell<Group>>;

struct Member {
    area: Area,
    incarnation: u64,
    /// `None` while it is in the middle of an operation, or not there.
    endpoint: Option<GroupEndpoint>,
    sent: u64,
}

struct Group {
    geometry: GroupGeometry,
    members: Vec<Member>,
    oracle: Oracle,
    /// Which incarnation a reader is attached to, by reader and source.
    views: BTreeMap<(u16, u16), u64>,
}

impl Group {
    fn life(&self, id: u16) -> Life {
        (id, self.members[usize::from(id)].incarnation)
    }

    fn member(&mut self, id: u16) -> &mut Member {
        &mut self.members[usize::from(id)]
    }

    /// Those that are there, the one in the middle of an operation not included.
    fn present(&self) -> Vec<u16> {
        (0..NODES).filter(|id| self.members[usize::from(*id)].endpoint.is_some()).collect()
    }

    fn release(&mut self, id: u16) {
        let life = self.life(id);
        self.oracle.release(|source, reader| source == life || reader == life);
    }
}

/// Has `id` attach to what `peer` is now.
fn attach(group: &Shared, id: u16, endpoint: &mut GroupEndpoint, peer: u16, start: Start) {
    let (incarnation, area) = {
        let peer = &group.borrow().members[usize::from(peer)];
        (peer.incarnation, peer.area.peer.clone())
    };
    group.borrow_mut().views.insert((id, peer), incarnation);
    endpoint.attach_peer(peer, incarnation, area, start).unwrap();
}

fn detach(group: &Shared, id: u16, endpoint: &mut GroupEndpoint, peer: u16) {
    group.borrow_mut().views.remove(&(id, peer));
    endpoint.detach_peer(peer);
}

/// All are there and know each other, in memory that has been used for more than a lap of everything.
fn settled() -> Shared {
    let geometry = GroupGeometry::new(8, 8, 128, 16).unwrap();
    let member = |_| Member { area: area(geometry), incarnation: 0, endpoint: None, sent: 0 };
    let members = (0..NODES).map(member).collect();
    let group =
        Rc::new(RefCell::new(Group { geometry, members, oracle: Oracle::default(), views: BTreeMap::new() }));
    for id in 0..NODES {
        let endpoint = join(&group, id);
        group.borrow_mut().member(id).endpoint = Some(endpoint);
        all_meet(&group);
    }
    for _ in 0..4 {
        exchange(&group);
    }
    group
}

/// The next incarnation of a node begins, and attaches to all that are there.
fn join(group: &Shared, id: u16) -> GroupEndpoint {
    let (own, incarnation, geometry) = {
        let mut group = group.borrow_mut();
        let geometry = group.geometry;
        let member = group.member(id);
        (member.incarnation, member.sent) = (member.incarnation + 1, 0);
        (member.area.own.clone(), member.incarnation, geometry)
    };
    let mut endpoint = GroupEndpoint::new(own, id, incarnation, geometry).unwrap();
    let present = group.borrow().present();
    for peer in &present {
        attach(group, id, &mut endpoint, *peer, Start::Next);
    }
    endpoint.set_active(&present);
    endpoint
}

/// All who are there know each other as members, and read nobody else.
fn all_meet(group: &Shared) {
    let present = group.borrow().present();
    each(group, &present, |id, endpoint| {
        for peer in (0..NODES).filter(|peer| *peer != id) {
            let is = present.contains(&peer).then_some(group.borrow().life(peer).1);
            let known = group.borrow().views.get(&(id, peer)).copied();
            if known.is_some() && known != is {
                detach(group, id, endpoint, peer);
            }
            if is.is_some() && known != is {
                attach(group, id, endpoint, peer, Start::Oldest);
            }
        }
        endpoint.set_active(&present);
    });
}

/// Sends a frame that all who are there are owed, or that may be overwritten.
fn send(group: &Shared, id: u16, endpoint: &mut GroupEndpoint, len: usize, owed: bool) {
    let (life, number) = {
        let mut group = group.borrow_mut();
        group.member(id).sent += 1;
        let (life, number) = (group.life(id), group.members[usize::from(id)].sent);
        for reader in group.present().into_iter().filter(|reader| owed && *reader != id) {
            let reader = group.life(reader);
            group.oracle.owe(life, reader, number);
        }
        (life, number)
    };
    endpoint.send(&frame(life, number, len)).unwrap();
}

/// Takes all that has come. What a dead node takes is no delivery.
fn drain(group: &Shared, id: u16, endpoint: &mut GroupEndpoint) {
    let mut into = [0; 1024];
    loop {
        let before = endpoint.counters().received.unordered;
        let Some(got) = endpoint.receive(&mut into) else { return };
        if interrupt::is_dead() {
            return;
        }
        let (source, number) = parse(&into[..got.len]);
        assert_eq!(source.0, got.source, "a frame is from where it is said to be from");
        let by_order = endpoint.counters().received.unordered == before;
        let mut group = group.borrow_mut();
        let reader = group.life(id);
        let order = endpoint.following().filter(|_| by_order);
        let order = order.map(|claim| (claim, group.life(claim.owner).1));
        group.oracle.delivered(source, reader, number, order);
    }
}

/// Does something with each of these that is there.
fn each(group: &Shared, ids: &[u16], what: impl Fn(u16, &mut GroupEndpoint)) {
    for id in ids {
        let Some(mut endpoint) = group.borrow_mut().member(*id).endpoint.take() else { continue };
        what(*id, &mut endpoint);
        group.borrow_mut().member(*id).endpoint = Some(endpoint);
    }
}

fn turns(group: &Shared) {
    let present = group.borrow().present();
    for _ in 0..3 {
        each(group, &present, |_, endpoint| {
            let _ = endpoint.poll_owner_duties();
        });
        each(group, &present, |id, endpoint| drain(group, id, endpoint));
    }
}

/// Each sends to all, and all have all of it.
fn exchange(group: &Shared) {
    turns(group);
    let present = group.borrow().present();
    each(group, &present, |id, endpoint| {
        LENGTHS.iter().for_each(|len| send(group, id, endpoint, *len, true))
    });
    turns(group);
    let group = group.borrow();
    group.oracle.assert_settled();
    assert_eq!(group.oracle.passed, [], "passed over");
    let claims: Vec<_> = present
        .iter()
        .map(|id| group.members[usize::from(*id)].endpoint.as_ref().unwrap())
        .map(|endpoint| (endpoint.owner(), endpoint.generation(), endpoint.is_owner()))
        .collect();
    let owner = claims[0].0.unwrap();
    assert!(claims.iter().all(|claim| claim.0 == Some(owner) && claim.1 == claims[0].1), "{claims:?}");
    let owns = present.iter().zip(&claims).filter(|(_, claim)| claim.2).map(|(id, _)| *id);
    assert_eq!(owns.collect::<Vec<_>>(), [owner], "one that lives owns it");
    group.oracle.assert_one_order();
}

/// All others than `id` send frames of each length, which nobody has seen yet.
fn others_send(group: &Shared, id: u16) {
    let others: Vec<u16> = (0..NODES).filter(|other| *other != id).collect();
    // Owed to the others too that are in the middle of nothing: `each` takes one at a time.
    each(group, &others, |id, endpoint| LENGTHS.iter().for_each(|len| send(group, id, endpoint, *len, true)));
}

/// Its own frames, sent and not yet seen.
fn itself_sends(group: &Shared, id: u16) {
    each(group, &[id], |id, endpoint| LENGTHS.iter().for_each(|len| send(group, id, endpoint, *len, true)));
}

/// The lowest of the others.
fn other(id: u16) -> u16 {
    u16::from(id == 0)
}

struct Case {
    name: &'static str,
    before: fn(&Shared, u16),
    /// What it is interrupted in; `None` for a node that is not there.
    operation: fn(&Shared, u16, Option<GroupEndpoint>) -> GroupEndpoint,
}

fn send_each_length(group: &Shared, id: u16, endpoint: Option<GroupEndpoint>) -> GroupEndpoint {
    let mut endpoint = endpoint.unwrap();
    LENGTHS.iter().for_each(|len| send(group, id, &mut endpoint, *len, true));
    endpoint
}

fn poll(_: &Shared, _: u16, endpoint: Option<GroupEndpoint>) -> GroupEndpoint {
    let mut endpoint = endpoint.unwrap();
    let _ = endpoint.poll_owner_duties();
    endpoint
}

fn poll_and_drain(group: &Shared, id: u16, endpoint: Option<GroupEndpoint>) -> GroupEndpoint {
    let mut endpoint = poll(group, id, endpoint);
    drain(group, id, &mut endpoint);
    endpoint
}

fn join_and_send(group: &Shared, id: u16, _: Option<GroupEndpoint>) -> GroupEndpoint {
    let mut endpoint = join(group, id);
    if !interrupt::is_dead() {
        let _ = endpoint.poll_owner_duties();
        send(group, id, &mut endpoint, LENGTHS[1], false);
        drain(group, id, &mut endpoint);
    }
    endpoint
}

/// It is gone, and all others know.
fn part(group: &Shared, id: u16) {
    group.borrow_mut().member(id).endpoint = None;
    group.borrow_mut().release(id);
    all_meet(group);
}

const CASES: &[Case] = &[
    Case { name: "transmit", before: |_, _| {}, operation: send_each_length },
    Case {
        name: "transmit into a lane whose frames all have read",
        before: |group, id| {
            itself_sends(group, id);
            let all: Vec<u16> = (0..NODES).collect();
            each(group, &[0], |_, endpoint| {
                let _ = endpoint.poll_owner_duties();
            });
            each(group, &all, |id, endpoint| drain(group, id, endpoint));
        },
        operation: send_each_length,
    },
    Case {
        name: "transmit into a full lane",
        before: |group, id| {
            each(group, &[id], |id, endpoint| {
                (0..8).for_each(|_| send(group, id, endpoint, LENGTHS[0], false))
            });
        },
        operation: |group, id, endpoint| {
            let mut endpoint = endpoint.unwrap();
            LENGTHS.iter().for_each(|len| send(group, id, &mut endpoint, *len, false));
            endpoint
        },
    },
    Case {
        name: "order what all have sent",
        before: |group, id| {
            others_send(group, id);
            itself_sends(group, id);
        },
        operation: poll,
    },
    Case {
        name: "order more than the order holds",
        before: |group, _| {
            let all: Vec<u16> = (0..NODES).collect();
            each(group, &all, |id, endpoint| {
                (0..8).for_each(|_| send(group, id, endpoint, LENGTHS[0], true));
            });
        },
        operation: poll,
    },
    Case {
        name: "take over from a dead owner",
        before: |group, id| {
            itself_sends(group, id);
            others_send(group, id);
            let dead = other(id);
            // What the dead one has sent and ordered was read by its heir and another, and by the rest not.
            each(group, &[0], |_, endpoint| {
                let _ = endpoint.poll_owner_duties();
            });
            each(group, &[1, NODES - 1], |id, endpoint| drain(group, id, endpoint));
            let mut group = group.borrow_mut();
            group.member(dead).endpoint = None;
            group.release(dead);
        },
        operation: |group, id, endpoint| {
            let mut endpoint = endpoint.unwrap();
            detach(group, id, &mut endpoint, other(id));
            let left: Vec<u16> = (0..NODES).filter(|left| *left != other(id)).collect();
            endpoint.set_active(&left);
            poll_and_drain(group, id, Some(endpoint))
        },
    },
    Case {
        name: "take over from an owner that is taken for dead, or be the one that it is taken over from",
        before: |group, id| {
            itself_sends(group, id);
            others_send(group, id);
            let without: Vec<u16> = (1..NODES).collect();
            each(group, &without, |_, endpoint| endpoint.set_active(&without));
            if id != 1 {
                each(group, &[1], |_, endpoint| {
                    let _ = endpoint.poll_owner_duties();
                });
            }
        },
        operation: poll_and_drain,
    },
    Case {
        name: "receive",
        before: |group, id| {
            others_send(group, id);
            each(group, &[0], |_, endpoint| {
                let _ = endpoint.poll_owner_duties();
            });
        },
        operation: poll_and_drain,
    },
    Case {
        name: "receive without an order",
        before: others_send,
        operation: |group, id, endpoint| {
            let mut endpoint = endpoint.unwrap();
            endpoint.sweep();
            drain(group, id, &mut endpoint);
            endpoint
        },
    },
    Case { name: "join in memory that it had", before: part, operation: join_and_send },
    Case {
        name: "join in new memory",
        before: |group, id| {
            part(group, id);
            let geometry = group.borrow().geometry;
            group.borrow_mut().member(id).area = area(geometry);
        },
        operation: join_and_send,
    },
    Case {
        name: "meet a joiner",
        before: |group, id| {
            part(group, other(id));
            exchange(group);
            let endpoint = join(group, other(id));
            group.borrow_mut().member(other(id)).endpoint = Some(endpoint);
            each(group, &[other(id)], |id, endpoint| {
                LENGTHS.iter().for_each(|len| send(group, id, endpoint, *len, false));
            });
        },
        operation: |group, id, endpoint| {
            let mut endpoint = endpoint.unwrap();
            attach(group, id, &mut endpoint, other(id), Start::Oldest);
            endpoint.set_active(&(0..NODES).collect::<Vec<_>>());
            poll_and_drain(group, id, Some(endpoint))
        },
    },
    Case {
        name: "read a leaver no more",
        before: |group, id| {
            others_send(group, id);
            let mut group = group.borrow_mut();
            group.member(other(id)).endpoint = None;
            group.release(other(id));
        },
        operation: |group, id, endpoint| {
            let mut endpoint = endpoint.unwrap();
            detach(group, id, &mut endpoint, other(id));
            endpoint.set_active(&(0..NODES).filter(|left| *left != other(id)).collect::<Vec<_>>());
            send_each_length(group, id, Some(poll_and_drain(group, id, Some(endpoint))))
        },
    },
];

/// `id` is cut off before a store, or not; whether it was.
fn run(case: &Case, id: u16, store: u64, others_run: bool) -> bool {
    let group = settled();
    (case.before)(&group, id);
    let endpoint = group.borrow_mut().member(id).endpoint.take();
    let others = Rc::clone(&group);
    let action = Box::new(move || {
        if others_run {
            turns(&others);
        }
        Then::Die
    });
    let operation = || (case.operation)(&group, id, endpoint);
    let (endpoint, died) = interrupt::during_stores(store, action, operation);
    if died {
        drop(endpoint);
        group.borrow_mut().release(id);
        // They do not know of it yet.
        turns(&group);
    } else {
        group.borrow_mut().member(id).endpoint = Some(endpoint);
    }
    all_meet(&group);
    exchange(&group);
    for id in 0..NODES {
        if group.borrow().present().contains(&id) {
            continue;
        }
        if store.is_multiple_of(2) {
            let geometry = group.borrow().geometry;
            group.borrow_mut().member(id).area = area(geometry);
        }
        let endpoint = join(&group, id);
        group.borrow_mut().member(id).endpoint = Some(endpoint);
        all_meet(&group);
        exchange(&group);
    }
    exchange(&group);
    died
}

#[test]
fn whoever_dies_before_a_store_leaves_the_group_whole() {
    for case in CASES {
        let mut points = Vec::new();
        // The owner, the one that is its heir, and one that is neither.
        for id in [0, 1, NODES - 1] {
            let stores = (0..).take_while(|store| {
                [false, true].map(|others_run| run(case, id, *store, others_run)).contains(&true)
            });
            points.push(stores.count());
        }
        println!("{}: died before each of {points:?} stores", case.name);
        assert!(points.iter().sum::<usize>() > 0, "{}", case.name);
    }
}

/// The test would find what it is for.
#[test]
fn a_death_shows_a_protocol_with_a_flaw() {
    for flaw in [Flaw::OwnerGoesOnWhereTheLastOneWas, Flaw::ReaderTrustsReferences, Flaw::SourceDoesNotWait] {
        flaw::set(Some(flaw));
        let all = catch_unwind(whoever_dies_before_a_store_leaves_the_group_whole);
        flaw::set(None);
        assert!(all.is_err(), "{flaw:?} is not found");
    }
}
