//! Joins the segment as the configuration says.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::Path;

use isthmus_shmnet::{
    Backing, Event, Fabric, FabricConfig as JoinConfig, Facts, Geometry, JoinError, MulticastFilter, Network,
    NetworkParameters, NodeId, ReflectedMemory,
};
use tokio::sync::mpsc;

use super::NodeError;
use crate::config::model::{FabricConfig, NetworkConfig, ReflectedConfig, RingConfig, SegmentConfig};
use crate::config::{Code, Config, Diagnostic};
use crate::forward::wire::multicast_mac;

/// All OSPF routers; all OSPF designated routers.
const OSPF_GROUPS: [Ipv4Addr; 2] = [Ipv4Addr::new(224, 0, 0, 5), Ipv4Addr::new(224, 0, 0, 6)];

/// Point-to-multipoint, as the networks' type is published to the peers.
const POINT_TO_MULTIPOINT: u8 = 4;

/// A joined segment.
pub struct Joined {
    /// The fabric.
    pub fabric: Fabric,
    /// Its events.
    pub events: mpsc::UnboundedReceiver<Event>,
}

/// Joins the segment; `None`: the configuration has none.
///
/// # Errors
/// The segment refuses this node, or the system refuses the memory.
pub fn join(config: &Config) -> Result<Option<Joined>, NodeError> {
    let Some(settings) = &config.fabric else { return Ok(None) };
    let fabric = Fabric::join(join_config(config, settings)?).map_err(|error| refusal(&error))?;
    take_groups(&fabric, [&[], &[]]);
    let (sender, events) = mpsc::unbounded_channel();
    let source = fabric.events();
    std::thread::Builder::new()
        .name("fabric-events".into())
        .spawn(move || {
            // Ends when the fabric does, or when nobody listens any more.
            while let Ok(event) = source.recv() {
                if sender.send(event).is_err() {
                    return;
                }
            }
        })
        .map_err(NodeError::system("watch the fabric's events"))?;
    Ok(Some(Joined { fabric, events }))
}

/// Takes OSPF's groups on both networks, and those that the kernel has joined on each.
pub fn take_groups(fabric: &Fabric, joined: [&[[u8; 6]]; 2]) {
    for (network, joined) in Network::ALL.into_iter().zip(joined) {
        let groups = OSPF_GROUPS.map(multicast_mac).into_iter().chain(joined.iter().copied());
        fabric.subscribe(network, MulticastFilter::of(groups));
    }
}

fn join_config(config: &Config, settings: &FabricConfig) -> Result<JoinConfig, NodeError> {
    let node_id = NodeId::new(settings.node_id).ok_or_else(|| {
        let found = format!("{} is no node id", settings.node_id);
        NodeError::Refused(vec![Diagnostic::error(
            Code::OutOfRange,
            "node-id",
            found,
            "use a number from 1 to 256",
        )])
    })?;
    Ok(JoinConfig {
        node_id,
        backing: backing(&settings.segment)?,
        coherence: settings.coherence,
        max_nodes: settings.max_nodes,
        queues: settings.queues,
        geometry: [ring("lsm", settings.lsm.ring)?, ring("gsm", settings.gsm.ring)?],
        timing: settings.timing,
        parameters: requirements(settings),
        facts: Facts {
            lsm_address: settings.lsm.address.addr(),
            gsm_address: settings.gsm.address.addr(),
            router_id: config.ospf.router_id.0,
            transit: settings.transit,
            weight: settings.weight,
            hostname: config.hostname.clone(),
            ..Facts::default()
        },
        takeover: settings.takeover,
        budget: None,
    })
}

fn backing(segment: &SegmentConfig) -> Result<Backing, NodeError> {
    match segment {
        SegmentConfig::Directory(path) => {
            make_directory(path);
            Ok(Backing::Directory(path.clone()))
        }
        SegmentConfig::SealedMemory { directory, huge_pages } => {
            make_directory(directory);
            Ok(Backing::SealedMemory { directory: directory.clone(), huge_pages: *huge_pages })
        }
        SegmentConfig::Region(region, back_off) => Ok(Backing::Region(region.clone(), *back_off)),
        SegmentConfig::Inherited { name, arenas } => {
            let arenas = arenas
                .iter()
                .map(|&(node, descriptor)| inherited(node, descriptor))
                .collect::<Result<_, _>>()?;
            Ok(Backing::Inherited { arenas, name: name.clone() })
        }
        SegmentConfig::Reflected(ReflectedConfig { provider, listen, peers, window }) => {
            let (provider, listen, window) = (provider.clone(), *listen, *window);
            let peers =
                peers.iter().filter_map(|(id, address)| Some((NodeId::new(*id)?, *address))).collect();
            Ok(Backing::Reflected(ReflectedMemory { provider, listen, peers, window }))
        }
    }
}

