//! Who may do what: surfaces, callers and their roles, tokens.
//!
//! | module | subject |
//! |---|---|
//! | [`caller`] | who asks: the user at the other end of a unix socket, or the holder of a token |
//! | [`token`] | secrets, and the hashes of them that a configuration has |
//! | `roles` | which role each operation needs: one table |
//! | `gate` | the middleware that asks |

pub mod caller;
pub(crate) mod gate;
pub(crate) mod roles;
pub mod token;

use std::sync::Arc;

pub use caller::{Caller, Peer, Role};
pub use token::{Secret, Token, TokenHash, Tokens};

/// How a surface knows its callers.
#[derive(Clone, Debug)]
pub enum Access {
    /// A unix socket: by the user at its other end. Root and the user of the node may do everything, others nothing.
    Full,
    /// A loopback address, only under a name or address of loopback, which web pages cannot have. By their tokens;
    /// where there are none everybody on the host may do everything.
    Loopback(Arc<Tokens>),
    /// What other hosts can reach: by their tokens, without exception.
    Remote(Arc<Tokens>),
}

impl Access {
    /// The surface for people: in logs, events and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Full => "unix-socket",
            Self::Loopback(_) => "loopback",
            Self::Remote(_) => "remote",
        }
    }
}

/// A request that was refused for who has sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationFailure {
    /// Where it came in.
    pub surface: &'static str,
    /// Where it came from, if that is known.
    pub peer: Option<String>,
    /// Why it was refused.
    pub reason: FailureReason,
    /// Who has sent it, if that is known.
    pub caller: Option<String>,
}

/// Why a request was refused for who has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// It carries no token.
    MissingToken,
    /// Nobody has this token.
    UnknownToken,
    /// Another user than root and the node's.
    UnknownUser,
    /// The caller's role does not suffice.
    Role,
}

impl FailureReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::MissingToken, Self::UnknownToken, Self::UnknownUser, Self::Role];

    /// The name that programs see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingToken => "missing-token",
            Self::UnknownToken => "unknown-token",
            Self::UnknownUser => "unknown-user",
            Self::Role => "role",
        }
    }
}
