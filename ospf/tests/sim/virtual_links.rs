//! Virtual links: areas behind areas, and a backbone that is whole only through one.

use std::net::Ipv4Addr;

use isthmus_ospf::config::ExternalRoute;
use isthmus_ospf::route::PathType;
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::InterfaceState;

use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, SegmentId, seconds, seeds};

const FAR: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 9));

/// Area 9 behind the transit area:
///
/// ```text
///  core ──── near ──┬── middle ──┬── end ──── far
///       area 0      └── backup ──┘      area 9
///                   transit area
/// ```
struct Chain {
    network: Network,
    core: NodeId,
    near: NodeId,
    middle: NodeId,
    end: NodeId,
    far: NodeId,
    short: SegmentId,
    long: SegmentId,
}

fn chain(seed: u64) -> Chain {
    let mut network = Network::new(seed);
    let [core, near, middle, backup, end, far] = network.routers(6)[..] else { unreachable!() };
    network.link(core, near, BACKBONE, 10);
    let short = network.link(near, middle, CLUSTER, 5);
    network.link(middle, end, CLUSTER, 5);
    let long = network.link(near, backup, CLUSTER, 20);
    network.link(backup, end, CLUSTER, 20);
    network.link(end, far, FAR, 7);
    network.stub(core, BACKBONE, "172.20.0.1/24", 1);
    network.stub(middle, CLUSTER, "172.20.1.1/24", 1);
    network.stub(far, FAR, "172.20.9.1/24", 1);
    network.virtual_link(near, end, CLUSTER);
    Chain { network, core, near, middle, end, far, short, long }
}

impl Network {
    /// Lets time pass until the condition holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = self.now;
        while !holds(self) {
            assert!(self.now.since(start) < seconds(300), "{what}\n{}", self.describe());
            self.run_for(seconds(1));
        }
    }

    fn cost(&self, node: NodeId, prefix: &str) -> Option<u32> {
        self.nodes[node].fib.get(&prefix.parse().expect("a prefix")).map(|route| route.cost)
    }

    /// The routers on the way to an address.
    fn passes(&self, node: NodeId, address: [u8; 4]) -> Vec<NodeId> {
        self.way(node, address.into()).into_iter().map(|(node, _)| node).collect()
    }
}

#[test]
fn an_area_behind_an_area_is_reached_over_a_virtual_link() {
    for seed in seeds(6) {
        let Chain { mut network, core, near, middle, end, far, .. } = chain(seed);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.until("the far network at the core", |n| n.cost(core, "172.20.9.0/24") == Some(28));
        network.until("the core's network far away", |n| n.cost(far, "172.20.0.0/24") == Some(28));
        network.until("both in the middle", |n| {
            n.cost(middle, "172.20.9.0/24") == Some(13) && n.cost(middle, "172.20.0.0/24") == Some(16)
        });
        network.until("a way there", |n| n.passes(far, [172, 20, 0, 1]) == [end, middle, near, core]);
        network.until("a way back", |n| n.passes(core, [172, 20, 9, 1]) == [near, middle, end, far]);
    }
}

/// The path through the transit area changes, ends and comes back; then what it is configured with goes and comes.
#[test]
fn a_virtual_link_follows_its_path() {
    for seed in seeds(4) {
        let Chain { mut network, core, end, far, short, long, near, .. } = chain(seed);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        let all =
            |n: &Network, cost| n.cost(core, "172.20.9.0/24") == cost && n.cost(far, "172.20.0.0/24") == cost;
        network.until("the short path", |n| all(n, Some(28)));
        network.set_link(short, false);
        network.until("the long path", |n| all(n, Some(58)));
        network.set_link(long, false);
        network.until("no path", |n| all(n, None));
        let state = |n: &Network| {
            let views = n.nodes[end].instance.as_ref().expect("it runs").view_interfaces(n.now);
            views.into_iter().find(|view| view.virtual_router_id.is_some()).map(|view| view.state)
        };
        assert_eq!(state(&network), Some(InterfaceState::Down));
        network.set_link(long, true);
        network.until("the long path again", |n| all(n, Some(58)));
        assert_eq!(state(&network), Some(InterfaceState::PointToPoint));
        network.set_link(short, true);
        network.until("the short path again", |n| all(n, Some(28)));
        let before = network.nodes[end].config.clone();
        network.reconfigure(end, |config| {
            config.interfaces.retain(|_, interface| interface.interface_type.virtual_link().is_none());
        });
        network.until("no virtual link", |n| all(n, None));
        network.reconfigure(end, |config| *config = before.clone());
        network.until("the virtual link again", |n| all(n, Some(28)));
        network.kill(near);
        network.until("a dead end of it", |n| n.cost(far, "172.20.0.0/24").is_none());
        network.start(near);
        network.until("it lives again", |n| all(n, Some(28)));
    }
}

