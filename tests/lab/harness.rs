//! The lab itself: what it builds works, and what it leaves is swept.

use isthmus_tests::lab::{self, Capture, HttpServer, Iperf, Peer, PeerConfig, PeerInterface, Ping};

/// Input: two FRR routers on one cable, each with a host. Output: Full, routes, pings, TCP, clean checksums. Nothing of
/// ours is in the way: if this fails, the lab is at fault.
#[test]
fn two_frr_routers_carry_traffic_between_their_hosts() {
    lab::run("frr", |lab| {
        let [r1, r2, h1, h2] = ["r1", "r2", "h1", "h2"].map(|name| lab.namespace(name));
        lab.cable((&r1, "core"), (&r2, "core"));
        lab.cable((&r1, "lan"), (&h1, "eth0"));
        lab.cable((&r2, "lan"), (&h2, "eth0"));
        for (router, host, number) in [(&r1, &h1, 1), (&r2, &h2, 2)] {
            router.address("core", &format!("10.0.0.{number}/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
            host.address("eth0", &format!("192.168.{number}.2/24"));
            host.ip(&["route", "add", "default", "via", &format!("192.168.{number}.1")]);
        }
        let config = |router_id| {
            let interfaces =
                vec![PeerInterface::point_to_point("core", 10), PeerInterface::passive("lan", 10)];
            PeerConfig::new(router_id, interfaces)
        };
        let (f1, f2) = (lab.frr(&r1, &config("1.1.1.1")), lab.frr(&r2, &config("2.2.2.2")));
        f1.await_full("2.2.2.2");
        f2.await_full("1.1.1.1");
        f1.await_route("192.168.2.0/24");
        f2.await_route("192.168.1.0/24");
        assert_eq!(f1.route_type("192.168.2.0/24").unwrap(), "N");

        let capture = Capture::start(lab, &h2, "eth0", "ip");
        let ospf = Capture::start(lab, &r2, "core", "ip proto 89");
        let ping = Ping::run(&h1, "192.168.2.2", &[]);
        assert!(ping.all(), "{}", ping.output);
        assert_eq!(ping.ttls, [62; 5]);
        assert_eq!(h1.traceroute("192.168.2.2"), ["192.168.1.1", "10.0.0.2", "192.168.2.2"]);
        let _server = HttpServer::start(lab, &h2);
        assert_eq!(HttpServer::get(&h1, "192.168.2.2", "name").unwrap(), "h2");
        assert!(Iperf::run(&h1, &h2, "192.168.2.2", &["--bytes", "5M"]).octets > 1_000_000);
        ospf.await_packet();
        let packets = capture.stop();
        assert!(!packets.matching("icmp.type == 8").is_empty());
        let ospf = ospf.stop();
        assert!(!ospf.matching("ospf.msg == 1").is_empty());
        assert_eq!(ospf.wrong(), [""; 0]);

        // The daemon dies, the cable stays: the neighbor notices by the dead interval.
        f1.kill_daemon();
        f2.await_no_route("192.168.1.0/24");
        f1.start_daemon();
        f2.await_route("192.168.1.0/24");
    });
}
