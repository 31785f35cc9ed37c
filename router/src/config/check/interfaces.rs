//! The NICs: names, drivers, addresses, OSPF on each.

use ipnet::Ipv4Net;

use super::super::Code;
use super::super::model::{Driver, FabricConfig, NicConfig, OspfInterfaceConfig};
use super::super::raw::{RawConfig, RawDriver, RawInterface, RawInterfaceOspf};
use super::Entry;
use super::findings::Findings;
use super::key_chains::KeyChains;
use super::network_type::{interface_type, static_neighbors};
use super::values::MTU;

/// The NICs that pass on their own.
pub(super) fn interfaces(
    raw: &RawConfig,
    fabric: Option<&FabricConfig>,
    key_chains: &KeyChains,
    findings: &mut Findings,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, interface) in raw.interfaces.iter().enumerate() {
        let path = format!("interfaces[{index}]");
        let Some(nic) = nic(&path, interface, key_chains, findings) else { continue };
        unique_name(&path, &nic, fabric, &entries, findings);
        unique_socket(&path, &nic, &entries, findings);
        entries.push(Entry { index, nic });
    }
    entries
}

fn nic(path: &str, raw: &RawInterface, key_chains: &KeyChains, findings: &mut Findings) -> Option<NicConfig> {
    let name = findings.interface_name(&format!("{path}.name"), &raw.name);
    let address = findings.interface_address(&format!("{path}.address"), &raw.address);
    let driver = driver(path, raw, findings);
    let mtu_path = format!("{path}.mtu");
    let mtu = match raw.mtu {
        None => Some(None),
        Some(mtu) => findings.number(mtu_path, mtu, MTU, " bytes").map(Some),
    };
    let ospf = match raw.ospf.enabled {
        true => ospf(&format!("{path}.ospf"), &raw.ospf, address, key_chains, findings).map(Some),
        false => Some(None),
    };
    Some(NicConfig {
        name: name?,
        driver: driver?,
        address: address?,
        enabled: raw.enabled,
        mtu: mtu?,
        ospf: ospf?,
    })
}

fn driver(path: &str, raw: &RawInterface, findings: &mut Findings) -> Option<Driver> {
    match (raw.driver, &raw.path) {
        (RawDriver::Packet, None) => Some(Driver::Packet),
        (RawDriver::Packet, Some(_)) => {
            findings.error(
                Code::ConflictingKeys,
                format!("{path}.path"),
                "driver `packet` has no path: its device is the interface's name",
                "leave `path` out, or set `driver: socket`",
            );
            None
        }
        (RawDriver::Socket, Some(socket)) => {
            let path = findings.socket_path(&format!("{path}.path"), socket)?;
            Some(Driver::Socket { path })
        }
        (RawDriver::Socket, None) => {
            findings.error(
                Code::MissingKey,
                format!("{path}.driver"),
                "driver `socket` needs a path",
                "set `path` to the absolute path of the socket",
            );
            None
        }
    }
}

fn ospf(
    path: &str,
    raw: &RawInterfaceOspf,
    address: Option<Ipv4Net>,
    key_chains: &KeyChains,
    findings: &mut Findings,
) -> Option<OspfInterfaceConfig> {
    let area = findings.area(&format!("{path}.area-id"), &raw.area_id);
    let cost = findings.number(format!("{path}.cost"), raw.cost, 1..=65_535_u16, "");
    let dead_given = raw.dead_interval != RawInterfaceOspf::default().dead_interval;
    let timers = findings.timers(path, raw.hello_interval, raw.dead_interval, dead_given);
    let retransmit =
        findings.seconds(format!("{path}.retransmit-interval"), raw.retransmit_interval, 1..=3_600);
    let delay = findings.number(format!("{path}.transmit-delay"), raw.transmit_delay, 1..=3_600_u16, " s");
    let priority = findings.number(format!("{path}.priority"), raw.priority, 0..=255_u8, "");
    let interface_type = interface_type(path, raw, address, findings);
    let static_neighbors = static_neighbors(path, raw, address, findings);
    let authentication =
        findings.authentication(&format!("{path}.authentication"), &raw.authentication, key_chains);
    let hops = findings.number(format!("{path}.ttl-security.hops"), raw.ttl_security.hops, 1..=254_u8, "");
    let (hello_interval, dead_interval) = timers?;
    Some(OspfInterfaceConfig {
        area: area?,
        cost: cost?,
        hello_interval,
        dead_interval,
        retransmit_interval: retransmit?,
        transmit_delay: delay?,
        interface_type: interface_type?,
        static_neighbors: static_neighbors?,
        priority: priority?,
        authentication: authentication?,
        ttl_security: hops.map(|hops| raw.ttl_security.enabled.then_some(hops))?,
        passive: raw.passive,
        prefix_suppression: raw.prefix_suppression,
        mtu_ignore: raw.mtu_ignore,
    })
}

fn unique_name(
    path: &str,
    nic: &NicConfig,
    fabric: Option<&FabricConfig>,
    entries: &[Entry],
    findings: &mut Findings,
) {
    let name = &nic.name;
    let reason = if let Some(other) = entries.iter().find(|entry| entry.nic.name == *name) {
        format!("`{name}` is also the name of interfaces[{}]", other.index)
    } else if fabric.is_some_and(|fabric| {
        let kernel = &fabric.kernel_stack;
        [&kernel.lsm_device, &kernel.gsm_device].contains(&name) || ["lsm0", "gsm0"].contains(&name.as_str())
    }) {
        format!("`{name}` is the name of a network over the shared memory")
    } else if name == "lo" {
        "`lo` is the kernel's loopback device".to_owned()
    } else {
        return;
    };
    findings.error(Code::DuplicateName, format!("{path}.name"), reason, "name another device");
}

fn unique_socket(path: &str, nic: &NicConfig, entries: &[Entry], findings: &mut Findings) {
    let Driver::Socket { path: socket } = &nic.driver else { return };
    if let Some(other) = entries.iter().find(|entry| entry.nic.driver == nic.driver) {
        findings.error(
            Code::DuplicatePath,
            format!("{path}.path"),
            format!("{} is also the socket of interfaces[{}]", socket.display(), other.index),
            "give each interface a socket of its own",
        );
    }
}
