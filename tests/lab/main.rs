//! The lab: real nodes, real FRR routers and real kernels in network namespaces of this machine.
//!
//! Needs root and what `tests/run.sh` installs; without root each test says so and does nothing. One test at a time
//! (`isthmus_tests::lab` holds a lock).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

mod alerts;
mod authentication;
mod bird;
mod exits;
mod fragments;
mod graceful_restart;
mod harness;
mod kernels;
mod key_chains;
mod keys;
mod lan;
mod malformed;
mod management;
mod memory;
mod multicast;
mod neighbors;
mod networks;
mod non_broadcast;
mod nssa;
mod opaque;
mod prometheus;
mod reconfigure;
mod recording;
mod redistribution;
mod refusals;
mod restarts;
mod ring;
mod settings;
mod stub;
mod stub_router;
mod ttl;
mod virtual_links;
mod what_if;
