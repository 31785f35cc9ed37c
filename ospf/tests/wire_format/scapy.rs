//! Every packet and advertisement in other people's eyes: scapy makes the same bytes from the same values, and tshark reads
//! the values out of our bytes. The first runs where `ISTHMUS_SCAPY_PYTHON` names a Python that has scapy, the second where
//! tshark is installed; `tests/run.sh` sees to both.

use std::collections::BTreeMap;
use std::process::Command;

use isthmus_ospf::types::{AreaId, RouterId, SeqNum};
use isthmus_ospf::wire::opaque::{self, Capabilities, RouterInformation};
use isthmus_ospf::wire::{
    AsExternalLsa, DatabaseDescription, DdFlags, Header, Hello, LinkType, LsType, Lsa, LsaBody, LsaHeader,
    LsaKey, NetworkLsa, Options, Packet, PacketBody, RouterFlags, RouterLink, RouterLsa, SummaryLsa,
};

use crate::support::hex;

fn key(ls_type: LsType, id: [u8; 4], router: u8) -> LsaKey {
    LsaKey { ls_type, id: id.into(), advertising_router: RouterId([10, 0, 0, router].into()) }
}

fn link(link_type: LinkType, id: [u8; 4], data: [u8; 4], metric: u16) -> RouterLink {
    RouterLink { id: id.into(), data: data.into(), link_type, metric }
}

fn lsas() -> Vec<(&'static str, Lsa)> {
    let links = vec![
        link(LinkType::PointToPoint, [10, 0, 0, 2], [172, 16, 0, 1], 10),
        link(LinkType::Transit, [192, 0, 2, 1], [192, 0, 2, 9], 65535),
        link(LinkType::Stub, [172, 16, 0, 0], [255, 255, 255, 252], 0),
        link(LinkType::Virtual, [10, 0, 0, 3], [172, 16, 9, 1], 7),
    ];
    let mask = [255, 255, 255, 0].into();
    let attached = [1, 2].map(|last| RouterId([10, 0, 0, last].into()));
    let external = AsExternalLsa {
        network_mask: mask,
        e2: true,
        metric: 20,
        forwarding_address: [192, 0, 2, 7].into(),
        tag: 0xdead_beef,
    };
    let summary = |network_mask: [u8; 4], metric| SummaryLsa { network_mask: network_mask.into(), metric };
    let all = [
        (
            "router",
            key(LsType::ROUTER, [10, 0, 0, 1], 1),
            LsaBody::Router(RouterLsa { flags: RouterFlags::E | RouterFlags::B, links }),
        ),
        (
            "network",
            key(LsType::NETWORK, [192, 0, 2, 1], 1),
            LsaBody::Network(NetworkLsa { network_mask: mask, attached_routers: attached.to_vec() }),
        ),
        (
            "summary",
            key(LsType::SUMMARY_NETWORK, [198, 51, 100, 0], 1),
            LsaBody::Summary(summary([255, 255, 255, 0], 0x12_3456)),
        ),
        ("asbr", key(LsType::SUMMARY_ASBR, [10, 0, 0, 9], 1), LsaBody::Summary(summary([0; 4], 3))),
        ("external", key(LsType::AS_EXTERNAL, [203, 0, 113, 0], 1), LsaBody::AsExternal(external)),
        ("nssa", key(LsType::NSSA_EXTERNAL, [203, 0, 113, 0], 1), LsaBody::AsExternal(external)),
    ];
    let sequence = SeqNum(0x8000_0005_u32 as i32);
    all.map(|(name, key, body)| (name, Lsa::build(7, Options::E, key, sequence, &body))).into()
}

