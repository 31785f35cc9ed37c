//! The demo's network and the configuration file of each of its nodes.
//!
//! ```text
//!                       outside host 192.0.2.10
//!                                │ 192.0.2.0/24
//!                     outside router 192.0.2.1
//!            198.51.100.0/30 │          │ 198.51.100.4/30
//!                  cost 10   │          │   cost 20
//!                         node 1      node 2         area border routers
//!                            └──── ▒ ────┘
//!                     shared memory, LSM and GSM     common address 10.77.2.1
//!                                │
//!                             node 3                 no NIC
//! ```

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::credentials::Credentials;
use super::place::{Memory, Place, descriptor};

/// The nodes of the cluster.
pub const NODES: [u8; 3] = [1, 2, 3];
/// The nodes that have a NIC.
pub const BORDER_NODES: [u8; 2] = [1, 2];
/// The area border router that carries the traffic: its NIC is the cheaper one.
pub const PREFERRED: u8 = 1;
/// The node without a NIC.
pub const INNER: u8 = 3;
/// The host outside the cluster.
pub const OUTSIDE_HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The outside router, as the host sees it.
pub const OUTSIDE_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The address to which all nodes answer.
pub const COMMON_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
/// Where the nodes' in-band management listens.
pub const IN_BAND_PORT: u16 = 443;
/// The network of the outside host.
pub const OUTSIDE_NETWORK: &str = "192.0.2.0/24";

/// The networks of the cluster, as its border routers advertise them: local, global, and the common address.
pub const CLUSTER_NETWORKS: [&str; 3] = ["10.77.0.0/24", "10.77.1.0/24", "10.77.2.1/32"];

/// A node's address on the local network.
pub fn local_address(node: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, node)
}

/// The wire between the outside router and the outside host.
pub fn host_wire(directory: &Path) -> PathBuf {
    directory.join("host.wire")
}

fn uplink(directory: &Path, node: u8) -> PathBuf {
    directory.join(format!("uplink-{node}.wire"))
}

/// The unix socket of a process's management plane; 0 is the outside router.
pub fn management_socket(directory: &Path, node: u8) -> PathBuf {
    directory.join(if node == 0 { "outside.sock".to_owned() } else { format!("node-{node}.sock") })
}

/// The configuration of a node of the cluster.
pub fn node_config(place: &Place, credentials: &Credentials, node: u8) -> String {
    let directory = place.directory();
    let mut text = format!("hostname: node-{node}\nnode-id: {node}\n");
    match &place.memory {
        Memory::Tmpfs => {
            let _ = writeln!(text, "segment: {}", directory.join("segment").display());
        }
        Memory::Inherited { arenas, .. } => {
            let _ =
                writeln!(text, "segment:\n  inherited:\n    name: demo-{}\n    arenas:", std::process::id());
            for (id, arena) in NODES.iter().zip(arenas) {
                let _ = writeln!(text, "      \"{id}\": {}", descriptor(arena));
            }
        }
    }
    text.push_str("fabric:\n  stack: embedded\n  max-nodes: 8\n");
    if BORDER_NODES.contains(&node) {
        text.push_str("interfaces:\n");
        push_interface(
            &mut text,
            "up0",
            &uplink(directory, node),
            format!("{}/30", uplink_end(node, 2)),
            uplink_cost(node),
        );
    }
    push_management(&mut text, directory, node);
    let _ = writeln!(text, "  in-band-port: {IN_BAND_PORT}");
    text.push_str(&credentials.lines());
    text
}

/// The configuration of the outside router.
pub fn outside_router_config(place: &Place) -> String {
    let directory = place.directory();
    let mut text = String::from("hostname: outside\ninterfaces:\n");
    for node in BORDER_NODES {
        let wire = uplink(directory, node);
        push_interface(
            &mut text,
            &format!("down{node}"),
            &wire,
            format!("{}/30", uplink_end(node, 1)),
            uplink_cost(node),
        );
    }
    let host = format!("{OUTSIDE_GATEWAY}/24");
    push_interface(&mut text, "host0", &host_wire(directory), host, 10);
    text.push_str("      passive: true\n");
    push_management(&mut text, directory, 0);
    text
}

fn push_interface(text: &mut String, name: &str, wire: &Path, address: String, cost: u16) {
    let _ = writeln!(
        text,
        "  - name: {name}\n    driver: socket\n    path: {}\n    address: {address}\n    ospf:\n      cost: {cost}\n      \
         hello-interval: 1\n      dead-interval: 4",
        wire.display()
    );
}

fn push_management(text: &mut String, directory: &Path, node: u8) {
    let socket = management_socket(directory, node);
    let state = directory.join(format!("node-{node}.state"));
    let _ = writeln!(
        text,
        "management:\n  unix-socket: {}\n  listen: 127.0.0.1:0\n  state-directory: {}",
        socket.display(),
        state.display()
    );
}

/// A border node's address on its NIC.
pub fn uplink_address(node: u8) -> Ipv4Addr {
    uplink_end(node, 2)
}

fn uplink_end(node: u8, end: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, (node - 1) * 4 + end)
}

fn uplink_cost(node: u8) -> u16 {
    if node == PREFERRED { 10 } else { 20 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_has_a_configuration_that_passes_the_checks() {
        let place = Place::find(3).unwrap();
        let credentials = Credentials::new(place.directory()).unwrap();
        for node in NODES {
            let config = crate::config::parse_str(&node_config(&place, &credentials, node)).unwrap();
            assert_eq!(config.fabric.map(|fabric| fabric.node_id), Some(node.into()));
        }
        let outside = crate::config::parse_str(&outside_router_config(&place)).unwrap();
        assert_eq!(outside.interfaces.len(), 3);
    }
}
