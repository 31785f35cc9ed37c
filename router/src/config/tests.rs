//! Tests of the configuration as a whole: files in, configurations or findings out.

mod ospf;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use isthmus_shmnet::{BackOff, CoherenceMode, HugePageSize, Region, Timing};

use super::environment::Environment;
use super::load::{LARGEST_FILE, Loaded, load, parse};
use super::model::{Config, Driver, ReflectedConfig, SegmentConfig, StackConfig, StackMode};
use super::report::{ReportFormat, check_file};
use super::{Code, Diagnostic, Severity, reference, resolve_stack, schema};

fn root() -> Environment {
    Environment { uid: 0, runtime_directory: None, state_home: None, hostname: "host".to_owned() }
}

fn good(text: &str) -> Loaded {
    parse(text, &root()).unwrap_or_else(|findings| panic!("refused: {findings:#?}"))
}

fn bad(text: &str) -> Vec<Diagnostic> {
    parse(text, &root()).expect_err("the file was taken")
}

const MINIMAL: &str = "\
node-id: 1
segment: /dev/shm/isthmus
interfaces:
  - name: eth1
    address: 192.0.2.1/30
";

/// Input: each facility in full. Output: the memory as the fabric takes it, with the defaults of its kind.
#[test]
fn each_kind_of_memory_has_its_defaults() {
    let memory = |segment: &str| {
        let text = format!("node-id: 1\nsegment: {segment}\n");
        let fabric = good(&text).config.fabric.unwrap();
        (fabric.segment, fabric.coherence)
    };
    let (hardware, flush) = (CoherenceMode::Hardware, CoherenceMode::Flush);
    let region = |region| SegmentConfig::Region(region, BackOff::default());
    assert_eq!(
        memory("{facility: file, path: /dev/shm/x}"),
        (SegmentConfig::Directory("/dev/shm/x".into()), hardware)
    );
    let sealed_in = |path: &str, bytes: Option<u64>| {
        let huge_pages = bytes.map(|bytes| HugePageSize::new(bytes).unwrap());
        (SegmentConfig::SealedMemory { directory: path.into(), huge_pages }, hardware)
    };
    let sealed = |path: &str| sealed_in(path, None);
    assert_eq!(memory("{facility: memfd}"), sealed("/dev/shm/isthmus"));
    assert_eq!(memory("{facility: memfd, path: /run/x}"), sealed("/run/x"));
    let huge = [("64K", 64 << 10), ("2M", 2 << 20), ("32M", 32 << 20), ("512M", 512 << 20), ("1G", 1 << 30)];
    for (text, bytes) in huge {
        let yaml = format!("{{facility: memfd, huge-pages: {text}}}");
        assert_eq!(memory(&yaml), sealed_in("/dev/shm/isthmus", Some(bytes)));
    }
    let file = Region::File { path: "/dev/shm/x".into(), size: Some(64 << 20), other_kernels: true };
    let text = "{facility: single-file, path: /dev/shm/x, size: 64, other-kernels: true}";
    assert_eq!(memory(text), (region(file), hardware));
    assert_eq!(memory("{facility: pci}"), (region(Region::Pci { address: None }), hardware));
    let device = Region::Pci { address: Some("0000:00:04.0".to_owned()) };
    let slow = BackOff { longest: Duration::from_millis(20), ..BackOff::default() };
    assert_eq!(
        memory("{facility: pci, address: '0000:00:04.0', coherence: flush, longest-pause: 20000}"),
        (SegmentConfig::Region(device, slow), flush)
    );
    let dax = Region::Dax { path: "/dev/dax0.0".into(), size: None };
    assert_eq!(memory("{facility: dax, path: /dev/dax0.0}"), (region(dax), flush));
    let text = "node-id: 1\nsegment: /x\nfabric: {timing: {heartbeat: 100, suspect: 1000, failed: 8000}}\n";
    assert_eq!(good(text).config.fabric.unwrap().timing.failed, Duration::from_secs(8));
    let timing = |text: &str| good(text).config.fabric.unwrap().timing;
    assert_eq!(timing("node-id: 1\nsegment: /x\n"), Timing::default());
    let distributed =
        "node-id: 1\nsegment: {facility: distributed, listen: 10.0.0.1:7471, peers: {2: 10.0.0.2:7471}}\n";
    assert_eq!(timing(distributed), Timing::between_hosts());
    let slower = timing(&format!("{distributed}fabric: {{timing: {{failed: 900}}}}\n"));
    assert_eq!(slower, Timing { failed: Duration::from_millis(900), ..Timing::between_hosts() });
}

/// Input: regions that are too small for a pair, for all, and large enough. Output: an error, a warning, nothing; each with the size
/// that is needed, which is then taken.
#[test]
fn a_region_has_room_for_its_nodes() {
    let text = |kind: &str, size: u64, nodes: u16| {
        format!(
            "node-id: 1\nsegment: {{facility: {kind}, path: /x, size: {size}}}\nfabric: {{max-nodes: {nodes}}}\n"
        )
    };
    let found = |kind: &str, size, nodes| match parse(&text(kind, size, nodes), &root()) {
        Ok(loaded) => (true, loaded.warnings),
        Err(findings) => (false, findings),
    };
    for kind in ["single-file", "dax"] {
        for (size, nodes, taken) in [(16, 64, false), (128, 64, true)] {
            let (is_taken, findings) = found(kind, size, nodes);
            assert_eq!(is_taken, taken, "{kind} {size} {nodes}: {findings:?}");
            let Some(finding) = findings.first() else { continue };
            assert_eq!(
                (finding.code, finding.path.as_str(), finding.line),
                (Code::NoRoom, "segment.size", Some(2))
            );
            let needed: u64 = finding.remedy.split(' ').nth(2).unwrap().parse().unwrap();
            assert_eq!(found(kind, needed, nodes), (true, vec![]), "{}", finding.remedy);
            assert_eq!(found(kind, needed - 1, nodes).1.len(), 1, "no more is asked for than is needed");
            let (_, fewer) = finding.remedy.split_once("max-nodes` to ").unwrap();
            let fewer: u16 = fewer.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(found(kind, size, fewer), (true, vec![]), "{}", finding.remedy);
            assert_eq!(found(kind, size, fewer + 1).1.len(), 1);
        }
        assert!(found(kind, 20, 3).1.is_empty());
    }
    // Every queue has rings to every node.
    let with = |queues: u8| {
        let text =
            text("single-file", 512, 64).replace("fabric: {", &format!("fabric: {{queues: {queues}, "));
        parse(&text, &root()).unwrap().warnings
    };
    assert_eq!(with(1), vec![]);
    let findings = with(8);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].remedy.contains("MiB, lower `fabric.queues`, or set"), "{}", findings[0].remedy);
}

