//! The route calculation: hand-made topologies, an independent oracle on random ones, other areas, the
//! outside, and what an area border router announces.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod areas;
mod external;
mod hostile;
mod network;
mod nssa;
mod oracle;
mod summaries;
mod topologies;
mod topology;
