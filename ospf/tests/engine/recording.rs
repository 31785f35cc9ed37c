//! Record and replay: what a router was given and has said, and the same again.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isthmus_ospf::Instance;
use isthmus_ospf::config::{
    AreaConfig, AreaRange, AreaType, Authentication, ExternalRoute, InstanceConfig, InterfaceConfig,
    InterfaceType, Key,
};
use isthmus_ospf::record::{Input, JsonLines, ReplayError, replay};
use isthmus_ospf::types::{AreaId, Instant, InterfaceId, RouterId};
use isthmus_ospf::wire::Algorithm;
use isthmus_ospf::{Output, Transmit};

const HERE: InterfaceId = InterfaceId(7);

/// A file that the test reads while the recorder writes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("JSON is text")
    }
}

fn config(last: u8) -> InstanceConfig {
    let interface = InterfaceConfig {
        name: "link".to_owned(),
        address: format!("10.0.0.{last}/24").parse().expect("an address"),
        authentication: Authentication::Cryptographic(vec![Key::always(3, Algorithm::Md5, b"a secret")]),
        stub_prefixes: vec![("172.16.0.0/24".parse().expect("a prefix"), 5)],
        hello_interval: Duration::from_secs(1),
        dead_interval: Duration::from_secs(4),
        ..InterfaceConfig::default()
    };
    let range =
        AreaRange { prefix: "172.16.0.0/16".parse().expect("a prefix"), advertise: true, cost: Some(9) };
    let stub = AreaConfig {
        area_type: AreaType::Stub { default_cost: 3, summary: false },
        ranges: vec![range],
        ..AreaConfig::default()
    };
    InstanceConfig {
        router_id: RouterId([last; 4].into()),
        areas: [(AreaId::BACKBONE, AreaConfig::default()), (AreaId([0, 0, 0, 5].into()), stub)].into(),
        interfaces: [(HERE, interface)].into(),
        ..InstanceConfig::default()
    }
}

fn transmits(instance: &mut Instance) -> Vec<Transmit> {
    let mut packets = Vec::new();
    while let Some(output) = instance.poll_output() {
        if let Output::Transmit(packet) = output {
            packets.push(packet);
        }
    }
    packets
}

/// Delivers what each says to the other for so long.
fn converse(from: Instant, duration: Duration, instances: [&mut Instance; 2]) -> Instant {
    let [a, b] = instances;
    let (mut now, end) = (from, from + duration);
    loop {
        for _ in 0..50 {
            let (said_a, said_b) = (transmits(a), transmits(b));
            if said_a.is_empty() && said_b.is_empty() {
                break;
            }
            now = now + Duration::from_micros(100);
            for (packets, to) in [(said_a, &mut *b), (said_b, &mut *a)] {
                for packet in packets {
                    to.handle_packet(now, HERE, packet.source, packet.destination, &packet.payload);
                }
            }
        }
        let next = a.poll_timeout().into_iter().chain(b.poll_timeout()).min();
        match next {
            Some(next) if next <= end => now = now.max(next),
            _ => return end,
        }
        a.handle_timeout(now);
        b.handle_timeout(now);
    }
}

/// A router's life with every kind of input.
fn recording(limit: u64) -> String {
    let file = Shared::default();
    let recorder = Box::new(JsonLines::new(file.clone(), limit));
    let now = Instant(1_000);
    let mut recorded = Instance::recorded(now, config(1), u64::MAX, recorder);
    let mut peer = Instance::new(now, config(2), 2);
    recorded.set_wall_clock(now, 1_700_000_000);
    for instance in [&mut recorded, &mut peer] {
        instance.handle_link(now, HERE, true);
    }
    let now = converse(now, Duration::from_secs(8), [&mut recorded, &mut peer]);
    assert!(recorded.view_neighbors(now).iter().any(|neighbor| neighbor.state.to_string() == "full"));
    recorded.handle_packet(now, HERE, [10, 0, 0, 9].into(), [224, 0, 0, 5].into(), &[2, 1, 0]);
    let mut changed = config(1);
    changed.interfaces.get_mut(&HERE).expect("an interface").cost = 77;
    recorded.handle_config(now, changed);
    let now = converse(now, Duration::from_secs(3), [&mut recorded, &mut peer]);
    let external = ("198.18.0.0/16".parse().expect("a prefix"), ExternalRoute::default());
    recorded.handle_redistribution(now, [external].into());
    recorded.handle_bfd_down(now, HERE, [10, 0, 0, 2].into());
    recorded.handle_neighbor_dead(now, RouterId([2; 4].into()));
    let now = converse(now, Duration::from_secs(3), [&mut recorded, &mut peer]);
    recorded.handle_link(now, HERE, false);
    recorded.shutdown(now);
    recorded.stop_recording();
    file.text()
}

#[test]
fn a_recording_replays_to_the_same_outputs() {
    let text = recording(u64::MAX);
    let summary = replay(text.as_bytes()).expect("a recording");
    assert_eq!(summary.difference, None);
    assert!(summary.inputs > 30 && summary.outputs > 30, "{summary:?}");
    assert_eq!(summary.end.as_deref(), Some("the recorder has ended"));
    for kind in ["start", "wall-clock", "packet", "link", "config", "redistribution", "neighbor-dead"] {
        assert!(text.contains(&format!("\"input\":{{\"{kind}\":")), "{kind} was recorded");
    }
    for kind in ["timeout", "shutdown"] {
        assert!(text.contains(&format!("\"input\":\"{kind}\"")), "{kind} was recorded");
    }
    for kind in ["transmit", "routes", "notification"] {
        assert!(text.contains(&format!("\"output\":{{\"{kind}\":")), "{kind} was recorded");
    }
}

