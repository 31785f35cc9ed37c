//! Where the management plane listens. Open to this host alone.

use std::net::SocketAddr;

use super::super::Code;
use super::super::environment::Environment;
use super::super::model::ManagementConfig;
use super::super::raw::RawConfig;
use super::findings::Findings;
use super::values::shown;

/// The management plane of a file.
pub(super) fn management(
    raw: &RawConfig,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<ManagementConfig> {
    let node_id = raw.node_id.and_then(|id| u8::try_from(id).ok());
    let raw = &raw.management;
    let unix_socket = match raw.unix_socket.as_deref() {
        None => Some(Some(environment.management_socket(node_id))),
        Some("none") => Some(None),
        Some(path) => findings.socket_path("management.unix-socket", path).map(Some),
    };
    let listen = match raw.listen.as_deref() {
        None => Some(None),
        Some(text) => listen(text, findings).map(Some),
    };
    let in_band_port = match raw.in_band_port {
        None => Some(None),
        Some(port) => findings.number("management.in-band-port", port, 1..=65_535_u16, "").map(Some),
    };
    let state_directory = match raw.state_directory.as_deref() {
        None => Some(environment.state_directory(node_id)),
        Some(path) => findings.absolute_path("management.state-directory", path),
    };
    Some(ManagementConfig {
        unix_socket: unix_socket?,
        listen: listen?,
        in_band_port: in_band_port?,
        state_directory: state_directory?,
    })
}

fn listen(text: &str, findings: &mut Findings) -> Option<SocketAddr> {
    let path = "management.listen";
    let Ok(address) = text.parse::<SocketAddr>() else {
        findings.error(
            Code::BadListen,
            path,
            format!("`{}` is not an address and a port", shown(text)),
            "write 127.0.0.1:8080 or [::1]:8080",
        );
        return None;
    };
    if !address.ip().is_loopback() {
        findings.error(
            Code::BadListen,
            path,
            format!(
                "{address} can be reached from other hosts, and the management plane does not ask who calls"
            ),
            format!("listen on 127.0.0.1:{} and reach it by ssh, or use the unix socket", address.port()),
        );
        return None;
    }
    Some(address)
}
