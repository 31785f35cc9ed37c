//! The node's part in the shared memory: id, segment, networks, addresses, costs.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use isthmus_ospf::config::{Authentication, InterfaceType};
use isthmus_ospf::types::AreaId;
use isthmus_shmnet::CoherenceMode;

use super::super::Code;
use super::super::model::{
    FabricConfig, KernelStackConfig, NetworkConfig, OspfInterfaceConfig, RingConfig, SegmentConfig, StackMode,
};
use super::super::raw::{RawConfig, RawFabric, RawInherited, RawNetwork, RawSegment, RawStack};
use super::findings::Findings;
use super::reflected::reflected;
use super::segment;
use super::values::{MTU, shown};

/// The fabric of a file that has one; `None` if it has none or if there are findings against it.
pub(super) fn fabric(raw: &RawConfig, findings: &mut Findings) -> Option<FabricConfig> {
    let (node_id, segment) = match (raw.node_id, &raw.segment) {
        (Some(node_id), Some(segment)) => (node_id, segment),
        (None, None) => {
            if raw.fabric.is_some() {
                findings.error(
                    Code::ConflictingKeys,
                    "fabric",
                    "there is no shared memory without `node-id` and `segment`",
                    "set both, or leave `fabric` out for a plain router",
                );
            }
            return None;
        }
        (node_id, _) => {
            let (given, missing) =
                if node_id.is_some() { ("node-id", "segment") } else { ("segment", "node-id") };
            findings.error(
                Code::MissingKey,
                given,
                format!("`{given}` is set, `{missing}` is not: a node of a cluster needs both"),
                format!("set `{missing}`, or leave both out for a plain router without a fabric"),
            );
            return None;
        }
    };
    let defaults = RawFabric::default();
    let given = raw.fabric.as_ref().unwrap_or(&defaults);
    let max_nodes = findings.number("fabric.max-nodes", given.max_nodes, 2..=256_u16, "");
    let queues = findings.number("fabric.queues", given.queues, 1..=8_u8, "");
    let node_id = node(findings, node_id, max_nodes);
    let carried = matches!(segment, RawSegment::Reflected(_));
    let segment = segment_config(findings, segment, node_id);
    let timing = segment::timing(findings, &given.timing, carried);
    let area = findings.area("fabric.area-id", &given.area_id);
    let common_addresses = common_addresses(findings, given);
    let advertised_cost =
        findings.number("fabric.advertised-cost", given.advertised_cost, 0..=16_777_214_u32, "");
    let weight = findings.number("fabric.weight", given.weight, 1..=1_000_u16, "");

    let loopback_prefix =
        network_prefix(findings, "fabric.loopback-prefix", &given.loopback_prefix, max_nodes);
    let costs = costs(findings, given);
    let member = Member { node_id, max_nodes, area };
    let lsm = member.network(findings, "fabric.lsm", &given.lsm, "10.77.0.0/24", costs.map(|costs| costs.0));
    let gsm = member.network(findings, "fabric.gsm", &given.gsm, "10.77.1.0/24", costs.map(|costs| costs.1));
    let devices = devices(findings, given);

    let (segment, coherence) = segment?;
    let (node_id, loopback_prefix, (lsm_device, gsm_device)) = (node_id?, loopback_prefix?, devices?);
    Some(FabricConfig {
        node_id,
        segment,
        coherence,
        timing: timing?,
        max_nodes: max_nodes?,
        queues: queues?,
        takeover: given.takeover,
        lsm: lsm?,
        gsm: gsm?,
        common_addresses: common_addresses?,
        advertised_cost: advertised_cost?,
        advertise_hosts: given.advertise_hosts,
        transit: given.transit,
        weight: weight?,
        stack: match given.stack {
            RawStack::Auto => StackMode::Auto,
            RawStack::Kernel => StackMode::Kernel,
            RawStack::Embedded => StackMode::Embedded,
        },
        kernel_stack: KernelStackConfig {
            lsm_device,
            gsm_device,
            loopback: nth(loopback_prefix, node_id),
            loopback_prefix,
        },
    })
}