#[test]
fn a_changed_missing_or_additional_output_is_found() {
    let text = recording(u64::MAX);
    let lines: Vec<&str> = text.lines().collect();
    let is_transmit = |line: &&str| line.starts_with("{\"output\":{\"transmit\"");
    let (at, _) = lines.iter().enumerate().filter(|(_, line)| is_transmit(line)).nth(10).expect("packets");
    let digit = if lines[at].ends_with("0\"}}}") { "1\"}}}" } else { "0\"}}}" };
    let changed = format!("{}{digit}", &lines[at][..lines[at].len() - digit.len()]);
    let with = |line: Option<&str>| {
        let mut lines = lines.clone();
        match line {
            Some(line) => lines[at] = line,
            None => drop(lines.remove(at)),
        }
        let summary = replay((lines.join("\n") + "\n").as_bytes()).expect("a recording");
        summary.difference.expect("a difference")
    };
    let difference = with(Some(&changed));
    assert_eq!(difference.line, at as u64 + 1);
    assert!(difference.recorded.is_some() && difference.recorded != difference.replayed);
    let difference = with(None);
    assert!(difference.replayed.is_some() && difference.recorded != difference.replayed);
    let mut twice = lines.clone();
    let is_last = |pair: &[&str]| pair[0].starts_with("{\"output\"") && pair[1].starts_with("{\"time\"");
    let last = lines.windows(2).rposition(is_last).expect("an input after outputs");
    twice.insert(last, lines[last]);
    let summary = replay((twice.join("\n") + "\n").as_bytes()).expect("a recording");
    let difference = summary.difference.expect("a difference");
    assert!(difference.recorded.is_some() && difference.replayed.is_none(), "{difference:?}");
}

#[test]
fn a_recording_ends_at_its_limit_and_what_it_has_replays() {
    let whole = recording(u64::MAX).len();
    for limit in [600, 5_000, whole as u64 / 2] {
        let text = recording(limit);
        assert!(text.len() as u64 <= limit + 40, "{} bytes for {limit}", text.len());
        let summary = replay(text.as_bytes()).expect("a recording");
        assert_eq!((summary.difference, summary.end.as_deref()), (None, Some("the limit is reached")));
    }
}

#[test]
fn a_recording_that_was_cut_off_replays_as_far_as_it_goes() {
    let text = recording(u64::MAX);
    for end in (200..text.len()).step_by(997) {
        let summary = replay(&text.as_bytes()[..end]).expect("a recording");
        assert_eq!((summary.difference, summary.end), (None, None), "cut at {end}");
    }
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    let refused = |text: &str| replay(text.as_bytes()).expect_err("no recording");
    assert!(matches!(refused(""), ReplayError::NotARecording));
    assert!(matches!(refused("{}\n"), ReplayError::NotARecording));
    let head = |version| format!("{{\"format\":\"isthmus-ospf-recording\",\"version\":{version}}}\n");
    assert!(matches!(refused(&head(2)), ReplayError::Version(2)));
    for line in [
        "nonsense",
        "{\"output\":{}}",
        "{\"time\":0,\"input\":\"timeout\"}",
        "{\"time\":0,\"input\":{\"start\":{}}}",
        "{\"time\":0,\"input\":\"an entry point of another day\"}",
    ] {
        let error = refused(&format!("{}{line}\n", head(1)));
        assert!(matches!(error, ReplayError::Line { line: 2, .. }), "{line}: {error}");
    }
}

#[test]
fn keys_of_the_configuration_that_a_recording_does_not_name_have_their_defaults() {
    let line = r#"{"start":{"config":{"router-id":"1.1.1.1","interfaces":{"1":{"cost":3}}},"seed":1}}"#;
    let Ok(Input::Start { config, .. }) = serde_json::from_str(line) else { panic!("a start") };
    let interface = InterfaceConfig { cost: 3, ..InterfaceConfig::default() };
    assert_eq!(config.interfaces[&InterfaceId(1)], interface);
    assert_eq!(interface.interface_type, InterfaceType::PointToPoint);
}

/// Everything that changes an instance from outside names its input first: without that a recording would not replay.
#[test]
fn every_entry_point_names_its_input() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut entry_points = Vec::new();
    for file in source_files(directory.as_ref()) {
        let source = std::fs::read_to_string(&file).expect("a source");
        // Every method of an `impl Instance` block that the crate shows and that may change something.
        let mut rest = source.as_str();
        while let Some(start) = rest.find("    pub fn ") {
            let method = &rest[start + "    pub fn ".len()..];
            let end = method.find("\n    }").unwrap_or(method.len());
            let (signature, _) = method.split_once('{').unwrap_or((method, ""));
            if source.contains("impl Instance {") && signature.contains("&mut self") {
                let name = method.split_once('(').map_or("", |(name, _)| name);
                entry_points.push((name.to_owned(), method[..end].contains("Input::")));
            }
            rest = &method[end..];
        }
    }
    // `accepts_ttl` counts, and changes nothing that an output depends on.
    let others = ["poll_output", "stop_recording", "accepts_ttl"];
    entry_points.retain(|(name, _)| !others.contains(&name.as_str()));
    assert!(entry_points.len() >= 7, "{entry_points:?}");
    for (name, is_recorded) in entry_points {
        assert!(is_recorded, "Instance::{name} does not name its input: see ospf/src/record");
    }
}

fn source_files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory of sources");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { source_files(&path) } else { vec![path] }).collect()
}
