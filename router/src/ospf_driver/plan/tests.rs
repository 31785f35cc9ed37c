//! From configurations to the engine's.

use isthmus_ospf::config::{AreaType, Authentication, Key};
use isthmus_ospf::wire::Algorithm;

use super::*;
use crate::config::parse_str;

const CLUSTER: AreaId = AreaId(Ipv4Addr::new(0, 0, 0, 1));

const BORDER: &str = "
node-id: 1
segment: /dev/shm/isthmus
interfaces:
  - name: eth1
    address: 192.0.2.1/30
";

fn config(lines: &str) -> Config {
    parse_str(&format!("{BORDER}{lines}")).unwrap()
}

fn plan(lines: &str) -> InstanceConfig {
    instance_config(&config(lines), &Situation::default())
}

fn prefix(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn ranges(plan: &InstanceConfig, area: AreaId) -> Vec<(String, bool, Option<u32>)> {
    let ranges = plan.areas[&area].ranges.iter();
    ranges.map(|range| (range.prefix.to_string(), range.advertise, range.cost)).collect()
}

fn range(prefix: &str, cost: u32) -> (String, bool, Option<u32>) {
    (prefix.to_owned(), true, Some(cost))
}

#[test]
fn the_fabrics_networks_are_multipoint_in_the_clusters_area_and_a_nic_a_link_in_the_backbone() {
    let plan = plan("");
    let kinds: Vec<_> = plan
        .interfaces
        .iter()
        .map(|(id, i)| (*id, i.name.as_str(), i.area, i.interface_type, i.address.to_string()))
        .collect();
    let (multipoint, point) = (InterfaceType::PointToMultipoint, InterfaceType::PointToPoint);
    assert_eq!(
        kinds,
        [
            (LSM, "lsm0", CLUSTER, multipoint, "10.77.0.1/24".to_owned()),
            (GSM, "gsm0", CLUSTER, multipoint, "10.77.1.1/24".to_owned()),
            (nic_interface(0), "eth1", AreaId::BACKBONE, point, "192.0.2.1/30".to_owned()),
        ]
    );
    assert_eq!(plan.router_id.to_string(), "10.77.0.1");
    assert_eq!((plan.maximum_paths, plan.spf_delay.initial), (16, Duration::ZERO));
    assert!(plan.interfaces.values().all(|i| !i.unnumbered && i.unicast_to.is_none()));
}

/// Input: a LAN with a key, in a stub area. Output: what the engine is told, and nothing of it on the fabric.
#[test]
fn a_lan_in_a_stub_area_reaches_the_engine_as_it_is_written() {
    let lan = "  - name: eth2
    address: 198.51.100.1/24
    ospf:
      area-id: 0.0.0.7
      interface-type: broadcast
      priority: 200
      authentication: { type: md5, keys: [{ key-id: 3, key: hidden }] }
ospf: { areas: [{ area-id: 0.0.0.7, area-type: stub-area, summary: false, default-cost: 9 }] }
";
    let link = BackboneLink { network: Network::Gsm, address: Ipv4Addr::new(10, 77, 1, 2) };
    let situation = Situation { backbone_links: [(2, link)].into(), ..Situation::default() };
    let plan = instance_config(&config(lan), &situation);
    let lan = &plan.interfaces[&nic_interface(1)];
    assert_eq!((lan.interface_type, lan.priority), (InterfaceType::Broadcast, 200));
    assert_eq!(
        lan.authentication,
        Authentication::Cryptographic(vec![Key::always(3, Algorithm::Md5, b"hidden")])
    );
    assert_eq!(plan.areas[&lan.area].area_type, AreaType::Stub { default_cost: 9, summary: false });
    let link = &plan.interfaces[&backbone_interface(2)];
    assert_eq!((link.interface_type, link.unnumbered), (InterfaceType::PointToPoint, true));
    let others = plan.interfaces.iter().filter(|(id, _)| **id != nic_interface(1));
    assert!(
        others.clone().count() == 4 && others.clone().all(|(_, i)| i.authentication == Authentication::Null)
    );
    assert_eq!(plan.areas[&CLUSTER].area_type, AreaType::Normal);
}

#[test]
fn costs_are_those_of_the_configuration() {
    let costs = |lines: &str| plan(lines).interfaces.values().map(|i| i.cost).collect::<Vec<_>>();
    assert_eq!(costs(""), [2, 3, 10]);
    assert_eq!(
        costs("    ospf: { cost: 7 }\nfabric: { lsm: { ospf: { cost: 40 } }, gsm: { ospf: { cost: 79 } } }"),
        [40, 79, 7]
    );
}

#[test]
fn a_border_router_announces_the_clusters_ranges_at_one_cost() {
    let networks = [("10.77.0.0/24", 10), ("10.77.1.0/24", 10), ("10.77.3.0/24", 10), ("10.77.2.1/32", 10)];
    assert_eq!(ranges(&plan(""), CLUSTER), networks.map(|(prefix, cost)| range(prefix, cost)));
    assert_eq!(ranges(&plan(""), AreaId::BACKBONE), []);
    // With the nodes' own addresses announced, no range hides them; the common addresses stay.
    let hosts = plan(
        "fabric: { advertise-hosts: true, advertised-cost: 5, common-addresses: [10.77.2.1, 10.77.2.2] }",
    );
    assert_eq!(ranges(&hosts, CLUSTER), [range("10.77.2.1/32", 5), range("10.77.2.2/32", 5)]);
}

#[test]
fn configured_ranges_stand_before_those_of_the_cluster() {
    let plan = plan(
        "ospf: { areas: [ { area-id: 0.0.0.1, ranges: [ { prefix: 10.88.0.0/16, advertise: false } ] },
                          { area-id: 0.0.0.0, ranges: [ { prefix: 192.0.2.0/24, cost: 3 } ] } ] }",
    );
    assert_eq!(ranges(&plan, CLUSTER)[0], ("10.88.0.0/16".to_owned(), false, None));
    assert_eq!(ranges(&plan, CLUSTER).len(), 5);
    assert_eq!(ranges(&plan, AreaId::BACKBONE), [range("192.0.2.0/24", 3)]);
}

