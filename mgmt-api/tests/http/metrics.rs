//! The exposition: every name, type and label, and the values behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use isthmus_mgmt_api::metrics::names::{self, Kind};
use isthmus_mgmt_api::{Access, app};

use crate::fake::FakeNode;
use crate::{get, send};

/// What the exposition says: types by name, and values by series.
struct Exposition {
    types: BTreeMap<String, String>,
    series: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Exposition {
    fn parse(text: &str) -> Self {
        let (mut types, mut series) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            } else if !line.starts_with('#') {
                let (key, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
                let labels = parse_labels(labels.strip_suffix('}').unwrap());
                let key = (name.to_owned(), labels);
                assert!(series.insert(key, value.parse().unwrap()).is_none(), "{line} twice");
            }
        }
        Self { types, series }
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = (name.to_owned(), labels);
        *self.series.get(&key).unwrap_or_else(|| panic!("no series {key:?}"))
    }
}

fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split("\",").filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        })
        .collect()
}

async fn scrape() -> Exposition {
    let answer = get("/metrics").await;
    assert_eq!(answer.content_type, "text/plain; version=0.0.4");
    Exposition::parse(answer.text())
}

#[tokio::test]
async fn every_metric_has_its_type_and_exactly_its_labels() {
    let exposition = scrape().await;
    let missing: Vec<&str> =
        names::ALL.iter().map(|m| m.name).filter(|name| !exposition.types.contains_key(*name)).collect();
    // The test node captures nothing on the local network, and no configuration waits to be confirmed.
    let expected =
        ["isthmus_config_confirm_deadline_timestamp_seconds", "isthmus_lsm_captured_packets_total"];
    assert_eq!(missing, expected);
    for definition in names::ALL.iter().filter(|definition| !missing.contains(&definition.name)) {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        assert_eq!(exposition.types[definition.name], kind, "{}", definition.name);
        let expected: BTreeSet<&str> = definition.labels.iter().copied().collect();
        for (name, labels) in exposition.series.keys().filter(|(name, _)| name == definition.name) {
            assert_eq!(labels.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{name}");
        }
    }
}

#[test]
fn names_follow_the_rules_of_the_exposition() {
    let mut seen = BTreeSet::new();
    for definition in names::ALL {
        let name = definition.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(name.starts_with("isthmus_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), definition.kind == Kind::Counter, "{name}");
        assert!(!name.ends_with("_count"), "{name}");
        assert!(definition.help.ends_with('.'), "{name}");
    }
}

#[tokio::test]
async fn values_are_those_of_the_views() {
    let scrape = scrape().await;
    let lsm = [("interface", "lsm0"), ("kind", "shm")];
    assert_eq!(scrape.value("isthmus_interface_receive_packets_total", &lsm), 10.0);
    assert_eq!(scrape.value("isthmus_interface_transmit_bytes_total", &lsm), 2000.0);
    let drops = [("interface", ""), ("reason", "no-route")];
    assert_eq!(scrape.value("isthmus_forward_drops_total", &drops), 4.0);
    assert_eq!(scrape.value("isthmus_gsm_captured_packets_total", &[]), 6.0);
    let exstart = [("area", "0.0.0.0"), ("interface", "eth1"), ("neighbor", "10.0.1.2")];
    assert_eq!(scrape.value("isthmus_ospf_neighbor_state", &exstart), 5.0);
    let full = [("area", "0.0.0.1"), ("interface", "lsm0"), ("neighbor", "10.71.0.3")];
    assert_eq!(scrape.value("isthmus_ospf_neighbor_state", &full), 8.0);
    assert_eq!(scrape.value("isthmus_ospf_role_info", &[("role", "abr")]), 1.0);
    assert_eq!(scrape.value("isthmus_ospf_lsdb_maxage_lsas", &[]), 1.0);
    assert_eq!(scrape.value("isthmus_ospf_spf_duration_seconds_bucket", &[("le", "0.00005")]), 1.0);
    assert_eq!(scrape.value("isthmus_ospf_spf_duration_seconds_bucket", &[("le", "0.000025")]), 0.0);
    assert_eq!(scrape.value("isthmus_ospf_spf_duration_seconds_bucket", &[("le", "+Inf")]), 1.0);
    assert_eq!(scrape.value("isthmus_start_time_seconds", &[]), 1_000_000.5);
    assert_eq!(scrape.value("process_start_time_seconds", &[]), 1_000_000.5);
    assert_eq!(scrape.value("process_cpu_seconds_total", &[]), 1.5);
    assert_eq!(scrape.value("isthmus_worker_busy_ratio", &[("worker", "worker")]), 0.25);
    assert_eq!(scrape.value("isthmus_ospf_convergence_seconds_bucket", &[("le", "0.05")]), 1.0);
    assert_eq!(scrape.value("isthmus_ospf_convergence_seconds_bucket", &[("le", "0.01")]), 0.0);
    assert_eq!(scrape.value("isthmus_shm_node_suspicions_total", &[("node", "3")]), 4.0);
    let router_lsa = [("lsa_type", "ospfv2-router-lsa")];
    assert_eq!(scrape.value("isthmus_ospf_lsa_received_total", &router_lsa), 6.0);
}

#[tokio::test]
async fn counters_without_a_metric_of_their_own_are_shown_by_group_and_name() {
    let scrape = scrape().await;
    assert_eq!(scrape.value("isthmus_icmp_sent_total", &[("type", "time-exceeded")]), 2.0);
    assert_eq!(scrape.value("isthmus_arp_packets_total", &[("direction", "transmit")]), 4.0);
    assert_eq!(scrape.value("isthmus_ospf_datagram_drops_total", &[("reason", "lost-queue-full")]), 1.0);
    let other = [("group", "group-without-metric"), ("counter", "name")];
    assert_eq!(scrape.value("isthmus_counter_total", &other), 8.0);
    let shown = scrape.series.keys().filter(|(name, _)| name == "isthmus_counter_total");
    assert_eq!(shown.count(), 1, "the others have metrics of their own");
}

#[tokio::test]
async fn of_two_rings_in_one_direction_the_newer_is_shown() {
    let scrape = scrape().await;
    let transmit = [("network", "lsm"), ("peer", "3"), ("direction", "transmit"), ("queue", "0")];
    assert_eq!(scrape.value("isthmus_shm_ring_frames_total", &transmit), 20.0);
    let receive = [("network", "lsm"), ("peer", "3"), ("direction", "receive"), ("queue", "0")];
    assert_eq!(scrape.value("isthmus_shm_ring_frames_total", &receive), 30.0);
}

#[tokio::test]
async fn what_show_shm_shows_is_exposed_in_base_units() {
    let scrape = scrape().await;
    let info = [("facility", "file"), ("coherence", "hardware")];
    assert_eq!(scrape.value("isthmus_shm_info", &info), 1.0);
    assert_eq!(scrape.value("isthmus_shm_queues", &[]), 1.0);
    for network in ["lsm", "gsm"] {
        assert_eq!(scrape.value("isthmus_shm_first_ring_slots", &[("network", network)]), 64.0);
        assert_eq!(scrape.value("isthmus_shm_first_ring_buffer_bytes", &[("network", network)]), 2048.0);
    }
    assert_eq!(scrape.value("isthmus_shm_mapping_access_seconds", &[("access", "read")]), 3e-9);
    assert_eq!(scrape.value("isthmus_shm_mapping_access_seconds", &[("access", "write")]), 5e-9);
    assert_eq!(scrape.value("isthmus_shm_quarantines_total", &[("cause", "slot")]), 1.0);
    assert_eq!(scrape.value("isthmus_shm_doorbell_rung_total", &[("node", "3")]), 7.0);
    assert_eq!(scrape.value("isthmus_shm_doorbell_heard_total", &[("queue", "0")]), 6.0);
    assert_eq!(scrape.value("isthmus_shm_doorbell_waits_total", &[("queue", "0")]), 8.0);
    let to_3 = [("network", "lsm"), ("peer", "3"), ("queue", "0")];
    assert_eq!(scrape.value("isthmus_shm_ring_distance_seconds", &to_3), 1.2e-7);
    assert_eq!(scrape.value("isthmus_shm_ring_copy_streaming", &to_3), 0.0);
    let group = [("network", "gsm"), ("kind", "broadcast")];
    for (name, value) in [
        ("isthmus_shm_group_ring_position", 9.0),
        ("isthmus_shm_group_frames_overwritten_total", 2.0),
        ("isthmus_shm_group_frames_filtered_total", 5.0),
        ("isthmus_shm_group_frames_unwanted_total", 6.0),
        ("isthmus_shm_group_frames_unordered_total", 1.0),
    ] {
        assert_eq!(scrape.value(name, &group), value, "{name}");
    }
    let reader = [("network", "gsm"), ("kind", "broadcast"), ("reader", "3")];
    assert_eq!(scrape.value("isthmus_shm_group_ring_lag", &reader), 1.0);
    assert_eq!(scrape.value("isthmus_shm_group_reader_unread_slots", &reader), 1.0);
    assert_eq!(scrape.value("isthmus_shm_group_reader_lost_frames_total", &reader), 2.0);
}

#[tokio::test]
async fn a_node_without_fabric_and_ospf_still_exposes_the_rest() {
    let bare = app(Arc::new(FakeNode { fabric: false, ospf: false, ..FakeNode::default() }), Access::Full);
    let answer = send(bare, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let scrape = Exposition::parse(answer.text());
    assert_eq!(scrape.value("isthmus_ospf_up", &[]), 0.0);
    assert!(scrape.types.keys().all(|name| !name.starts_with("isthmus_shm")));
}
