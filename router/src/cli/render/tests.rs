//! Each table on fixed data, as a reader sees it.

use isthmus_mgmt_api::model::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Render;
use crate::cli::output::Style;

const WIDE: Style = Style { wide: true, colour: false };

fn narrow<T: Render + DeserializeOwned>(document: Value) -> String {
    serde_json::from_value::<T>(document).unwrap().render(Style::default())
}

fn wide<T: Render + DeserializeOwned>(document: Value) -> String {
    serde_json::from_value::<T>(document).unwrap().render(WIDE)
}

fn neighbor(id: &str, state: &str, more: Value) -> Value {
    let mut neighbor = json!({
        "neighbor-router-id": id, "address": id, "interface": "eth1", "area-id": "0.0.0.0", "state": state,
        "priority": 1, "dead-timer": 3,
        "statistics": {"nbr-event-count": 5, "nbr-retrans-qlen": 1, "nbr-request-qlen": 2, "nbr-db-summary-qlen": 3},
    });
    let (Value::Object(all), Value::Object(more)) = (&mut neighbor, more) else { unreachable!() };
    all.extend(more);
    neighbor
}

#[test]
fn ospf_neighbors_have_the_columns_of_frr() {
    let document = json!({ "neighbor": [
        neighbor("10.71.0.3", "full", json!({"up-time": 65})),
        neighbor("10.0.1.2", "exstart", json!({"dr-ip-addr": "10.0.1.2"})),
        neighbor("10.0.1.7", "2-way", json!({"dr-ip-addr": "10.0.1.2", "bdr-ip-addr": "10.0.1.7"})),
        neighbor("10.0.1.9", "full", json!({"up-time": 7384, "dr-ip-addr": "10.0.1.2"})),
    ]});
    assert_eq!(
        narrow::<OspfNeighbors>(document),
        "\
Neighbor ID  Pri  State         Up Time   Dead Time  Address    Interface  RXmtL  RqstL  DBsmL
10.71.0.3      1  Full/-        1m05s     3.000s     10.71.0.3  eth1           1      2      3
10.0.1.2       1  ExStart/DR    -         3.000s     10.0.1.2   eth1           1      2      3
10.0.1.7       1  2-Way/Backup  -         3.000s     10.0.1.7   eth1           1      2      3
10.0.1.9       1  Full/DROther  2h03m04s  3.000s     10.0.1.9   eth1           1      2      3
"
    );
    assert_eq!(narrow::<OspfNeighbors>(json!({"neighbor": []})), "no neighbors\n");
}

fn ospf_interface(name: &str, more: Value) -> Value {
    let mut interface = json!({
        "name": name, "interface-id": 16, "area-id": "0.0.0.0", "interface-type": "point-to-point",
        "state": "point-to-point", "address": "192.0.2.1/24", "unnumbered": false, "mtu": 1500, "mtu-ignore": false,
        "passive": false, "priority": 1, "cost": 10, "hello-interval": 10, "dead-interval": 40,
        "retransmit-interval": 5, "transmit-delay": 1, "neighbor-count": 2, "adjacency-count": 1,
        "statistics": {"if-event-count": 1, "retransmission-count": 0,
            "packets": {"in": packets(1), "out": packets(2)}, "bad-packets": {"mtu_mismatch": 4}},
    });
    let (Value::Object(all), Value::Object(more)) = (&mut interface, more) else { unreachable!() };
    all.extend(more);
    interface
}

#[test]
fn ospf_areas_show_what_a_stub_area_is_told() {
    let area = |id: &str, more: Value| {
        let mut area = json!({"area-id": id, "area-type": "stub-area", "interface-count": 1,
            "active-interface-count": 1, "adjacency-count": 1, "ranges": [],
            "statistics": {"spf-runs-count": 4, "abr-count": 1, "asbr-count": 0, "area-scope-lsa-count": 3,
                "area-scope-lsa-cksum-sum": 5}});
        let (Value::Object(all), Value::Object(more)) = (&mut area, more) else { unreachable!() };
        all.extend(more);
        area
    };
    let document = json!({"area": [
        area("0.0.0.0", json!({"area-type": "normal-area"})),
        area("0.0.0.7", json!({"summary": false, "default-cost": 9})),
        area("0.0.0.8", json!({"summary": true, "default-cost": 1})),
    ]});
    assert_eq!(
        narrow::<OspfAreas>(document),
        "\
Area     Type                                     Interfaces  Active  Full  LSAs  ABRs  SPF runs
0.0.0.0  normal-area                                       1       1     1     3     1         4
0.0.0.7  stub-area, default cost 9, no summaries           1       1     1     3     1         4
0.0.0.8  stub-area, default cost 1                         1       1     1     3     1         4
"
    );
}

