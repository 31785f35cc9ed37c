//! A real Prometheus scrapes the nodes, in band and on the loopback address, and every panel of every dashboard shows
//! something of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use isthmus_tests::dashboards::{Query, dashboards, known_metrics, rules, text};
use isthmus_tests::lab::{
    self, COMMON, Lab, Namespace, NodeConfig, OneExit, Peer, Ping, Prometheus, PrometheusConfig, Protection,
    wait,
};

/// Where the nodes answer, in band and on the loopback address.
pub(crate) const PORT: u16 = 9300;

/// Queries that may be empty, and why. A query that is not named here shows at least one sample of the lab.
const MAY_BE_EMPTY: &[(&str, &str)] = &[
    ("forwarding.json / Entries that made no sense / B", "no node of the lab is put in quarantine"),
    ("overview.json / Configuration / B", "nobody has changed the configuration"),
    ("overview.json / Configuration / D", "no configuration waits to be confirmed"),
    ("forwarding.json / Frames lost to full rings", "0 of 0 frames on a ring without traffic is no number"),
];

/// A node that is managed in band and on its loopback address.
pub(crate) fn managed(protection: &Protection, config: NodeConfig) -> NodeConfig {
    let config =
        config.managed(&format!("in-band-port: {PORT}")).managed(&format!("listen: 127.0.0.1:{PORT}"));
    protection.protect(config.managed("loopback-tokens: false"))
}

/// What protects the nodes in band: a certificate with the addresses of all three, and tokens.
pub(crate) fn protection(lab: &Lab) -> Protection {
    Protection::new(lab, &["10.77.3.1", "10.77.3.2", "10.77.3.3"])
}

/// Where a node is scraped in band: the loopback address of its router.
pub(crate) fn in_band(id: u8) -> String {
    format!("10.77.3.{id}:{PORT}")
}

/// Input: three nodes and FRR; a Prometheus on the host behind FRR, which reaches the nodes through the routed network
/// alone, and one beside node 1's kernel. Output: both scrape, and see the same node 1; the exposition is without fault;
/// what is counted agrees with REST; after an interface went down and up no counter has gone back; every query of every
/// panel has samples.
#[test]
fn prometheus_scrapes_the_nodes_and_every_panel_shows_them() {
    lab::run("prometheus", |lab| {
        let protection = protection(lab);
        let exit = OneExit::build_with(lab, |config| managed(&protection, config));
        let host = &exit.outside.host;
        let targets = [1, 2, 3].map(in_band).to_vec();
        let rules = fs::read_to_string(rules()).unwrap();
        let config = PrometheusConfig::in_band(targets, rules, &protection);
        let outside = Prometheus::start(lab, host, &config);
        for id in [1, 2, 3] {
            outside.await_some(&format!("up{{instance=\"{}\"}} == 1", in_band(id)));
        }
        check_exposition(lab, host, &in_band(3), &protection);
        compare_with_rest(&exit, &outside);
        scrape_on_loopback(lab, &exit, &outside, &protection);
        exercise(&exit);
        await_every_panel(&outside);
        // A scrape lasts milliseconds; what takes longer waits for something.
        assert!(outside.value("max(max_over_time(scrape_duration_seconds[1m]))").unwrap() < 1.0);
        assert_eq!(counters_that_went_back(&outside), Vec::<String>::new());
    });
}

