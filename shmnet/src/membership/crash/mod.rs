//! A node dies before each of its stores to shared memory in turn, whatever it is doing: joining, meeting a joiner, replacing a
//! ring, sending, receiving, taking over the groups, closing a dead peer, joining again, leaving. Two or more others live on.
//!
//! The nodes are the real ones: control and endpoints, driven by hand in one thread, over a [simulated
//! facility](crate::facility::simulated). After each death the others have to agree on who is there and get all that they send
//! to each other, each frame once and in order; nobody acts on a ring of a former life, is quarantined or refused; nothing of the
//! dead stays allocated; and the id is used again at once. Nothing of this waits for a clock.
//!
//! Before each store the others also have their turns while the node lives and goes on.

mod world;

use std::panic::{catch_unwind, resume_unwind};

use self::world::{LENGTHS, Node, State, To, World, id, interrupted, join, settle, turns, with};
use super::notice::Notice;
use crate::facts::Facts;
use crate::memory::interrupt::Then;
use crate::memory::simulated::Random;
use crate::multicast::MulticastFilter;
use crate::node::Network;

/// What a node is interrupted in.
struct Case {
    name: &'static str,
    /// Brings about what comes before; the world is settled, with nodes 1, 2 and 3.
    before: fn(&World, u16),
    /// What it does; `None` for a node that is not there.
    operation: fn(&World, Option<Node>) -> Option<Node>,
}

/// Those that are there before and after each case.
const NODES: [u16; 4] = [1, 2, 3, 5];

const CASES: &[Case] = &[
    Case { name: "join", before: |world, node| kill(world, node, true), operation: join_and_send },
    Case { name: "meet a joiner", before: |world, _| join(world, JOINER), operation: turn },
    Case {
        name: "replace a ring by a larger one",
        before: |world, node| {
            renew(world, node);
            fill(world, node, other(node));
        },
        operation: |world, node| {
            let mut node = turn(world, node)?;
            let to = other(node.life().0);
            // Into the new ring, while the old one is not yet read.
            LENGTHS.iter().for_each(|len| assert!(node.send(world, 0, To::Node(to), *len)));
            node.endpoints[0].flush();
            // The old one is given back when the new one is read.
            turns(world);
            node.send_all(world);
            turn(world, Some(node))
        },
    },
    Case {
        name: "receive while a ring is replaced",
        before: |world, node| {
            renew(world, node);
            let from = other(node);
            fill(world, from, node);
            with(world, from, |from| {
                from.control();
                LENGTHS.iter().for_each(|len| assert!(from.send(world, 0, To::Node(node), *len)));
                from.endpoints[0].flush();
            });
        },
        operation: |world, node| turn(world, turn(world, node)),
    },
    Case { name: "send", before: own_the_groups, operation: send },
    Case {
        name: "receive",
        before: |world, node| {
            own_the_groups(world, node);
            for from in NODES.into_iter().filter(|from| *from != node) {
                with(world, from, |from| from.send_all(world));
            }
        },
        operation: turn,
    },
    Case {
        name: "close a dead node, and take over from it",
        before: |world, node| {
            // Of a node that has seen the last of the dead one's frames, and of one that has not.
            let dead = other(node);
            own_the_groups(world, dead);
            for from in NODES.into_iter().filter(|from| *from != node) {
                with(world, from, |from| from.send_all(world));
            }
            kill(world, dead, false);
        },
        operation: |world, node| {
            let mut node = node?;
            let dead = other(node.life().0);
            node.hear_of_death(dead);
            node.send_all(world);
            turn(world, Some(node))
        },
    },
    Case { name: "begin the next incarnation", before: own_the_groups, operation: begin_again },
    Case { name: "say something new", before: |_, _| {}, operation: say_something },
    Case {
        name: "leave",
        before: |world, node| with(world, node, |node| node.send_all(world)),
        operation: leave,
    },
];

/// A node that is not there before.
const JOINER: u16 = 4;

/// The lowest of the others: the owner of the groups, unless the node itself is.
fn other(node: u16) -> u16 {
    if node == 1 { 2 } else { 1 }
}