/// Input: a file that is there, of a length that the configuration does not say. Output: `isthmus check` looks at it.
#[test]
fn check_looks_at_the_length_of_a_region_that_is_there() {
    let region = std::env::temp_dir().join(format!("isthmus-region-{}", std::process::id()));
    let file = region.with_extension("yaml");
    let memory = std::fs::File::create(&region).unwrap();
    let path = region.display();
    std::fs::write(&file, format!("node-id: 1\nsegment: {{facility: single-file, path: {path}}}\n")).unwrap();
    let checked = |len: u64| {
        memory.set_len(len).unwrap();
        let mut text = Vec::new();
        let taken = check_file(&file, ReportFormat::Text, &mut text).unwrap();
        (taken, String::from_utf8(text).unwrap())
    };
    let (taken, text) = checked(16 << 20);
    assert!(
        !taken && text.contains(":2:1: error[no-room]: segment: 16777216 bytes divided among 64"),
        "{text}"
    );
    let (taken, text) = checked(128 << 20);
    assert!(taken && text.contains("warning[no-room]") && text.contains(": ok: "), "{text}");
    let (taken, text) = checked(1 << 30);
    assert!(taken && !text.contains("no-room"), "{text}");
    for path in [region, file] {
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_minimal_file_gets_every_default() {
    let Loaded { config, warnings, .. } = good(MINIMAL);
    assert_eq!(warnings, []);
    assert_eq!(config.hostname, "host");
    assert_eq!(config.ospf.router_id.0, Ipv4Addr::new(10, 77, 0, 1));
    assert_eq!((config.ospf.maximum_paths, config.ospf.spf_delay.initial), (16, Duration::ZERO));
    assert_eq!(config.management.unix_socket, Some(PathBuf::from("/run/isthmus/node-1.sock")));
    assert_eq!((config.management.listen, config.management.in_band_port), (None, None));
    assert_eq!(config.static_routes, []);

    let fabric = config.fabric.expect("a fabric");
    assert_eq!((fabric.node_id, fabric.max_nodes, fabric.weight), (1, 64, 100));
    assert_eq!(fabric.segment, SegmentConfig::Directory(PathBuf::from("/dev/shm/isthmus")));
    assert_eq!(fabric.lsm.address.to_string(), "10.77.0.1/24");
    assert_eq!(fabric.gsm.address.to_string(), "10.77.1.1/24");
    assert_eq!(fabric.common_addresses, [Ipv4Addr::new(10, 77, 2, 1)]);
    assert_eq!(fabric.kernel_stack.loopback, Ipv4Addr::new(10, 77, 3, 1));
    assert_eq!(
        (fabric.kernel_stack.lsm_device.as_str(), fabric.kernel_stack.gsm_device.as_str()),
        ("lsm0", "gsm0")
    );
    assert_eq!((fabric.lsm.ospf.cost, fabric.gsm.ospf.cost, fabric.advertised_cost), (2, 3, 10));
    for network in [&fabric.lsm, &fabric.gsm] {
        assert_eq!(network.ospf.area.to_string(), "0.0.0.1");
        assert_eq!(network.ospf.hello_interval, Duration::from_secs(1));
        assert_eq!(network.ospf.dead_interval, Duration::from_secs(4));
        assert_eq!((network.mtu, network.enabled), (9000, true));
    }
    assert!(fabric.transit && !fabric.advertise_hosts && !fabric.takeover);
    assert_eq!(fabric.stack, StackMode::Auto);

    let nic = &config.interfaces[0];
    let ospf = nic.ospf.as_ref().expect("OSPF on the NIC");
    assert_eq!((nic.name.as_str(), &nic.driver, nic.enabled, nic.mtu), ("eth1", &Driver::Packet, true, None));
    assert!(ospf.area.is_backbone());
    assert_eq!((ospf.cost, ospf.priority, ospf.transmit_delay), (10, 1, 1));
    assert_eq!((ospf.hello_interval.as_secs(), ospf.dead_interval.as_secs()), (10, 40));
    assert!(!ospf.passive && !ospf.mtu_ignore);
}

#[test]
fn memory_between_hosts_is_taken_and_what_cannot_work_is_named() {
    let file = |segment: &str| format!("{{node-id: 1, segment: {{facility: distributed, {segment}}}}}");
    let peers = "peers: {1: '10.0.0.1:7471', 2: '10.0.0.2:7472'}";
    let config = good(&file(&format!("listen: '10.0.0.1:7471', {peers}"))).config;
    let address = |text: &str| text.parse().expect("an address");
    let expected = ReflectedConfig {
        provider: "tcp".to_owned(),
        listen: address("10.0.0.1:7471"),
        peers: vec![(1, address("10.0.0.1:7471")), (2, address("10.0.0.2:7472"))],
        window: 4 << 20,
    };
    assert_eq!(config.fabric.expect("a fabric").segment, SegmentConfig::Reflected(expected));
    for (segment, code, path) in [
        (format!("listen: '10.0.0.1', {peers}"), Code::BadAddress, "segment.listen"),
        (format!("listen: '0.0.0.0:7471', {peers}"), Code::BadAddress, "segment.listen"),
        (format!("listen: '10.0.0.9:7471', {peers}"), Code::ConflictingKeys, "segment.peers.1"),
        ("listen: '10.0.0.1:1', peers: {0: '10.0.0.2:1'}".to_owned(), Code::OutOfRange, "segment.peers"),
        ("listen: '10.0.0.1:1', peers: {2: nowhere}".to_owned(), Code::BadAddress, "segment.peers.2"),
        (format!("listen: '10.0.0.1:7471', window: 300000, {peers}"), Code::OutOfRange, "segment.window"),
        (format!("listen: '10.0.0.1:7471', provider: '', {peers}"), Code::BadName, "segment.provider"),
    ] {
        let findings = bad(&file(&segment));
        let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.path.as_str())).collect();
        assert_eq!(found, [(code, path)], "{segment}");
    }
    assert!(parse(&file("listen: '10.0.0.1:7471'"), &root()).is_err(), "no peers");
    assert!(
        parse("{node-id: 1, segment: {listen: '10.0.0.1:7471', peers: {}}}", &root()).is_err(),
        "no facility"
    );
}