fn packets(hello: u64) -> Value {
    json!({"hello": hello, "database-description": 0, "link-state-request": 0, "link-state-update": 0,
        "link-state-ack": 0})
}

/// Input: a LAN with a designated router, a backup, and a router of another hello interval and MTU; a cable. Output:
/// both designated ones, and both values of each difference, in the list and alone.
#[test]
fn ospf_interfaces_show_the_designated_routers_and_what_differs() {
    let lan = ospf_interface(
        "eth1",
        json!({"interface-type": "broadcast", "state": "bdr", "priority": 7,
            "dr-router-id": "10.0.0.9", "dr-ip-addr": "192.0.2.9", "bdr-router-id": "10.0.0.1",
            "bdr-ip-addr": "192.0.2.1", "mismatch": [
                {"packet-source": "192.0.2.5", "error": "hello-interval-mismatch", "own": "10", "theirs": "5",
                 "count": 12, "last": "2026-01-02T03:04:05.000000Z"},
                {"packet-source": "192.0.2.6", "error": "mtu-mismatch", "own": "1500", "theirs": "9000",
                 "count": 1, "last": "2026-01-02T03:04:06.000000Z"}]}),
    );
    let cable = ospf_interface("eth2", json!({"passive": true}));
    assert_eq!(
        narrow::<OspfInterfaces>(json!({"interface": [lan, cable]})),
        "\
Interface  Area     Address       Type            State                     Cost  Pri  DR        BDR       Nbrs  Full  Hello  Dead
eth1       0.0.0.0  192.0.2.1/24  broadcast       bdr                         10    7  10.0.0.9  10.0.0.1     2     1     10    40
eth2       0.0.0.0  192.0.2.1/24  point-to-point  point-to-point (passive)    10    1  -         -            2     1     10    40

eth1: 192.0.2.5 hello-interval-mismatch: 10 here, 5 there (12 packets, the last at 2026-01-02T03:04:05.000000Z)
eth1: 192.0.2.6 mtu-mismatch: 1500 here, 9000 there (1 packet, the last at 2026-01-02T03:04:06.000000Z)
"
    );
    let one = narrow::<OspfInterface>(lan);
    for line in [
        "Priority           7\n",
        "Designated router  10.0.0.9, address 192.0.2.9\n",
        "Backup             10.0.0.1, address 192.0.2.1\n",
        "Differs            192.0.2.5 hello-interval-mismatch: 10 here, 5 there (12 packets, the last at 2026-01-02T03:04:05.000000Z)\n",
        "Differs            192.0.2.6 mtu-mismatch: 1500 here, 9000 there (1 packet, the last at 2026-01-02T03:04:06.000000Z)\n",
    ] {
        assert!(one.contains(line), "no {line:?} in {one}");
    }
    let waiting =
        narrow::<OspfInterface>(ospf_interface("eth1", json!({"state": "waiting", "wait-timer": 31})));
    assert!(waiting.contains("retransmit 5 s, waiting for a designated router 31 s more\n"), "{waiting}");
    assert!(!narrow::<OspfInterface>(cable).contains("Designated"));
    assert!(
        wide::<OspfInterfaces>(json!({"interface": [ospf_interface("eth1", json!({}))]}))
            .contains("Retransmitted")
    );
}

#[test]
fn routes_have_codes_and_one_line_for_each_next_hop() {
    let hop = |interface: &str, gateway: Option<&str>| json!({"outgoing-interface": interface, "next-hop": gateway});
    let document = json!({ "route": [
        {"destination-prefix": "10.71.0.0/24", "source-protocol": "direct", "route-preference": 0, "active": true,
         "metric": 0, "next-hops": [hop("lsm0", None)]},
        {"destination-prefix": "192.0.2.0/24", "source-protocol": "ospf", "route-preference": 110, "active": true,
         "metric": 12, "route-type": "inter-area", "area-id": "0.0.0.1",
         "next-hops": [hop("lsm0", Some("10.71.0.1")), hop("lsm0", Some("10.71.0.2"))]},
        {"destination-prefix": "192.0.2.0/24", "source-protocol": "static", "route-preference": 200, "active": false,
         "metric": 0, "next-hops": [], "special-next-hop": "blackhole"},
    ]});
    assert_eq!(
        narrow::<Routes>(document.clone()),
        "\
Codes: C connected, S static, O OSPF, IA inter-area, E1 E2 external, *> in use

Code     Destination   Pref  Metric  Next hop   Interface  Age
C *>     10.71.0.0/24     0       0  direct     lsm0         -
O IA *>  192.0.2.0/24   110      12  10.71.0.1  lsm0         -
                                     10.71.0.2  lsm0
S        192.0.2.0/24   200       0  blackhole  -            -
"
    );
    assert!(wide::<Routes>(document).contains("0.0.0.1"));
}

