//! Whom management takes: the tokens and the certificate in force, and the count of who was refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use isthmus_mgmt_api::access::{FailureReason, Token, Tokens};
use isthmus_mgmt_api::tls::{Identity, Tls};

use super::super::NodeError;
use crate::config::model::{ManagementConfig, TlsConfig};
use crate::config::{Code, Diagnostic};

/// Whom management takes.
#[derive(Debug)]
pub struct ManagementAccess {
    /// The tokens.
    pub tokens: Arc<Tokens>,
    /// TLS of what other hosts can reach; `None`: there is nothing such.
    pub tls: Option<Tls>,
    /// Requests that were refused.
    pub failures: Failures,
}

impl ManagementAccess {
    /// What a configuration says.
    ///
    /// # Errors
    /// The certificate or its key is not there, or broken.
    pub fn new(config: &ManagementConfig) -> Result<Self, NodeError> {
        let tls = match &config.tls {
            Some(tls) => {
                let identity = identity(tls).map_err(|finding| NodeError::Refused(vec![finding]))?;
                let tls = Tls::new(identity)
                    .map_err(|error| NodeError::system("set TLS up")(std::io::Error::other(error)))?;
                Some(tls)
            }
            None => None,
        };
        Ok(Self { tokens: Arc::new(Tokens::new(config.tokens.clone())), tls, failures: Failures::default() })
    }

    /// Reads the tokens and the certificate of another configuration, or the files of the same one as they are now.
    ///
    /// # Errors
    /// The certificate or its key is not there, or broken.
    pub fn prepare(&self, config: &ManagementConfig) -> Result<Successor, Diagnostic> {
        let identity = config.tls.as_ref().map(identity).transpose()?;
        Ok(Successor { tokens: config.tokens.clone(), identity })
    }

    /// Takes them from now on. Connections that are open stay.
    pub fn adopt(&self, successor: Successor) {
        if let (Some(tls), Some(identity)) = (&self.tls, successor.identity) {
            tls.replace(identity);
        }
        self.tokens.replace(successor.tokens);
    }
}

/// What is taken next.
pub struct Successor {
    tokens: Vec<Token>,
    identity: Option<Identity>,
}

fn identity(files: &TlsConfig) -> Result<Identity, Diagnostic> {
    Identity::load(&files.certificate, &files.private_key).map_err(|error| {
        Diagnostic::error(
            Code::BadCertificate,
            files.key_of(error.path()),
            error.to_string(),
            "make both files, readable by the node's user; `isthmus check` prints a command where there is no `tls`",
        )
    })
}

/// Requests that were refused for who has sent them, by reason.
#[derive(Debug, Default)]
pub struct Failures([AtomicU64; FailureReason::ALL.len()]);

impl Failures {
    /// Counts one.
    pub fn count(&self, reason: FailureReason) {
        for (counter, of) in self.0.iter().zip(FailureReason::ALL) {
            if of == reason {
                counter.fetch_add(1, Relaxed);
            }
        }
    }

    /// How many there were.
    pub fn iter(&self) -> impl Iterator<Item = (FailureReason, u64)> {
        FailureReason::ALL.into_iter().zip(self.0.iter().map(|counter| counter.load(Relaxed)))
    }
}
