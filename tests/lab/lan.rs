//! A LAN of three makes: each as designated router, its death, its return.

use std::rc::Rc;
use std::time::Duration;

use isthmus_tests::lab::{
    self, COMMON, Capture, Lab, Lan, Namespace, Node, NodeConfig, Peer, PeerAuthentication, PeerConfig,
    PeerInterface, Ping, Pinger, await_cluster, await_same_database, wait,
};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Isthmus,
    Frr,
    Bird,
}

/// Whether the routers of a LAN find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// By multicast.
    Broadcast,
    /// They are listed to each other: the LAN carries no multicast.
    NonBroadcast,
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
    fn start(lab: &Lab, lan: &Lan, medium: Medium, make: Make, priority: u8) -> Self {
        let number = make as u8 + 1;
        let [space, host] = [format!("r{number}"), format!("h{number}")].map(|name| lab.namespace(&name));
        lan.attach(lab, &space, "lan");
        lab.cable((&space, "own"), (&host, "eth0"));
        host.address("eth0", &format!("192.168.{number}.2/24"));
        host.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")]);
        let on_lan = match medium {
            Medium::Broadcast => PeerInterface::broadcast("lan", 10, priority),
            Medium::NonBroadcast => PeerInterface::non_broadcast("lan", 10, priority, others(number)),
        };
        let interfaces = vec![on_lan, PeerInterface::passive("own", 10)];
        let router = if make == Make::Isthmus {
            Router::Node(lab.node(&space, node_config(number, medium, priority)))
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

/// The other two on the LAN, all of which may be designated.
fn others(number: u8) -> &'static [(&'static str, u8)] {
    const ALL: [(&str, u8); 3] = [("10.50.0.1", 1), ("10.50.0.2", 1), ("10.50.0.3", 1)];
    const OUTER: [(&str, u8); 2] = [ALL[0], ALL[2]];
    match number {
        1 => &ALL[1..],
        2 => &OUTER,
        _ => &ALL[..2],
    }
}