fn node(findings: &mut Findings, node_id: i64, max_nodes: Option<u16>) -> Option<u16> {
    let node_id = findings.number("node-id", node_id, 1..=256_u16, "")?;
    let max_nodes = max_nodes?;
    if node_id > max_nodes {
        findings.error(
            Code::OutOfRange,
            "node-id",
            format!("node {node_id} does not fit a segment of at most {max_nodes} nodes"),
            format!(
                "use an id from 1 to {max_nodes}, or raise `fabric.max-nodes` on every node of the segment"
            ),
        );
        return None;
    }
    Some(node_id)
}

fn segment_config(
    findings: &mut Findings,
    raw: &RawSegment,
    node_id: Option<u16>,
) -> Option<(SegmentConfig, CoherenceMode)> {
    let config = match raw {
        RawSegment::Directory(path) => findings.absolute_path("segment", path).map(SegmentConfig::Directory),
        RawSegment::Inherited { inherited } => inherited_segment(findings, inherited, node_id),
        RawSegment::Reflected(raw) => reflected(findings, raw, node_id).map(SegmentConfig::Reflected),
        RawSegment::Memory(memory) => return segment::memory(findings, memory),
    };
    config.map(|config| (config, CoherenceMode::Hardware))
}

fn inherited_segment(
    findings: &mut Findings,
    raw: &RawInherited,
    node_id: Option<u16>,
) -> Option<SegmentConfig> {
    let path = "segment.inherited";
    let mut arenas = Vec::new();
    for (key, descriptor) in &raw.arenas {
        let at = format!("{path}.arenas.{key}");
        let Some(id) = key.parse::<u16>().ok().filter(|id| (1..=256).contains(id)) else {
            findings.error(
                Code::OutOfRange,
                format!("{path}.arenas"),
                format!("`{}` is not a node id", shown(key)),
                "use node ids from 1 to 256 as keys",
            );
            continue;
        };
        if let Some(descriptor) = findings.number(at, *descriptor, 3..=1_048_575, "") {
            arenas.push((id, descriptor));
        }
    }
    if raw.name.is_empty() || raw.name.len() > 64 {
        findings.error(
            Code::BadName,
            format!("{path}.name"),
            "the segment's name is empty or too long",
            "use 1 to 64 bytes",
        );
        return None;
    }
    arenas.sort_unstable();
    let node_id = node_id?;
    if arenas.len() == raw.arenas.len() && !arenas.iter().any(|(id, _)| *id == node_id) {
        findings.error(
            Code::MissingKey,
            format!("{path}.arenas"),
            format!("there is no arena of node {node_id}, which is this node"),
            "give the descriptor of the node's own arena too",
        );
        return None;
    }
    Some(SegmentConfig::Inherited { name: raw.name.clone(), arenas })
}

/// LSM and GSM costs: LSM < GSM < 2 x LSM.
fn costs(findings: &mut Findings, raw: &RawFabric) -> Option<(u16, u16)> {
    let (lsm_path, gsm_path) = ("fabric.lsm.ospf.cost", "fabric.gsm.ospf.cost");
    let lsm = findings.number(lsm_path, raw.lsm.ospf.cost.unwrap_or(2), 1..=65_535_u16, "")?;
    let default = i64::from(lsm) + 1;
    let gsm = findings.number(gsm_path, raw.gsm.ospf.cost.unwrap_or(default), 1..=65_535_u16, "")?;
    let path = if raw.gsm.ospf.cost.is_some() { gsm_path } else { lsm_path };
    let reason = match () {
        () if gsm <= lsm => format!(
            "the cost {gsm} of the global network is not more than the cost {lsm} of the local one: the local network would not be preferred"
        ),
        () if u32::from(gsm) >= 2 * u32::from(lsm) => format!(
            "the cost {gsm} of the global network is not less than twice the cost {lsm} of the local one: a broken local pair would detour over a third node instead of taking the global network"
        ),
        () => return Some((lsm, gsm)),
    };
    let remedy = match lsm {
        0..=1 => "set the local network's cost to 2 or more, and the global one's to one more".to_owned(),
        _ => format!(
            "with {lsm} on the local network set `{gsm_path}` to a value from {} to {}",
            u32::from(lsm) + 1,
            2 * u32::from(lsm) - 1
        ),
    };
    findings.error(Code::BadCosts, path, reason, remedy);
    None
}

