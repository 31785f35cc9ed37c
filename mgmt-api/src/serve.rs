//! Where the application listens: loopback, a unix socket, or whatever the embedded stack hands over.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, UnixListener, UnixStream, unix};

use crate::access::{Peer, Tokens};
use crate::connection::{self, Surface};
use crate::model::DateTime;

/// Serves plain HTTP until `shutdown` ends, then gives the requests under way a moment to end too.
///
/// # Errors
/// The listener failed for good. None does so far: they wait and try again.
pub async fn serve<L: Surface>(
    listener: L,
    app: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    connection::serve(listener, None, app, shutdown).await;
    Ok(())
}

/// Why a surface cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address can be reached from other hosts.
    #[error("{0} can be reached from other hosts: it needs tokens and TLS")]
    NotLoopback(SocketAddr),
    /// The system refused the address.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Another process answers on the socket.
    #[error(
        "a process answers on {0} already: stop that node first, or set another `management.unix-socket`"
    )]
    InUse(PathBuf),
    /// Something that is no socket has the path.
    #[error("{0} exists and is no socket: remove it, or set another `management.unix-socket`")]
    NotASocket(PathBuf),
    /// The system refused the path.
    #[error("cannot listen on {path}: {source}")]
    Unix {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Opens a loopback address. Port 0 takes any free one.
///
/// # Errors
/// The address is not loopback, or the system refuses it.
pub async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().is_loopback() {
        return Err(BindError::NotLoopback(address));
    }
    listen(address).await
}

/// Opens any address, for TLS and callers with a token. Port 0 takes any free one.
///
/// # Errors
/// There are no tokens, or the system refuses the address.
pub async fn bind_remote(address: SocketAddr, tokens: &Tokens) -> Result<TcpListener, BindError> {
    if tokens.is_empty() {
        return Err(BindError::NotLoopback(address));
    }
    listen(address).await
}

async fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError::Tcp { address, source })
}

/// A unix socket that only its owner may connect to. Its file goes when it is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl UnixSocket {
    /// Opens the socket at `path`; its directory is made if it is not there. A socket that a process left there
    /// when it died is replaced.
    ///
    /// # Errors
    /// A process answers there, or the path cannot be used.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        remove_stale(path).await?;
        let refused = |source| BindError::Unix { path: path.to_owned(), source };
        let (listener, file) = bind_private(path).map_err(refused)?;
        Ok(Self { listener, file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Listener for UnixSocket {
    type Io = UnixStream;
    type Addr = unix::SocketAddr;

    async fn accept(&mut self) -> (UnixStream, unix::SocketAddr) {
        Listener::accept(&mut self.listener).await
    }

    fn local_addr(&self) -> io::Result<unix::SocketAddr> {
        self.listener.local_addr()
    }
}

impl Surface for UnixSocket {
    fn peer(stream: &UnixStream, _: &unix::SocketAddr) -> Peer {
        Peer::User(stream.peer_cred().ok().map(|credentials| credentials.uid()))
    }
}

/// The file of a socket, removed on drop unless another process has put its own in the place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // A file that cannot be removed is found stale at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let refused = |source| BindError::Unix { path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing the socket of a process that is gone");
            fs::remove_file(path).map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Binds in a directory that only this user can enter, and moves the socket to its place once its mode is set:
/// there is no moment in which another user could connect.
fn bind_private(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
    let private = create_private_directory(parent)?;
    let bound = (|| {
        let nascent = private.join("s");
        let listener = UnixListener::bind(&nascent)?;
        fs::set_permissions(&nascent, Permissions::from_mode(0o600))?;
        let inode = fs::symlink_metadata(&nascent)?.ino();
        fs::rename(&nascent, path)?;
        Ok((listener, SocketFile { path: path.to_owned(), inode }))
    })();
    // What a failure above left inside goes with it.
    let _ = fs::remove_dir_all(&private);
    bound
}

/// A new directory with a short name: the path of a socket has room for little more than a hundred octets.
/// Process ids repeat among containers that share the parent, so the name comes from the clock.
fn create_private_directory(parent: &Path) -> io::Result<PathBuf> {
    let mut attempts = 0;
    loop {
        let private = parent.join(format!(".{:x}", DateTime::now().0 & 0xf_ffff));
        match DirBuilder::new().mode(0o700).create(&private) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts < 16 => attempts += 1,
            result => return result.map(|()| private),
        }
    }
}