fn join_and_send(world: &World, _: Option<Node>) -> Option<Node> {
    let (facility, node) = (world.borrow().facility(), world.borrow().concerned);
    let mut node = Node::join(&facility, node);
    node.turn(world);
    node.send_all(world);
    Some(node)
}

fn send(world: &World, node: Option<Node>) -> Option<Node> {
    let mut node = node?;
    node.send_all(world);
    Some(node)
}

/// As a node that was closed by another.
fn begin_again(world: &World, node: Option<Node>) -> Option<Node> {
    world.borrow_mut().all_live = false;
    let mut node = node?;
    let me = node.life().0;
    node.control.on_closed(id(other(me)));
    node.forget_events();
    turn(world, Some(node))
}

fn say_something(world: &World, node: Option<Node>) -> Option<Node> {
    let mut node = node?;
    let facts = Facts { weight: 77, hostname: "new".into(), ..Facts::default() };
    node.control.handle(Notice::Facts(facts));
    let some = MulticastFilter::of([[1, 0, 0x5e, 0, 0, 5]]);
    node.control.handle(Notice::Multicast(Network::Lsm, some));
    node.control.handle(Notice::Multicast(Network::Lsm, MulticastFilter::all()));
    turn(world, Some(node))
}

fn leave(_: &World, node: Option<Node>) -> Option<Node> {
    node?.control.leave();
    None
}

fn turn(world: &World, node: Option<Node>) -> Option<Node> {
    let mut node = node?;
    node.turn(world);
    Some(node)
}

/// A node's process dies between two operations.
fn kill(world: &World, node: u16, told: bool) {
    let dead = world.borrow_mut().nodes.remove(&node);
    world.borrow_mut().bury(node);
    drop(dead);
    if told {
        world.borrow_mut().tell_of_deaths();
        turns(world);
    }
}

/// Has one of the two lowest nodes own the groups; another cannot have them before those.
fn own_the_groups(world: &World, node: u16) {
    if node > 2 {
        return;
    }
    loop {
        match with(world, node, |node| node.owner()) {
            Some(owner) if owner == node => return,
            Some(owner) => renew(world, owner),
            None => settle(world),
        }
    }
}

/// A node begins a life with rings that were never replaced.
fn renew(world: &World, node: u16) {
    kill(world, node, true);
    join(world, node);
    settle(world);
}

/// A node's ring to another stays full, until it wants a larger one.
fn fill(world: &World, from: u16, to: u16) {
    with(world, from, |from| {
        for _ in 0..1000 {
            while from.send(world, 0, To::Node(to), LENGTHS[1]) {}
            from.endpoints[0].flush();
            if from.wants_larger_ring() {
                return;
            }
        }
        panic!("a full ring is not complained about");
    });
}

/// All that are to be there are, and nobody else; nothing is under way.
fn restore(world: &World) {
    if world.borrow().nodes.contains_key(&JOINER) {
        with_taken(world, JOINER, |mut node| node.control.leave());
        world.borrow_mut().bury(JOINER);
    }
    for node in NODES {
        if !world.borrow().nodes.contains_key(&node) {
            join(world, node);
        }
    }
    settle(world);
}

fn with_taken(world: &World, node: u16, operation: impl FnOnce(Node)) {
    let taken = world.borrow_mut().nodes.remove(&node).unwrap();
    operation(taken);
}

/// Brings about what comes before an operation.
fn prepare(world: &World, case: &Case, node: u16) {
    restore(world);
    world.borrow_mut().concerned = node;
    (case.before)(world, node);
}

/// What becomes of it after a number of stores; whether there were as many.
fn case(world: &World, case: &Case, node: u16, stores: u64, then: Then) -> bool {
    prepare(world, case, node);
    let reached = interrupted(world, node, stores, then, &case.operation);
    if then == Then::Die && reached && stores.is_multiple_of(2) {
        // Its process is seen to be dead at once; else only when its next incarnation comes.
        world.borrow_mut().tell_of_deaths();
        settle(world);
    }
    reached
}

