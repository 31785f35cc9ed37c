//! The packet path: classify, deliver, steer, look up, forward, answer with ICMP.
//!
//! A worker runs to completion on a burst. Control hands it a [`state::ForwardingState`] snapshot; nothing
//! here knows configuration, management or OSPF.

pub mod drop_reason;
pub mod fib;
pub mod link;
pub mod state;

pub use drop_reason::DropReason;
pub use state::InterfaceIndex;
