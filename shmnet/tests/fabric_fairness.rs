//! One peer's load does not keep another's frames waiting.

#![cfg(not(loom))]

mod common;

use std::time::{Duration, Instant};

use common::{Segment, config, node};
use isthmus_shmnet::{Cast, Destination, Endpoint, Fabric, Metadata, Network};

const DEADLINE: Duration = Duration::from_secs(30);

fn send(endpoint: &mut Endpoint, to: Destination, text: &[u8]) -> bool {
    let sent = endpoint.transmit(to, text, Metadata::default()).is_ok();
    endpoint.flush();
    sent
}

#[test]
fn multicast_and_broadcast_arrive_while_another_peers_ring_is_never_empty() {
    let segment = Segment::new();
    let fabrics = [1, 2, 3].map(|id| Fabric::join(config(segment.path(), id)).unwrap());
    let [mut busy, mut receiver, mut other] = fabrics.each_ref().map(|f| f.endpoint(Network::Lsm).unwrap());
    let mut frame = [0; 2048];
    let deadline = Instant::now() + DEADLINE;

    // Until all have met: the ring is there, and the owner orders the third node's frames.
    let (mut unicast, mut groups) = (false, [false; 2]);
    while !(unicast && groups == [true; 2]) {
        assert!(Instant::now() < deadline, "the nodes do not meet");
        send(&mut busy, Destination::Node(node(2)), b"load");
        send(&mut other, Destination::Broadcast, b"broadcast");
        send(&mut other, Destination::Multicast, b"multicast");
        for endpoint in [&mut busy, &mut receiver, &mut other] {
            endpoint.flush();
        }
        while let Some(received) = receiver.receive(&mut frame) {
            match received.cast {
                Cast::Unicast => unicast = true,
                Cast::Broadcast => groups[0] |= received.from == node(3),
                Cast::Multicast => groups[1] |= received.from == node(3),
            }
        }
    }

    for (to, cast) in [(Destination::Multicast, Cast::Multicast), (Destination::Broadcast, Cast::Broadcast)] {
        while send(&mut busy, Destination::Node(node(2)), b"load") {}
        assert!(send(&mut other, to, b"now"));
        let mut unicast = 0;
        loop {
            assert!(Instant::now() < deadline, "{cast:?} starves: {unicast} frames came before it");
            // Orders what the other has sent, and keeps the ring full.
            send(&mut busy, Destination::Node(node(2)), b"load");
            receiver.flush();
            let received = receiver.receive(&mut frame).unwrap();
            match received.cast {
                Cast::Unicast => unicast += 1,
                found if &frame[..received.len] == b"now" => {
                    assert_eq!((found, received.from), (cast, node(3)));
                    break;
                }
                // Of the time when the nodes met.
                _ => {}
            }
        }
    }
}
