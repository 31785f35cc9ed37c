//! TLS for surfaces that other hosts can reach: rustls, versions 1.2 and 1.3, over any stream of bytes.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Chain, Join, ReadHalf, WriteHalf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate with its chain, and its private key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads both files, PEM each: the node's own certificate first, then those that it was signed with; the key in
    /// PKCS #8, SEC 1 or PKCS #1.
    ///
    /// # Errors
    /// A file cannot be read or has something else, or the key is of another certificate.
    pub fn load(certificate: &Path, private_key: &Path) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| TlsError::NotPem { path: certificate.to_owned(), source })?;
        if chain.is_empty() {
            return Err(TlsError::Nothing { path: certificate.to_owned(), what: "certificate" });
        }
        let key = PrivateKeyDer::from_pem_slice(&read(private_key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                TlsError::Nothing { path: private_key.to_owned(), what: "private key" }
            }
            source => TlsError::NotPem { path: private_key.to_owned(), source },
        })?;
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::Unusable { path, source }
        };
        let key = provider().key_provider.load_private_key(key).map_err(unusable(private_key))?;
        let identity = CertifiedKey::new(chain, key);
        match identity.keys_match() {
            // A key that cannot say which certificate it is for is taken at its word.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(Self(Arc::new(identity)))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::OtherKey {
                certificate: certificate.to_owned(),
                private_key: private_key.to_owned(),
            }),
            Err(error) => Err(unusable(certificate)(error)),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// Reads a file that is a file, and no longer than certificates are: a configuration may name anything.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() || found.len() > LONGEST_FILE {
        return Err(unreadable(io::Error::other("not a file, or too long for one with certificates")));
    }
    fs::read(path).map_err(unreadable)
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not PEM: {source}", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        source: pem::Error,
    },
    /// A file has not what it is for.
    #[error("{} has no {what}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
    },
    /// What a file has is broken, or of a kind that is not supported.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The two files do not belong together.
    #[error("{} is not the key of {}", private_key.display(), certificate.display())]
    OtherKey {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
}

impl TlsError {
    /// The file that is wrong.
    pub fn path(&self) -> &Path {
        match self {
            Self::Unreadable { path, .. }
            | Self::NotPem { path, .. }
            | Self::Nothing { path, .. }
            | Self::Unusable { path, .. }
            | Self::OtherKey { private_key: path, .. } => path,
        }
    }
}

/// The server's end of TLS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    identity: Arc<CurrentIdentity>,
}

impl Tls {
    /// TLS with this identity.
    ///
    /// # Errors
    /// The library has none of the versions; that does not happen.
    pub fn new(identity: Identity) -> Result<Self, rustls::Error> {
        let identity = Arc::new(CurrentIdentity(ArcSwap::new(identity.0)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<CurrentIdentity>::clone(&identity);
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), identity })
    }

    /// Connections from now on are answered with another identity.
    pub fn replace(&self, identity: Identity) {
        self.identity.0.store(identity.0);
    }

    /// Answers a client that begins.
    ///
    /// # Errors
    /// The client breaks off, takes too long, or wants what is not offered. One that speaks plain HTTP has been told.
    pub(crate) async fn accept<S>(&self, mut stream: S) -> io::Result<TlsStream<Whole<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async {
            // The library would answer whatever is no TLS with an alert, which no client of plain HTTP understands.
            let first = stream.read_u8().await?;
            if first != HANDSHAKE {
                stream.write_all(PLAIN_HTTP.as_bytes()).await?;
                stream.shutdown().await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
            }
            let (reader, writer) = tokio::io::split(stream);
            let whole = tokio::io::join(io::Cursor::new([first]).chain(reader), writer);
            self.acceptor.accept(whole).await
        };
        tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await?
    }
}

/// A stream with the octet that was read of it put back.
pub(crate) type Whole<S> = Join<Chain<io::Cursor<[u8; 1]>, ReadHalf<S>>, WriteHalf<S>>;

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

#[derive(Debug)]
struct CurrentIdentity(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for CurrentIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The cryptography: ring.
pub fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// The type of the record that every client begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 0x16;
/// Octets of the longest file of certificates.
const LONGEST_FILE: u64 = 1024 * 1024;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The answer to plain HTTP, so that its sender need not guess.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: application/problem+json\r\nconnection: close\r\ncontent-length: 176\r\n\r\n\
    {\"type\":\"urn:isthmus:problem:bad-request\",\"title\":\"The request cannot be understood\",\"status\":400,\
    \"detail\":\"this address speaks TLS\",\"remedy\":\"begin the address with https://\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = PLAIN_HTTP.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
        let problem: crate::error::Problem = serde_json::from_str(body).unwrap();
        assert_eq!(problem.status, 400);
    }
}
