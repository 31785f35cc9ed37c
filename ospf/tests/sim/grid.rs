//! Rings and grids of point-to-point links: flooding, equal paths, failures.

use crate::network::{BACKBONE, Network, NodeId, Quality, SegmentId, seconds, seeds};
use crate::random::Random;

/// A grid of `side` x `side` routers with random costs, and a stub network at each.
fn grid(network: &mut Network, side: usize, random: &mut Random) -> (Vec<NodeId>, Vec<SegmentId>) {
    let nodes = network.routers(side * side);
    let mut links = Vec::new();
    for row in 0..side {
        for column in 0..side {
            let node = nodes[row * side + column];
            network.stub(node, BACKBONE, &format!("172.20.{node}.0/24"), 1);
            let mut link = |other: usize| {
                links.push(network.link(node, nodes[other], BACKBONE, 1 + random.below(4) as u16));
            };
            if column + 1 < side {
                link(row * side + column + 1);
            }
            if row + 1 < side {
                link((row + 1) * side + column);
            }
        }
    }
    (nodes, links)
}

#[test]
fn a_ring_converges_and_survives_the_loss_of_each_link() {
    let mut network = Network::new(3);
    let nodes = network.routers(6);
    let links: Vec<_> = (0..6).map(|i| network.link(nodes[i], nodes[(i + 1) % 6], BACKBONE, 10)).collect();
    network.start_all();
    network.converge(seconds(15));
    for link in links {
        network.set_link(link, false);
        network.converge(seconds(15));
        network.set_link(link, true);
        network.converge(seconds(15));
    }
}

#[test]
fn a_grid_of_36_routers_with_bad_links_converges_after_every_kind_of_failure() {
    for seed in seeds(2) {
        let mut random = Random::new(seed);
        let mut network = Network::new(seed);
        network.quality = Quality::BAD;
        let (nodes, links) = grid(&mut network, 6, &mut random);
        network.start_all();
        network.converge(seconds(300));

        // A carrier is lost, a link goes silent, and a process dies.
        let pick = |random: &mut Random, count: usize| random.below(count as u64) as usize;
        let lost = links[pick(&mut random, links.len())];
        network.set_link(lost, false);
        let silent = links[pick(&mut random, links.len())];
        network.segments[silent].silent = true;
        let dead = nodes[pick(&mut random, nodes.len())];
        network.kill(dead);
        network.run_for(seconds(6));
        network.converge(seconds(300));

        network.set_link(lost, true);
        network.segments[silent].silent = false;
        network.start(dead);
        network.converge(seconds(300));
    }
}

#[test]
fn flooding_sends_no_storm() {
    let mut network = Network::new(5);
    let (_, links) = grid(&mut network, 6, &mut Random::new(5));
    network.start_all();
    network.converge(seconds(300));
    network.run_for(seconds(10));
    let before = network.packets;
    network.run_for(seconds(10));
    let idle = network.packets - before;
    let before = network.packets;
    network.set_link(links[17], false);
    network.run_for(seconds(10));
    let busy = network.packets - before;
    // Two new router-LSAs, each over every link in both directions at most, and as many acknowledgments,
    // if the two ends do not even share their packets.
    let links = links.len() as u64;
    assert!(busy <= idle + 2 * 2 * 2 * links, "{busy} packets, {idle} when idle, {links} links");
}
