//! Malformed and hostile packets from the place of the real router: each is counted and dropped, and costs nothing.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use isthmus_tests::lab::{self, Node, OneExit, Peer, Ping, wait};
use isthmus_tests::wire::{
    arp_request, ethernet, fix_ip, fix_lsa, fix_ospf, hello, ipv4, ipv4_with_options, lsa, ospf, ospf_type,
    udp, update,
};

/// The outside router's address on the cable.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
/// The node's address on the cable.
const NODE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// A host behind the router.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
/// A node of the cluster.
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const STRANGER_ID: Ipv4Addr = Ipv4Addr::new(10, 255, 9, 9);
const BACKBONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 252);

/// How often each frame is sent.
const COPIES: usize = 3;

/// What is wrong with a frame, and the reason under which it is counted.
type Wrong = (&'static str, &'static str);

/// A frame that must be dropped and counted.
struct Case {
    wrong: Wrong,
    frame: Vec<u8>,
}

/// Both ends of the cable.
#[derive(Clone, Copy)]
struct Link {
    node: [u8; 6],
    router: [u8; 6],
}

impl Link {
    fn to_node(self, wrong: Wrong, packet: &[u8]) -> Case {
        Case { wrong, frame: ethernet(self.node, self.router, 0x0800, packet) }
    }

    fn to_group(self, wrong: Wrong, packet: &[u8]) -> Case {
        let destination = <[u8; 4]>::try_from(&packet[16..20]).unwrap();
        let mac = [1, 0, 0x5e, destination[1] & 0x7f, destination[2], destination[3]];
        Case { wrong, frame: ethernet(mac, self.router, 0x0800, packet) }
    }

    /// An OSPF packet from the router, in a right IP packet.
    fn ospf(self, wrong: Wrong, packet: &[u8]) -> Case {
        self.to_group(wrong, &ipv4(ROUTER, ALL_ROUTERS, 89, 1, packet))
    }
}

/// A right packet of a host to a node, changed; with the header's checksum set again.
fn transit(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = ipv4(HOST, INSIDE, 17, 64, &udp(4000, 4001, b"payload"));
    change(&mut packet);
    fix_ip(&mut packet);
    packet
}

fn between(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    ipv4(source.into(), destination.into(), 17, 64, &udp(4000, 4001, b"payload"))
}

fn ip_cases(link: Link) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut unicast = |wrong, packet: Vec<u8>| cases.push(link.to_node(wrong, &packet));
    unicast(("version 0", "bad-ip-header"), transit(|p| p[0] = 0x05));
    unicast(("version 5", "bad-ip-header"), transit(|p| p[0] = 0x55));
    unicast(("version 6", "bad-ip-header"), transit(|p| p[0] = 0x65));
    unicast(("header length 0", "bad-ip-header"), transit(|p| p[0] = 0x40));
    unicast(("header length 16", "bad-ip-header"), transit(|p| p[0] = 0x44));
    unicast(("header longer than the packet", "bad-ip-header"), transit(|p| p[0] = 0x4f));
    unicast(("total length 0", "bad-ip-header"), transit(|p| p[2..4].fill(0)));
    unicast(
        ("total length less than the header", "bad-ip-header"),
        transit(|p| p[2..4].copy_from_slice(&19_u16.to_be_bytes())),
    );
    unicast(
        ("total length beyond the frame", "bad-ip-header"),
        transit(|p| p[2..4].copy_from_slice(&1400_u16.to_be_bytes())),
    );
    unicast(("half a header", "bad-ip-header"), transit(|_| ())[..10].to_vec());
    unicast(("nothing after the Ethernet header", "bad-ip-header"), Vec::new());
    let mut damaged = transit(|_| ());
    damaged[10] ^= 0x40;
    unicast(("header checksum wrong", "bad-ip-checksum"), damaged);
    let mut damaged = transit(|_| ());
    damaged[14] ^= 0x01;
    unicast(("source changed on the way", "bad-ip-checksum"), damaged);
    unicast(("time to live 0", "ttl-expired"), transit(|p| p[8] = 0));
    unicast(("time to live 1 in transit", "ttl-expired"), transit(|p| p[8] = 1));
    unicast(("source 0.0.0.0", "martian"), between([0, 0, 0, 0], [10, 77, 0, 3]));
    unicast(("source in 0.0.0.0/8", "martian"), between([0, 1, 2, 3], [10, 77, 0, 3]));
    unicast(("source loopback", "martian"), between([127, 0, 0, 1], [10, 77, 0, 3]));
    unicast(("source multicast", "martian"), between([224, 0, 0, 1], [10, 77, 0, 3]));
    unicast(("source broadcast", "martian"), between([255, 255, 255, 255], [10, 77, 0, 3]));
    unicast(("source reserved", "martian"), between([240, 0, 0, 1], [10, 77, 0, 3]));
    unicast(("destination loopback", "martian"), between([192, 168, 1, 2], [127, 0, 0, 1]));
    unicast(("destination 0.0.0.0", "martian"), between([192, 168, 1, 2], [0, 0, 0, 0]));
    unicast(("destination reserved", "martian"), between([192, 168, 1, 2], [240, 0, 0, 1]));
    unicast(("no route", "no-route"), between([192, 168, 1, 2], [198, 18, 0, 1]));
    let with_options = |options: &[u8]| ipv4_with_options(HOST, INSIDE, 17, 64, options, &udp(1, 2, b"x"));
    unicast(("loose source route", "source-routed"), with_options(&[0x83, 7, 4, 10, 77, 0, 2, 0]));
    unicast(("strict source route", "source-routed"), with_options(&[0x89, 7, 4, 10, 77, 0, 2, 0]));
    unicast(("option of length 0", "bad-ip-header"), with_options(&[0x44, 0, 0, 0]));
    unicast(("option of length 1", "bad-ip-header"), with_options(&[0x44, 1, 0, 0]));
    unicast(("option beyond the header", "bad-ip-header"), with_options(&[0x44, 40, 5, 0]));
    cases.extend(link_cases(link));
    cases
}