/// `promtool check metrics` has nothing to say about what a node answers.
fn check_exposition(lab: &Lab, from: &Namespace, target: &str, protection: &Protection) {
    let url = format!("https://{target}/metrics");
    let certificate = protection.certificate().display().to_string();
    let token = format!("Authorization: Bearer {}", protection.secret("viewer"));
    let exposition = from.run(&[
        "curl",
        "-sS",
        "--fail",
        "--max-time",
        "10",
        "--cacert",
        &certificate,
        "-H",
        &token,
        &url,
    ]);
    assert!(exposition.contains("isthmus_build_info{"), "{exposition}");
    let file = lab.file("exposition");
    fs::write(&file, &exposition).unwrap();
    let output = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("promtool, of the package prometheus");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

fn compare_with_rest(exit: &OneExit, prometheus: &Prometheus) {
    for node in exit.nodes() {
        let instance = in_band(node.id());
        let full = node.full().unwrap().len();
        let states = format!("isthmus_ospf_neighbor_state{{instance=\"{instance}\"}} == 8");
        wait(&format!("{full} adjacencies of {instance}"), Duration::from_secs(30), || {
            let seen = prometheus.query(&states)?;
            if seen.len() == full { Ok(()) } else { Err(format!("{seen:?}")) }
        });
        let fib = node.list("/routing/fib", "entry").unwrap().len() as f64;
        assert_eq!(prometheus.value(&format!("isthmus_fib_routes{{instance=\"{instance}\"}}")).unwrap(), fib);
    }
    let abr = prometheus.query("isthmus_ospf_role_info{role=\"abr\"} == 1").unwrap();
    assert_eq!(abr.len(), 1);
    assert_eq!(abr[0].labels["instance"], in_band(1));
    // Each node has calculated routes that were published, and a process that did something.
    for metric in ["isthmus_ospf_convergence_seconds_count", "process_cpu_seconds_total", "process_open_fds"]
    {
        let found = prometheus.query(&format!("{metric} > 0")).unwrap();
        assert_eq!(found.len(), 3, "{metric}: {found:?}");
    }
    let silence = prometheus.value("max(isthmus_worker_silence_seconds)").unwrap();
    assert!(silence < 5.0, "{silence}");
}

/// The other way to scrape: on the node itself, without a network.
fn scrape_on_loopback(lab: &Lab, exit: &OneExit, outside: &Prometheus, protection: &Protection) {
    let loopback = format!("127.0.0.1:{PORT}");
    let config = PrometheusConfig::in_band(Vec::new(), String::new(), protection);
    let config = PrometheusConfig { loopback: vec![loopback.clone()], ..config };
    let inside = Prometheus::start(lab, exit.n1.shared_namespace(), &config);
    inside.await_some(&format!("up{{job=\"isthmus\", instance=\"{loopback}\"}} == 1"));
    let seen = |prometheus: &Prometheus, instance: &str| {
        let samples = prometheus.await_some(&format!("isthmus_node_info{{instance=\"{instance}\"}}"));
        let mut labels = samples[0].labels.clone();
        labels.retain(|name, _| name != "instance" && name != "job");
        labels
    };
    assert_eq!(seen(&inside, &loopback), seen(outside, &in_band(1)));
}

/// Makes the nodes do what panels show: traffic of all kinds, a refused packet, an interface that goes down and up.
fn exercise(exit: &OneExit) {
    let host = &exit.outside.host;
    for address in ["10.77.0.1", "10.77.0.2", "10.77.0.3", "10.77.1.3", COMMON] {
        Ping::await_answer(host, address);
    }
    // A TTL that ends at node 1, a host that is not there, and a packet that must be cut.
    for words in [
        ["ping", "-c", "1", "-W", "1", "-t", "2", "10.77.0.3"],
        ["ping", "-c", "1", "-W", "1", "-t", "9", "10.77.0.99"],
        ["ping", "-c", "1", "-W", "1", "-s", "6000", &exit.outside.host_address],
    ] {
        host.try_run(&words);
        exit.n3.namespace().try_run(&words);
    }
    let link = |node: &Namespace, router: &Namespace| (node.mac("up1"), router.mac("core"));
    let (node, router) = link(exit.n1.namespace(), exit.outside.router.namespace());
    let hello = isthmus_tests::wire::hello([255, 255, 255, 252].into(), 7, 28, &[]);
    let mut packet = isthmus_tests::wire::ospf(1, [10, 255, 9, 9].into(), [0; 4].into(), &hello);
    isthmus_tests::wire::fix_ospf(&mut packet);
    let packet = isthmus_tests::wire::ipv4([10, 1, 0, 2].into(), [224, 0, 0, 5].into(), 89, 1, &packet);
    exit.outside
        .router
        .namespace()
        .inject("core", &[isthmus_tests::wire::ethernet(node, router, 0x0800, &packet)]);
    exit.n2.set_enabled("gsm0", false);
    exit.n2.set_enabled("gsm0", true);
    exit.await_converged();
}

/// Waits until each query has had samples in the last half minute, and each variable values.
fn await_every_panel(prometheus: &Prometheus) {
    let mut waiting: BTreeMap<String, Query> = BTreeMap::new();
    for dashboard in dashboards() {
        for query in dashboard.queries().into_iter().chain(dashboard.variables()) {
            waiting.insert(query.name.clone(), query);
        }
        let titles: BTreeSet<&str> = dashboard.panels().iter().map(|panel| text(panel, "title")).collect();
        for (name, _) in MAY_BE_EMPTY.iter().filter(|(name, _)| name.starts_with(&dashboard.file)) {
            let title = name.split(" / ").nth(1).unwrap();
            assert!(titles.contains(title), "{name}: there is no such panel");
        }
    }
    assert!(waiting.len() > 70, "{}", waiting.len());
    let may_be_empty = |name: &str| MAY_BE_EMPTY.iter().any(|(query, _)| name.starts_with(query));
    wait("every panel shows something", Duration::from_secs(60), || {
        let mut failed = None;
        waiting.retain(|name, query| match prometheus.query_range(&query.with_everything("5s"), 30) {
            Ok(samples) => samples.iter().all(|sample| sample.value.is_nan()) && !may_be_empty(name),
            Err(error) => {
                failed = Some(format!("{name}: {error}"));
                true
            }
        });
        match failed {
            Some(error) => panic!("{error}"),
            None if waiting.is_empty() => Ok(()),
            None => Err(format!("{waiting:#?}")),
        }
    });
}

/// Counters of the nodes that became smaller: none did, since no node was started anew.
fn counters_that_went_back(prometheus: &Prometheus) -> Vec<String> {
    let counters: Vec<String> = known_metrics().into_iter().filter(|name| name.ends_with("_total")).collect();
    assert!(counters.len() > 30, "{counters:?}");
    let back = |name: &String| prometheus.query(&format!("resets({name}[5m]) > 0")).unwrap();
    let found = counters.iter().flat_map(|name| back(name).into_iter().map(move |sample| (name, sample)));
    found.map(|(name, sample)| format!("{name} {:?}", sample.labels)).collect()
}
