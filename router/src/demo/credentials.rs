//! What the demo's nodes show to the outside host, and what that shows to them: made for one run, and gone with it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isthmus_mgmt_api::access::Secret;
use isthmus_mgmt_api::tls::provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::topology::COMMON_ADDRESS;

/// A certificate for the common address, and a token that may read.
#[derive(Debug)]
pub struct Credentials {
    secret: Secret,
    certificate: CertificateDer<'static>,
    directory: PathBuf,
}

impl Credentials {
    /// Makes both, and writes the certificate and its key into `directory`.
    ///
    /// # Errors
    /// The system has no random numbers, or the files cannot be written.
    pub fn new(directory: &Path) -> io::Result<Self> {
        let secret = Secret::generate().map_err(io::Error::other)?;
        let certified =
            rcgen::generate_simple_self_signed([COMMON_ADDRESS.to_string()]).map_err(io::Error::other)?;
        let credentials =
            Self { secret, certificate: certified.cert.der().clone(), directory: directory.to_owned() };
        fs::write(credentials.file("tls.crt"), certified.cert.pem())?;
        let mut key = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(credentials.file("tls.key"))?;
        key.write_all(certified.signing_key.serialize_pem().as_bytes())?;
        Ok(credentials)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The lines of a node's configuration, below `management`. The loopback address stays open: the demo's user is
    /// the only one who is to try it.
    pub fn lines(&self) -> String {
        format!(
            "  loopback-tokens: false\n  tokens:\n    - {{name: outside, role: viewer, sha256: {}}}\n  \
             tls: {{certificate: {}, private-key: {}}}\n",
            self.secret.hash(),
            self.file("tls.crt").display(),
            self.file("tls.key").display()
        )
    }

    /// The value of the header `Authorization`.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.secret.expose())
    }

    /// TLS over a stream to the common address.
    ///
    /// # Errors
    /// The other end is no node of this demo.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::IpAddress(IpAddr::from(COMMON_ADDRESS).into());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