/// The first node of a segment makes its directory. Any other reason than that it exists is found again, and named, when the
/// segment is joined.
fn make_directory(path: &Path) {
    match std::fs::create_dir(path) {
        Ok(()) => tracing::info!(segment = %path.display(), "made the segment's directory"),
        Err(error) => tracing::debug!(%error, "the segment's directory was not made"),
    }
}

/// The memory file is opened anew, so that the descriptor that was inherited stays whoever's it is.
fn inherited(node: u16, descriptor: i32) -> Result<(NodeId, OwnedFd), NodeError> {
    let refuse = |reason: String| {
        let remedy = "start the node by the process that made the memory files, without closing them";
        let path = format!("segment.inherited.arenas.{node}");
        NodeError::Refused(vec![Diagnostic::error(Code::DeviceFailure, path, reason, remedy)])
    };
    let id = NodeId::new(node).ok_or_else(|| refuse(format!("{node} is no node id")))?;
    let file = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/self/fd/{descriptor}"))
        .map_err(|error| refuse(format!("descriptor {descriptor} cannot be opened: {error}")))?;
    Ok((id, file.into()))
}

/// The check of the configuration has asked for no other rings than there can be.
fn ring(network: &str, ring: RingConfig) -> Result<Geometry, NodeError> {
    Geometry::new(ring.slots, ring.buffer_size).map_err(|error| {
        let remedy = "use a power of two for ring-slots and a multiple of 128 for buffer-size";
        let path = format!("fabric.{network}");
        NodeError::Refused(vec![Diagnostic::error(Code::OutOfRange, path, error.to_string(), remedy)])
    })
}

/// What this node requires of all others, for the two networks.
pub fn requirements(settings: &FabricConfig) -> [NetworkParameters; 2] {
    [parameters(&settings.lsm), parameters(&settings.gsm)]
}

fn parameters(network: &NetworkConfig) -> NetworkParameters {
    NetworkParameters {
        area_id: network.ospf.area.0.to_bits(),
        network_type: POINT_TO_MULTIPOINT,
        hello_interval: network.ospf.hello_interval.as_secs() as u16,
        dead_interval: network.ospf.dead_interval.as_secs() as u32,
        cost: network.ospf.cost,
        mtu: network.mtu,
        prefix: network.prefix.network(),
        prefix_len: network.prefix.prefix_len(),
    }
}

/// A refusal of the segment is about the configuration: it names the key.
fn refusal(error: &JoinError) -> NodeError {
    let (code, path) = match error {
        JoinError::IdInUse { .. } | JoinError::TakeoverImpossible { .. } | JoinError::StillOpen { .. } => {
            (Code::DuplicateNodeId, "node-id")
        }
        JoinError::IdOutOfRange { .. } => (Code::OutOfRange, "node-id"),
        JoinError::AbiMismatch { .. } | JoinError::CoherenceMismatch { .. } => {
            (Code::IncompatibleSegment, "segment")
        }
        JoinError::GeometryMismatch { .. } | JoinError::ParametersMismatch { .. } => {
            (Code::IncompatibleSegment, "fabric")
        }
        JoinError::NoRoom { .. } | JoinError::NoHugePages { .. } | JoinError::BudgetTooSmall { .. } => {
            (Code::NoRoom, "segment")
        }
        _ => (Code::DeviceFailure, "segment"),
    };
    // The fabric's errors end with the remedy, after the last semicolon; here takeover is a key of the file.
    let text = error.to_string().replace("(takeover)", "(`fabric.takeover: true`)");
    let (reason, remedy) = text.rsplit_once("; ").unwrap_or((&text, "see the reason"));
    NodeError::Refused(vec![Diagnostic::error(code, path, reason.to_owned(), remedy)])
}
