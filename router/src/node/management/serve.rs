//! Opens the surfaces.

use std::sync::Arc;

use isthmus_mgmt_api::connection::{self, Surface};
use isthmus_mgmt_api::tls::Tls;
use isthmus_mgmt_api::{Access, UnixSocket, app, bind_remote, bind_tcp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::NodeError;
use super::super::shared::Shared;
use super::NodeBackend;
use crate::config::{Code, Diagnostic};
use crate::host::HostHandle;

/// Opens the surfaces of the configuration. Each ends when `stopped` turns true.
///
/// # Errors
/// An address or a path cannot be listened on.
pub async fn serve(
    shared: &Arc<Shared>,
    host: &HostHandle,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, NodeError> {
    let backend = Arc::new(NodeBackend { shared: Arc::clone(shared), stopped: stopped.clone() });
    let config = shared.config();
    let settings = &config.management;
    let tokens = &shared.access.tokens;
    let mut tasks = Vec::new();
    if let Some(path) = &settings.unix_socket {
        let key = "management.unix-socket";
        let socket = UnixSocket::bind(path).await.map_err(|error| refused(key, &error))?;
        shared.listen().push(format!("unix:{}", path.display()));
        tasks.push(spawn(socket, None, app(Arc::clone(&backend), Access::Full), stopped.clone()));
    }
    if let Some(address) = settings.listen {
        let key = "management.listen";
        let (scheme, listener, access, tls) = if address.ip().is_loopback() {
            let tokens = if settings.loopback_tokens { Arc::clone(tokens) } else { Arc::default() };
            ("http", bind_tcp(address).await, Access::Loopback(tokens), None)
        } else {
            let tls = protection(shared, key)?;
            ("https", bind_remote(address, tokens).await, Access::Remote(Arc::clone(tokens)), Some(tls))
        };
        let listener = listener.map_err(|error| refused(key, &error))?;
        let address = listener.local_addr().map_err(NodeError::system("read the address of a socket"))?;
        shared.listen().push(format!("{scheme}://{address}"));
        tasks.push(spawn(listener, tls, app(Arc::clone(&backend), access), stopped.clone()));
    }
    if let Some(port) = settings.in_band_port {
        let tls = protection(shared, "management.in-band-port")?;
        let listener = host.listen(port).await.map_err(NodeError::system("listen in the routed network"))?;
        shared.listen().push(format!("in-band:{port}"));
        let app = app(backend, Access::Remote(Arc::clone(tokens)));
        tasks.push(spawn(listener, Some(tls), app, stopped.clone()));
    }
    Ok(tasks)
}

/// What an address that other hosts can reach is not opened without. The checks have refused the file before.
fn protection(shared: &Shared, key: &str) -> Result<Tls, NodeError> {
    let tls = shared.access.tls.clone().filter(|_| !shared.access.tokens.is_empty());
    tls.ok_or_else(|| {
        NodeError::Refused(vec![Diagnostic::error(
            Code::Unprotected,
            key,
            "other hosts can reach it, and there are no tokens or no TLS",
            "`isthmus check` prints the commands and lines that are missing",
        )])
    })
}

fn refused(key: &str, error: &dyn std::fmt::Display) -> NodeError {
    let text = error.to_string();
    let (reason, remedy) = text.split_once(": ").unwrap_or((&text, "choose another"));
    NodeError::Refused(vec![Diagnostic::error(Code::BadListen, key, reason.to_owned(), remedy.to_owned())])
}

fn spawn<L: Surface>(
    listener: L,
    tls: Option<Tls>,
    app: axum::Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let shutdown = async move {
            // A sender that is gone means the same as its last word.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        connection::serve(listener, tls, app, shutdown).await;
    })
}
