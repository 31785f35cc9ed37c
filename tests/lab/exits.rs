//! Two area border routers with outside routers that have no cable between them.

use std::time::Duration;

use isthmus_tests::lab::{
    self, ANYCAST, COMMON, HttpServer, Peer, Ping, Pinger, TwoExits, await_same_database, wait,
};

/// Input: two outside routers on unconnected cables. Output: each has the other's networks, their hosts reach each
/// other through the cluster, and the backbone's database is one.
#[test]
fn outside_routers_without_a_cable_reach_each_other_through_the_cluster() {
    lab::run("transit", |lab| {
        let exits = TwoExits::build(lab);
        let (first, second) = (&exits.first, &exits.second);
        assert_eq!(first.router.route_type(&second.host_prefix).unwrap(), "N", "the backbone is one area");
        Ping::await_answer(&first.host, &second.host_address);
        let ping = Ping::run(&first.host, &second.host_address, &[]);
        assert!(ping.all(), "{}", ping.output);
        // FRR, node 1, node 2, FRR.
        assert_eq!(ping.ttls, [60; 5]);
        let _server = HttpServer::start(lab, &second.host);
        assert_eq!(HttpServer::get(&first.host, &second.host_address, "name").unwrap(), "h2");
        await_same_database("0.0.0.0", &[&exits.n1, &exits.n2], &[&*first.router, &*second.router]);
        await_same_database("0.0.0.1", &exits.nodes(), &[]);
    });
}

/// Input: an address that both outside routers announce, cheaper by node 1; SIGKILL of node 1, and its return. Output:
/// node 3 goes by node 1, by node 2 while node 1 is dead, by node 1 again; the common address answers all along.
#[test]
fn traffic_leaves_by_the_cheaper_exit_that_lives() {
    lab::run("failover", |lab| {
        let exits = TwoExits::build(lab);
        Ping::await_answer(exits.n3.namespace(), ANYCAST);
        Ping::await_answer(&exits.second.host, COMMON);
        let common = Pinger::start(&exits.second.host, COMMON);
        common.await_more(5);

        exits.n1.kill();
        exits.n3.await_way(ANYCAST, "lsm0", "10.77.0.2");
        Ping::await_answer(exits.n3.namespace(), ANYCAST);
        for node in [&exits.n2, &exits.n3] {
            node.await_active(&[2, 3]);
        }
        common.await_more(10);
        await_same_database("0.0.0.1", &[&exits.n2, &exits.n3], &[]);

        exits.n1.start();
        exits.await_converged();
        Ping::await_answer(exits.n3.namespace(), ANYCAST);
        common.await_more(10);
        let answers = common.stop();
        assert!(answers.received >= 25, "{}", answers.output);
        await_same_database("0.0.0.1", &exits.nodes(), &[]);
    });
}

/// Input: SIGKILL of the ospfd behind node 1, carrier up. Output: node 1 stays an area border router and keeps the
/// outside routes that node 2 has, over the fabric; its host reaches them; all returns with ospfd.
#[test]
fn an_upstream_router_that_dies_costs_the_other_exits_routes_nothing() {
    lab::run("upstream", |lab| {
        let exits = TwoExits::build(lab);
        exits.first.router.kill_daemon();
        wait("node 1 loses the neighbor", Duration::from_secs(30), || {
            let full = exits.n1.full()?;
            match full.iter().any(|(interface, _)| *interface == exits.first.node_device) {
                true => Err(format!("{full:?}")),
                false => Ok(()),
            }
        });
        exits.n1.await_way(ANYCAST, "lsm0", "10.77.0.2");
        exits.n1.await_way(&exits.second.host_address, "lsm0", "10.77.0.2");
        Ping::await_answer(exits.n1.namespace(), &exits.second.host_address);
        assert_eq!(exits.n1.get("/system").unwrap()["role"], "abr");
        Ping::await_answer(exits.n3.namespace(), &exits.second.host_address);
        // The cable itself is still in the cluster's routes. Its far end has lost its own with ospfd.
        exits.n3.await_way(&exits.first.router_address, "lsm0", "10.77.0.1");

        exits.first.router.start_daemon();
        exits.await_converged();
        let routers: [&dyn Peer; 2] = [&*exits.first.router, &*exits.second.router];
        await_same_database("0.0.0.0", &[&exits.n1, &exits.n2], &routers);
        await_same_database("0.0.0.1", &exits.nodes(), &[]);
    });
}
