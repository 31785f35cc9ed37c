//! The local network preferred, the global one behind it.

use std::time::Duration;

use isthmus_tests::lab::{self, OneExit, Ping, await_same_database, wait};

/// Input: the LSM of the area border router administratively down, then up. Output: node 3 and node 2 reach the
/// outside over the GSM, then over the LSM again; the outside reaches node 3 at its LSM address all along.
#[test]
fn traffic_takes_the_global_network_while_the_local_one_is_down() {
    lab::run("gsm", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        let host_address = exit.outside.host_address.as_str();
        Ping::await_answer(inside, host_address);

        exit.n1.set_enabled("lsm0", false);
        for node in [&exit.n2, &exit.n3] {
            node.await_way(host_address, "gsm0", "10.77.1.1");
        }
        Ping::await_answer(inside, host_address);
        Ping::await_answer(host, "10.77.0.3");
        let received = |name: &str| -> u64 {
            let statistics = exit.n1.get(&format!("/interfaces/{name}/statistics")).unwrap();
            statistics["in-unicast-pkts"].as_u64().unwrap_or_default()
        };
        let before = received("gsm0");
        let ping = Ping::run(inside, host_address, &[]);
        assert!(ping.all(), "{}", ping.output);
        assert!(received("gsm0") >= before + 5, "the requests came over the global network");

        exit.n1.set_enabled("lsm0", true);
        exit.await_converged();
        wait("answers over the local network", Duration::from_secs(30), || {
            let before = received("lsm0");
            let ping = Ping::run(inside, host_address, &[]);
            match ping.all() && received("lsm0") >= before + 5 {
                true => Ok(()),
                false => Err(ping.output),
            }
        });
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
    });
}

/// Input: node 3 takes its own LSM down by the command line, and up again. Output: it goes by the GSM, then the LSM.
#[test]
fn an_interface_is_taken_down_by_the_command_line() {
    lab::run("cli", |lab| {
        let exit = OneExit::build(lab);
        exit.n3.cli(&["interface", "disable", "lsm0"]);
        exit.n3.await_way(&exit.outside.host_address, "gsm0", "10.77.1.1");
        let shown = exit.n3.get("/interfaces/lsm0").unwrap();
        assert_eq!(shown["enabled"], false, "{shown}");
        exit.n3.cli(&["interface", "enable", "lsm0"]);
        exit.n3.await_way(&exit.outside.host_address, "lsm0", "10.77.0.1");
    });
}

/// Input: the operator takes the kernel's device `lsm0` down in node 3's namespace, and up again. Output: the network is
/// down on the node; its address answers by the GSM all the same, and its kernel reaches the cluster and the outside.
#[test]
fn the_kernels_device_taken_down_takes_the_network_down_and_leaves_the_address() {
    lab::run("device", |lab| {
        let exit = OneExit::build(lab);
        let (host, inside) = (&exit.outside.host, exit.n3.namespace());
        let host_address = exit.outside.host_address.as_str();
        Ping::await_answer(inside, host_address);

        inside.ip(&["link", "set", "lsm0", "down"]);
        exit.n3.await_way(host_address, "gsm0", "10.77.1.1");
        Ping::await_answer(host, "10.77.0.3");
        Ping::await_answer(inside, host_address);
        Ping::await_answer(inside, "10.77.0.1");

        inside.ip(&["link", "set", "lsm0", "up"]);
        exit.n3.await_way(host_address, "lsm0", "10.77.0.1");
        Ping::await_answer(inside, "10.77.0.1");
        Ping::await_answer(inside, host_address);
        await_same_database("0.0.0.1", &exit.nodes(), &[]);
    });
}
