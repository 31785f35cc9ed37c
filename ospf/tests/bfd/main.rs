//! Bidirectional Forwarding Detection (RFC 5880, RFC 5881) in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod demultiplexing;
mod golden;
mod intervals;
mod pair;
mod properties;
mod states;
