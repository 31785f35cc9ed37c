//! Where the management plane listens, and whom it takes. What other hosts can reach needs tokens and TLS.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use isthmus_mgmt_api::access::{Role, Token, TokenHash};
use isthmus_mgmt_api::tls::{Identity, TlsError};

use super::super::Code;
use super::super::environment::Environment;
use super::super::model::{FabricConfig, ManagementConfig, TlsConfig};
use super::super::raw::{RawConfig, RawRole, RawTls, RawToken};
use super::findings::Findings;
use super::values::shown;

/// The management plane of a file.
pub(super) fn management(
    raw: &RawConfig,
    environment: &Environment,
    fabric: Option<&FabricConfig>,
    findings: &mut Findings,
) -> Option<ManagementConfig> {
    let node_id = raw.node_id.and_then(|id| u16::try_from(id).ok());
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
    let tokens = tokens(&raw.tokens, findings);
    let tls = match &raw.tls {
        None => Some(None),
        Some(raw) => tls(raw, findings).map(Some),
    };
    let protection = Protection { tokens: !raw.tokens.is_empty(), tls: raw.tls.is_some() };
    if let Some(Some(address)) = listen
        && !address.ip().is_loopback()
    {
        let what = format!("{address} can be reached from other hosts");
        protection.demand("management.listen", &what, &[address.ip()], findings);
    }
    if let Some(Some(port)) = in_band_port {
        let what = format!("port {port} can be reached by whoever can reach the node's addresses");
        let own = fabric.iter().flat_map(|fabric| {
            let common = fabric.common_addresses.iter().copied();
            [fabric.lsm.address.addr(), fabric.gsm.address.addr()].into_iter().chain(common)
        });
        let own: Vec<IpAddr> = own.map(IpAddr::from).collect();
        protection.demand("management.in-band-port", &what, &own, findings);
    }
    Some(ManagementConfig {
        unix_socket: unix_socket?,
        listen: listen?,
        in_band_port: in_band_port?,
        state_directory: state_directory?,
        tokens: tokens?,
        loopback_tokens: raw.loopback_tokens.unwrap_or(true),
        tls: tls?,
    })
}

fn listen(text: &str, findings: &mut Findings) -> Option<SocketAddr> {
    let address = text.parse::<SocketAddr>();
    if address.is_err() {
        findings.error(
            Code::BadListen,
            "management.listen",
            format!("`{}` is not an address and a port", shown(text)),
            "write 127.0.0.1:8080 or [::1]:8080; with tokens and TLS any other address of the host, or 0.0.0.0:8443",
        );
    }
    address.ok()
}

/// What protects the addresses that other hosts can reach.
struct Protection {
    tokens: bool,
    tls: bool,
}

impl Protection {
    /// Refuses an address that other hosts can reach, unless it is protected; the remedy can be pasted.
    fn demand(&self, path: &str, what: &str, addresses: &[IpAddr], findings: &mut Findings) {
        if !self.tokens {
            findings.error(
                Code::Unprotected,
                path,
                format!("{what}, and there are no tokens: anybody could use the management plane"),
                "run this, and add the lines that it prints to the file:\n    \
                 isthmus token create --name admin --role admin",
            );
        }
        if !self.tls {
            findings.error(
                Code::Unprotected,
                path,
                format!("{what}, and there is no TLS: tokens would travel in clear text"),
                certificate_commands(addresses),
            );
        }
    }
}

/// Commands that make a certificate which says of itself that it is no authority, as clients want it.
fn certificate_commands(addresses: &[IpAddr]) -> String {
    let named: Vec<String> = addresses
        .iter()
        .map(|address| match address.is_unspecified() {
            true => "IP:ADDRESS-OF-THIS-HOST".to_owned(),
            false => format!("IP:{address}"),
        })
        .collect();
    let names = if named.is_empty() { "IP:ADDRESS-OF-THIS-NODE".to_owned() } else { named.join(",") };
    format!(
        "run this, and add the lines below it to the file (or use a certificate of your own authority):\n    \
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=isthmus \
         -addext 'basicConstraints=critical,CA:FALSE' -addext 'subjectAltName={names}' \
         -keyout /etc/isthmus/tls.key -out /etc/isthmus/tls.crt\n    \
         management:\n      tls: {{certificate: /etc/isthmus/tls.crt, private-key: /etc/isthmus/tls.key}}"
    )
}