fn packets() -> Vec<(&'static str, PacketBody)> {
    let header = |age, key, sequence: u32, checksum, length| LsaHeader {
        age,
        options: Options::E,
        key,
        sequence: SeqNum(sequence as i32),
        checksum,
        length,
    };
    let keys = [key(LsType::ROUTER, [10, 0, 0, 1], 1), key(LsType::AS_EXTERNAL, [203, 0, 113, 0], 2)];
    let headers =
        vec![header(1, keys[0], 0x8000_0001, 0x1234, 48), header(3600, keys[1], 0x7fff_ffff, 0xfffe, 36)];
    let hello = Hello {
        network_mask: [255, 255, 255, 0].into(),
        hello_interval: 10,
        options: Options::E,
        priority: 3,
        dead_interval: 40,
        designated_router: [192, 0, 2, 1].into(),
        backup_designated_router: [192, 0, 2, 2].into(),
        neighbors: [2, 3].map(|last| RouterId([10, 0, 0, last].into())).to_vec(),
    };
    let description = DatabaseDescription {
        interface_mtu: 1500,
        options: Options::E,
        flags: DdFlags::MS | DdFlags::M,
        sequence: 0x0102_0304,
        headers: headers.clone(),
    };
    let update = lsas().into_iter().map(|(_, lsa)| lsa).collect();
    vec![
        ("hello", PacketBody::Hello(hello)),
        ("description", PacketBody::DatabaseDescription(description)),
        ("request", PacketBody::LinkStateRequest(keys.to_vec())),
        ("update", PacketBody::LinkStateUpdate(update)),
        ("acknowledgment", PacketBody::LinkStateAck(headers)),
    ]
}

