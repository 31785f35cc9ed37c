//! BIRD as a neighbor, alone and beside FRR.

use std::time::Duration;

use isthmus_tests::lab::{
    self, ANYCAST, COMMON, Capture, Lab, NodeConfig, Outside, Peer, PeerConfig, PeerInterface, Ping,
    await_cluster, await_same_database, wait,
};

/// Input: three nodes on one segment, BIRD on a cable to node 1. Output: Full on both sides; BIRD has the cluster's
/// prefixes and the common address as inter-area routes, in its kernel too; node 3 has BIRD's networks through node 1;
/// one database; tshark has nothing to say about any packet of OSPF, nor has the node.
#[test]
fn bird_takes_a_node_as_area_border_router_of_the_cluster() {
    lab::run("bird", |lab| {
        let spaces = [1, 2, 3].map(|number| lab.namespace(&format!("n{number}")));
        let outside = Outside::build_bird(lab, 1, &spaces[0]);
        let router = &outside.router;
        let capture = Capture::start(lab, router.namespace(), outside.router_device, "proto 89");
        let n1 = lab.node(&spaces[0], NodeConfig::border(1, "up1", "10.1.0.1/30"));
        let n2 = lab.node(&spaces[1], NodeConfig::inside(2));
        let n3 = lab.node(&spaces[2], NodeConfig::inside(3));
        await_cluster(&[&n1, &n2, &n3]);
        n1.await_full("up1", outside.router_id);
        router.await_full("10.77.0.1");
        assert_eq!(router.neighbor_state("10.77.0.1").unwrap(), "Full/PtP");

        for prefix in ["10.77.0.0/24", "10.77.1.0/24", &format!("{COMMON}/32")] {
            router.await_route(prefix);
            let route = router.show(&format!("route for {prefix}"));
            assert!(route.contains("* IA (") && route.contains("via 10.1.0.1 on core"), "{prefix}: {route}");
        }
        n3.await_way(&outside.host_address, "lsm0", "10.77.0.1");
        n3.await_way(ANYCAST, "lsm0", "10.77.0.1");
        for address in ["10.77.0.1", "10.77.0.3", "10.77.1.3", COMMON] {
            Ping::await_answer(&outside.host, address);
        }
        Ping::await_answer(n3.namespace(), &outside.host_address);
        await_same_database("0.0.0.0", &[&n1], &[&**router]);
        await_same_database("0.0.0.1", &[&n1, &n2, &n3], &[]);
        let packets = capture.stop();
        assert!(!packets.matching("ospf.msg == 4").is_empty());
        assert_eq!(packets.wrong(), [""; 0]);
        let bad: Vec<_> = n1
            .refused_packets()
            .unwrap()
            .into_iter()
            .filter(|(name, count)| name.starts_with("up1 ospf") && !name.contains("duplicate") && *count > 0)
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    });
}

/// The next hops of FRR's selected route to a prefix, by address.
fn next_hops(frr: &lab::Frr, prefix: &str) -> Result<Vec<String>, String> {
    let routes = frr.json(&format!("show ip route {prefix}"))?;
    let list = routes.get(prefix).and_then(|list| list.as_array()).ok_or_else(|| routes.to_string())?;
    let selected = list.iter().find(|route| route["selected"] == true && route["protocol"] == "ospf");
    let hops = selected.and_then(|route| route["nexthops"].as_array()).ok_or_else(|| routes.to_string())?;
    let mut hops: Vec<String> = hops
        .iter()
        .filter(|hop| hop["fib"] == true)
        .filter_map(|hop| hop["ip"].as_str().map(str::to_owned))
        .collect();
    hops.sort();
    Ok(hops)
}

fn await_next_hops(frr: &lab::Frr, prefix: &str, wanted: &[&str]) {
    wait(&format!("FRR: {prefix} by {wanted:?}"), Duration::from_secs(60), || {
        let hops = next_hops(frr, prefix)?;
        if hops == wanted { Ok(()) } else { Err(format!("{hops:?}")) }
    });
}

