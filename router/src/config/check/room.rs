//! Whether a region has room for the nodes that it is divided among.

use isthmus_shmnet::{Geometry, Region, arena_bytes};

use super::super::model::{FabricConfig, RingConfig};
use super::super::{Code, Diagnostic};

/// What is wrong with a region of `bytes` for this fabric. Too little for a single peer is an error: no node could start. Too
/// little for all peers is odd: with all of them there, some would have no rings.
pub(in crate::config) fn room(fabric: &FabricConfig, region: &Region, bytes: u64) -> Option<Diagnostic> {
    let nodes = fabric.max_nodes;
    let others = nodes.saturating_sub(1);
    let needed = |nodes, peers| needs(fabric, nodes, peers);
    let (one, all) = (needed(nodes, 1)?, needed(nodes, others)?);
    let each = region.arena_of(bytes, nodes);
    if each >= all {
        return None;
    }
    let path = match region {
        Region::File { size: Some(_), .. } | Region::Dax { size: Some(_), .. } => "segment.size",
        _ => "segment",
    };
    let enough = region.bytes_for(all, nodes);
    let fewer = (2..nodes).rev().find(|fewer| {
        needed(*fewer, fewer - 1).is_some_and(|needed| region.arena_of(bytes, *fewer) >= needed)
    });
    let queues = if fabric.queues > 1 { " lower `fabric.queues`," } else { "" };
    let remedy = match fewer {
        Some(fewer) => format!(
            "give it {} MiB,{queues} or set `fabric.max-nodes` to {fewer} or less, on all nodes",
            mebibytes(enough)
        ),
        None => format!("give it {} MiB,{queues} on all nodes", mebibytes(enough)),
    };
    let division = format!(
        "{bytes} bytes divided among {nodes} nodes (`fabric.max-nodes`) give each {each}, and a node needs"
    );
    if each < one {
        let reason = format!("{division} {one} with a single peer, {all} with all");
        return Some(Diagnostic::error(Code::NoRoom, path, reason, remedy));
    }
    let peers = (1..others).rev().find(|peers| needed(nodes, *peers).is_some_and(|needed| each >= needed));
    let reason = format!(
        "{division} {all} with all others: there is room for rings to {} of {others}",
        peers.unwrap_or(1)
    );
    Some(Diagnostic::warning(Code::NoRoom, path, reason, remedy))
}

fn needs(fabric: &FabricConfig, nodes: u16, peers: u16) -> Option<u64> {
    let ring = |ring: RingConfig| Geometry::new(ring.slots, ring.buffer_size).ok();
    let geometry = [ring(fabric.lsm.ring)?, ring(fabric.gsm.ring)?];
    arena_bytes(nodes, fabric.queues, geometry, [fabric.lsm.mtu, fabric.gsm.mtu], peers)
}

/// Rounded up.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
