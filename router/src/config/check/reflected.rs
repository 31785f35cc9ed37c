//! `segment: {facility: distributed, ...}`.

use std::net::SocketAddr;

use super::super::Code;
use super::super::model::ReflectedConfig;
use super::super::raw::RawReflected;
use super::findings::Findings;
use super::values::shown;

/// Checks memory between hosts, for the node with this id.
pub(super) fn reflected(
    findings: &mut Findings,
    raw: &RawReflected,
    node_id: Option<u16>,
) -> Option<ReflectedConfig> {
    let listen = endpoint(findings, "segment.listen", &raw.listen);
    let mut peers = Vec::new();
    for (key, text) in &raw.peers {
        let Some(id) = key.parse::<u16>().ok().filter(|id| (1..=256).contains(id)) else {
            let reason = format!("`{}` is not a node id", shown(key));
            findings.error(Code::OutOfRange, "segment.peers", reason, "use node ids from 1 to 256 as keys");
            continue;
        };
        if let Some(address) = endpoint(findings, &format!("segment.peers.{key}"), text) {
            peers.push((id, address));
        }
    }
    peers.sort_unstable();
    let window = findings.number("segment.window", raw.window, 262_144..=67_108_864_u32, " bytes")?;
    if !window.is_power_of_two() {
        let reason = format!("a window of {window} bytes is not a power of two");
        findings.error(Code::OutOfRange, "segment.window", reason, "use 4194304, or another power of two");
        return None;
    }
    let well_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ';' | '-');
    if raw.provider.is_empty() || raw.provider.len() > 64 || !raw.provider.chars().all(well_named) {
        let reason = format!("`{}` is not the name of a libfabric provider", shown(&raw.provider));
        findings.error(
            Code::BadName,
            "segment.provider",
            reason,
            "use one that `fi_info` lists, such as tcp",
        );
        return None;
    }
    let (listen, node_id) = (listen?, node_id?);
    if let Some((_, own)) = peers.iter().find(|(id, _)| *id == node_id)
        && *own != listen
    {
        findings.error(
            Code::ConflictingKeys,
            format!("segment.peers.{node_id}"),
            format!(
                "the others call node {node_id}, which is this node, at {own}, and it listens at {listen}"
            ),
            "give both the same address, or leave this node out of the list",
        );
        return None;
    }
    (peers.len() == raw.peers.len()).then(|| ReflectedConfig {
        provider: raw.provider.clone(),
        listen,
        peers,
        window,
    })
}

/// An address of a host, with a port.
fn endpoint(findings: &mut Findings, path: &str, text: &str) -> Option<SocketAddr> {
    let address = text.parse::<SocketAddr>().ok();
    let usable = address.filter(|it| it.port() != 0 && !it.ip().is_unspecified() && !it.ip().is_multicast());
    if usable.is_none() {
        let reason = format!("`{}` is not an address of a host with a port", shown(text));
        let remedy = "write the address by which the other hosts reach it, and a port: 10.0.0.1:7471";
        findings.error(Code::BadAddress, path, reason, remedy);
    }
    usable
}