/// Input: FRR with a cable to each of two area border routers; one of them dies and returns. Output: FRR has two equal
/// paths to the common address and to the cluster's ranges, at one cost; one path while one border router is dead; both
/// again; the common address answers all the while.
#[test]
fn two_border_routers_are_equal_paths_to_the_common_address_for_frr() {
    lab::run("equal", |lab| {
        let [a, b, c, router, host] = ["n1", "n2", "n3", "r1", "h1"].map(|name| lab.namespace(name));
        lab.cable((&a, "up1"), (&router, "core1"));
        lab.cable((&b, "up2"), (&router, "core2"));
        lab.cable((&router, "lan"), (&host, "eth0"));
        router.address("core1", "10.1.0.2/30");
        router.address("core2", "10.2.0.2/30");
        router.address("lan", "192.168.1.1/24");
        host.address("eth0", "192.168.1.2/24");
        host.ip(&["route", "add", "default", "via", "192.168.1.1"]);
        let interfaces = vec![
            PeerInterface::point_to_point("core1", 10),
            PeerInterface::point_to_point("core2", 10),
            PeerInterface::passive("lan", 10),
        ];
        let frr = lab.frr(&router, &PeerConfig::new("10.255.0.1", interfaces));
        let n1 = lab.node(&a, NodeConfig::border(1, "up1", "10.1.0.1/30"));
        let n2 = lab.node(&b, NodeConfig::border(2, "up2", "10.2.0.1/30"));
        let n3 = lab.node(&c, NodeConfig::inside(3));
        await_cluster(&[&n1, &n2, &n3]);
        let common = format!("{COMMON}/32");
        for prefix in [common.as_str(), "10.77.0.0/24", "10.77.1.0/24"] {
            await_next_hops(&frr, prefix, &["10.1.0.1", "10.2.0.1"]);
            assert_eq!(frr.route_type(prefix).unwrap(), "N IA", "{prefix}");
        }
        Ping::await_answer(&host, COMMON);
        await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr]);

        n2.kill();
        await_next_hops(&frr, &common, &["10.1.0.1"]);
        Ping::await_answer(&host, COMMON);
        n2.start();
        await_cluster(&[&n1, &n2, &n3]);
        await_next_hops(&frr, &common, &["10.1.0.1", "10.2.0.1"]);
        Ping::await_answer(&host, COMMON);
        await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr]);
        await_same_database("0.0.0.1", &[&n1, &n2, &n3], &[]);
    });
}

/// Input: an address that both outside routers announce, FRR behind node 1 at cost 10, BIRD behind node 2 at cost 60;
/// FRR's daemon dies and returns, then BIRD's. Output: node 3's traffic to it goes by FRR, by BIRD, by FRR again; each
/// uplink's host is reached while its router lives; while BIRD is dead nothing of FRR's is lost.
#[test]
fn traffic_moves_between_an_frr_uplink_and_a_bird_uplink_on_failure_and_return() {
    lab::run("uplinks", uplinks);
}

fn uplinks(lab: &Lab) {
    let spaces = [1, 2, 3].map(|number| lab.namespace(&format!("n{number}")));
    let frr = Outside::build(lab, 1, &spaces[0], 1);
    let bird = Outside::build_bird(lab, 2, &spaces[1]);
    let n1 = lab.node(&spaces[0], NodeConfig::border(1, "up1", "10.1.0.1/30"));
    let mut dearer = NodeConfig::border(2, "up2", "10.2.0.1/30");
    dearer.yaml = dearer.yaml.replace("{hello", "{cost: 60, hello");
    let n2 = lab.node(&spaces[1], dearer);
    let n3 = lab.node(&spaces[2], NodeConfig::inside(3));
    let nodes = [&n1, &n2, &n3];
    await_cluster(&nodes);
    frr.router.await_route(&bird.host_prefix);
    bird.router.await_route(&frr.host_prefix);
    Ping::await_answer(&frr.host, &bird.host_address);

    let inside = n3.namespace();
    // Whose address it is shows in the hop before the last: the router that answers is the outside one itself.
    let by = |exit: &str, node: u8| {
        n3.await_way(ANYCAST, "lsm0", &format!("10.77.0.{node}"));
        Ping::await_answer(inside, ANYCAST);
        let hops = inside.traceroute(ANYCAST);
        assert_eq!(hops.last().map(String::as_str), Some(ANYCAST), "{exit}: {hops:?}");
        assert_eq!(hops.len(), 2, "{exit}: {hops:?}");
    };
    let pings = |outside: &str| Ping::await_answer(inside, outside);
    by("FRR", 1);
    let received = |device: &str, space: &lab::Namespace| -> u64 {
        let text = space.run(&["cat", &format!("/sys/class/net/{device}/statistics/rx_packets")]);
        text.trim().parse().unwrap()
    };

    frr.router.kill_daemon();
    by("BIRD", 2);
    let before = received("core", bird.router.namespace());
    let ping = Ping::run(inside, ANYCAST, &[]);
    assert!(ping.all(), "{}", ping.output);
    assert!(received("core", bird.router.namespace()) >= before + 5, "the requests went to BIRD");
    pings(&bird.host_address);

    frr.router.start_daemon();
    by("FRR", 1);
    pings(&frr.host_address);
    bird.router.kill_daemon();
    wait("node 3 loses BIRD's networks", Duration::from_secs(30), || {
        let routes = n3.ospf_routes()?;
        if routes.contains_key(&bird.host_prefix) { Err(format!("{routes:?}")) } else { Ok(()) }
    });
    by("FRR", 1);
    pings(&frr.host_address);
    bird.router.start_daemon();
    frr.router.await_route(&bird.host_prefix);
    bird.router.await_route(&frr.host_prefix);
    Ping::await_answer(&frr.host, &bird.host_address);
    await_same_database("0.0.0.0", &[&n1, &n2], &[&*frr.router, &*bird.router]);
    await_same_database("0.0.0.1", &nodes, &[]);
}
