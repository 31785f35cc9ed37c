//! Who the node is, whether it is well, whether it is ready.

use isthmus_mgmt_api::model::{
    AddressOwner, Check, CheckStatus, DateTime, Readiness, Role, StackKind, System, SystemAddress,
};
use isthmus_ospf::view::NeighborState;

use super::super::shared::Shared;
use crate::config::model::StackConfig;
use crate::forward::state::InterfaceKind;
use crate::kernel::guard::GuardKind;
use crate::ospf_driver::lock;

/// The node.
pub(super) fn system(shared: &Shared) -> System {
    let role = shared.role().clone();
    let config = shared.config();
    let fabric = config.fabric.as_ref();
    System {
        node_id: fabric.map(|fabric| fabric.node_id),
        hostname: config.hostname.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("ISTHMUS_COMMIT").map(str::to_owned),
        pid: std::process::id(),
        started: DateTime::from(shared.started),
        uptime: shared.started_at.elapsed().as_secs_f64(),
        router_id: config.ospf.router_id.0,
        role: if role.area_border_router { Role::Abr } else { Role::Internal },
        role_reason: role.reason,
        stack: match shared.stack.as_ref().map(|stack| &stack.stack) {
            Some(StackConfig::Kernel(_)) => StackKind::Kernel,
            _ => StackKind::Embedded,
        },
        address: addresses(shared),
        common_address: fabric.map(|fabric| fabric.common_addresses.clone()).unwrap_or_default(),
        listen: shared.listen().clone(),
        config_file: shared.config_file.as_ref().map(|path| path.display().to_string()),
        check: checks(shared),
    }
}

fn addresses(shared: &Shared) -> Vec<SystemAddress> {
    let owner = |interface: &str| match (&shared.stack, interface) {
        (Some(stack), "lsm0" | "gsm0") if matches!(stack.stack, StackConfig::Kernel(_)) => {
            AddressOwner::Kernel
        }
        _ => AddressOwner::Router,
    };
    let current = shared.current();
    let mut addresses: Vec<SystemAddress> = current
        .layout
        .interfaces
        .iter()
        .filter_map(|interface| {
            let address = interface.address?;
            Some(SystemAddress {
                ip: address.addr(),
                prefix_length: address.prefix_len(),
                interface: interface.name.clone(),
                owner: owner(&interface.name),
            })
        })
        .collect();
    if let Some(StackConfig::Kernel(kernel)) = shared.stack.as_ref().map(|stack| &stack.stack) {
        addresses.push(SystemAddress {
            ip: kernel.loopback,
            prefix_length: 32,
            interface: "lo".to_owned(),
            owner: AddressOwner::Router,
        });
    }
    addresses
}

/// What an operator asks first when something does not work.
fn checks(shared: &Shared) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(stack) = &shared.stack {
        checks.push(ok("stack", stack.reason.clone()));
    }
    if let Some(fabric) = &shared.fabric {
        let active = fabric.active_nodes();
        let peers = active.nodes.iter().filter(|node| !node.is_self).count();
        let suspects: Vec<String> = active
            .nodes
            .iter()
            .filter(|node| node.state == isthmus_shmnet::NodeState::Suspect)
            .map(|node| node.id.to_string())
            .collect();
        checks.push(if !active.nodes.iter().any(|node| node.is_self) {
            Check {
                name: "fabric".to_owned(),
                status: CheckStatus::Failed,
                detail: "this node is no member of the segment".to_owned(),
                remedy: Some(
                    "see `isthmus show events` for why; a process that took its id has its place".to_owned(),
                ),
            }
        } else if suspects.is_empty() {
            ok("fabric", format!("{peers} other nodes are active"))
        } else {
            warning(
                "fabric",
                format!("nodes {} are suspect: their heartbeat is late", suspects.join(", ")),
                "see `isthmus show events`; a node that is starved of CPU time needs more of it",
            )
        });
    }
    let current = shared.current();
    for interface in &current.layout.interfaces {
        if interface.kind == InterfaceKind::Nic && !interface.is_vacant() {
            let index = current.layout.find(&interface.name);
            let up = index.is_some_and(|index| shared.worker.counters.carrier(index));
            checks.push(if up {
                ok(&interface.name, "has its carrier".to_owned())
            } else {
                warning(
                    &interface.name,
                    "has no carrier".to_owned(),
                    "check the cable, or the peer at its other end",
                )
            });
        }
    }
    for (nic, guard) in &current.guards {
        let name = format!("{nic} guard");
        checks.push(match guard {
            GuardKind::None => warning(
                &name,
                "the kernel has addresses of its own on the NIC, and keeps its frames".to_owned(),
                "remove the addresses from the NIC, or give the router another one",
            ),
            kind => ok(&name, format!("the kernel is kept off the NIC by {}", kind.label())),
        });
    }
    checks.push(adjacencies(shared));
    checks
}

fn adjacencies(shared: &Shared) -> Check {
    let views = {
        let engine = lock(&shared.engine);
        engine.view_neighbors(super::ospf::now(shared))
    };
    let full = views.iter().filter(|neighbor| neighbor.state == NeighborState::Full).count();
    let text = format!("{full} of {} neighbors are fully adjacent", views.len());
    if full == views.len() {
        ok("ospf", text)
    } else {
        warning("ospf", text, "see `isthmus show ospf neighbor` for the state that each is in")
    }
}

fn ok(name: &str, detail: String) -> Check {
    Check { name: name.to_owned(), status: CheckStatus::Ok, detail, remedy: None }
}

fn warning(name: &str, detail: String, remedy: &str) -> Check {
    Check { name: name.to_owned(), status: CheckStatus::Warning, detail, remedy: Some(remedy.to_owned()) }
}

/// Ready: the fabric is joined, and every active peer is fully adjacent on a network of the fabric.
pub(super) fn readiness(shared: &Shared) -> Readiness {
    let mut waiting_for = Vec::new();
    if let Some(fabric) = &shared.fabric {
        let neighbors = {
            let engine = lock(&shared.engine);
            engine.view_neighbors(super::ospf::now(shared))
        };
        let active = fabric.active_nodes();
        if !active.nodes.iter().any(|node| node.is_self) {
            waiting_for.push("membership in the segment".to_owned());
        }
        for peer in active.nodes.iter().filter(|node| !node.is_self) {
            let full = neighbors.iter().any(|neighbor| {
                neighbor.neighbor_router_id.0 == peer.facts.router_id && neighbor.state == NeighborState::Full
            });
            if !full {
                waiting_for.push(format!("the adjacency to node {}", peer.id));
            }
        }
    }
    if shared.generation.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        waiting_for.push("the first forwarding table".to_owned());
    }
    Readiness { ready: waiting_for.is_empty(), waiting_for }
}
