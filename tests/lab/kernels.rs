//! The kernels of the nodes, through `lsm0` and `gsm0`, and a host behind FRR: as in any routed network.

use std::collections::BTreeSet;
use std::time::Duration;

use isthmus_tests::lab::{
    self, COMMON, Capture, HttpServer, Iperf, Namespace, OneExit, Peer, Ping, await_same_database, wait,
};

/// Input: five pings each way. Output: all answered; the time to live tells one hop for each router, a node's kernel
/// and its router being one; traceroute names each of them.
#[test]
fn pings_and_traceroutes_see_one_hop_for_each_router() {
    lab::run("hops", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        let host_address = exit.outside.host_address.as_str();

        // The kernel has the routes once the router has told it.
        Ping::await_answer(inside, host_address);
        let out = Ping::run(inside, host_address, &[]);
        assert!(out.all(), "{}", out.output);
        // 64 at the host, less FRR and node 1.
        assert_eq!(out.ttls, [62; 5]);
        let back = Ping::run(host, "10.77.0.3", &[]);
        assert!(back.all(), "{}", back.output);
        assert_eq!(back.ttls, [62; 5]);
        let neighbor = Ping::run(inside, "10.77.0.2", &[]);
        assert!(neighbor.all(), "{}", neighbor.output);
        assert_eq!(neighbor.ttls, [64; 5]);

        let hops = inside.traceroute(host_address);
        assert_eq!(hops.len(), 3, "{hops:?}");
        assert!(["10.77.0.1", "10.1.0.1"].contains(&hops[0].as_str()), "{hops:?}");
        assert_eq!(hops[1..], [exit.outside.router_address.clone(), host_address.to_owned()], "{hops:?}");
        let hops = host.traceroute("10.77.0.3");
        assert_eq!(hops, [exit.outside.host_gateway.as_str(), "10.1.0.1", "10.77.0.3"]);
    });
}

/// Input: echo requests of 4000 octets, with and without path MTU discovery. Output: all answered, and fragments at
/// the host whose cable takes 1500.
#[test]
fn large_packets_cross_in_fragments() {
    lab::run("fragments", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        Ping::await_answer(inside, &exit.outside.host_address);
        let capture = Capture::start(lab, host, "eth0", "icmp or (ip[6:2] & 0x3fff != 0)");

        // Without the don't-fragment bit a router on the way fragments.
        let ping = Ping::run(inside, &exit.outside.host_address, &["-s", "4000", "-M", "dont"]);
        assert!(ping.all(), "{}", ping.output);
        let ping = Ping::run(host, "10.77.0.3", &["-s", "4000"]);
        assert!(ping.all(), "{}", ping.output);
        // With it the router says what fits, and the kernel fragments from then on.
        wait("a large ping with path MTU discovery", Duration::from_secs(20), || {
            let ping = Ping::run(inside, &exit.outside.host_address, &["-s", "4000", "-M", "want"]);
            if ping.all() { Ok(()) } else { Err(ping.output) }
        });
        let packets = capture.stop();
        let more = packets.matching("ip.flags.mf == 1");
        assert!(more.len() >= 3 * 5, "{} fragments", more.len());
        assert_eq!(packets.wrong(), [""; 0]);
    });
}

/// Input: a ping of 4000 octets that must not be fragmented on the way, from the border router's own kernel to the host,
/// whose cable takes 1500. Output: the router tells its own kernel what fits, and the kernel fragments.
#[test]
fn the_border_routers_own_kernel_learns_the_path_mtu() {
    lab::run("own-mtu", |lab| {
        let exit = OneExit::build(lab);
        let (own, host) = (exit.n1.namespace(), exit.outside.host_address.as_str());
        Ping::await_answer(own, host);
        wait("a large ping with path MTU discovery", Duration::from_secs(20), || {
            let ping = Ping::run(own, host, &["-s", "4000", "-M", "want"]);
            if ping.all() { Ok(()) } else { Err(ping.output) }
        });
        let path = own.run(&["ip", "route", "get", host]);
        assert!(path.contains("mtu 1500"), "{path}");
    });
}

