//! Bidirectional Forwarding Detection over a single hop (RFC 5880, RFC 5881): whether packets pass between this router and
//! a neighbor, known within milliseconds.
//!
//! Deterministic like the rest of the crate: the time is an argument, chance is seeded, packets are values. The engine of
//! OSPF does not run these sessions, because they must be served on time while routes are calculated; the caller runs both
//! and tells [`crate::Instance::handle_bfd_down`] (RFC 5882 section 4.2).
//!
//! | module | subject | RFC 5880 |
//! |---|---|---|
//! | [`packet`] | the control packet | section 4.1 |
//! | `session` | one session: state machine, Poll Sequences, intervals | sections 6.2, 6.5, 6.8 |
//! | `sessions` | all sessions: which of them a packet belongs to, and what is due when | section 6.3 |
//! | [`view`] | snapshots for management, named as in RFC 9127 and RFC 9314 | |
//!
//! Asynchronous mode, in the active role. A peer that asks for Demand mode gets it. The Echo function is neither used nor
//! offered, and authentication is not implemented: packets that carry it are discarded (section 6.8.6).

pub mod packet;
mod session;
mod sessions;
pub mod view;

pub use sessions::{Output, SessionKey, Sessions, Transmit};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The UDP port that control packets of a single hop go to (RFC 5881 section 4).
pub const PORT: u16 = 3784;
/// Control packets leave and arrive with this time to live (RFC 5881 section 5).
pub const TIME_TO_LIVE: u8 = 255;

/// What a session is told by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parameters {
    /// DesiredMinTxInterval while the session is up. The wire carries microseconds in 32 bits.
    pub min_tx: Duration,
    /// RequiredMinRxInterval.
    pub min_rx: Duration,
    /// DetectMult: after so many of our intervals without a packet the peer takes the session for down. Not zero.
    pub multiplier: u8,
}

impl Default for Parameters {
    /// 300 ms and three of them: what other routers begin with.
    fn default() -> Self {
        Self { min_tx: Duration::from_millis(300), min_rx: Duration::from_millis(300), multiplier: 3 }
    }
}
