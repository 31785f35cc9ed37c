//! Routes from outside OSPF through two areas, and none of them in a stub area.

use isthmus_ospf::config::{AreaConfig, AreaType, ExternalRoute};
use isthmus_ospf::types::AreaId;
use isthmus_ospf::view::NeighborState;

use crate::network::{BACKBONE, CLUSTER, Network, NodeId, Quality, seconds, seeds};

const STUB: AreaId = AreaId(std::net::Ipv4Addr::new(0, 0, 0, 9));
const ONE: &str = "198.18.0.0/16";
const TWO: &str = "198.19.0.0/16";

fn route(metric: u32, e2: bool) -> ExternalRoute {
    ExternalRoute { metric, e2, tag: 42, ..ExternalRoute::default() }
}

/// Backbone router, border router, router of a normal area, router of a stub area. The first and the third announce
/// routes: the third nothing that the first does not, at other metrics.
fn site(seed: u64) -> (Network, [NodeId; 4]) {
    let mut network = Network::new(seed);
    let nodes = [network.router(), network.router(), network.router(), network.router()];
    let [outer, border, inner, stub] = nodes;
    for node in [border, stub] {
        let area_type = AreaType::Stub { default_cost: 3, summary: true };
        network.area(node, STUB, AreaConfig { area_type, ..AreaConfig::default() });
    }
    network.link(outer, border, BACKBONE, 10);
    network.link(border, inner, CLUSTER, 4);
    network.link(border, stub, STUB, 5);
    for (node, area) in [(outer, BACKBONE), (inner, CLUSTER)] {
        let host = format!("{}/32", network.router_id(node).0);
        network.stub(node, area, &host, 0);
    }
    (network, nodes)
}

fn has(network: &Network, node: NodeId, prefix: &str) -> bool {
    network.nodes[node].fib.contains_key(&prefix.parse().expect("a prefix"))
}

#[test]
fn external_routes_come_through_two_areas_and_not_into_a_stub_area() {
    for seed in seeds(5) {
        let (mut network, [outer, border, inner, stub]) = site(seed);
        network.quality = if seed == 0 { Quality::GOOD } else { Quality::BAD };
        network.start_all();
        network.redistribute(outer, &[(ONE, route(7, false)), (TWO, route(7, true))]);
        network.converge(seconds(300));
        assert!(has(&network, inner, ONE) && has(&network, inner, TWO) && !has(&network, stub, ONE));
        let instance = network.nodes[stub].instance.as_ref().expect("it runs");
        assert_eq!(instance.view_database(network.now, None), []);
        // The border router turns to the nearer for one, and stays with the lower metric for the other.
        network.redistribute(inner, &[(ONE, route(7, false)), (TWO, route(8, true))]);
        network.run_for(seconds(5));
        network.converge(seconds(300));
        let hop = |prefix: &str| {
            let prefix = prefix.parse().expect("a prefix");
            network.nodes[border].fib[&prefix].next_hops[0].router
        };
        assert_eq!((hop(ONE), hop(TWO)), (network.router_id(inner), network.router_id(outer)));
        // Killed, it says the same in its next life; then it says nothing.
        network.kill(inner);
        network.start(inner);
        network.run_for(seconds(5));
        network.converge(seconds(300));
        network.redistribute(inner, &[]);
        network.redistribute(outer, &[]);
        network.run_for(seconds(5));
        network.converge(seconds(300));
        assert!(!has(&network, border, ONE) && !has(&network, inner, TWO));
        assert_eq!(network.neighbor_state(border, inner), NeighborState::Full);
    }
}