/// The tokens that pass; `None` if one does not.
fn tokens(raw: &[RawToken], findings: &mut Findings) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let path = format!("management.tokens[{index}]");
        let Some(token) = token(&path, raw, findings) else { continue };
        if let Some(earlier) = tokens.iter().find(|earlier| earlier.name == token.name) {
            let reason = format!("two tokens have the name `{}`", earlier.name);
            findings.error(
                Code::DuplicateToken,
                format!("{path}.name"),
                reason,
                "give each its own, so that the history says who it was",
            );
        }
        if let Some(earlier) = tokens.iter().find(|earlier| earlier.hash == token.hash) {
            let reason = format!("it has the secret of `{}`", earlier.name);
            let remedy = "make one for each with `isthmus token create`";
            findings.error(Code::DuplicateToken, format!("{path}.sha256"), reason, remedy);
        }
        tokens.push(token);
    }
    (tokens.len() == raw.len()).then_some(tokens)
}

fn token(path: &str, raw: &RawToken, findings: &mut Findings) -> Option<Token> {
    /// Names that stand for callers without a token.
    const TAKEN: [&str; 2] = ["local", "loopback"];
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let name = &raw.name;
    let name_is_good = (1..=64).contains(&name.len()) && name.chars().all(fits) && !TAKEN.contains(&&**name);
    if !name_is_good {
        findings.error(
            Code::BadToken,
            format!("{path}.name"),
            format!("`{}` is not a name for a token", shown(name)),
            "use 1 to 64 letters, digits and `-`, `_`, `.`, `@`, but not `local` or `loopback`",
        );
    }
    let hash = raw.sha256.parse::<TokenHash>();
    if let Err(error) = &hash {
        // What stands there may be the secret itself: it is not repeated.
        findings.error(
            Code::BadToken,
            format!("{path}.sha256"),
            error.to_string(),
            "make a token with `isthmus token create`, or print the hash of one with `isthmus token hash`",
        );
    }
    let role = match raw.role {
        RawRole::Viewer => Role::Viewer,
        RawRole::Operator => Role::Operator,
        RawRole::Admin => Role::Admin,
    };
    Some(Token { name: name_is_good.then(|| name.clone())?, role, hash: hash.ok()? })
}

fn tls(raw: &RawTls, findings: &mut Findings) -> Option<TlsConfig> {
    let certificate = findings.absolute_path("management.tls.certificate", &raw.certificate);
    let private_key = findings.absolute_path("management.tls.private-key", &raw.private_key);
    let config = TlsConfig { certificate: certificate?, private_key: private_key? };
    match Identity::load(&config.certificate, &config.private_key) {
        Ok(_) => {}
        // The file may be checked on another machine than the one that it is for.
        Err(TlsError::Unreadable { path, source }) if source.kind() == std::io::ErrorKind::NotFound => {
            findings.warning(
                Code::BadCertificate,
                config.key_of(&path),
                format!("{} is not on this machine", path.display()),
                "make it before the node is started there: it does not start without",
            );
        }
        Err(error) => {
            findings.error(
                Code::BadCertificate,
                config.key_of(error.path()),
                error.to_string(),
                "both files are PEM, readable by the node's user: the certificate first in its file, and its own key",
            );
            return None;
        }
    }
    warn_of_open_key(&config.private_key, findings);
    Some(config)
}

fn warn_of_open_key(key: &Path, findings: &mut Findings) {
    const BY_OTHERS: u32 = 0o004;
    let mode = std::fs::metadata(key).map(|found| found.permissions().mode()).unwrap_or(0);
    if mode & BY_OTHERS != 0 {
        findings.warning(
            Code::OpenKey,
            "management.tls.private-key",
            format!("every user of this machine can read {}", key.display()),
            format!("chmod 600 {}", key.display()),
        );
    }
}

#[cfg(test)]
mod tests;