/// Every case, with an interruption before each store; of the long rows of stores of the same kind by which a joiner sets up its
/// group areas, before one in `stride`.
fn every_store(reuses_memory: bool, node: u16, then: Then, stride: u64) {
    println!("node {node}, the same memory again: {reuses_memory}");
    for one in CASES {
        // Lives go on from one to the next: what one leaves behind is what the other has to do with.
        let world = State::new(reuses_memory);
        NODES.into_iter().for_each(|node| join(&world, node));
        prepare(&world, one, node);
        let all = world::stores_of(&world, node, &one.operation);
        let (mut stores, mut points) = (0, 0);
        while case(&world, one, node, stores, then) {
            let in_rows = (HEAD..all.saturating_sub(TAIL)).contains(&stores);
            stores += if in_rows { stride } else { 1 };
            points += 1;
        }
        restore(&world);
        println!("{}: before {points} of about {all} stores", one.name);
        assert!(points > 0 && stores >= all / 2, "{}: {points} of {all} stores", one.name);
        world::end(&world);
    }
}

/// A joiner's stores before and after its group areas, at the least.
const HEAD: u64 = 40;
const TAIL: u64 = 420;

#[test]
fn whoever_dies_before_a_store_leaves_the_others_whole() {
    for (reuses_memory, node) in kinds([(false, 3), (true, 1)]) {
        every_store(reuses_memory, node, Then::Die, stride());
    }
}

#[test]
fn whoever_is_looked_at_before_a_store_goes_on() {
    for (reuses_memory, node) in kinds([(false, 1), (true, 3)]) {
        every_store(reuses_memory, node, Then::GoOn, stride());
    }
}

/// Whether memory is used again, and which node it is about: some, or each kind of memory with each node.
fn kinds(usual: [(bool, u16); 2]) -> Vec<(bool, u16)> {
    match number("ISTHMUS_CRASH_STRIDE") {
        Some(_) => vec![(false, 1), (false, 3), (true, 1), (true, 3)],
        None => usual.to_vec(),
    }
}

/// `ISTHMUS_CRASH_STRIDE=1` for every store.
fn stride() -> u64 {
    number("ISTHMUS_CRASH_STRIDE").unwrap_or(101)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One thing after the other happens to one node after the other, while what happened before is still under way: deaths in the
/// middle of it, of which the others may not know when the next life begins, and which may end before it has begun.
fn random_lives(seed: u64) {
    let random = &mut Random::new(seed);
    let world = State::new(random.one_in(2));
    NODES.into_iter().for_each(|node| join(&world, node));
    for _ in 0..60 {
        let node = NODES[random.below(4) as usize];
        world.borrow_mut().concerned = node;
        let then = if random.one_in(2) { Then::Die } else { Then::GoOn };
        // Most operations are short, and some are interrupted at their very end or not at all.
        let most = 2 << random.below(12);
        let stores = random.below(most);
        let is_there = world.borrow().nodes.contains_key(&node);
        type Operation = fn(&World, Option<Node>) -> Option<Node>;
        let (what, operation): (_, Operation) = match random.below(if is_there { 8 } else { 1 }) {
            0 if is_there => ("leave", leave),
            0 => ("join", join_and_send),
            1 => ("begin again", begin_again),
            2 => ("say something", say_something),
            3 | 4 => ("send", send),
            _ => ("a turn", turn),
        };
        let lives: Vec<_> = world.borrow().nodes.values().map(Node::life).collect();
        let reached = interrupted(&world, node, stores, then, &operation);
        let dies = then == Then::Die && reached;
        println!("{lives:?}: {node} does {what}, interrupted after {stores}: {reached}, and dies: {dies}");
        if random.one_in(3) {
            world.borrow_mut().tell_of_deaths();
        }
        for _ in 0..random.below(3) {
            turns(&world);
        }
        if random.one_in(12) {
            restore(&world);
        }
    }
    restore(&world);
    world::end(&world);
}

/// `ISTHMUS_CRASH_SEEDS=n` runs so many seeds, `ISTHMUS_CRASH_SEED=n` that one.
#[test]
fn whatever_happens_while_something_happens_the_others_are_whole() {
    let seeds = match number("ISTHMUS_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ISTHMUS_CRASH_SEEDS").unwrap_or(40),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(|| random_lives(seed)) {
            println!("seed {seed} fails: ISTHMUS_CRASH_SEED={seed} runs it alone");
            resume_unwind(panic);
        }
    }
}