/// What is wrong below IP.
fn link_cases(link: Link) -> Vec<Case> {
    let raw =
        |wrong, kind, payload: &[u8]| Case { wrong, frame: ethernet(link.node, link.router, kind, payload) };
    let request = arp_request(link.router, ROUTER, NODE);
    let changed = |at: usize, value: u8| {
        let mut packet = request.clone();
        packet[at] = value;
        packet
    };
    vec![
        raw(("unknown type", "unknown-ethertype"), 0x88b5, &[0; 46]),
        raw(("a length instead of a type", "unknown-ethertype"), 46, &[0; 46]),
        raw(("ARP cut short", "bad-arp"), 0x0806, &request[..20]),
        raw(("ARP of another hardware", "bad-arp"), 0x0806, &changed(1, 7)),
        raw(("ARP of another protocol", "bad-arp"), 0x0806, &changed(2, 0x86)),
        raw(("ARP with addresses of 8 octets", "bad-arp"), 0x0806, &changed(4, 8)),
        raw(("ARP with protocol addresses of 16 octets", "bad-arp"), 0x0806, &changed(5, 16)),
        raw(("ARP operation 9", "bad-arp"), 0x0806, &changed(7, 9)),
    ]
}

fn ospf_cases(link: Link) -> Vec<Case> {
    let mut cases = header_cases(link);
    cases.extend(hello_cases(link));
    cases.extend(exchange_cases(link));
    cases.extend(update_cases(link));
    cases
}

fn right_hello() -> Vec<u8> {
    ospf(ospf_type::HELLO, ROUTER_ID, BACKBONE, &hello(MASK, 1, 4, &[]))
}

/// The 24 octets that all packets begin with (RFC 2328 section 8.2).
fn header_cases(link: Link) -> Vec<Case> {
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = right_hello();
        change(&mut packet);
        fix_ospf(&mut packet);
        packet
    };
    let mut damaged = right_hello();
    damaged[30] ^= 0xff;
    let mut zero = right_hello();
    zero[12..14].fill(0);
    let ospf_to =
        |wrong, destination| link.to_group(wrong, &ipv4(ROUTER, destination, 89, 1, &right_hello()));
    vec![
        link.ospf(("OSPF version 1", "version"), &changed(&|p| p[0] = 1)),
        link.ospf(("OSPF version 3", "version"), &changed(&|p| p[0] = 3)),
        link.ospf(("OSPF type 0", "packet-type"), &changed(&|p| p[1] = 0)),
        link.ospf(("OSPF type 6", "packet-type"), &changed(&|p| p[1] = 6)),
        link.ospf(("OSPF type 255", "packet-type"), &changed(&|p| p[1] = 255)),
        link.ospf(("OSPF length less than the header", "packet-length-too-small"), &changed(&|p| p[3] = 20)),
        link.ospf(("OSPF length beyond the packet", "packet-length-too-large"), &changed(&|p| p[3] = 200)),
        link.ospf(("OSPF length 0", "packet-length-too-small"), &changed(&|p| p[2..4].fill(0))),
        link.ospf(("eight octets of OSPF", "truncated-header"), &right_hello()[..8]),
        link.ospf(("no OSPF at all", "truncated-header"), &[]),
        link.ospf(("OSPF damaged on the way", "packet-checksum"), &damaged),
        link.ospf(("OSPF checksum 0", "packet-checksum"), &zero),
        link.ospf(("simple password", "authentication-mismatch"), &changed(&|p| p[15] = 1)),
        link.ospf(("cryptographic authentication", "authentication-mismatch"), &changed(&|p| p[15] = 2)),
        link.ospf(("authentication type 9", "authentication-mismatch"), &changed(&|p| p[15] = 9)),
        link.ospf(("area of the cluster", "area-mismatch"), &changed(&|p| p[11] = 1)),
        link.ospf(("area of nobody", "area-mismatch"), &changed(&|p| p[8..12].fill(9))),
        link.ospf(
            ("router id of the node", "duplicate-router-id"),
            &changed(&|p| p[4..8].copy_from_slice(&[10, 77, 0, 1])),
        ),
        ospf_to(("OSPF to all designated routers", "wrong-destination"), Ipv4Addr::new(224, 0, 0, 6)),
        link.to_group(
            ("OSPF from the node's address", "martian"),
            &ipv4(NODE, ALL_ROUTERS, 89, 1, &right_hello()),
        ),
    ]
}

