//! What the kernel may refuse.

use std::io;

/// The kernel refused something.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No interface has this name.
    #[error("no interface `{name}` in this network namespace")]
    UnknownInterface {
        /// The name.
        name: String,
    },
    /// The process may not do it.
    #[error("not permitted to {action}: it needs the capability {capability}")]
    NotPermitted {
        /// What was attempted.
        action: &'static str,
        /// The capability without which it fails.
        capability: &'static str,
    },
    /// The kernel would drop what reaches this node by the other adapter than its answers leave by.
    #[error(
        "net.ipv4.conf.{name}.rp_filter is strict (1) in effect, and cannot be changed ({source}): packets that come by \
         another adapter than their answers go by would be lost. Start with the sysctl \
         net.ipv4.conf.default.rp_filter=2 (containers: `--sysctl`), or make /proc/sys writable"
    )]
    StrictReversePath {
        /// The adapter.
        name: String,
        /// Why it cannot be changed.
        source: io::Error,
    },
    /// Anything else that the system refused.
    #[error("cannot {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// An answer that rtnetlink does not understand.
    #[error("cannot {action}: {source}")]
    Netlink {
        /// What was attempted.
        action: &'static str,
        /// What rtnetlink says.
        source: rtnetlink::Error,
    },
}

impl KernelError {
    pub(crate) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted { action, capability: "CAP_NET_ADMIN" },
            _ => Self::System { action, source },
        }
    }

    pub(crate) fn netlink(action: &'static str) -> impl Fn(rtnetlink::Error) -> Self {
        move |source| match code(&source) {
            Some(code) => Self::system(action)(io::Error::from_raw_os_error(code)),
            None => Self::Netlink { action, source },
        }
    }
}

/// The system's error number in an answer by netlink.
pub(crate) fn code(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code().abs()),
        _ => None,
    }
}
