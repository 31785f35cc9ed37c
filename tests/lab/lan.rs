//! A LAN of three makes: each as designated router, its death, its return.

use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, Capture, Lab, Lan, Namespace, Node, NodeConfig, Peer, PeerConfig, PeerInterface, Ping, Pinger,
    await_same_database, wait,
};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Isthmus,
    Frr,
    Bird,
}

/// A router on the LAN, with a host on a network of its own behind it.
struct Member {
    make: Make,
    number: u8,
    host: Rc<Namespace>,
    router: Router,
}

enum Router {
    Node(Rc<Node>),
    Peer(Rc<dyn Peer>),
}

impl Member {
    /// Starts a router of a make on the LAN, with a priority.
    fn start(lab: &Lab, lan: &Lan, make: Make, priority: u8) -> Self {
        let number = make as u8 + 1;
        let [space, host] = [format!("r{number}"), format!("h{number}")].map(|name| lab.namespace(&name));
        lan.attach(lab, &space, "lan");
        lab.cable((&space, "own"), (&host, "eth0"));
        host.address("eth0", &format!("192.168.{number}.2/24"));
        host.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")]);
        let interfaces =
            vec![PeerInterface::broadcast("lan", 10, priority), PeerInterface::passive("own", 10)];
        let router = if make == Make::Isthmus {
            Router::Node(lab.node(&space, node_config(number, priority)))
        } else {
            space.address("lan", &format!("10.50.0.{number}/24"));
            space.address("own", &format!("192.168.{number}.1/24"));
            let config = PeerConfig::new(["", "10.255.0.2", "10.255.0.3"][make as usize], interfaces);
            match make {
                Make::Frr => Router::Peer(lab.frr(&space, &config)),
                _ => Router::Peer(lab.bird(&space, &config)),
            }
        };
        Self { make, number, host, router }
    }

    fn router_id(&self) -> String {
        format!("10.255.0.{}", self.number)
    }

    fn address(&self) -> String {
        format!("10.50.0.{}", self.number)
    }

    fn host_address(&self) -> String {
        format!("192.168.{}.2", self.number)
    }

    fn kill(&self) {
        match &self.router {
            Router::Node(node) => node.kill(),
            Router::Peer(peer) => peer.kill_daemon(),
        }
    }

    fn restart(&self) {
        match &self.router {
            Router::Node(node) => node.start(),
            Router::Peer(peer) => peer.start_daemon(),
        }
    }

    /// How it sees another router, in the words of FRR: `Full/DR`, `Full/Backup`, `2-Way/DROther`.
    fn sees(&self, other: &str) -> Result<String, String> {
        match &self.router {
            Router::Peer(peer) => {
                Ok(peer.neighbor_state(other)?.replace("/BDR", "/Backup").replace("/Other", "/DROther"))
            }
            Router::Node(node) => {
                node.get("/ospf/neighbors")?;
                let shown = node.cli(&["show", "ospf", "neighbor"]);
                let line = shown.lines().find(|line| line.split_whitespace().next() == Some(other));
                line.and_then(|line| line.split_whitespace().nth(2)).map(str::to_owned).ok_or(shown)
            }
        }
    }

    /// Waits until it sees another router as it should.
    fn await_seen(&self, other: &Self, state: &str) {
        let what = format!("{:?} sees {:?} as {state}", self.make, other.make);
        wait(&what, Duration::from_secs(60), || {
            let seen = self.sees(&other.router_id())?;
            if seen == state { Ok(()) } else { Err(seen) }
        });
    }

    fn node(&self) -> Option<&Rc<Node>> {
        match &self.router {
            Router::Node(node) => Some(node),
            Router::Peer(_) => None,
        }
    }
}

fn node_config(number: u8, priority: u8) -> NodeConfig {
    NodeConfig::router(format!(
        "ospf: {{router-id: 10.255.0.{number}}}
interfaces:
  - name: lan
    address: 10.50.0.{number}/24
    ospf: {{interface-type: broadcast, priority: {priority}, hello-interval: 1, dead-interval: 4}}
  - name: own
    address: 192.168.{number}.1/24
    ospf: {{passive: true}}
"
    ))
}

/// Waits until each of these sees each other one as Full, in its part: the first is designated, the second its backup.
fn await_parts(members: &[&Member]) {
    for viewer in members {
        for (position, seen) in members.iter().enumerate().filter(|(_, seen)| seen.number != viewer.number) {
            viewer.await_seen(seen, ["Full/DR", "Full/Backup", "Full/DROther"][position]);
        }
    }
}