#[test]
fn every_key_is_taken() {
    let text = "
hostname: gate
node-id: 2
segment: {inherited: {name: demo, arenas: {1: 10, 2: 11}}}
interfaces:
  - {name: up0, driver: socket, path: /run/up0.sock, address: 10.1.0.1/31, enabled: false, mtu: 1400,
     ospf: {area-id: 0.0.0.9, cost: 7, hello-interval: 2, dead-interval: 9, retransmit-interval: 3,
            transmit-delay: 2, interface-type: point-to-point, priority: 0, passive: true, mtu-ignore: true,
            authentication: {type: md5, keys: [{key-id: 1, key: secret}]}}}
  - {name: eth2, address: 10.2.0.1/24, ospf: {enabled: false}}
fabric:
  max-nodes: 8
  takeover: true
  area-id: 0.0.0.9
  lsm: {prefix: 10.9.0.0/28, enabled: false, mtu: 1500, device: l9,
        ospf: {cost: 10, hello-interval: 3, dead-interval: 12, retransmit-interval: 2, transmit-delay: 4, priority: 9}}
  gsm: {prefix: 10.9.1.0/24, device: g9}
  common-addresses: [10.9.2.1, 10.9.2.2]
  loopback-prefix: 10.9.3.0/24
  stack: kernel
  advertised-cost: 0
  advertise-hosts: true
  transit: false
  weight: 1000
ospf:
  router-id: 9.9.9.9
  maximum-paths: 1
  ietf-spf-delay: {initial-delay: 50, short-delay: 60, long-delay: 70, time-to-learn: 80, hold-down: 90}
  areas:
    - area-id: 0.0.0.9
      area-type: stub-area
      summary: false
      default-cost: 5
      ranges: [{prefix: 10.9.0.0/16, advertise: false}, {prefix: 10.10.0.0/16, cost: 3}]
management: {unix-socket: none, listen: '[::1]:8080'}
static-routes:
  - {destination-prefix: 0.0.0.0/0, next-hop: 10.2.0.254, distance: 250}
";
    let Loaded { config, warnings, .. } = good(text);
    assert_eq!(warnings, []);
    let fabric = config.fabric.as_ref().expect("a fabric");
    let arenas = vec![(1, 10), (2, 11)];
    assert_eq!(fabric.segment, SegmentConfig::Inherited { name: "demo".to_owned(), arenas });
    assert_eq!(fabric.gsm.ospf.cost, 11, "one more than the local network's");
    assert_eq!(fabric.lsm.ospf.retransmit_interval, Duration::from_secs(2));
    assert_eq!(config.ospf.router_id.to_string(), "9.9.9.9");
    let delay = config.ospf.spf_delay;
    assert_eq!(
        [delay.initial, delay.short, delay.long, delay.time_to_learn, delay.hold_down],
        [50, 60, 70, 80, 90].map(Duration::from_millis)
    );
    assert_eq!(config.interfaces[1].ospf, None);
    assert_eq!(config.interfaces[0].driver, Driver::Socket { path: PathBuf::from("/run/up0.sock") });
    assert_eq!(config.management.unix_socket, None);
    assert_eq!(config.static_routes[0].distance, 250);
    assert_eq!(
        (config.ospf.areas[0].ranges[0].advertise, config.ospf.areas[0].ranges[1].cost),
        (false, Some(3))
    );
}

#[test]
fn a_router_without_a_fabric_is_named_after_its_first_nic() {
    let config = good("interfaces: [{name: eth0, address: 192.0.2.9/24}]").config;
    assert_eq!(config.fabric, None);
    assert_eq!(config.ospf.router_id.to_string(), "192.0.2.9");
    assert_eq!(config.management.unix_socket, Some(PathBuf::from("/run/isthmus/router.sock")));
}

#[test]
fn the_socket_of_a_user_is_in_the_users_own_directory() {
    let mut environment =
        Environment { uid: 7, runtime_directory: Some("/run/user/7".into()), ..Environment::default() };
    assert_eq!(environment.management_socket(Some(2)), Path::new("/run/user/7/isthmus/node-2.sock"));
    environment.runtime_directory = None;
    assert_eq!(environment.management_socket(None), Path::new("/tmp/isthmus-7/router.sock"));
}

#[test]
fn the_state_of_a_node_is_in_a_directory_of_its_own() {
    let config = good("{node-id: 1, segment: /dev/shm/isthmus}").config;
    assert_eq!(config.management.state_directory, Path::new("/var/lib/isthmus/node-1"));
    let config = good("{node-id: 1, segment: /dev/shm/a, management: {state-directory: /srv/state}}").config;
    assert_eq!(config.management.state_directory, Path::new("/srv/state"));
    let mut environment =
        Environment { uid: 7, state_home: Some("/home/u/s".into()), ..Environment::default() };
    assert_eq!(environment.state_directory(None), Path::new("/home/u/s/isthmus/router"));
    environment.state_home = None;
    assert_eq!(environment.state_directory(Some(3)), Path::new("/tmp/isthmus-7/state/node-3"));
}

