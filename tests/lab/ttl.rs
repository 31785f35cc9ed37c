//! TTL security (RFC 5082) beside BIRD; FRR has none.

use std::time::Duration;

use isthmus_tests::lab::{self, NodeConfig, Peer, PeerConfig, PeerInterface, await_same_database, wait};

const CORES: [&str; 3] = ["core1", "core2", "core3"];

/// Input: three links to BIRD: TTL security on both sides, here alone, there alone. Output: a neighbor on the first only; what is
/// refused here is counted by its reason. Then it is switched on where it was missing: a neighbor there too, and the first one stays.
#[test]
fn both_sides_have_ttl_security_or_none() {
    lab::run("ttl", |lab| {
        let [space, b] = ["n9", "r2"].map(|name| lab.namespace(name));
        let mut yaml = "ospf: {router-id: 10.255.0.9}\ninterfaces:\n".to_owned();
        let mut interfaces = Vec::new();
        for (number, core) in (1..).zip(CORES) {
            lab.cable((&space, &format!("up{number}")), (&b, core));
            b.address(core, &format!("10.{number}.0.2/30"));
            let ours = if number == 3 { "" } else { ", ttl-security: {enabled: true}" };
            yaml += &format!(
                "  - {{name: up{number}, address: 10.{number}.0.1/30, ospf: {{hello-interval: 1, dead-interval: 4{ours}}}}}\n"
            );
            let theirs = PeerInterface::point_to_point(core, 10);
            interfaces.push(if number == 2 { theirs } else { theirs.ttl_secured() });
        }
        let bird = lab.bird(&b, &PeerConfig::new("10.255.0.2", interfaces));
        let node = lab.node(&space, NodeConfig::router(yaml.clone()));
        node.await_ready();
        node.await_full("up1", "10.255.0.2");
        bird.await_full("10.255.0.9");
        let refused = |name: &str| {
            let view = node.ospf_interface(name)?;
            view["statistics"]["bad-packets"]["ttl_security"].as_u64().ok_or_else(|| view.to_string())
        };
        wait("what has TTL 1 is refused", Duration::from_secs(20), || {
            let count = refused("up2")?;
            if count >= 5 { Ok(()) } else { Err(count.to_string()) }
        });
        // BIRD hears nobody on the second link that it would answer, and refuses us on the third.
        assert_eq!(node.full().unwrap(), [("up1".to_owned(), "10.255.0.2".to_owned())]);
        assert!(refused("up1").is_err() && refused("up3").is_err());
        await_same_database("0.0.0.0", &[&node], &[&*bird]);

        // It is switched on where it was missing.
        node.configure(&yaml.replace("4}}", "4, ttl-security: {enabled: true}}}"));
        node.hang_up();
        node.await_full("up3", "10.255.0.2");
        node.await_full("up1", "10.255.0.2");
        let shown = node.cli(&["show", "ospf", "interface", "up3"]);
        assert!(shown.contains("TTL security"), "{shown}");
    });
}