/// Input: iperf3 over TCP and UDP and curl, from node 3's kernel to the host and back. Output: all octets arrive, and
/// neither end sees a packet with a bad checksum; FRR sees no bad OSPF packet.
#[test]
fn tcp_and_udp_cross_with_right_checksums() {
    lab::run("traffic", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        let host_address = exit.outside.host_address.as_str();
        Ping::await_answer(inside, host_address);
        Ping::await_answer(host, "10.77.0.3");
        let at_host = Capture::start(lab, host, "eth0", "ip");
        let at_node = Capture::start(lab, inside, "lsm0", "ip");
        let at_router = Capture::start(lab, exit.outside.router.namespace(), "core", "ip proto 89");

        let _servers = [HttpServer::start(lab, host), HttpServer::start(lab, inside)];
        assert_eq!(HttpServer::get(inside, host_address, "name").unwrap(), "h1");
        assert_eq!(HttpServer::get(host, "10.77.0.3", "name").unwrap(), "n3");
        for (from, address) in [(inside, host_address), (host, "10.77.0.3")] {
            let large = HttpServer::get(from, address, "large").unwrap();
            assert!(large == HttpServer::large(), "{} octets from {address}", large.len());
        }

        for options in [&["--bytes", "10M"][..], &["--bytes", "10M", "--reverse"]] {
            for (from, to, address) in [(inside, host.as_ref(), host_address), (host, inside, "10.77.0.3")] {
                let iperf = Iperf::run(from, to, address, options);
                // The server's count ends with the client's last write, not with its last octet.
                assert!(iperf.octets > 1_000_000, "{options:?} to {address}: {}", iperf.report["end"]);
            }
        }
        let udp = ["--udp", "--bitrate", "10M", "--time", "1", "--length", "1200"];
        assert!(Iperf::run(inside, host, host_address, &udp).octets > 100_000);
        assert!(Iperf::run(host, inside, "10.77.0.3", &udp).octets > 100_000);

        at_router.await_packet();
        let (at_host, at_node, at_router) = (at_host.stop(), at_node.stop(), at_router.stop());
        assert!(!at_host.matching("tcp && ip.src == 10.77.0.3").is_empty());
        assert!(!at_node.matching(&format!("tcp && ip.src == {host_address}")).is_empty());
        assert!(!at_router.matching("ospf.msg == 1").is_empty());
        for packets in [at_host, at_node, at_router] {
            let wrong = packets.wrong();
            assert!(
                wrong.is_empty(),
                "{}: {} packets, first {:?}",
                packets.file().display(),
                wrong.len(),
                &wrong[0]
            );
        }
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
    });
}

/// Input: web servers on the kernels of all nodes; the host connects to the common address 40 times. Output: every
/// connection is served whole, by more than one node over all; echo requests to it are answered.
#[test]
fn the_common_address_is_served_by_several_nodes() {
    lab::run("common", |lab| {
        let exit = OneExit::build(lab);
        let host = &exit.outside.host;
        let _servers = exit.nodes().map(|node| HttpServer::start(lab, node.namespace()));
        Ping::await_answer(host, COMMON);
        let ping = Ping::run(host, COMMON, &[]);
        assert!(ping.all(), "{}", ping.output);
        let mut served = BTreeSet::new();
        for _ in 0..40 {
            served.insert(HttpServer::get(host, COMMON, "name").unwrap());
        }
        assert!(served.len() > 1, "all by {served:?}");
        assert!(served.iter().all(|name| ["n1", "n2", "n3"].contains(&name.as_str())), "{served:?}");
        // Megabytes take many packets: they all go to the node that has the connection.
        for _ in 0..6 {
            assert!(HttpServer::get(host, COMMON, "large").unwrap() == HttpServer::large());
        }
        from_the_global_address(exit.n3.namespace(), &exit.outside.host_address);
    });
}

/// Input: the GSM down on all nodes but node 3, the border router among them; iperf3, whose connections must all meet one
/// server, from the host to the common address, both ways. Output: node 3 serves it, reached by the LSM; and its own
/// kernel serves itself at the common address.
#[test]
fn iperf3_runs_to_the_common_address_where_one_node_serves() {
    lab::run("one-serves", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        Ping::await_answer(host, COMMON);
        for node in [&exit.n1, &exit.n2] {
            node.set_enabled("gsm0", false);
        }
        wait("node 3 alone serves", Duration::from_secs(20), || {
            let steering = exit.n1.get("/steering")?;
            let members: Vec<&serde_json::Value> = steering["member"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|member| &member["node-id"])
                .collect();
            if members == [3] { Ok(()) } else { Err(steering.to_string()) }
        });
        for options in [&["--bytes", "10M"][..], &["--bytes", "10M", "--reverse"]] {
            let iperf = Iperf::run(host, inside, COMMON, options);
            assert!(iperf.octets > 1_000_000, "{options:?}: {}", iperf.report["end"]);
        }
        let _server = HttpServer::start(lab, inside);
        assert_eq!(HttpServer::get(inside, COMMON, "name").unwrap(), "n3");
    });
}

/// Traffic that leaves by `gsm0`, from the node's address on the global network, comes back to it.
fn from_the_global_address(inside: &Namespace, host_address: &str) {
    let ping = Ping::run(inside, host_address, &["-I", "10.77.1.3"]);
    assert!(ping.all(), "{}", ping.output);
}