/// Areas that a NIC may be in beside a cluster in an area (DESIGN: roles).
#[test]
fn a_nic_may_be_in_the_backbone_in_the_clusters_area_or_beside_a_cluster_in_the_backbone() {
    for (cluster, nic, taken) in [
        ("0.0.0.1", "0.0.0.0", true),
        ("0.0.0.1", "0.0.0.1", true),
        ("0.0.0.0", "0.0.0.5", true),
        ("0.0.0.0", "0.0.0.0", true),
        ("0.0.0.1", "0.0.0.5", false),
    ] {
        let text = format!("{MINIMAL}    ospf: {{area-id: {nic}}}\nfabric: {{area-id: {cluster}}}\n");
        match parse(&text, &root()) {
            Ok(_) => assert!(taken, "cluster in {cluster}, NIC in {nic}"),
            Err(findings) => {
                assert!(!taken, "cluster in {cluster}, NIC in {nic}: {findings:?}");
                assert_eq!(findings[0].code, Code::UnsupportedArea);
                assert!(findings[0].remedy.contains("fabric.area-id: 0.0.0.0"));
            }
        }
    }
}

#[test]
fn odd_but_workable_files_are_taken_with_a_warning() {
    let text = format!(
        "{MINIMAL}    ospf: {{hello-interval: 10, dead-interval: 15}}\nospf: {{areas: [{{area-id: 0.0.0.8}}]}}\n"
    );
    let Loaded { warnings, .. } = good(&text);
    let found: Vec<_> = warnings.iter().map(|w| (w.severity, w.code, w.line)).collect();
    assert_eq!(
        found,
        [(Severity::Warning, Code::BadTimers, Some(6)), (Severity::Warning, Code::UnusedArea, Some(7))]
    );
}

#[test]
fn a_backbone_that_nobody_keeps_together_is_warned_of() {
    let warnings = |lines: &str| good(&format!("{MINIMAL}{lines}\n")).warnings;
    let found = warnings("fabric: {transit: false}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].severity, found[0].code, found[0].line),
        (Severity::Warning, Code::SplitBackbone, Some(6))
    );
    assert!(found[0].reason.contains("`eth1`") && found[0].reason.contains("192.0.2.0/30"), "{found:?}");
    for fine in [
        "fabric: {transit: true}",
        "    ospf: {area-id: 0.0.0.1}\nfabric: {transit: false}",
        "    ospf: {enabled: false}\nfabric: {transit: false}",
        "fabric: {transit: false, area-id: 0.0.0.0}",
    ] {
        assert_eq!(warnings(fine), [], "{fine}");
    }
}

/// A file that is refused: what it adds to (or puts in place of) the minimal file, the finding, its line.
struct Bad {
    text: String,
    code: Code,
    line: usize,
    path: &'static str,
}

/// The minimal file with lines after it, from line 6 on.
fn after(lines: &str, code: Code, line: usize, path: &'static str) -> Bad {
    Bad { text: format!("{MINIMAL}{lines}\n"), code, line, path }
}

fn whole(text: &str, code: Code, line: usize, path: &'static str) -> Bad {
    Bad { text: text.to_owned(), code, line, path }
}

fn nic(lines: &str, code: Code, line: usize, path: &'static str) -> Bad {
    whole(&format!("node-id: 1\nsegment: /dev/shm/x\ninterfaces:\n{lines}\n"), code, line, path)
}

fn table() -> Vec<Bad> {
    let mut table = shape();
    table.extend(values());
    table.extend(relations());
    table
}

/// Syntax, types and keys.
fn shape() -> Vec<Bad> {
    vec![
        whole("", Code::NotYaml, 1, ""),
        whole("# nothing\n", Code::NotYaml, 1, ""),
        whole("node-id: [1\nsegment: x\n", Code::NotYaml, 2, ""),
        whole("node-id: 1\n\tsegment: x\n", Code::NotYaml, 2, ""),
        whole("node-id: 1\n segment: /x\n", Code::NotYaml, 2, ""),
        whole("a: &x 1\nb: *y\n", Code::NotYaml, 2, ""),
        whole("node-id: 1\n---\nnode-id: 2\n", Code::NotYaml, 0, ""),
        whole("node-id: !id 1\nsegment: /x\n", Code::NotYaml, 1, ""),
        whole("just text\n", Code::WrongType, 1, ""),
        whole("- a\n- b\n", Code::WrongType, 1, ""),
        whole("node-id: one\nsegment: /dev/shm/x\n", Code::WrongType, 1, "node-id"),
        whole("node-id: 1.5\nsegment: /dev/shm/x\n", Code::WrongType, 1, "node-id"),
        whole("node-id: 1\nsegment: [a]\n", Code::WrongType, 2, "segment"),
        whole("interfaces: eth0\n", Code::WrongType, 1, "interfaces"),
        after("fabric: {transit: maybe}", Code::WrongType, 6, "fabric.transit"),
        after(
            "fabric:\n  lsm:\n    ospf: {hello-interval: 0.5}",
            Code::WrongType,
            8,
            "fabric.lsm.ospf.hello-interval",
        ),
        after("fabric: {stack: kernal}", Code::UnknownValue, 6, "fabric.stack"),
        nic(
            "  - name: eth1\n    driver: xdpp\n    address: 192.0.2.1/30",
            Code::UnknownValue,
            5,
            "interfaces[0].driver",
        ),
        whole("nodeid: 1\n", Code::UnknownKey, 1, "nodeid"),
        after("fabric:\n  max_nodes: 8", Code::UnknownKey, 7, "fabric.max_nodes"),
        after("    ospf:\n      area: 0.0.0.0", Code::UnknownKey, 7, "interfaces[0].ospf.area"),
        whole("node-id: 1\nsegment: {inherit: {}}\n", Code::UnknownKey, 2, "segment.inherit"),
        after("node-id: 2", Code::DuplicateKey, 6, "node-id"),
        nic("  - name: eth1", Code::MissingKey, 4, "interfaces[0]"),
        after("static-routes:\n  - destination-prefix: 10.0.0.0/8", Code::MissingKey, 7, "static-routes[0]"),
    ]
}

