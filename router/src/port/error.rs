//! Why a port could not be opened, in words that say what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No interface has this name.
    #[error("no interface `{name}` in this network namespace; there are: {}", existing.join(", "))]
    UnknownInterface {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        existing: Vec<String>,
    },
    /// The interface is not an Ethernet.
    #[error("interface `{name}` is not an Ethernet: it has no 48-bit hardware address")]
    NotEthernet {
        /// Its name.
        name: String,
    },
    /// The kernel does not allow it.
    #[error("not permitted to {action} for `{name}`: it needs the capability {capability}")]
    NotPermitted {
        /// The interface's name.
        name: String,
        /// What was attempted.
        action: &'static str,
        /// The capability without which it fails.
        capability: &'static str,
    },
    /// The interface is administratively down.
    #[error("interface `{name}` is down; bring it up with `ip link set {name} up`")]
    Down {
        /// Its name.
        name: String,
    },
    /// There is no TAP device node.
    #[error("no device /dev/net/tun: load the module `tun`, or pass the device into the container")]
    NoTunDevice,
    /// Another process holds the TAP device, or an interface of another kind has its name.
    #[error("the interface name `{name}` is taken: {by}")]
    NameTaken {
        /// The name.
        name: String,
        /// By whom.
        by: &'static str,
    },
    /// An interface name that the kernel does not take.
    #[error("`{name}` is not an interface name: 1 to 15 bytes without `/`, white space or `:`")]
    BadName {
        /// The name.
        name: String,
    },
    /// A path that no socket can be bound to.
    #[error("cannot use `{}` for a socket port: {reason}", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else that the system refused.
    #[error("cannot {action} for `{name}`: {source}")]
    System {
        /// The port's name.
        name: String,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// Turns the system's answer into the error that says most. `capability` is what `action` needs.
    pub(crate) fn system(
        name: &str,
        action: &'static str,
        capability: &'static str,
        source: impl Into<io::Error>,
    ) -> Self {
        let source = source.into();
        let name = name.to_owned();
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted { name, action, capability },
            Some(libc::ENETDOWN) => Self::Down { name },
            _ => Self::System { name, action, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_capability_and_states_the_remedy() {
        let refused = |code| {
            let source = io::Error::from_raw_os_error(code);
            OpenError::system("eth1", "open a packet socket", "CAP_NET_RAW", source).to_string()
        };
        assert!(refused(libc::EPERM).contains("CAP_NET_RAW"));
        assert!(refused(libc::ENETDOWN).contains("ip link set eth1 up"));
        assert!(refused(libc::EMFILE).contains("open a packet socket"));
    }
}
