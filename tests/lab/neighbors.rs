//! A node as the OSPF neighbor of a real router: adjacency, area border, routes both ways.

use std::time::Duration;

use isthmus_tests::lab::{self, COMMON, OneExit, Peer, Ping, await_same_database, wait};

/// Input: three nodes on one segment, FRR on a cable to node 1. Output: Full on both sides; FRR lists node 1 as area
/// border router and has the cluster's prefixes and the common address as inter-area routes; node 3 has FRR's networks
/// through node 1 over the LSM; the databases agree.
#[test]
fn frr_takes_a_node_as_area_border_router_of_the_cluster() {
    lab::run("abr", |lab| {
        let exit = OneExit::build(lab);
        let router = &exit.outside.router;

        let border = router.show("show ip ospf border-routers");
        let abr = border.lines().any(|line| line.contains("10.77.0.1") && line.contains("ABR"));
        assert!(abr, "{border}");
        for prefix in ["10.77.0.0/24", "10.77.1.0/24", &format!("{COMMON}/32")] {
            assert_eq!(router.route_type(prefix).unwrap(), "N IA", "{prefix}");
        }
        // Ranges hide what is inside them.
        assert!(router.route_type("10.77.0.3/32").is_err());

        let system = exit.n1.get("/system").unwrap();
        assert_eq!(system["role"], "abr", "{system}");
        assert!(system["role-reason"].as_str().unwrap().contains("up1"), "{system}");
        for node in [&exit.n2, &exit.n3] {
            assert_eq!(node.get("/system").unwrap()["role"], "internal");
        }

        let routes = exit.n3.ospf_routes().unwrap();
        for prefix in ["192.168.1.0/24", "10.1.0.0/30", "203.0.113.1/32"] {
            let route = routes.get(prefix).unwrap_or_else(|| panic!("no route to {prefix}: {routes:?}"));
            assert_eq!(route["route-type"], "inter-area", "{route}");
            assert_eq!(route.pointer("/next-hops/0/outgoing-interface").unwrap(), "lsm0", "{route}");
            assert_eq!(route.pointer("/next-hops/0/next-hop").unwrap(), "10.77.0.1", "{route}");
        }
        let border = exit.n3.list("/ospf/border-routers", "border-router").unwrap();
        assert!(
            border.iter().any(|router| router["router-id"] == "10.77.0.1" && router["abr"] == true),
            "{border:?}"
        );

        for address in ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.1.3", COMMON] {
            Ping::await_answer(&exit.outside.host, address);
        }
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
        await_same_database("0.0.0.0", &[&exit.n1], &[&**router]);
    });
}

/// Input: the only NIC's router goes away and comes back. Output: node 1 is an area border router all the while its
/// NIC is up; without it (administratively down) an internal one, and FRR loses the cluster; then all is as before.
#[test]
fn a_node_is_an_area_border_router_while_its_nic_is_up() {
    lab::run("role", |lab| {
        let exit = OneExit::build(lab);
        exit.n1.set_enabled("up1", false);
        let role = |wanted: &str| {
            wait(&format!("role {wanted}"), Duration::from_secs(30), || {
                let system = exit.n1.get("/system")?;
                if system["role"] == wanted { Ok(()) } else { Err(system.to_string()) }
            });
        };
        role("internal");
        exit.outside.router.await_no_route("10.77.0.0/24");
        exit.n1.set_enabled("up1", true);
        role("abr");
        exit.await_converged();
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
    });
}