/// Single values.
fn values() -> Vec<Bad> {
    vec![
        whole("node-id: 0\nsegment: /dev/shm/x\n", Code::OutOfRange, 1, "node-id"),
        whole("node-id: 257\nsegment: /dev/shm/x\n", Code::OutOfRange, 1, "node-id"),
        whole("node-id: -1\nsegment: /dev/shm/x\n", Code::OutOfRange, 1, "node-id"),
        whole("node-id: 65\nsegment: /dev/shm/x\n", Code::OutOfRange, 1, "node-id"),
        after("fabric: {max-nodes: 1}", Code::OutOfRange, 6, "fabric.max-nodes"),
        after("fabric: {weight: 0}", Code::OutOfRange, 6, "fabric.weight"),
        after("fabric: {advertised-cost: 16777215}", Code::OutOfRange, 6, "fabric.advertised-cost"),
        after("fabric:\n  gsm:\n    mtu: 100", Code::OutOfRange, 8, "fabric.gsm.mtu"),
        after("fabric:\n  lsm:\n    mtu: 9001", Code::OutOfRange, 8, "fabric.lsm.mtu"),
        after("fabric:\n  lsm:\n    ring-slots: 2", Code::OutOfRange, 8, "fabric.lsm.ring-slots"),
        after("fabric:\n  gsm:\n    ring-slots: 48", Code::OutOfRange, 8, "fabric.gsm.ring-slots"),
        after("fabric:\n  gsm:\n    ring-slots: 4", Code::ConflictingKeys, 8, "fabric.gsm.ring-slots"),
        after("fabric:\n  lsm:\n    buffer-size: 64", Code::OutOfRange, 8, "fabric.lsm.buffer-size"),
        after("fabric:\n  lsm:\n    buffer-size: 2000", Code::OutOfRange, 8, "fabric.lsm.buffer-size"),
        after("fabric:\n  lsm:\n    ring-slots: 65536", Code::ConflictingKeys, 8, "fabric.lsm.ring-slots"),
        after("    mtu: 575", Code::OutOfRange, 6, "interfaces[0].mtu"),
        after("    mtu: 9001", Code::OutOfRange, 6, "interfaces[0].mtu"),
        after("    ospf: {cost: 0}", Code::OutOfRange, 6, "interfaces[0].ospf.cost"),
        after("    ospf: {cost: 65536}", Code::OutOfRange, 6, "interfaces[0].ospf.cost"),
        after("    ospf:\n      hello-interval: 0", Code::OutOfRange, 7, "interfaces[0].ospf.hello-interval"),
        after("    ospf: {dead-interval: 65536}", Code::OutOfRange, 6, "interfaces[0].ospf.dead-interval"),
        after(
            "    ospf: {retransmit-interval: 0}",
            Code::OutOfRange,
            6,
            "interfaces[0].ospf.retransmit-interval",
        ),
        after("    ospf: {transmit-delay: 0}", Code::OutOfRange, 6, "interfaces[0].ospf.transmit-delay"),
        after("    ospf: {priority: 256}", Code::OutOfRange, 6, "interfaces[0].ospf.priority"),
        after("ospf: {maximum-paths: 0}", Code::OutOfRange, 6, "ospf.maximum-paths"),
        after(
            "ospf: {ietf-spf-delay: {long-delay: 60001}}",
            Code::OutOfRange,
            6,
            "ospf.ietf-spf-delay.long-delay",
        ),
        after("management: {in-band-port: 0}", Code::OutOfRange, 6, "management.in-band-port"),
        whole(
            "node-id: 1\nsegment: {inherited: {name: d, arenas: {1: 2}}}\n",
            Code::OutOfRange,
            2,
            "segment.inherited.arenas.1",
        ),
        whole(
            "node-id: 1\nsegment: {inherited: {name: d, arenas: {0: 5}}}\n",
            Code::OutOfRange,
            2,
            "segment.inherited.arenas",
        ),
        whole(
            "node-id: 1\nsegment: {inherited: {name: d, arenas: {2: 5}}}\n",
            Code::MissingKey,
            2,
            "segment.inherited.arenas",
        ),
        whole("node-id: 1\nsegment: dev/shm/x\n", Code::BadPath, 2, "segment"),
        whole("node-id: 1\nsegment: {path: /x}\n", Code::MissingKey, 2, "segment"),
        whole("node-id: 1\nsegment: {facility: tape}\n", Code::UnknownValue, 2, "segment.facility"),
        whole("node-id: 1\nsegment: {facility: file}\n", Code::MissingKey, 2, "segment"),
        whole("node-id: 1\nsegment: {facility: dax, path: dax0.0}\n", Code::BadPath, 2, "segment.path"),
        whole("node-id: 1\nsegment: {facility: memfd, size: 64}\n", Code::ConflictingKeys, 2, "segment.size"),
        whole(
            "node-id: 1\nsegment: {facility: file, path: /a, huge-pages: 2M}\n",
            Code::ConflictingKeys,
            2,
            "segment.huge-pages",
        ),
        whole(
            "node-id: 1\nsegment: {facility: memfd, coherence: flush}\n",
            Code::ConflictingKeys,
            2,
            "segment.coherence",
        ),
        whole("node-id: 1\nsegment: {facility: pci, path: /x}\n", Code::ConflictingKeys, 2, "segment.path"),
        whole("node-id: 1\nsegment: {facility: pci, address: '04.0'}\n", Code::BadName, 2, "segment.address"),
        whole(
            "node-id: 1\nsegment: {facility: single-file, path: /x, size: 0}\n",
            Code::OutOfRange,
            2,
            "segment.size",
        ),
        whole(
            "node-id: 1\nsegment: /x\nfabric: {timing: {suspect: 100}}\n",
            Code::OutOfRange,
            3,
            "fabric.timing",
        ),
        whole("node-id: 1\nsegment: /dev/shm/../x\n", Code::BadPath, 2, "segment"),
        after(
            &format!("management: {{unix-socket: /{}}}", "x".repeat(200)),
            Code::BadPath,
            6,
            "management.unix-socket",
        ),
        after("hostname: 'a b'", Code::BadName, 6, "hostname"),
        nic("  - name: a/b\n    address: 192.0.2.1/30", Code::BadName, 4, "interfaces[0].name"),
        nic(
            "  - name: much-too-long-a-name\n    address: 192.0.2.1/30",
            Code::BadName,
            4,
            "interfaces[0].name",
        ),
        nic("  - name: eth1\n    address: 192.0.2.1", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 192.0.2.300/24", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 2001:db8::1/64", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 192.0.2.0/24", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 192.0.2.255/24", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 192.0.2.1/32", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 224.0.0.5/24", Code::BadAddress, 5, "interfaces[0].address"),
        nic("  - name: eth1\n    address: 127.0.0.1/8", Code::BadAddress, 5, "interfaces[0].address"),
        after(
            "fabric: {common-addresses: [10.77.2.0/24]}",
            Code::BadAddress,
            6,
            "fabric.common-addresses[0]",
        ),
        after("fabric: {lsm: {prefix: 10.0.0.1/24}}", Code::BadPrefix, 6, "fabric.lsm.prefix"),
        after("fabric: {lsm: {prefix: 10.0.0.0/27}}", Code::BadPrefix, 6, "fabric.lsm.prefix"),
        after("fabric: {lsm: {prefix: 240.0.0.0/8}}", Code::BadAddress, 6, "fabric.lsm.prefix"),
        after("fabric: {area-id: 1}", Code::BadArea, 6, "fabric.area-id"),
        after("ospf: {router-id: gate}", Code::BadRouterId, 6, "ospf.router-id"),
        after("ospf: {router-id: 0.0.0.0}", Code::BadRouterId, 6, "ospf.router-id"),
        after("management: {listen: 8080}", Code::BadListen, 6, "management.listen"),
        after("management: {listen: 0.0.0.0:8080}", Code::Unprotected, 6, "management.listen"),
    ]
}