#[test]
fn external_routes_reach_the_far_area_through_the_transit_area() {
    let Chain { mut network, core, far, .. } = chain(3);
    network.start_all();
    let route = ExternalRoute { metric: 4, ..ExternalRoute::default() };
    network.redistribute(core, &[("198.51.100.0/24", route)]);
    network.until("the external route", |n| {
        let route = n.nodes[far].fib.get(&"198.51.100.0/24".parse().expect("a prefix"));
        route.is_some_and(|route| matches!(route.path_type, PathType::External1 | PathType::External2))
    });
}

/// A backbone of two halves, whose border routers have a shorter way through the transit area than through each other:
///
/// ```text
///  left ── a ═══════ b ── right     area 0, and ═══ a link that is cut
///          ├─ inner ─┤              transit area
/// ```
#[test]
fn a_backbone_that_is_cut_is_mended() {
    for seed in seeds(4) {
        let mut network = Network::new(seed);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        let [left, a, inner, b, right] = network.routers(5)[..] else { unreachable!() };
        network.link(left, a, BACKBONE, 1);
        let cut = network.link(a, b, BACKBONE, 50);
        network.link(b, right, BACKBONE, 1);
        network.link(a, inner, CLUSTER, 3);
        network.link(inner, b, CLUSTER, 3);
        network.stub(left, BACKBONE, "172.20.0.1/24", 1);
        network.stub(right, BACKBONE, "172.20.1.1/24", 1);
        network.virtual_link(a, b, CLUSTER);
        network.start_all();
        // The virtual link is the cheaper one.
        let through_inner = |n: &Network| {
            n.cost(left, "172.20.1.0/24") == Some(9)
                && n.cost(right, "172.20.0.0/24") == Some(9)
                && n.passes(left, [172, 20, 1, 1]) == [a, inner, b, right]
        };
        network.until("through the transit area", through_inner);
        network.set_link(cut, false);
        network.run_for(seconds(20));
        network.until("without the link", through_inner);
        network.set_link(cut, true);
        network.kill(inner);
        network.until("over the link", |n| n.passes(left, [172, 20, 1, 1]) == [a, b, right]);
        network.set_link(cut, false);
        network.until("cut", |n| n.cost(left, "172.20.1.0/24").is_none());
        network.start(inner);
        network.until("mended", through_inner);
    }
}

/// Section 16.3: the virtual link leads to one border router, and a third one in the transit area is nearer to what lies in the
/// backbone behind it.
#[test]
fn a_shorter_way_through_the_transit_area_is_taken() {
    let mut network = Network::new(1);
    let [core, near, other, end, far] = network.routers(5)[..] else { unreachable!() };
    network.link(core, near, BACKBONE, 10);
    network.link(core, other, BACKBONE, 10);
    network.link(near, end, CLUSTER, 30);
    network.link(other, end, CLUSTER, 5);
    network.link(end, far, FAR, 7);
    network.stub(core, BACKBONE, "172.20.0.1/24", 1);
    network.virtual_link(near, end, CLUSTER);
    network.start_all();
    // By the backbone alone: 7 + 30 + 10 + 1.
    network.until("the way past the virtual link", |n| n.cost(end, "172.20.0.0/24") == Some(16));
    network.until("the way past the virtual link", |n| {
        n.passes(far, [172, 20, 0, 1]) == [end, other, core] && n.cost(far, "172.20.0.0/24") == Some(23)
    });
}
