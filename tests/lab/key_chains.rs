//! Key chains beside BIRD (FRR 8.4 has MD5 only): every algorithm of RFC 5709, wrong keys, roll-over by the clock and the
//! end of the last key, while traffic flows.

use std::process::Command;
use std::time::{Duration, SystemTime};

use isthmus_tests::lab::{
    self, Node, NodeConfig, Peer, PeerAuthentication, PeerConfig, PeerInterface, Ping, Pinger,
    await_mismatch, await_no_mismatch, await_same_database, wait,
};
use serde_json::Value;

const CORES: [&str; 7] = ["core1", "core2", "core3", "core4", "core5", "core6", "core7"];
/// Algorithms here and in BIRD; the longest key that each takes here.
const ALGORITHMS: [(&str, &str, usize); 5] = [
    ("md5", "keyed md5", 16),
    ("hmac-sha-1", "hmac sha1", 20),
    ("hmac-sha-256", "hmac sha256", 32),
    ("hmac-sha-384", "hmac sha384", 48),
    ("hmac-sha-512", "hmac sha512", 64),
];

/// A secret of that length.
fn secret(length: usize) -> String {
    "Secret.of-a-length ".chars().cycle().take(length).collect()
}

fn password(id: usize, algorithm: &str, key: &str, lifetime: &str) -> String {
    format!("password \"{key}\" {{ id {id}; algorithm {algorithm}; {lifetime} }}; ")
}

/// BIRD with its keys, statements of which live as long as the test.
fn keys(statements: String) -> PeerAuthentication {
    PeerAuthentication::BirdKeys(statements.leak())
}

fn assert_hidden(node: &Node, secret: &str) {
    for path in ["/config", "/ospf/interfaces", "/events/recent", "/ospf"] {
        let shown = node.get(path).unwrap().to_string();
        assert!(!shown.contains(secret), "{path} shows the secret: {shown}");
    }
    assert!(!node.log().contains(secret), "{}", node.log());
}

/// Input: seven links to BIRD: one for each algorithm with the longest key, one with another algorithm, and one with another key.
/// Output: Full on the five, one database; why not is named on the others, and no secret is to be seen.
#[test]
fn every_algorithm_makes_a_neighbor_of_bird_and_another_one_or_another_key_none() {
    lab::run("chains", |lab| {
        let [space, b] = ["n9", "r2"].map(|name| lab.namespace(name));
        let mut yaml = "ospf: {router-id: 10.255.0.9}\ninterfaces:\n".to_owned();
        let mut chains = "key-chains:\n".to_owned();
        let mut interfaces = vec![];
        for (number, core) in (1..).zip(CORES) {
            lab.cable((&space, &format!("up{number}")), (&b, core));
            b.address(core, &format!("10.{number}.0.2/30"));
            let (here, there, length) = ALGORITHMS.get(number - 1).copied().unwrap_or(ALGORITHMS[2]);
            // The sixth has another algorithm there, the seventh another key.
            let there = if number == 6 { "hmac sha1" } else { there };
            let theirs = if number == 7 { "another".to_owned() } else { secret(length) };
            let theirs = if number == 6 { secret(20) } else { theirs };
            let ours = if number == 6 { secret(20) } else { secret(length) };
            yaml += &format!(
                "  - name: up{number}\n    address: 10.{number}.0.1/30\n    ospf: {{hello-interval: 1, dead-interval: 4, \
                 authentication: {{type: key-chain, key-chain: c{number}}}}}\n"
            );
            chains += &format!(
                "  - {{name: c{number}, keys: [{{key-id: {number}, crypto-algorithm: {here}, key-string: '{ours}'}}]}}\n"
            );
            let statements = password(number, there, &theirs, "");
            interfaces.push(PeerInterface::point_to_point(core, 10).authenticated(keys(statements)));
        }
        let bird = lab.bird(&b, &PeerConfig::new("10.255.0.2", interfaces));
        let node = lab.node(&space, NodeConfig::router(yaml + &chains));
        node.await_ready();
        for number in 1..=5 {
            node.await_full(&format!("up{number}"), "10.255.0.2");
        }
        bird.await_full("10.255.0.9");
        for number in [6, 7] {
            let (name, source) = (format!("up{number}"), format!("10.{number}.0.2"));
            await_mismatch(&node, &name, &source, "auth-failure", "this password or key", "another one");
        }
        assert_eq!(node.full().unwrap().len(), 5);
        await_same_database("0.0.0.0", &[&node], &[&*bird]);
        for (number, (algorithm, ..)) in (1..).zip(ALGORITHMS) {
            await_no_mismatch(&node, &format!("up{number}"));
            let view = node.ospf_interface(&format!("up{number}")).unwrap();
            assert_eq!(view["authentication"]["keys"][0]["crypto-algorithm"], algorithm, "{view}");
        }
        let shown = node.cli(&["show", "ospf", "interface", "up3"]);
        assert!(shown.contains("cryptographic, key 3 hmac-sha-256 (signs, accepted)"), "{shown}");
        assert_hidden(&node, "Secret");
    });
}