fn hello_cases(link: Link) -> Vec<Case> {
    let of = |body: &[u8]| ospf(ospf_type::HELLO, ROUTER_ID, BACKBONE, body);
    let right = hello(MASK, 1, 4, &[]);
    let mut external = right.clone();
    external[6] = 0;
    vec![
        link.ospf(("hello interval 10", "hello-interval-mismatch"), &of(&hello(MASK, 10, 4, &[]))),
        link.ospf(("hello interval 0", "hello-interval-mismatch"), &of(&hello(MASK, 0, 4, &[]))),
        link.ospf(("dead interval 40", "dead-interval-mismatch"), &of(&hello(MASK, 1, 40, &[]))),
        link.ospf(("hello of a stub area", "options-mismatch"), &of(&external)),
        link.ospf(("hello without a body", "truncated-hello"), &of(&[])),
        link.ospf(("hello of 19 octets", "truncated-hello"), &of(&right[..19])),
    ]
}

/// Description, request, acknowledgment: from a stranger, or not whole.
fn exchange_cases(link: Link) -> Vec<Case> {
    let packet = |kind, id, body: &[u8]| ospf(kind, id, BACKBONE, body);
    let description = [5, 0xdc, 0x02, 0x07, 0, 0, 0, 1];
    let partial = [&description[..], &[0; 13]].concat();
    vec![
        link.ospf(
            ("description of a stranger", "unknown-neighbor"),
            &packet(ospf_type::DESCRIPTION, STRANGER_ID, &description),
        ),
        link.ospf(
            ("description of 4 octets", "truncated-dd"),
            &packet(ospf_type::DESCRIPTION, ROUTER_ID, &description[..4]),
        ),
        link.ospf(
            ("description with part of a header", "trailing-dd"),
            &packet(ospf_type::DESCRIPTION, ROUTER_ID, &partial),
        ),
        link.ospf(
            ("request of a stranger", "unknown-neighbor"),
            &packet(ospf_type::REQUEST, STRANGER_ID, &[0; 12]),
        ),
        link.ospf(("part of a request", "trailing-lsr"), &packet(ospf_type::REQUEST, ROUTER_ID, &[0; 7])),
        link.ospf(
            ("acknowledgment of a stranger", "unknown-neighbor"),
            &packet(ospf_type::ACKNOWLEDGMENT, STRANGER_ID, &[0; 20]),
        ),
        link.ospf(
            ("part of an acknowledgment", "trailing-lsack"),
            &packet(ospf_type::ACKNOWLEDGMENT, ROUTER_ID, &[0; 13]),
        ),
    ]
}

fn update_cases(link: Link) -> Vec<Case> {
    let packet = |id, body: &[u8]| ospf(ospf_type::UPDATE, id, BACKBONE, body);
    let right = lsa(1, 1, STRANGER_ID, &[0, 0, 0, 0]);
    let with = |wrong, change: &dyn Fn(&mut Vec<u8>)| {
        let mut lsa = right.clone();
        change(&mut lsa);
        link.ospf(wrong, &packet(ROUTER_ID, &update(&[lsa])))
    };
    let mut many = update(std::slice::from_ref(&right));
    many[..4].fill(0xff);
    vec![
        link.ospf(
            ("update of a stranger", "unknown-neighbor"),
            &packet(STRANGER_ID, &update(std::slice::from_ref(&right))),
        ),
        link.ospf(("update without a count", "truncated-lsu"), &packet(ROUTER_ID, &[0, 0])),
        link.ospf(("update of one advertisement without it", "lsu-count"), &packet(ROUTER_ID, &[0, 0, 0, 1])),
        link.ospf(("update of four billion advertisements", "lsu-count"), &packet(ROUTER_ID, &many)),
        with(("advertisement of length 0", "lsa-length-too-small"), &|lsa| lsa[18..20].fill(0)),
        with(("advertisement of length 19", "lsa-length-too-small"), &|lsa| lsa[19] = 19),
        with(("advertisement beyond the packet", "lsa-length-too-large"), &|lsa| {
            lsa[18..20].copy_from_slice(&900_u16.to_be_bytes())
        }),
        with(("advertisement damaged in memory", "lsa-checksum"), &|lsa| lsa[21] ^= 0x55),
        with(("advertisement with checksum 0", "lsa-checksum"), &|lsa| lsa[16..18].fill(0)),
        with(("advertisement of type 0", "lsa-unknown-type"), &|lsa| {
            lsa[3] = 0;
            fix_lsa(lsa);
        }),
        with(("advertisement of type 99", "lsa-unknown-type"), &|lsa| {
            lsa[3] = 99;
            fix_lsa(lsa);
        }),
        with(("router-LSA with links that are not there", "lsa-malformed"), &|lsa| {
            lsa[23] = 200;
            fix_lsa(lsa);
        }),
    ]
}