fn common_addresses(findings: &mut Findings, raw: &RawFabric) -> Option<Vec<Ipv4Addr>> {
    let mut addresses = Vec::new();
    for (index, text) in raw.common_addresses.iter().enumerate() {
        let path = format!("fabric.common-addresses[{index}]");
        let Some(address) = findings.address(&path, text) else { continue };
        if addresses.contains(&address) {
            let reason = format!("the common address {address} stands twice");
            findings.error(Code::DuplicateAddress, path, reason, "remove one of them");
            continue;
        }
        addresses.push(address);
    }
    (addresses.len() == raw.common_addresses.len()).then_some(addresses)
}

fn devices(findings: &mut Findings, raw: &RawFabric) -> Option<(String, String)> {
    let lsm = raw.lsm.device.as_deref().unwrap_or("lsm0");
    let gsm = raw.gsm.device.as_deref().unwrap_or("gsm0");
    let lsm = findings.interface_name("fabric.lsm.device", lsm);
    let gsm = findings.interface_name("fabric.gsm.device", gsm);
    let (lsm, gsm) = (lsm?, gsm?);
    if lsm == gsm {
        findings.error(
            Code::DuplicateName,
            if raw.gsm.device.is_some() { "fabric.gsm.device" } else { "fabric.lsm.device" },
            format!("both networks have the device `{lsm}`"),
            "name two devices, or leave the keys out for `lsm0` and `gsm0`",
        );
        return None;
    }
    Some((lsm, gsm))
}

/// A prefix with an address for every node.
fn network_prefix(
    findings: &mut Findings,
    path: &str,
    text: &str,
    max_nodes: Option<u16>,
) -> Option<Ipv4Net> {
    let prefix = findings.unicast_prefix(path, text)?;
    let max_nodes = max_nodes?;
    let room = u64::from(u32::from(prefix.broadcast()) - u32::from(prefix.network())).saturating_sub(1);
    if room < u64::from(max_nodes) {
        let fits = 32 - (u32::from(max_nodes) + 2).next_power_of_two().trailing_zeros();
        findings.error(
            Code::BadPrefix,
            path,
            format!("{prefix} has {room} addresses for hosts, fewer than `fabric.max-nodes` {max_nodes}"),
            format!("use a prefix of length {fits} or shorter, or lower `fabric.max-nodes`"),
        );
        return None;
    }
    Some(prefix)
}

/// The `n`-th address of a prefix; [`network_prefix`] saw to it that there is one.
fn nth(prefix: Ipv4Net, n: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(prefix.network()).wrapping_add(u32::from(n)))
}

/// What both networks have in common.
struct Member {
    node_id: Option<u16>,
    max_nodes: Option<u16>,
    area: Option<AreaId>,
}

impl Member {
    fn network(
        &self,
        findings: &mut Findings,
        path: &str,
        raw: &RawNetwork,
        default_prefix: &str,
        cost: Option<u16>,
    ) -> Option<NetworkConfig> {
        let prefix_text = raw.prefix.as_deref().unwrap_or(default_prefix);
        let prefix = network_prefix(findings, &format!("{path}.prefix"), prefix_text, self.max_nodes);
        let mtu = findings.number(format!("{path}.mtu"), raw.mtu.unwrap_or(9000), MTU, " bytes");
        let ring = ring(findings, path, raw, mtu);
        let ospf = self.ospf(findings, &format!("{path}.ospf"), raw, cost);
        let (prefix, node_id) = (prefix?, self.node_id?);
        // The length is that of a parsed prefix, so it fits.
        let address = Ipv4Net::new(nth(prefix, node_id), prefix.prefix_len()).ok()?;
        let enabled = raw.enabled.unwrap_or(true);
        Some(NetworkConfig { prefix, address, enabled, mtu: mtu?, ring: ring?, ospf: ospf? })
    }