#[test]
fn quick_timers_of_advertisements_hold_only_where_all_neighbors_are_nodes() {
    let intervals = |lines: &str, area: AreaId| {
        let area = plan(lines).areas.remove(&area).unwrap();
        (area.min_ls_interval, area.min_ls_arrival)
    };
    let quick = (Some(CLUSTER_MIN_LS_INTERVAL), Some(Duration::ZERO));
    assert_eq!(intervals("", CLUSTER), quick);
    assert_eq!(intervals("", AreaId::BACKBONE), (None, None));
    // A router outside is a neighbor in the cluster's area.
    assert_eq!(intervals("    ospf: { area-id: 0.0.0.1 }", CLUSTER), (None, None));
    assert_eq!(intervals("fabric: { area-id: 0.0.0.0 }", AreaId::BACKBONE), (None, None));
    // A NIC without OSPF brings no neighbor.
    assert_eq!(intervals("    ospf: { enabled: false }", CLUSTER), quick);
}

#[test]
fn both_networks_announce_the_lsm_address_and_the_gsm_what_is_common() {
    let stubs = |situation: &Situation| {
        let plan = instance_config(&config(""), situation);
        [LSM, GSM].map(|id| plan.interfaces[&id].stub_prefixes.clone())
    };
    let own = (prefix("10.77.0.1/32"), 0);
    let common = (prefix("10.77.2.1/32"), 0);
    assert_eq!(stubs(&Situation::default()), [vec![own], vec![own]]);
    let accepting = Situation { accepting: true, ..Situation::default() };
    assert_eq!(stubs(&accepting), [vec![own], vec![own, common]]);
    let kernel_stack = config("").fabric.unwrap().kernel_stack;
    let loopback = (prefix("10.77.3.1/32"), 0);
    let kernel = Situation { kernel_stack: Some(kernel_stack), ..accepting };
    assert_eq!(stubs(&kernel), [vec![own, loopback], vec![own, loopback, common]]);
}

#[test]
fn an_adjacency_of_the_backbone_is_an_unnumbered_link_with_its_networks_settings() {
    let config = config(
        "fabric: { lsm: { ospf: { cost: 5 } }, gsm: { mtu: 2000, ospf: { cost: 9, hello-interval: 2, dead-interval: 6 } } }",
    );
    let links = [(2, Network::Lsm, [10, 77, 0, 2]), (3, Network::Gsm, [10, 77, 1, 3])];
    let situation = Situation {
        backbone_links: links
            .into_iter()
            .map(|(node, network, address)| (node, BackboneLink { network, address: address.into() }))
            .collect(),
        accepting: true,
        ..Situation::default()
    };
    let plan = instance_config(&config, &situation);
    let link = |node| &plan.interfaces[&backbone_interface(node)];
    for (node, _, address) in links {
        let link = link(node);
        assert_eq!(link.name, format!("backbone-{node}"));
        assert_eq!((link.area, link.interface_type), (AreaId::BACKBONE, InterfaceType::PointToPoint));
        assert!(link.unnumbered && link.stub_prefixes.is_empty());
        assert_eq!(link.unicast_to, Some(Ipv4Addr::from(address)));
    }
    let (two, three) = (link(2), link(3));
    assert_eq!((two.address.to_string().as_str(), two.cost, two.mtu), ("10.77.0.1/24", 5, 9000));
    assert_eq!((three.address.to_string().as_str(), three.cost, three.mtu), ("10.77.1.1/24", 9, 2000));
    assert_eq!((three.hello_interval.as_secs(), three.dead_interval.as_secs()), (2, 6));
}