#[test]
fn a_lookup_says_what_becomes_of_the_packet_and_why() {
    let entry = json!({"destination-prefix": "192.0.2.0/24", "next-hops": [
        {"outgoing-interface": "lsm0", "next-hop": "10.71.0.1"}, {"outgoing-interface": "gsm0"}]});
    let route = json!({"destination-prefix": "192.0.2.0/24", "source-protocol": "ospf", "route-preference": 110,
        "active": true, "metric": 12, "route-type": "inter-area", "next-hops": []});
    let step = json!({"step": "longest-prefix", "detail": "192.0.2.0/24 of 12 prefixes"});
    let document = json!({"destination": "192.0.2.9", "verdict": "forward", "entry": entry, "route": route,
        "explanation": [step]});
    assert_eq!(
        narrow::<FibLookup>(document),
        "\
192.0.2.9: via 10.71.0.1 on lsm0 or direct on gsm0, by 192.0.2.0/24
  from ospf inter-area, preference 110, metric 12
  1. longest-prefix: 192.0.2.0/24 of 12 prefixes
"
    );
    let nowhere = narrow::<FibLookup>(json!({"destination": "192.0.2.9", "verdict": "no-route"}));
    assert_eq!(nowhere, "192.0.2.9: dropped: no route\n");
}

#[test]
fn interfaces_show_status_and_counters() {
    let interface = json!({"name": "lsm0", "type": "lsm", "driver": "shm", "enabled": true, "admin-status": "up",
        "oper-status": "lower-layer-down", "phys-address": "02:00:00:00:00:01", "mtu": 9000,
        "address": [{"ip": "10.71.0.1", "prefix-length": 24, "owner": "router"}],
        "statistics": {"in-unicast-pkts": 7, "in-multicast-pkts": 3, "out-unicast-pkts": 5, "in-discards": 4,
            "drops": {"no-route": 4, "martian": 0}}});
    assert_eq!(
        narrow::<Interfaces>(json!({"interface": [interface]})),
        "\
Name  Type  Driver  Admin  Oper              Address        MTU  RX packets  TX packets  Drops
lsm0  lsm   shm     up     lower-layer-down  10.71.0.1/24  9000          10           5      4
"
    );
    let one = narrow::<Interface>(interface);
    assert!(one.contains("Status       lower-layer-down (administratively up)\n"), "{one}");
    assert!(one.ends_with("Drops        no-route 4\n"), "{one}");
}

#[test]
fn the_database_says_more_when_wide() {
    let document = json!({"lsa": [{"area-id": "0.0.0.1", "decode-completed": true, "raw-data": "00",
        "header": {"age": 12, "type": "ospfv2-router-lsa", "type-number": 1, "adv-router": "10.71.0.1",
            "lsa-id": "10.71.0.1", "seq-num": 0x8000_0001_u32, "checksum": "0x1e7d", "length": 36},
        "body": {"router": {"rtr-lsa-bits": ["abr-bit"], "num-of-links": 1, "links": [{"link-id": "10.71.0.3",
            "link-data": "10.71.0.1", "type": "point-to-point-link", "metric": 2}]}}}]});
    assert_eq!(
        narrow::<OspfDatabase>(document.clone()),
        "\
Area     Type    Link ID    ADV Router  Age  Seq#        CkSum   Length
0.0.0.1  router  10.71.0.1  10.71.0.1    12  0x80000001  0x1e7d      36
"
    );
    let text = wide::<OspfDatabase>(document);
    assert!(text.ends_with("  36  abr-bit, point-to-point 10.71.0.3 10.71.0.1 cost 2\n"), "{text}");
}