/// A moment in UTC for this router, in the machine's zone for BIRD.
fn moment(seconds: u64, zone: &[&str], format: &str) -> String {
    let mut date = Command::new("date");
    let output = date.args(zone).args(["-d", &format!("@{seconds}"), format]).output().expect("date");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn for_router(seconds: u64) -> String {
    moment(seconds, &["-u"], "+%Y-%m-%dT%H:%M:%SZ")
}

fn for_bird(seconds: u64) -> String {
    format!("\"{}\"", moment(seconds, &[], "+%Y-%m-%d %H:%M:%S"))
}

fn router(chain: &str) -> String {
    format!(
        "ospf: {{router-id: 10.255.0.9}}\ninterfaces:\n  - name: up1\n    address: 10.1.0.1/30\n    ospf: {{hello-interval: 1, \
         dead-interval: 4}}\n  - name: up2\n    address: 10.2.0.1/30\n    ospf: {{hello-interval: 1, dead-interval: 4, \
         authentication: {{type: key-chain, key-chain: core}}}}\nkey-chains: [{{name: core, keys: [{chain}]}}]\n"
    )
}

fn events(node: &Node, kind: &str) -> Vec<Value> {
    let events = node.list("/events/recent", "event").unwrap();
    events.into_iter().filter(|event| event["type"] == kind).collect()
}

/// The key that signs on the link to BIRD.
fn signing(node: &Node) -> Result<u64, String> {
    let view = node.ospf_interface("up2")?;
    let keys = view["authentication"]["keys"].as_array().ok_or_else(|| view.to_string())?;
    let signing = keys.iter().find(|key| key["sending"] == true);
    signing.and_then(|key| key["key-id"].as_u64()).ok_or_else(|| view.to_string())
}

fn await_signing(node: &Node, key: u64) {
    wait(&format!("key {key} signs"), Duration::from_secs(20), || {
        let signs = signing(node)?;
        if signs == key { Ok(()) } else { Err(format!("key {signs}")) }
    });
}

/// Input: FRR - node - BIRD, echo requests all the time; lifetimes change key and algorithm between node and BIRD by the clock; then
/// the only key expires at the node. Output: no adjacency ends, every request is answered, the end is told as an event.
#[test]
fn keys_roll_over_by_the_clock_and_the_last_one_goes_on() {
    lab::run("rollover", |lab| {
        let [space, f, b] = ["n9", "r1", "r2"].map(|name| lab.namespace(name));
        for (router, number) in [(&f, 1), (&b, 2)] {
            lab.cable((&space, &format!("up{number}")), (router, "core"));
            lab.cable((router, "lan"), (router, "lan-end"));
            router.address("core", &format!("10.{number}.0.2/30"));
            router.address("lan", &format!("192.168.{number}.1/24"));
        }
        let peer = |router_id, authentication| {
            let core = PeerInterface::point_to_point("core", 10).authenticated(authentication);
            PeerConfig::new(router_id, vec![core, PeerInterface::passive("lan", 10)])
        };
        lab.frr(&f, &peer("10.255.0.1", PeerAuthentication::None));
        let old = password(1, "hmac sha1", "first secret", "");
        let bird = lab.bird(&b, &peer("10.255.0.2", keys(old)));
        let node = lab.node(
            &space,
            NodeConfig::router(router("{key-id: 1, crypto-algorithm: hmac-sha-1, key-string: first secret}")),
        );
        node.await_ready();
        node.await_full("up2", "10.255.0.2");
        bird.await_full("10.255.0.9");
        Ping::await_answer(&f, "192.168.2.1");
        let changes = events(&node, "nbr-state-change").len();
        let ping = Pinger::start(&f, "192.168.2.1");

        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let here = |after: u64| for_router(now + after);
        let there = |after: u64| for_bird(now + after);
        node.configure(&router(&format!(
            "{{key-id: 1, crypto-algorithm: hmac-sha-1, key-string: first secret, send-lifetime: {{end-date-time: '{end}'}}, \
             accept-lifetime: {{end-date-time: '{last}'}}}}, \
             {{key-id: 2, crypto-algorithm: hmac-sha-512, key-string: second secret, send-lifetime: {{start-date-time: '{end}'}}, \
             accept-lifetime: {{start-date-time: '{first}'}}}}",
            end = here(5), last = here(7), first = here(3)
        )));
        node.hang_up();
        let first = password(
            1,
            "hmac sha1",
            "first secret",
            &format!("generate to {}; accept to {};", there(5), there(7)),
        );
        let second = password(
            2,
            "hmac sha512",
            "second secret",
            &format!("generate from {}; accept from {};", there(5), there(3)),
        );
        bird.configure(&peer("10.255.0.2", keys(first + &second)));
        await_signing(&node, 2);
        // Whoever signs with the first key now is refused; BIRD does not.
        ping.await_more(40);
        let bad = node.refused_packets().unwrap();
        assert_eq!(bad.keys().filter(|reason| reason.contains("authentication")).count(), 0, "{bad:?}");

        // The second key is the only one, and it expires here.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let end = for_router(now + 2);
        let lifetime = format!("{{end-date-time: '{end}'}}");
        node.configure(&router(&format!(
            "{{key-id: 2, crypto-algorithm: hmac-sha-512, key-string: second secret, send-lifetime: {lifetime}, accept-lifetime: {lifetime}}}"
        )));
        node.hang_up();
        wait("the end of the last key is told", Duration::from_secs(20), || {
            let told = events(&node, "key-expired");
            if told.len() == 1 && told[0]["detail"]["key-id"] == 2 {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        });
        // Longer than the dead interval.
        ping.await_more(60);
        assert_eq!(events(&node, "nbr-state-change").len(), changes, "{}", node.cli(&["show", "events"]));
        let ping = ping.stop();
        assert!(ping.all(), "{}", ping.output);
        bird.await_full("10.255.0.9");
        await_same_database("0.0.0.0", &[&node], &[&*bird]);
        ["first secret", "second secret"].iter().for_each(|secret| assert_hidden(&node, secret));
    });
}

fn extended(number: u8, trailer: &str) -> NodeConfig {
    NodeConfig::router(format!(
        "ospf: {{router-id: 10.255.0.{number}}}\ninterfaces:\n  - name: up{number}\n    address: 10.1.0.{number}/30\n    ospf: {{hello-interval: 1, \
         dead-interval: 4, authentication: {{type: key-chain, key-chain: core, auth-trailer-rfc: {trailer}}}}}\nkey-chains: \
         [{{name: core, keys: [{{key-id: 1, key-string: hidden secret}}]}}]\n"
    ))
}

/// Input: two routers of this make with the form of RFC 7474; one is killed and started again; then one has the form of RFC 5709.
/// Output: Full, and Full again within the other's dead interval or after it, as the new numbers are above the old ones; then no
/// neighbor, and both forms named.
#[test]
fn extended_sequence_numbers_rise_over_a_restart() {
    lab::run("rfc7474", |lab| {
        let spaces = [1, 2].map(|number| lab.namespace(&format!("n{number}")));
        lab.cable((&spaces[0], "up1"), (&spaces[1], "up2"));
        let [n1, n2] = [1, 2].map(|number| {
            let node = lab.node(&spaces[usize::from(number) - 1], extended(number, "rfc7474"));
            node.await_ready();
            node
        });
        n1.await_full("up1", "10.255.0.2");
        n2.await_full("up2", "10.255.0.1");
        await_same_database("0.0.0.0", &[&n1, &n2], &[]);
        let view = n1.ospf_interface("up1").unwrap();
        assert_eq!(view["authentication"]["auth-type"], "extended", "{view}");
        n2.kill();
        n2.start();
        n2.await_full("up2", "10.255.0.1");
        n1.await_full("up1", "10.255.0.2");
        for node in [&n1, &n2] {
            let bad = node.refused_packets().unwrap();
            assert_eq!(bad.keys().filter(|reason| reason.contains("authentication")).count(), 0, "{bad:?}");
            assert_hidden(node, "hidden secret");
        }
        n2.configure(&extended(2, "rfc5709").yaml);
        n2.hang_up();
        await_mismatch(&n1, "up1", "10.1.0.2", "auth-type-mismatch", "extended", "cryptographic");
        await_mismatch(&n2, "up2", "10.1.0.1", "auth-type-mismatch", "cryptographic", "extended");
    });
}