/// Values that do not fit each other.
fn relations() -> Vec<Bad> {
    vec![
        whole("node-id: 1\n", Code::MissingKey, 1, "node-id"),
        whole("segment: /dev/shm/x\n", Code::MissingKey, 1, "segment"),
        whole("hostname: lonely\n", Code::MissingKey, 0, "ospf.router-id"),
        whole(
            "interfaces: [{name: e, address: 10.0.0.1/24}]\nfabric: {}\n",
            Code::ConflictingKeys,
            2,
            "fabric",
        ),
        nic("  - {name: e, path: /x, address: 10.0.0.1/24}", Code::ConflictingKeys, 4, "interfaces[0].path"),
        nic(
            "  - {name: e, driver: socket, address: 10.0.0.1/24}",
            Code::MissingKey,
            4,
            "interfaces[0].driver",
        ),
        nic(
            "  - {name: e, address: 10.0.0.1/24}\n  - {name: e, address: 10.0.1.1/24}",
            Code::DuplicateName,
            5,
            "interfaces[1].name",
        ),
        nic("  - {name: lsm0, address: 10.0.0.1/24}", Code::DuplicateName, 4, "interfaces[0].name"),
        nic(
            "  - {name: a, driver: socket, path: /s, address: 10.0.0.1/24}\n  - {name: b, driver: socket, path: /s, address: 10.0.1.1/24}",
            Code::DuplicatePath,
            5,
            "interfaces[1].path",
        ),
        nic(
            "  - {name: a, address: 10.0.0.1/24}\n  - {name: b, address: 10.0.0.1/24}",
            Code::DuplicateAddress,
            5,
            "interfaces[1].address",
        ),
        nic(
            "  - {name: a, address: 10.0.0.1/24}\n  - {name: b, address: 10.0.0.2/25}",
            Code::OverlappingPrefixes,
            5,
            "interfaces[1].address",
        ),
        nic("  - {name: a, address: 10.77.0.1/24}", Code::DuplicateAddress, 4, "interfaces[0].address"),
        nic("  - {name: a, address: 10.77.0.9/24}", Code::OverlappingPrefixes, 4, "interfaces[0].address"),
        nic("  - {name: a, address: 10.77.2.200/24}", Code::OverlappingPrefixes, 4, "interfaces[0].address"),
        after(
            "fabric: {common-addresses: [10.77.0.99]}",
            Code::OverlappingPrefixes,
            6,
            "fabric.common-addresses[0]",
        ),
        after(
            "fabric: {common-addresses: [10.77.1.99]}",
            Code::OverlappingPrefixes,
            6,
            "fabric.common-addresses[0]",
        ),
        after(
            "fabric: {common-addresses: [10.9.9.9, 10.9.9.9]}",
            Code::DuplicateAddress,
            6,
            "fabric.common-addresses[1]",
        ),
        after(
            "fabric: {gsm: {prefix: 10.77.0.0/16}}",
            Code::OverlappingPrefixes,
            6,
            "fabric.loopback-prefix",
        ),
        after("fabric: {lsm: {device: x0}, gsm: {device: x0}}", Code::DuplicateName, 6, "fabric.gsm.device"),
        after("fabric: {lsm: {ospf: {cost: 1}}}", Code::BadCosts, 6, "fabric.lsm.ospf.cost"),
        after("fabric:\n  gsm: {ospf: {cost: 2}}", Code::BadCosts, 7, "fabric.gsm.ospf.cost"),
        after("fabric:\n  gsm: {ospf: {cost: 4}}", Code::BadCosts, 7, "fabric.gsm.ospf.cost"),
        after(
            "    ospf: {hello-interval: 10, dead-interval: 10}",
            Code::BadTimers,
            6,
            "interfaces[0].ospf.dead-interval",
        ),
        after("    ospf:\n      hello-interval: 50", Code::BadTimers, 7, "interfaces[0].ospf.hello-interval"),
        after(
            "fabric: {lsm: {ospf: {hello-interval: 4}}}",
            Code::BadTimers,
            6,
            "fabric.lsm.ospf.hello-interval",
        ),
        after("    ospf: {area-id: 0.0.0.5}", Code::UnsupportedArea, 6, "interfaces[0].ospf.area-id"),
        whole(
            "interfaces:\n  - {name: a, address: 10.0.0.1/24, ospf: {area-id: 0.0.0.5}}\n  - {name: b, address: 10.0.1.1/24, ospf: {area-id: 0.0.0.6}}\n",
            Code::UnsupportedArea,
            3,
            "interfaces[1].ospf.area-id",
        ),
        after("ospf: {router-id: 10.77.2.1}", Code::BadRouterId, 6, "ospf.router-id"),
        after(
            "ospf:\n  areas:\n    - area-id: 0.0.0.1\n    - area-id: 0.0.0.1",
            Code::DuplicateArea,
            9,
            "ospf.areas[1].area-id",
        ),
        after(
            "ospf:\n  areas:\n    - area-id: 0.0.0.1\n      ranges: [{prefix: 10.0.0.1/8}]",
            Code::BadPrefix,
            9,
            "ospf.areas[0].ranges[0].prefix",
        ),
        after(
            "ospf:\n  areas:\n    - area-id: 0.0.0.1\n      ranges: [{prefix: 10.0.0.0/8}, {prefix: 10.0.0.0/8}]",
            Code::DuplicateRange,
            9,
            "ospf.areas[0].ranges[1].prefix",
        ),
        after(
            "static-routes:\n  - {destination-prefix: 10.0.0.0/8, next-hop: 172.31.0.1}",
            Code::UnreachableNextHop,
            7,
            "static-routes[0].next-hop",
        ),
        after(
            "static-routes:\n  - {destination-prefix: 10.0.0.0/8, next-hop: 192.0.2.1}",
            Code::UnreachableNextHop,
            7,
            "static-routes[0].next-hop",
        ),
        after(
            "static-routes:\n  - {destination-prefix: 10.0.0.0/8, next-hop: blackhole}\n  - {destination-prefix: 10.0.0.0/8, next-hop: blackhole}",
            Code::DuplicateRoute,
            8,
            "static-routes[1].destination-prefix",
        ),
    ]
}