#[test]
fn scapy_makes_the_same_bytes() {
    let Some(python) = std::env::var_os("ISTHMUS_SCAPY_PYTHON") else {
        eprintln!("not run: ISTHMUS_SCAPY_PYTHON names no Python with scapy");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scapy/packets.py");
    let made = Command::new(python).arg(script).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    let mut theirs: BTreeMap<&str, Vec<u8>> = lines.map(|(name, bytes)| (name, hex(bytes))).collect();
    let header = Header { router_id: RouterId([10, 0, 0, 1].into()), area_id: AreaId([0, 0, 0, 51].into()) };
    let ours = lsas().into_iter().map(|(name, lsa)| (name, lsa.to_bytes()));
    let packets =
        packets().into_iter().map(|(name, body)| (name, Packet { header: header.clone(), body }.encode()));
    for (name, bytes) in ours.chain(packets) {
        let theirs = theirs.remove(name).unwrap_or_default();
        assert_eq!(bytes, theirs, "{name}");
    }
    assert!(theirs.is_empty(), "{:?} are not compared", theirs.keys());
}

/// A capture of IP datagrams, in the format of libpcap.
fn capture(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let words = |file: &mut Vec<u8>, words: &[u32]| file.extend(words.iter().flat_map(|w| w.to_be_bytes()));
    // Version 2.4, link type 101: IP without anything before it.
    words(&mut file, &[0xa1b2_c3d4, 2 << 16 | 4, 0, 0, 65535, 101]);
    for payload in payloads {
        let length = payload.len() as u32 + 20;
        words(&mut file, &[0, 0, length, length]);
        words(&mut file, &[0x45c0_0000 | length, 0, 1 << 24 | 89 << 16, 0x0a00_0001, 0xe000_0005]);
        file.extend_from_slice(payload);
    }
    file
}

/// What tshark finds in the packets, a line for each: fields by commas, several values of one field by semicolons.
fn dissected(payloads: &[Vec<u8>], fields: &[&str]) -> Option<Vec<String>> {
    let file =
        std::env::temp_dir().join(format!("isthmus-ospf-{}-{}.pcap", std::process::id(), fields.len()));
    std::fs::write(&file, capture(payloads)).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&file).args(["-T", "fields", "-E", "separator=,", "-E", "aggregator=;"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let said = command.output();
    std::fs::remove_file(&file).unwrap();
    let Ok(said) = said else {
        eprintln!("not run: tshark is not installed");
        return None;
    };
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Some(String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn tshark_reads_the_same_values() {
    let header = Header { router_id: RouterId([10, 0, 0, 1].into()), area_id: AreaId([0, 0, 0, 51].into()) };
    let encode = |(_, body)| Packet { header: header.clone(), body }.encode();
    let payloads: Vec<_> = packets().into_iter().map(encode).collect();
    let lines = |fields: &[&str]| dissected(&payloads, fields);
    let Some(complaints) = lines(&["ospf.srcrouter", "ospf.area_id", "_ws.expert", "_ws.malformed"]) else {
        return;
    };
    assert_eq!(complaints, ["10.0.0.1,0.0.0.51,,"; 5], "tshark finds nothing wrong");
    let expect = |packet: usize, fields: &[&str], values: &str| {
        assert_eq!(lines(fields).unwrap()[packet], values, "{fields:?}");
    };
    expect(
        0,
        &[
            "ospf.hello.network_mask",
            "ospf.hello.hello_interval",
            "ospf.hello.router_priority",
            "ospf.hello.router_dead_interval",
            "ospf.hello.designated_router",
            "ospf.hello.backup_designated_router",
            "ospf.hello.active_neighbor",
        ],
        "255.255.255.0,10,3,40,192.0.2.1,192.0.2.2,10.0.0.2;10.0.0.3",
    );
    let described = ["ospf.db.interface_mtu", "ospf.dbd", "ospf.db.dd_sequence"];
    expect(1, &described, "1500,0x03,16909060");
    let named = ["ospf.lsa.age", "ospf.lsa.id", "ospf.advrouter", "ospf.lsa.seqnum", "ospf.lsa.chksum"];
    let headers = "1;3600,10.0.0.1;203.0.113.0,10.0.0.1;10.0.0.2,0x80000001;0x7fffffff,0x1234;0xfffe";
    expect(1, &named, headers);
    expect(4, &named, headers);
    expect(2, &["ospf.link_state_id", "ospf.advrouter"], "10.0.0.1;203.0.113.0,10.0.0.1;10.0.0.2");
    expect(3, &["ospf.lsa", "ospf.lsa.length"], "1;2;3;4;5;7,72;32;28;28;36;36");
    let links = ["linktype", "linkid", "linkdata", "metric0"].map(|name| format!("ospf.lsa.router.{name}"));
    expect(
        3,
        &links.each_ref().map(String::as_str),
        "1;2;3;4,10.0.0.2;192.0.2.1;172.16.0.0;10.0.0.3,172.16.0.1;192.0.2.9;255.255.255.252;172.16.9.1,10;65535;0;7",
    );
    let network = ["ospf.lsa.network.netmask", "ospf.lsa.network.attchrtr"];
    expect(3, &network, "255.255.255.0,10.0.0.1;10.0.0.2");
    expect(
        3,
        &[
            "ospf.lsa.asext.netmask",
            "ospf.lsa.asext.type",
            "ospf.lsa.asext.fwdaddr",
            "ospf.lsa.asext.extrttag",
        ],
        "255.255.255.0;255.255.255.0,1;1,192.0.2.7;192.0.2.7,3735928559;3735928559",
    );
}

/// Scapy has no opaque advertisements.
#[test]
fn tshark_reads_router_information() {
    let information = RouterInformation {
        capabilities: Some(Capabilities::STUB_ROUTER | Capabilities::GRACEFUL_RESTART_HELPER),
        hostname: Some("node-1".to_owned()),
    };
    let key = key(LsType::OPAQUE_AREA, [opaque::ROUTER_INFORMATION, 0, 0, 0], 1);
    let body = LsaBody::Opaque(information.encode());
    let lsa = Lsa::build(7, Options::E, key, SeqNum::INITIAL, &body);
    let header = Header { router_id: RouterId([10, 0, 0, 1].into()), area_id: AreaId([0, 0, 0, 51].into()) };
    let packet = Packet { header, body: PacketBody::LinkStateUpdate(vec![lsa]) }.encode();
    let options = ["srs", "grh", "grc", "tes"].map(|bit| format!("ospf.ri.options.{bit}"));
    let mut fields = vec!["_ws.expert", "_ws.malformed", "ospf.lsid_opaque_type", "ospf.dynhostname"];
    fields.extend(options.iter().map(String::as_str));
    let Some(lines) = dissected(&[packet], &fields) else { return };
    assert_eq!(lines, [",,4,node-1,1,1,0,0"]);
}
