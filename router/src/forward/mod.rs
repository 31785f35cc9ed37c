//! The packet path: classify, deliver, steer, look up, forward, answer with ICMP.
//!
//! A worker runs to completion on a burst. Control hands it a [`state::ForwardingState`] snapshot; nothing
//! here knows configuration, management or OSPF.
//!
//! | module | subject |
//! |---|---|
//! | [`worker`] | the thread: its loop, its sleep, what control tells it |
//! | `path` | the way of one packet |
//! | [`state`], [`fib`], [`steering`] | what the path asks: interfaces, routes, the nodes behind the common address |
//! | [`neighbor`] | ARP: who is on a link, who waits for whom |
//! | [`icmp`], [`fragment`], [`reassembly`], [`hash`], [`wire`] | errors, fragments, flows, header bytes |
//! | [`link`] | rings to the embedded stack and the OSPF engine |
//! | [`counters`], [`drop_reason`] | what is counted |

pub mod counters;
pub mod drop_reason;
pub mod fib;
pub mod fragment;
pub mod hash;
pub mod icmp;
pub mod link;
mod load;
mod lookup;
pub mod neighbor;
mod path;
pub mod reassembly;
pub mod state;
pub mod steering;
pub mod wire;
pub mod worker;

#[cfg(test)]
mod tests;

pub use drop_reason::DropReason;
pub use state::InterfaceIndex;