/// Input: more than a hundred files that are wrong in one way. Output: that finding, at its line, with a remedy.
#[test]
fn what_is_wrong_is_named_with_its_line() {
    let table = table();
    assert!(table.len() > 100, "{} files", table.len());
    let mut wrong = String::new();
    for Bad { text, code, line, path } in table {
        let findings = bad(&text);
        // Line 0 in the table: the file as a whole.
        let right = findings.iter().any(|finding| {
            finding.code == code
                && finding.path == path
                && finding.line.unwrap_or(0) == line
                && finding.severity == Severity::Error
                && !finding.reason.is_empty()
                && !finding.remedy.is_empty()
        });
        if !right {
            wrong.push_str(&format!("no {code} at {line} `{path}` in\n{text}\nbut {findings:#?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn all_findings_are_reported_at_once_in_the_order_of_the_lines() {
    let findings = bad(
        "node-id: 300\nsegment: here\ninterfaces:\n  - {name: a, address: x, ospf: {cost: 0}}\nospf: {ietf-spf-delay: {hold-down: -1}}\n",
    );
    let lines: Vec<_> = findings.iter().filter_map(|finding| finding.line).collect();
    assert_eq!(lines, [1, 2, 4, 4, 5]);
}

#[test]
fn a_slip_gets_the_key_that_was_meant() {
    for (text, meant) in [
        ("nodeid: 1", "`node-id`"),
        ("node_id: 1", "`node-id`"),
        ("Segment: /x", "`segment`"),
        ("interface: []", "`interfaces`"),
        ("routes: []", "`static-routes`"),
        ("ospf: {routerid: 1.1.1.1}", "`router-id`"),
        ("ospf: {id: 1.1.1.1}", "`router-id`"),
        ("interfaces: [{name: a, adress: 1.1.1.1/24}]", "`address`"),
    ] {
        let findings = bad(text);
        assert_eq!(findings[0].code, Code::UnknownKey, "{findings:?}");
        assert!(findings[0].remedy.contains(meant), "{text}: {}", findings[0].remedy);
    }
    assert!(bad("xyzzy: 1")[0].remedy.contains("the keys here are hostname, node-id"));
}

#[test]
fn overlapping_prefixes_are_both_named() {
    let findings = bad(&format!("{MINIMAL}  - {{name: eth2, address: 192.0.2.2/24}}\n"));
    assert!(findings[0].reason.contains("192.0.2.0/24 of interface `eth2`"), "{}", findings[0].reason);
    assert!(findings[0].reason.contains("192.0.2.0/30 of interface `eth1`"), "{}", findings[0].reason);
}

#[test]
fn aliases_that_stand_for_billions_of_values_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(", ")));
    }
    assert_eq!(bad(&text)[0].code, Code::FileTooLarge);
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(bad(&"[".repeat(100_000))[0].code, Code::NotYaml);
    assert_eq!(bad(&format!("{}{}", "[".repeat(1000), "]".repeat(1000)))[0].code, Code::NotYaml);
}

