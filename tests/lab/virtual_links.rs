//! A backbone of two pieces, joined by a node that has no interface in it:
//!
//! ```text
//!   lan ── r1 ──── r2 ──── node ──── r3 ── lan
//!   area 0   area 0.0.0.1     area 0.0.0.2   area 0
//!         FRR     BIRD               BIRD
//!          ══════════════════ ══════════       virtual links
//! ```

use isthmus_tests::http;
use isthmus_tests::lab::{
    self, Node, NodeConfig, Peer, PeerAuthentication, PeerConfig, PeerInterface, PeerVirtualLink, Ping,
    await_same_database,
};
use serde_json::{Value, json};

const NODE: &str = "10.255.0.9";
const R1: &str = "10.255.0.1";
const R2: &str = "10.255.0.2";
const R3: &str = "10.255.0.3";

const YAML: &str = "ospf:
  router-id: 10.255.0.9
  areas:
    - area-id: 0.0.0.1
      virtual-links: [{router-id: 10.255.0.1, hello-interval: 1, dead-interval: 4}]
    - area-id: 0.0.0.2
      virtual-links: [{router-id: 10.255.0.3, hello-interval: 1, dead-interval: 4}]
interfaces:
  - {name: left, address: 10.2.0.2/30, ospf: {area-id: 0.0.0.1, hello-interval: 1, dead-interval: 4}}
  - {name: right, address: 10.3.0.1/30, ospf: {area-id: 0.0.0.2, interface-type: broadcast, hello-interval: 1, dead-interval: 4}}
";

const KEY: &str = "sixteen-letters!";

/// The virtual links of the node: to FRR always, to BIRD as said.
fn areas(to_bird: Option<Value>) -> Value {
    let link = |mut link: Value| {
        link["hello-interval"] = json!(1);
        link["dead-interval"] = json!(4);
        link
    };
    let to_frr = link(json!({ "router-id": R1 }));
    json!([
        { "area-id": "0.0.0.1", "virtual-links": [to_frr] },
        { "area-id": "0.0.0.2", "virtual-links": to_bird.map(link).into_iter().collect::<Vec<_>>() },
    ])
}

fn configure(node: &Node, areas: &Value) {
    let patch = json!({ "ospf": { "areas": areas } });
    let answer = http::request(node.socket(), "PATCH", "/api/v1/config", Some(&patch)).unwrap();
    assert!(answer.status < 300, "{} {:?}", answer.status, answer.json());
}

/// How often adjacencies have changed their states, but those over the virtual link to BIRD.
fn changes(node: &Node) -> usize {
    let events = node.list("/events/recent?type=nbr-state-change", "event").unwrap();
    events.iter().filter(|event| event["detail"]["interface"] != "virtual-0.0.0.2-10.255.0.3").count()
}

/// Input: FRR and BIRD, each with a piece of the backbone behind an area, and virtual links to the node between them, one over
/// another router; then the link to BIRD taken away by configuration, and given back
/// with keys; then the way through the other router cut, and back. Output: the pieces are one backbone, with one database, and reach
/// each other; without the way they do not, and with it they do again. no
/// other adjacency is touched by the configuration.
#[test]
fn two_pieces_of_a_backbone_are_joined_by_virtual_links_with_frr_and_bird() {
    lab::run("virtual-links", |lab| {
        let [space, r1, r2, r3] = ["n9", "r1", "r2", "r3"].map(|name| lab.namespace(name));
        lab.cable((&r1, "core"), (&r2, "west"));
        lab.cable((&r2, "east"), (&space, "left"));
        lab.cable((&space, "right"), (&r3, "core"));
        for (router, number) in [(&r1, 1), (&r3, 3)] {
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        r1.address("core", "10.1.0.1/30");
        r2.address("west", "10.1.0.2/30");
        r2.address("east", "10.2.0.1/30");
        r3.address("core", "10.3.0.2/30");
        let link =
            |transit_area, authentication| PeerVirtualLink { transit_area, router_id: NODE, authentication };
        let border = |id, core: PeerInterface, link| {
            let interfaces = vec![core, PeerInterface::passive("lan", 10)];
            PeerConfig { virtual_links: vec![link], ..PeerConfig::new(id, interfaces) }
        };
        let frr = lab.frr(
            &r1,
            &border(
                R1,
                PeerInterface::point_to_point("core", 10).in_area("0.0.0.1"),
                link("0.0.0.1", PeerAuthentication::None),
            ),
        );
        let ends = ["west", "east"].map(|name| PeerInterface::point_to_point(name, 10).in_area("0.0.0.1"));
        let inner = lab.bird(&r2, &PeerConfig::new(R2, ends.to_vec()));
        // BIRD 2.0 finds no address at the end of a path whose last link is point-to-point: two BIRDs have no virtual link
        // over such a link either.
        let core = PeerInterface::broadcast("core", 10, 1).in_area("0.0.0.2");
        let bird = lab.bird(&r3, &border(R3, core.clone(), link("0.0.0.2", PeerAuthentication::None)));
        let node = lab.node(&space, NodeConfig::router(YAML.to_owned()));
        node.await_ready();
        node.await_full("left", R2);
        let joined = || {
            node.await_full("virtual-0.0.0.1-10.255.0.1", R1);
            node.await_full("virtual-0.0.0.2-10.255.0.3", R3);
            frr.await_route("192.168.3.0/24");
            inner.await_route("192.168.3.0/24");
            inner.await_route("192.168.1.0/24");
            bird.await_route("192.168.1.0/24");
            await_same_database("0.0.0.0", &[&node], &[&*frr, &*bird]);
            await_same_database("0.0.0.1", &[&node], &[&*frr, &*inner]);
            await_same_database("0.0.0.2", &[&node], &[&*bird]);
            Ping::await_answer(&r3, "192.168.1.1");
            Ping::await_answer(&r1, "192.168.3.1");
        };
        joined();
        let routes = node.ospf_routes().unwrap();
        let far = &routes["192.168.1.0/24"];
        // A network of the backbone, by the path through the transit area.
        assert_eq!((&far["route-type"], &far["metric"]), (&"intra-area".into(), &30.into()), "{far}");

        let before = changes(&node);
        configure(&node, &areas(None));
        frr.await_no_route("192.168.3.0/24");
        let authentication = json!({ "type": "md5", "keys": [{ "key-id": 7, "key": KEY }] });
        configure(&node, &areas(Some(json!({ "router-id": R3, "authentication": authentication }))));
        let signed = PeerAuthentication::Md5 { id: 7, key: KEY };
        bird.configure(&border(R3, core, link("0.0.0.2", signed)));
        joined();
        assert_eq!(changes(&node), before, "adjacencies that the configuration does not touch");

        r2.ip(&["link", "set", "east", "down"]);
        frr.await_no_route("192.168.3.0/24");
        bird.await_no_route("192.168.1.0/24");
        r2.ip(&["link", "set", "east", "up"]);
        joined();
    });
}
