//! Authentication with real routers: right keys, wrong keys, keys that are changed while neighbors are up.

use std::rc::Rc;

use isthmus_tests::lab::{
    self, Lab, Namespace, Node, NodeConfig, Peer, PeerAuthentication, PeerConfig, PeerInterface, Ping,
    await_mismatch, await_no_mismatch, await_same_database,
};
use serde_json::Value;

const PASSWORD: &str = "pa55word";
const WRONG_PASSWORD: &str = "0therone";
const KEY: &str = "sixteen-letters!";
const WRONG_KEY: &str = "another-key";
/// How a failure is named whose values are secrets.
const ANOTHER: (&str, &str) = ("this password or key", "another one");

/// A plain router between FRR and BIRD, each on a cable of its own, all told to authenticate.
struct Between {
    node: Rc<Node>,
    frr: Rc<lab::Frr>,
    bird: Rc<lab::Bird>,
    frr_space: Rc<Namespace>,
}

fn peer_config(router_id: &'static str, authentication: PeerAuthentication) -> PeerConfig {
    let interfaces = vec![
        PeerInterface::point_to_point("core", 10).authenticated(authentication),
        PeerInterface::passive("lan", 10),
    ];
    PeerConfig::new(router_id, interfaces)
}

fn router_config(to_frr: &str, to_bird: &str) -> NodeConfig {
    let interface = |name: &str, address: &str, authentication: &str| {
        format!(
            "  - name: {name}\n    address: {address}\n    ospf: {{hello-interval: 1, dead-interval: 4, authentication: {authentication}}}\n"
        )
    };
    let yaml = format!(
        "ospf: {{router-id: 10.255.0.9}}\ninterfaces:\n{}{}",
        interface("up1", "10.1.0.1/30", to_frr),
        interface("up2", "10.2.0.1/30", to_bird)
    );
    NodeConfig::router(yaml)
}

impl Between {
    fn build(lab: &Lab, peers: PeerAuthentication, to_frr: &str, to_bird: &str) -> Self {
        let [space, f, b] = ["n9", "r1", "r2"].map(|name| lab.namespace(name));
        for (router, number) in [(&f, 1), (&b, 2)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("core", &format!("10.{number}.0.2/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        let frr = lab.frr(&f, &peer_config("10.255.0.1", peers));
        let bird = lab.bird(&b, &peer_config("10.255.0.2", peers));
        let node = lab.node(&space, router_config(to_frr, to_bird));
        node.await_ready();
        Self { node, frr, bird, frr_space: f }
    }

    fn await_full(&self) {
        self.node.await_full("up1", "10.255.0.1");
        self.node.await_full("up2", "10.255.0.2");
        for peer in [&*self.frr as &dyn Peer, &*self.bird] {
            peer.await_full("10.255.0.9");
        }
        self.frr.await_route("192.168.2.0/24");
        self.bird.await_route("192.168.1.0/24");
    }

    /// Both neighbors are there, traffic passes between them, all have one database, and nobody sees a secret.
    fn assert_right(&self, secret: &str) {
        self.await_full();
        Ping::await_answer(&self.frr_space, "192.168.2.1");
        await_same_database("0.0.0.0", &[&self.node], &[&*self.frr, &*self.bird]);
        for name in ["up1", "up2"] {
            await_no_mismatch(&self.node, name);
        }
        self.assert_hidden(secret);
    }

    /// Neither is a neighbor, and the interface, the command line and an event say why.
    fn assert_wrong(&self, error: &str, values: [(&str, &str); 2], secrets: &[&str]) {
        for (number, (own, theirs)) in (1..).zip(values) {
            let (name, source) = (format!("up{number}"), format!("10.{number}.0.2"));
            await_mismatch(&self.node, &name, &source, error, own, theirs);
        }
        assert_eq!(self.node.list("/ospf/neighbors", "neighbor").unwrap(), [] as [Value; 0]);
        for peer in [&*self.frr as &dyn Peer, &*self.bird] {
            let state = peer.neighbor_state("10.255.0.9").unwrap_or_default();
            assert!(!state.starts_with("Full"), "{state}");
        }
        secrets.iter().for_each(|secret| self.assert_hidden(secret));
    }

    fn assert_hidden(&self, secret: &str) {
        for path in ["/config", "/ospf/interfaces", "/events/recent", "/ospf", "/system"] {
            let shown = self.node.get(path).unwrap().to_string();
            assert!(!shown.contains(secret), "{path} shows the secret: {shown}");
        }
        for words in
            [vec!["show", "ospf", "interface", "up1"], vec!["show", "config"], vec!["show", "events"]]
        {
            let shown = self.node.cli(&words);
            assert!(!shown.contains(secret), "{words:?} shows the secret: {shown}");
        }
        assert!(!self.node.log().contains(secret), "{}", self.node.log());
    }
}

/// Input: FRR and BIRD with a password, the same here. Output: Full, routes, traffic; the password is nowhere.
#[test]
fn the_same_password_makes_neighbors_of_frr_and_bird() {
    lab::run("password", |lab| {
        let simple = format!("{{type: simple, key: '{PASSWORD}'}}");
        let between = Between::build(lab, PeerAuthentication::Simple(PASSWORD), &simple, &simple);
        between.assert_right(PASSWORD);
    });
}

/// Input: another password here; none here. Output: no neighbor, and the failure, or both types, named.
#[test]
fn another_password_or_none_makes_no_neighbor_and_is_named() {
    lab::run("password2", |lab| {
        let simple = format!("{{type: simple, key: '{WRONG_PASSWORD}'}}");
        let between = Between::build(lab, PeerAuthentication::Simple(PASSWORD), &simple, &simple);
        between.assert_wrong("auth-failure", [ANOTHER; 2], &[PASSWORD, WRONG_PASSWORD]);
    });
    lab::run("password3", |lab| {
        let between = Between::build(lab, PeerAuthentication::Simple(PASSWORD), "{type: none}", "{}");
        between.assert_wrong("auth-type-mismatch", [("none", "simple"); 2], &[PASSWORD]);
    });
}

/// Input: FRR and BIRD with an MD5 key; here the same as second and as only key, under a key that they do not have.
/// Output: the router that signs with the common key is a neighbor.
#[test]
fn the_same_md5_key_makes_neighbors_of_frr_and_bird() {
    lab::run("md5", |lab| {
        let only = format!("{{type: md5, keys: [{{key-id: 7, key: '{KEY}'}}]}}");
        let first =
            format!("{{type: md5, keys: [{{key-id: 7, key: '{KEY}'}}, {{key-id: 8, key: '{WRONG_KEY}'}}]}}");
        let between = Between::build(lab, PeerAuthentication::Md5 { id: 7, key: KEY }, &only, &first);
        between.assert_right(KEY);
        // A restart begins with a sequence number that the neighbors take: they still remember the last one.
        between.node.kill();
        between.node.start();
        between.assert_right(KEY);
    });
}

/// Input: another MD5 key under the same number; the right key under another number. Output: no neighbor, and why.
#[test]
fn another_md5_key_makes_no_neighbor_and_is_named() {
    lab::run("md5wrong", |lab| {
        let key = format!("{{type: md5, keys: [{{key-id: 7, key: '{WRONG_KEY}'}}]}}");
        let id = format!("{{type: md5, keys: [{{key-id: 8, key: '{KEY}'}}]}}");
        let between = Between::build(lab, PeerAuthentication::Md5 { id: 7, key: KEY }, &key, &id);
        between.assert_wrong("auth-failure", [ANOTHER, ("key id 8", "key id 7")], &[KEY, WRONG_KEY]);
    });
}
