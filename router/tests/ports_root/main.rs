//! Ports and the kernel's side against a real kernel, in network namespaces of their own. They need root and
//! say so when they are skipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test that calls them")]

mod adapters;
mod guard;
mod monitor;
mod namespace;
mod nic;