/// The reason that has grown by the copies of a frame; none if that does not happen.
fn counted(node: &Node, before: &BTreeMap<String, u64>) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        let now = node.refused_packets().unwrap();
        let grown = now.iter().find(|(reason, count)| {
            **count >= before.get(*reason).copied().unwrap_or_default() + COPIES as u64
        });
        if let Some((reason, _)) = grown {
            let reason = reason.trim_start_matches("up1 ").trim_start_matches("ospf ");
            return Some(reason.replace('_', "-"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Input: a table of frames, each wrong in one way, sent in the router's place. Output: each is counted under
/// its reason; the adjacency saw nothing of it, and packets still cross.
#[test]
fn malformed_packets_are_counted_and_dropped() {
    lab::run("malformed", |lab| {
        let exit = OneExit::build(lab);
        let (router, node) = (exit.outside.router.namespace(), &exit.n1);
        let link = Link { node: node.namespace().mac("up1"), router: router.mac("core") };
        let mut cases = ip_cases(link);
        cases.extend(ospf_cases(link));
        assert!(cases.len() >= 60, "{} cases", cases.len());
        Ping::await_answer(&exit.outside.host, "10.77.0.3");
        let events = || -> u64 {
            let neighbors = node.list("/ospf/neighbors", "neighbor").unwrap();
            let neighbor =
                neighbors.iter().find(|neighbor| neighbor["interface"] == "up1").expect("the neighbor");
            assert_eq!(neighbor["state"], "full");
            neighbor
                .pointer("/statistics/nbr-event-count")
                .and_then(serde_json::Value::as_u64)
                .expect("a count")
        };
        let before = events();

        let mut otherwise = Vec::new();
        for Case { wrong: (name, reason), frame } in &cases {
            // Several copies, so that another drop at the same time is not taken for this one.
            let before = node.refused_packets().unwrap();
            router.inject("core", &vec![frame.clone(); COPIES]);
            let counted = counted(node, &before);
            if counted.as_deref() != Some(reason) {
                otherwise.push(format!("{name}: {counted:?}, not {reason}"));
            }
        }
        assert!(otherwise.is_empty(), "{otherwise:#?}");
        assert_eq!(events(), before, "the adjacency saw none of them");
        assert!(exit.outside.router.neighbor_state("10.77.0.1").unwrap().starts_with("Full"));
        let ping = Ping::run(&exit.outside.host, "10.77.0.3", &[]);
        assert!(ping.all(), "{}", ping.output);
        assert!(node.log().lines().all(|line| !line.contains("panicked")), "{}", node.log());
    });
}

/// Input: all of the table at once, many times over. Output: the node lives, the adjacency stands or comes back, and
/// packets cross.
#[test]
fn a_flood_of_malformed_packets_is_survived() {
    lab::run("flood", |lab| {
        let exit = OneExit::build(lab);
        let (router, node) = (exit.outside.router.namespace(), &exit.n1);
        let link = Link { node: node.namespace().mac("up1"), router: router.mac("core") };
        let frames: Vec<Vec<u8>> =
            ip_cases(link).into_iter().chain(ospf_cases(link)).map(|case| case.frame).collect();
        let total = || -> Result<u64, String> { Ok(node.refused_packets()?.values().sum()) };
        let before = total().unwrap();
        for _ in 0..20 {
            router.inject("core", &frames);
        }
        wait("the drops are counted", Duration::from_secs(30), || {
            let counted = total()? - before;
            if counted >= frames.len() as u64 { Ok(()) } else { Err(format!("{counted}")) }
        });
        exit.await_converged();
        Ping::await_answer(&exit.outside.host, "10.77.0.3");
        assert!(node.log().lines().all(|line| !line.contains("panicked")), "{}", node.log());
    });
}