#[test]
fn files_that_cannot_be_a_configuration_are_refused() {
    let directory = std::env::temp_dir().join(format!("isthmus-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let refused = |path: &Path| load(path, &root()).expect_err("taken").remove(0);

    assert_eq!(refused(&directory.join("none.yaml")).code, Code::UnreadableFile);
    assert_eq!(refused(&directory).code, Code::UnreadableFile);
    assert_eq!(refused(Path::new("/dev/zero")).code, Code::FileTooLarge);

    let large = directory.join("large.yaml");
    std::fs::write(&large, "#".repeat(LARGEST_FILE + 1)).unwrap();
    assert_eq!(refused(&large).code, Code::FileTooLarge);

    let binary = directory.join("binary.yaml");
    std::fs::write(&binary, b"node-id: 1\nsegment: /\xff\n").unwrap();
    let finding = refused(&binary);
    assert_eq!((finding.code, finding.line, finding.column), (Code::NotText, Some(2), Some(11)));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_report_names_file_line_code_and_remedy() {
    let path = std::env::temp_dir().join(format!("isthmus-report-{}.yaml", std::process::id()));
    std::fs::write(&path, "node-id: 0\nsegment: /dev/shm/x\n").unwrap();
    let run = |format| {
        let mut output = Vec::new();
        let taken = check_file(&path, format, &mut output).unwrap();
        (taken, String::from_utf8(output).unwrap())
    };
    let (taken, text) = run(ReportFormat::Text);
    assert!(!taken);
    let start =
        format!("{}:1:1: error[out-of-range]: node-id: 0 is outside 1 to 256\n  remedy: ", path.display());
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with("1 error\n"), "{text}");

    let (_, json) = run(ReportFormat::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["diagnostics"][0]["code"], "out-of-range");
    assert_eq!(json["diagnostics"][0]["line"], 1);

    std::fs::write(&path, MINIMAL).unwrap();
    let (taken, text) = run(ReportFormat::Text);
    assert!(taken && text.contains("ok: node 1 of a cluster, LSM 10.77.0.1/24"), "{text}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_stack_is_the_kernels_where_that_is_permitted() {
    let fabric = |mode: &str| good(&format!("{MINIMAL}fabric: {{stack: {mode}}}\n")).config.fabric.unwrap();
    let allowed = || Ok(());
    let denied = || Err("EPERM".to_owned());

    let stack = resolve_stack(&fabric("auto"), allowed).unwrap();
    assert!(matches!(stack.stack, StackConfig::Kernel(_)));
    let stack = resolve_stack(&fabric("auto"), denied).unwrap();
    assert_eq!(stack.stack, StackConfig::Embedded);
    assert!(stack.reason.contains("EPERM"));
    assert!(matches!(resolve_stack(&fabric("kernel"), allowed).unwrap().stack, StackConfig::Kernel(_)));
    assert_eq!(resolve_stack(&fabric("kernel"), denied).unwrap_err().code, Code::NotPermitted);
    let unasked = || panic!("asked though it does not matter");
    assert_eq!(resolve_stack(&fabric("embedded"), unasked).unwrap().stack, StackConfig::Embedded);
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn every_example_is_taken_without_a_warning() {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(repository().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        let loaded =
            load(&path, &root()).unwrap_or_else(|findings| panic!("{}: {findings:#?}", path.display()));
        // The certificate of an example is made where it is used.
        let warnings = loaded.warnings.into_iter().filter(|found| found.code != Code::BadCertificate);
        assert_eq!(warnings.collect::<Vec<_>>(), [], "{}", path.display());
        seen.push((path.file_stem().unwrap().to_string_lossy().into_owned(), loaded.config));
    }
    let config = |name: &str| -> &Config { &seen.iter().find(|(stem, _)| stem == name).expect(name).1 };
    assert!(config("node").interfaces.is_empty() && config("node").fabric.is_some());
    assert_eq!(config("abr").interfaces.len(), 1);
    assert_eq!(config("two-nic-abr").interfaces.len(), 2);
    assert!(config("router").fabric.is_none());
    assert_eq!(config("lan-router").ospf.areas.len(), 1);
    assert_eq!(config("container").fabric.as_ref().unwrap().stack, StackMode::Embedded);
}

#[test]
fn the_committed_reference_is_that_of_the_schema() {
    let path = repository().join("docs/reference/configuration.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference::reference(),
        "run: cargo run -p isthmus --example config-reference > docs/reference/configuration.md"
    );
}

#[test]
fn the_schema_knows_every_key_and_its_range() {
    let schema = schema::schema();
    let node_id = schema::at(&schema, "node-id").unwrap();
    assert_eq!((node_id["minimum"].as_i64(), node_id["maximum"].as_i64()), (Some(1), Some(256)));
    let cost = schema::at(&schema, "interfaces[0].ospf.cost").unwrap();
    assert_eq!(cost["default"], 10);
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema::keys(&schema, "fabric.lsm").contains(&"prefix".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_taken_or_refused_with_reasons(text in "\\PC{0,400}") {
        if let Err(findings) = parse(&text, &root()) {
            prop_assert!(!findings.is_empty());
        }
    }

    /// Cuts, swaps and repeats of a right file come nearer to the checks than noise does.
    #[test]
    fn any_damage_to_a_file_is_taken_or_refused_with_reasons(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)
    ) {
        let mut bytes = std::fs::read(repository().join("configs/two-nic-abr.yaml")).unwrap();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(text) = String::from_utf8(bytes) && let Err(findings) = parse(&text, &root()) {
            prop_assert!(findings.iter().any(|finding| finding.severity == Severity::Error));
        }
    }

    #[test]
    fn any_number_in_any_place_is_taken_or_refused_with_reasons(
        key in prop::sample::select(vec![
            "node-id", "fabric.max-nodes", "fabric.weight", "fabric.lsm.mtu", "fabric.lsm.ospf.cost",
            "fabric.lsm.ring-slots", "fabric.gsm.buffer-size",
            "fabric.gsm.ospf.cost", "fabric.lsm.ospf.dead-interval", "ospf.ietf-spf-delay.short-delay", "management.in-band-port",
        ]),
        value in any::<i64>(),
    ) {
        let mut document = serde_json::json!({ "node-id": 1, "segment": "/x" });
        let mut here = &mut document;
        for part in key.split('.') {
            here = &mut here[part];
        }
        *here = value.into();
        // JSON is YAML.
        if let Err(findings) = parse(&document.to_string(), &root()) {
            prop_assert!(!findings.is_empty());
        }
    }
}
