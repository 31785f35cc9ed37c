//! What a client shows to a node, and by what it knows the node.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isthmus_mgmt_api::tls::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::cli::args::AccessArgs;
use crate::cli::error::CliError;

/// What a client shows to a node, and by what it knows the node.
#[derive(Clone, Default)]
pub struct Credentials {
    token: Option<String>,
    authorities: Option<Vec<Certificate<'static>>>,
}

impl Credentials {
    /// From the options, and the variable `ISTHMUS_TOKEN`, for which a file counts more.
    ///
    /// # Errors
    /// A file cannot be read, or has something else.
    pub fn read(options: &AccessArgs) -> Result<Self, CliError> {
        let token = match &options.token_file {
            Some(path) => Some(read(path)?),
            None => std::env::var(TOKEN_VARIABLE).ok(),
        };
        let token = token.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let from = options.token_file.clone().unwrap_or_else(|| PathBuf::from(TOKEN_VARIABLE));
            return Err(CliError::BadFile {
                path: from,
                cause: "a token has no spaces or control characters".into(),
            });
        }
        let authorities = options.ca_file.as_deref().map(certificates).transpose()?;
        Ok(Self { token, authorities })
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {token}"))
    }

    /// TLS that trusts the authorities that were named, else those of the system.
    ///
    /// # Errors
    /// None were named, and the system has none.
    pub(super) fn tls(&self) -> Result<TlsConfig, CliError> {
        let authorities = match &self.authorities {
            Some(authorities) => authorities.clone(),
            None => {
                let bundle = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
                certificates(bundle.ok_or(CliError::NoAuthorities)?)?
            }
        };
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(provider()))
            .root_certs(RootCerts::from(authorities))
            .build())
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, CliError> {
    let bad = |cause: String| CliError::BadFile { path: path.to_owned(), cause };
    let text = read(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .map(|certificate| certificate.map(|der| Certificate::from_der(&der).to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad("it has no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<String, CliError> {
    let bad = |error: io::Error| CliError::BadFile { path: path.to_owned(), cause: error.to_string() };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(bad)?;
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(bad)?;
    Ok(text)
}

/// The token, where no file is named.
const TOKEN_VARIABLE: &str = "ISTHMUS_TOKEN";
/// Where systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Octets of the longest file that is read.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;