/// Waits until all hold one database, with one network-LSA of the LAN: by the first, of all of them.
fn await_network(members: &[&Member]) {
    let nodes: Vec<&Rc<Node>> = members.iter().filter_map(|member| member.node()).collect();
    let peers: Vec<&dyn Peer> = members
        .iter()
        .filter_map(|member| match &member.router {
            Router::Peer(peer) => Some(&**peer),
            Router::Node(_) => None,
        })
        .collect();
    let mut wanted: Vec<String> = members.iter().map(|member| member.router_id()).collect();
    wanted.sort();
    if let [node] = nodes[..] {
        wait("the network-LSA of the LAN", Duration::from_secs(60), || {
            let list = node.list("/ospf/areas/0.0.0.0/database?lsa-type=network", "lsa")?;
            let of_first =
                list.iter().find(|lsa| lsa["header"]["adv-router"] == members[0].router_id().as_str());
            let lsa = of_first.ok_or_else(|| format!("{list:?}"))?;
            let mut attached: Vec<&str> = lsa["body"]["network"]["attached-routers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            attached.sort_unstable();
            let id_is_address = lsa["header"]["lsa-id"] == members[0].address().as_str();
            if id_is_address && attached == wanted { Ok(()) } else { Err(lsa.to_string()) }
        });
    }
    await_same_database("0.0.0.0", &nodes, &peers);
}

/// One make after the other comes up on the LAN, so that the first is designated, the second its backup, whatever the
/// third's priority is. Then the first dies and returns.
fn life_of_a_lan(lab: &Lab, makes: [Make; 3]) {
    let lan = Lan::new(lab);
    let first = Member::start(lab, &lan, makes[0], 200);
    if let Some(node) = first.node() {
        node.await_ready();
        wait("the node is designated router", Duration::from_secs(60), || {
            let shown = node.cli(&["show", "ospf", "interface", "lan"]);
            if shown.contains("State              dr\n") { Ok(()) } else { Err(shown) }
        });
    }
    let second = Member::start(lab, &lan, makes[1], 100);
    second.await_seen(&first, "Full/DR");
    first.await_seen(&second, "Full/Backup");
    let third = Member::start(lab, &lan, makes[2], 1);
    let members = [&first, &second, &third];
    await_parts(&members);
    await_network(&members);
    for (from, to) in [(&first, &second), (&second, &third), (&third, &first)] {
        Ping::await_answer(&from.host, &to.host_address());
    }
    let quiet = members.iter().find(|member| member.make == Make::Isthmus).expect("the node");
    let capture = Capture::start(lab, &quiet.host, "eth0", "ip");

    let pinger = Pinger::start(&second.host, &third.host_address());
    pinger.await_more(3);
    first.kill();
    second.await_seen(&third, "Full/Backup");
    third.await_seen(&second, "Full/DR");
    pinger.await_more(10);
    await_dead(&second, &first);
    await_dead(&third, &first);
    Ping::await_answer(&third.host, &second.host_address());

    // Whoever is designated stays it (RFC 2328 section 9.4): the returned router has the highest priority, and is neither.
    first.restart();
    await_parts(&[&second, &third, &first]);
    await_network(&[&second, &third, &first]);
    for (from, to) in [(&first, &second), (&second, &third), (&third, &first)] {
        Ping::await_answer(&from.host, &to.host_address());
    }
    let after = pinger.stop();
    assert!(after.received >= 13, "{}", after.output);
    Ping::await_answer(&quiet.host, &format!("192.168.{}.1", quiet.number));
    let packets = capture.stop();
    assert_eq!(packets.matching("ospf"), [""; 0], "a passive interface says nothing");
}

fn await_dead(member: &Member, dead: &Member) {
    wait(&format!("{:?} misses {:?}", member.make, dead.make), Duration::from_secs(60), || {
        match member.sees(&dead.router_id()) {
            Ok(state) if state.starts_with("Full") => Err(state),
            _ => Ok(()),
        }
    });
}

/// Input: the node alone on the LAN until it is designated router, then FRR, then BIRD; the node dies and returns.
/// Output: all Full in their parts, one database with the node's network-LSA of three routers, traffic between all; FRR
/// takes over and stays designated router; the node's passive interface says nothing of OSPF.
#[test]
fn the_node_is_designated_router_of_a_lan() {
    lab::run("lan-isthmus", |lab| life_of_a_lan(lab, [Make::Isthmus, Make::Frr, Make::Bird]));
}

/// The same with FRR designated and BIRD as backup.
#[test]
fn frr_is_designated_router_of_a_lan() {
    lab::run("lan-frr", |lab| life_of_a_lan(lab, [Make::Frr, Make::Bird, Make::Isthmus]));
}

/// The same with BIRD designated and the node as backup, which takes over.
#[test]
fn bird_is_designated_router_of_a_lan_and_the_node_takes_over() {
    lab::run("lan-bird", |lab| life_of_a_lan(lab, [Make::Bird, Make::Isthmus, Make::Frr]));
}