fn node_config(number: u8, medium: Medium, priority: u8) -> NodeConfig {
    let network = match medium {
        Medium::Broadcast => "interface-type: broadcast".to_owned(),
        Medium::NonBroadcast => {
            let listed = |(address, priority): &(&str, u8)| {
                format!("{{identifier: {address}, priority: {priority}, poll-interval: 2}}")
            };
            let listed: Vec<_> = others(number).iter().map(listed).collect();
            format!("interface-type: non-broadcast, static-neighbors: [{}]", listed.join(", "))
        }
    };
    NodeConfig::router(format!(
        "ospf: {{router-id: 10.255.0.{number}}}
interfaces:
  - name: lan
    address: 10.50.0.{number}/24
    ospf: {{{network}, priority: {priority}, hello-interval: 1, dead-interval: 4}}
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
pub(crate) fn life_of_a_lan(lab: &Lab, medium: Medium, makes: [Make; 3]) {
    let lan = match medium {
        Medium::Broadcast => Lan::new(lab),
        Medium::NonBroadcast => Lan::without_multicast(lab),
    };
    let first = Member::start(lab, &lan, medium, makes[0], 200);
    if let Some(node) = first.node() {
        node.await_ready();
        wait("the node is designated router", Duration::from_secs(60), || {
            let shown = node.cli(&["show", "ospf", "interface", "lan"]);
            if shown.contains("State              dr\n") { Ok(()) } else { Err(shown) }
        });
    }
    let second = Member::start(lab, &lan, medium, makes[1], 100);
    second.await_seen(&first, "Full/DR");
    first.await_seen(&second, "Full/Backup");
    let third = Member::start(lab, &lan, medium, makes[2], 1);
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
    lab::run("lan-isthmus", |lab| {
        life_of_a_lan(lab, Medium::Broadcast, [Make::Isthmus, Make::Frr, Make::Bird])
    });
}

/// The same with FRR designated and BIRD as backup.
#[test]
fn frr_is_designated_router_of_a_lan() {
    lab::run("lan-frr", |lab| life_of_a_lan(lab, Medium::Broadcast, [Make::Frr, Make::Bird, Make::Isthmus]));
}

/// The same with BIRD designated and the node as backup, which takes over.
#[test]
fn bird_is_designated_router_of_a_lan_and_the_node_takes_over() {
    lab::run("lan-bird", |lab| life_of_a_lan(lab, Medium::Broadcast, [Make::Bird, Make::Isthmus, Make::Frr]));
}

/// Input: FRR designated, BIRD its backup, a node of a cluster with an MD5 key and priority 0, and a second FRR of priority
/// 0. Output: the node is Full with the first two and stays in 2-Way with the other, takes no part in the election when both
/// designated routers die, and forwards between all: it is an area border router of its cluster on the LAN, whose common
/// address everybody reaches.
#[test]
fn a_cluster_on_a_lan_is_full_with_the_designated_routers_and_two_way_with_others() {
    lab::run("lan-cluster", |lab| {
        let authentication = PeerAuthentication::Md5 { id: 3, key: "lan-key" };
        let lan = Lan::new(lab);
        let space = |name: &str, address: &str| {
            let space = lab.namespace(name);
            lan.attach(lab, &space, "lan");
            if !address.is_empty() {
                space.address("lan", address);
            }
            space
        };
        let config = |id, priority| {
            let lan = PeerInterface::broadcast("lan", 10, priority).authenticated(authentication);
            PeerConfig::new(id, vec![lan])
        };
        let dr = lab.frr(&space("r1", "10.50.0.1/24"), &config("10.255.0.1", 200));
        let bdr = lab.bird(&space("r2", "10.50.0.2/24"), &config("10.255.0.2", 100));
        wait("BIRD is the backup", Duration::from_secs(60), || {
            let state = dr.neighbor_state("10.255.0.2")?;
            if state == "Full/Backup" { Ok(()) } else { Err(state) }
        });
        let other = lab.frr(&space("r3", "10.50.0.3/24"), &config("10.255.0.3", 0));
        let mut cluster = NodeConfig::border(1, "lan", "10.50.0.9/24");
        let lan_keys = "{interface-type: broadcast, priority: 0, authentication: {type: md5, keys: [{key-id: 3, key: lan-key}]}, hello";
        cluster.yaml = cluster.yaml.replace("{hello", lan_keys);
        let n1 = lab.node(&space("n1", ""), cluster);
        let n2 = lab.node(&lab.namespace("n2"), NodeConfig::inside(2));
        await_cluster(&[&n1, &n2]);
        n1.await_full("lan", "10.255.0.1");
        n1.await_full("lan", "10.255.0.2");
        wait("2-Way with the other FRR", Duration::from_secs(60), || {
            let shown = n1.cli(&["show", "ospf", "neighbor"]);
            let line = |id: &str, state: &str| {
                shown.lines().any(|line| line.starts_with(id) && line.contains(state))
            };
            let right = line("10.255.0.1", "Full/DR ")
                && line("10.255.0.2", "Full/Backup ")
                && line("10.255.0.3", "2-Way/DROther ");
            if right { Ok(()) } else { Err(shown) }
        });
        let lan_view = n1.ospf_interface("lan").unwrap();
        let part = |key: &str| lan_view[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [
                part("state"),
                part("dr-router-id"),
                part("dr-ip-addr"),
                part("bdr-router-id"),
                part("bdr-ip-addr")
            ],
            ["dr-other", "10.255.0.1", "10.50.0.1", "10.255.0.2", "10.50.0.2"]
        );
        for peer in [&*dr as &dyn Peer, &*bdr, &*other] {
            peer.await_route(&format!("{COMMON}/32"));
            Ping::await_answer(peer.namespace(), COMMON);
            Ping::await_answer(peer.namespace(), "10.77.0.2");
        }
        await_same_database("0.0.0.0", &[&n1], &[&*dr, &*bdr, &*other]);

        // Nobody is left who may be designated: routers on the LAN see each other, and nothing more.
        dr.kill_daemon();
        bdr.kill_daemon();
        wait("nobody is designated", Duration::from_secs(60), || {
            let shown = n1.ospf_interface("lan")?;
            let none = shown.get("dr-router-id").is_none() && shown["adjacency-count"] == 0;
            if none && shown["state"] == "dr-other" { Ok(()) } else { Err(shown.to_string()) }
        });
        bdr.start_daemon();
        n1.await_full("lan", "10.255.0.2");
        other.await_full("10.255.0.2");
        Ping::await_answer(other.namespace(), COMMON);
        await_same_database("0.0.0.0", &[&n1], &[&*bdr, &*other]);
    });
}
