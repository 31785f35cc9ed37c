//! The loop beside a worker that is slow to take answers and to give buffers back.

use etherparse::PacketBuilder;

use super::*;
use crate::forward::link::{Bell, link};

const NODE: [u8; 4] = [10, 77, 0, 1];
const PEER: [u8; 4] = [10, 77, 0, 2];
/// Room for the datagrams of the flood and for the answers.
const LINK: usize = 256;

fn stack() -> (Stack, LinkEnd) {
    let (far, near) = link(LINK, Bell::new().unwrap(), Bell::new().unwrap());
    let config = HostConfig {
        source: NODE.into(),
        local_network: Some("10.77.0.0/24".parse().unwrap()),
        discard_from: Vec::new(),
        mtu: 1500,
    };
    (Stack::new(config, near).unwrap(), far)
}

fn echo_request(sequence: u16, buffer: &mut PacketBuffer) {
    let mut datagram = Vec::new();
    PacketBuilder::ipv4(PEER, NODE, 64)
        .icmpv4_echo_request(9, sequence)
        .write(&mut datagram, b"flood")
        .unwrap();
    assert!(buffer.fill(&datagram));
}

/// Hands over echo requests until the link or the pool has no more room.
fn flood(far: &mut LinkEnd, pool: &mut Pool) -> usize {
    let mut count = 0;
    while let Some(mut buffer) = pool.take() {
        echo_request(count as u16, &mut buffer);
        if let Err(buffer) = far.push(buffer) {
            pool.give(buffer);
            break;
        }
        count += 1;
    }
    count
}

fn turn(stack: &mut Stack) -> bool {
    stack.turn(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_flood_that_nobody_takes_the_answers_of_holds_a_bounded_number_of_buffers() {
    let (mut stack, mut far) = stack();
    let mut pool = Pool::new(20 * LINK);
    let mut sent = 0;
    for _ in 0..100 {
        sent += flood(&mut far, &mut pool);
        turn(&mut stack);
        far.reclaim(&mut pool);
    }
    assert_eq!(flood(&mut far, &mut pool), 0, "the link takes more and more");
    assert!(stack.local.adapter.received.len() <= WAITING);
    assert!(!turn(&mut stack), "a turn without progress asks for another at once");
    assert!(stack.time_to_wait() <= Duration::from_millis(1), "what waits is forgotten");

    let mut answers = 0;
    for _ in 0..10 * sent {
        while let Some(buffer) = far.pop() {
            answers += 1;
            far.give_back(buffer);
        }
        far.reclaim(&mut pool);
        turn(&mut stack);
    }
    assert_eq!(answers, sent, "every request that was taken over is answered");
    assert!(!stack.is_input_left());
}

#[test]
fn a_turn_that_leaves_datagrams_asks_for_another_at_once() {
    let (mut stack, mut far) = stack();
    let mut pool = Pool::new(LINK);
    assert_eq!(flood(&mut far, &mut pool), LINK);
    assert!(turn(&mut stack));
    let mut turns = 1;
    while turn(&mut stack) {
        turns += 1;
    }
    assert!(turns >= LINK / WAITING - 1, "{turns}");
    assert!(!stack.is_input_left());
}