#[test]
fn timers_mtu_and_passive_of_a_nic_reach_the_engine() {
    let config = config(
        "    mtu: 1400
    ospf: { hello-interval: 2, dead-interval: 9, retransmit-interval: 3, transmit-delay: 2, priority: 0,
            passive: true, mtu-ignore: true }
  - { name: eth2, address: 198.51.100.1/24 }
  - { name: eth3, address: 203.0.113.1/24, ospf: { enabled: false } }",
    );
    let plan = instance_config(&config, &Situation::default());
    let nic = &plan.interfaces[&nic_interface(0)];
    assert_eq!(
        (nic.hello_interval.as_secs(), nic.dead_interval.as_secs(), nic.retransmit_interval.as_secs()),
        (2, 9, 3)
    );
    assert_eq!((nic.transmit_delay, nic.priority, nic.mtu), (2, 0, 1400));
    assert!(nic.passive && nic.mtu_ignore);
    let second = &plan.interfaces[&nic_interface(1)];
    assert_eq!((second.hello_interval.as_secs(), second.mtu, second.passive), (10, 1500, false));
    assert!(!plan.interfaces.contains_key(&nic_interface(2)), "it has no OSPF");
    // What the device says goes before what the file says.
    let situation = Situation { nic_mtus: vec![1300, 9000, 1500], ..Situation::default() };
    let plan = instance_config(&config, &situation);
    assert_eq!([0, 1].map(|nic| plan.interfaces[&nic_interface(nic)].mtu), [1300, 9000]);
}

#[test]
fn a_router_without_a_fabric_has_its_nics_only() {
    let config = parse_str(
        "interfaces: [ { name: eth1, address: 192.0.2.1/30 },
                       { name: eth2, address: 198.51.100.1/24, ospf: { area-id: 0.0.0.7 } } ]",
    );
    let plan = instance_config(&config.unwrap(), &Situation::default());
    assert_eq!(plan.interfaces.keys().copied().collect::<Vec<_>>(), [nic_interface(0), nic_interface(1)]);
    let areas: Vec<_> = plan.areas.keys().map(ToString::to_string).collect();
    assert_eq!(areas, ["0.0.0.0", "0.0.0.7"]);
    assert!(plan.areas.values().all(|area| area.ranges.is_empty() && area.min_ls_interval.is_none()));
}

#[test]
fn a_new_nic_takes_a_number_that_no_other_has_or_had_lately() {
    let (first, second) = (nic_interface(0), nic_interface(1));
    assert_eq!(
        next_nic_interface(second, &[first]),
        nic_interface(2),
        "the second one has gone, and is not reused"
    );
    let last = InterfaceId(FIRST_BACKBONE_LINK - 1);
    assert_eq!(next_nic_interface(last, &[first, last]), second, "all were used: the first free one");
    assert_eq!(next_nic_interface(LSM, &[]), first);
}

#[test]
fn a_nic_keeps_its_number_when_another_goes() {
    let config = config("  - { name: eth2, address: 198.51.100.1/24 }");
    let situation = Situation { nic_interfaces: vec![nic_interface(7)], ..Situation::default() };
    let plan = instance_config(&config, &situation);
    assert!(plan.interfaces.contains_key(&nic_interface(7)), "{:?}", plan.interfaces.keys());
    assert!(!plan.interfaces.contains_key(&nic_interface(0)));
}

#[test]
fn numbers_of_interfaces_lead_back_to_what_they_are_of() {
    for node in [1, 2, 256] {
        assert_eq!(backbone_node(backbone_interface(node)), Some(node));
    }
    for position in [0, 1, 200] {
        assert_eq!(backbone_node(nic_interface(position)), None);
    }
    for network in [LSM, GSM] {
        assert_eq!(backbone_node(network), None);
    }
}

#[test]
fn a_virtual_link_keeps_its_number_when_another_goes() {
    let text = |links: &str| {
        format!(
            "  - {{ name: eth2, address: 198.51.100.1/24, ospf: {{area-id: 0.0.0.1}} }}\nospf: {{areas: [{{area-id: 0.0.0.1, virtual-links: [{links}]}}]}}"
        )
    };
    let of = |links: &str| {
        let plan = instance_config(&config(&text(links)), &Situation::default());
        let links = plan.interfaces.into_iter().filter(|(id, _)| is_virtual_link(*id));
        links.map(|(id, link)| (link.name, id)).collect::<BTreeMap<_, _>>()
    };
    let both = of("{router-id: 10.0.0.8}, {router-id: 10.0.0.9, hello-interval: 3}");
    let one = of("{router-id: 10.0.0.9}");
    assert_eq!(both.len(), 2);
    assert_eq!(
        one,
        BTreeMap::from([("virtual-0.0.0.1-10.0.0.9".to_owned(), both["virtual-0.0.0.1-10.0.0.9"])])
    );
    assert!(both.values().all(|id| backbone_node(*id).is_none()));
}
