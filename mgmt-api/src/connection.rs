//! Connections of a surface: accepted, protected by TLS where that is asked for, and served.
//!
//! What a client can hold up is bounded: the connections of all and of one host, the time of a handshake, the time and the
//! size of a header.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::access::Peer;
use crate::tls::Tls;

/// A listener that knows who has connected.
pub trait Surface: Listener {
    /// The other end of a connection.
    fn peer(stream: &Self::Io, address: &Self::Addr) -> Peer;
}

impl Surface for TcpListener {
    fn peer(_: &Self::Io, address: &Self::Addr) -> Peer {
        Peer::Address(*address)
    }
}

/// Serves until `shutdown` ends, then gives the requests under way a moment to end too. With `tls` nothing is served
/// outside of it.
pub async fn serve<L: Surface>(
    mut listener: L,
    tls: Option<Tls>,
    app: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let hosts = Hosts::default();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accept = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => break,
            (permit, (stream, address)) = accept => {
                let peer = L::peer(&stream, &address);
                let Some(place) = hosts.place(&peer) else {
                    tracing::debug!(%peer, "a host has as many connections as it may have");
                    continue;
                };
                let (tls, app, watcher) = (tls.clone(), app.clone(), graceful.watcher());
                connections.spawn(async move {
                    let _held = (permit, place);
                    if let Err(error) = connection(stream, peer.clone(), tls, app, watcher).await {
                        tracing::debug!(%peer, %error, "a connection has ended");
                    }
                });
            }
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    // What has not ended then is broken off with the set.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn connection<S>(
    stream: S,
    peer: Peer,
    tls: Option<Tls>,
    app: Router,
    watcher: Watcher,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match tls {
        None => http(stream, peer, app, watcher).await,
        Some(tls) => http(tls.accept(stream).await?, peer, app, watcher).await,
    }
}

async fn http<S>(stream: S, peer: Peer, app: Router, watcher: Watcher) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = app.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    watcher.watch(connection).await.map_err(io::Error::other)
}

/// Connections by host, so that one host cannot take all places. This host may.
#[derive(Clone, Default)]
struct Hosts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place that a connection has until it is dropped.
struct Place {
    hosts: Hosts,
    host: Option<IpAddr>,
}

impl Hosts {
    /// A place; `None`: the host has as many as it may have.
    fn place(&self, peer: &Peer) -> Option<Place> {
        let host = match peer {
            Peer::Address(address) if !address.ip().is_loopback() => Some(address.ip()),
            _ => None,
        };
        if let Some(host) = host {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(host).or_default();
            if *count == CONNECTIONS_OF_A_HOST {
                return None;
            }
            *count += 1;
        }
        Some(Place { hosts: self.clone(), host })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(host) = self.host else { return };
        let mut counts = self.hosts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(host) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Connections that one other host may have at a time.
const CONNECTIONS_OF_A_HOST: usize = 64;
/// Connections of a surface at a time; who comes later waits until one ends.
const CONNECTIONS: usize = 256;
/// How long a client may take for the header of a request, from the end of the one before.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of the longest header.
const HEADER_LIMIT: usize = 16 * 1024;
/// How long requests under way may go on after the shutdown.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_host_has_only_so_many_places_and_gets_them_back() {
        let hosts = Hosts::default();
        let peer = |text: &str| Peer::Address(text.parse().unwrap());
        let (hostile, other) = (peer("192.0.2.1:1"), peer("192.0.2.2:1"));
        let mut places: Vec<Place> =
            (0..CONNECTIONS_OF_A_HOST).map(|_| hosts.place(&hostile).unwrap()).collect();
        assert!(hosts.place(&peer("192.0.2.1:2")).is_none());
        assert!(hosts.place(&other).is_some());
        places.pop();
        assert!(hosts.place(&hostile).is_some());
        drop(places);
        assert!(hosts.0.lock().unwrap().is_empty());
        let this_host: Vec<_> = (0..CONNECTIONS).map(|_| hosts.place(&peer("127.0.0.1:1"))).collect();
        assert!(this_host.iter().all(Option::is_some));
    }
}