    fn ospf(
        &self,
        findings: &mut Findings,
        path: &str,
        raw: &RawNetwork,
        cost: Option<u16>,
    ) -> Option<OspfInterfaceConfig> {
        let raw = &raw.ospf;
        let timers = findings.timers(
            path,
            raw.hello_interval.unwrap_or(1),
            raw.dead_interval.unwrap_or(4),
            raw.dead_interval.is_some(),
        );
        let retransmit = raw.retransmit_interval.unwrap_or(1);
        let retransmit = findings.seconds(format!("{path}.retransmit-interval"), retransmit, 1..=3_600);
        let delay = raw.transmit_delay.unwrap_or(1);
        let delay = findings.number(format!("{path}.transmit-delay"), delay, 1..=3_600_u16, " s");
        let priority = findings.number(format!("{path}.priority"), raw.priority.unwrap_or(1), 0..=255_u8, "");
        let (hello_interval, dead_interval): (Duration, Duration) = timers?;
        Some(OspfInterfaceConfig {
            area: self.area?,
            cost: cost?,
            hello_interval,
            dead_interval,
            retransmit_interval: retransmit?,
            transmit_delay: delay?,
            interface_type: InterfaceType::PointToMultipoint,
            static_neighbors: std::collections::BTreeMap::new(),
            priority: priority?,
            authentication: Authentication::Null,
            ttl_security: None,
            passive: false,
            prefix_suppression: false,
            mtu_ignore: false,
        })
    }
}

/// The first ring of each pair: of a shape that a ring can have, and with room for a frame.
fn ring(findings: &mut Findings, path: &str, raw: &RawNetwork, mtu: Option<u16>) -> Option<RingConfig> {
    let slots_path = format!("{path}.ring-slots");
    let slots = findings.number(slots_path.as_str(), raw.ring_slots.unwrap_or(64), 4..=65_536_u32, "")?;
    if !slots.is_power_of_two() {
        findings.error(
            Code::OutOfRange,
            slots_path,
            format!("{slots} is no power of two"),
            format!("use {} or {}", slots.next_power_of_two() / 2, slots.next_power_of_two()),
        );
        return None;
    }
    let size_path = format!("{path}.buffer-size");
    let size = raw.buffer_size.unwrap_or(2048);
    let buffer_size = findings.number(size_path.as_str(), size, 128..=65_408_u32, " bytes")?;
    if !buffer_size.is_multiple_of(128) {
        findings.error(
            Code::OutOfRange,
            size_path,
            format!("{buffer_size} bytes is no multiple of 128"),
            format!("use {}", buffer_size.next_multiple_of(128)),
        );
        return None;
    }
    if u64::from(slots) * u64::from(buffer_size + SLOT) > LARGEST_RING {
        findings.error(
            Code::ConflictingKeys,
            slots_path,
            format!("{slots} slots with buffers of {buffer_size} bytes are more than 64 MiB"),
            "use fewer slots or smaller buffers",
        );
        return None;
    }
    let (longest, frame) = (slots / 2 * buffer_size, u32::from(mtu?) + ETHERNET);
    if longest < frame {
        let least = frame.div_ceil(buffer_size).next_power_of_two() * 2;
        findings.error(
            Code::ConflictingKeys,
            slots_path,
            format!("a frame takes at most half of a ring, {longest} bytes: too few for the MTU's {frame}"),
            format!("use at least {least} slots, larger buffers or a smaller MTU"),
        );
        return None;
    }
    Some(RingConfig { slots, buffer_size })
}

/// Bytes of a slot beside its buffer, and those of the largest ring that a node attaches to, less its header.
const SLOT: u32 = 128;
const LARGEST_RING: u64 = (64 << 20) - (128 << 10);

/// Bytes of an Ethernet header.
const ETHERNET: u32 = 14;