#[test]
fn rings_show_both_pointers_and_the_lag_of_readers() {
    let geometry = json!({"slots": 64, "buffer-size": 2048, "size": 139_264});
    let document = json!({
        "ring": [{"network": "lsm", "transmitter": 1, "receiver": 3, "transmitter-incarnation": 2,
            "receiver-incarnation": 1, "epoch": 1, "geometry": geometry, "write-pointer": 20, "read-pointer": 18,
            "occupancy": 2, "frames": 20, "octets": 2000, "full": 0, "invalid": 0, "distance-ns": 95, "copy-routine": "cached"}],
        "group-ring": [{"network": "gsm", "kind": "broadcast", "owner": 1, "generation": 2, "position": 9,
            "geometry": geometry, "submitted": 4, "delivered": 9, "lost": 0,
            "reader": [{"node-id": 2, "position": 9, "lag": 0}, {"node-id": 3, "lost": 4}]}],
    });
    assert_eq!(
        narrow::<ShmRings>(document),
        "\
Network  Direction  Queue  Epoch  Slots  Buffer  Write  Read  Occupancy  Frames  Full  Distance  Copy
lsm      1 -> 3         0      1     64    2048     20    18          2      20     0     95 ns  cached

Network  Group      Owner  Generation  Position  Readers (lag, lost)
gsm      broadcast      1           2         9  2 (0, 0), 3 (-, 4)
"
    );
}

#[test]
fn the_memory_lists_nodes_and_links() {
    let document = json!({"segment": "/dev/shm/c", "facility": "file", "layout-version": 1, "ring-slots": 64, "ring-buffer-size": 2048,
        "coherence": "flush", "mapping-cost": {"read-ns": 90, "write-ns": 40}, "queues": 1,
        "first-ring": [{"network": "lsm", "geometry": {"slots": 64, "buffer-size": 2048, "size": 139_264}},
            {"network": "gsm", "geometry": {"slots": 32, "buffer-size": 4096, "size": 135_168}}],
        "doorbell": [{"queue": 0, "heard": 3, "waits": 5}],
        "max-nodes": 16, "node-id": 1, "incarnation": 2, "arena-size": 1_048_576, "arena-free": 524_288,
        "active": [1, 3],
        "node": [{"node-id": 3, "local": false, "incarnation": 1, "state": "suspect", "heartbeat-age": 0.0215}],
        "link": [{"network": "lsm", "peer": 3, "peer-incarnation": 1, "state": "up"}]});
    assert_eq!(
        narrow::<Shm>(document),
        "\
Segment      /dev/shm/c (file)
Memory       flush coherence, 90 ns to read a line, 40 ns to write
Layout       version 1, 1 queue per network
First rings  lsm 64 x 2048 octets, gsm 32 x 4096 octets
This node    1 of at most 16, incarnation 2
Arena        1.0 MiB, 512.0 KiB free
Doorbells    queue 0: waited 5 times, heard 3
Active       1, 3

Node  State    Incarnation  Heartbeat  Role  LSM address  GSM address
3     suspect            1    21.5 ms  -     -            -

Network  Peer  Incarnation  State
lsm         3            1  up
"
    );
}

#[test]
fn steering_shows_shares() {
    let document = json!({"common-address": ["10.80.0.1"], "epoch": 2, "slots": 251, "no-active-node": 0, "history": [],
        "member": [{"node-id": 3, "weight": 1, "slots": 126, "share": 0.502, "steered-packets": 11,
            "steered-octets": 1100}]});
    let text = narrow::<Steering>(document);
    assert!(
        text.ends_with(
            "\
Node  Weight  Slots   Share  Steered packets  Steered octets
   3       1    126  50.2 %               11            1100
"
        ),
        "{text}"
    );
}

#[test]
fn counters_that_never_moved_are_only_for_the_wide() {
    let document = json!({"counter": [{"group": "icmp", "name": "echo-replies", "value": 0},
        {"group": "icmp", "name": "time-exceeded", "value": 2}]});
    assert_eq!(
        narrow::<Counters>(document.clone()),
        "Group  Counter        Value\nicmp   time-exceeded      2\n"
    );
    assert!(wide::<Counters>(document).contains("echo-replies"));
}

#[test]
fn events_that_are_forgotten_are_mentioned() {
    let document = json!({"forgotten": 3, "event": [
        {"sequence": 4, "time": "2026-11-22T08:00:00Z", "type": "role-change", "message": "now abr",
         "detail": {"role": "abr"}}]});
    let text = narrow::<Events>(document.clone());
    assert!(text.starts_with("3 earlier events are forgotten\nTime "), "{text}");
    assert!(wide::<Events>(document).ends_with("  role-change  now abr  role=\"abr\"\n"));
}

#[test]
fn a_remedy_stands_below_its_check() {
    let checks: Vec<Check> = serde_json::from_value(json!([
        {"name": "fabric", "status": "ok", "detail": "3 of 3 nodes"},
        {"name": "cpu-quota", "status": "warning", "detail": "quota in force", "remedy": "raise it"},
    ]))
    .unwrap();
    assert_eq!(
        super::checks(&checks, Style::default()),
        "fabric     ok: 3 of 3 nodes\ncpu-quota  warning: quota in force\n           -> raise it\n"
    );
}
