//! System tests of Isthmus: what the tests in this package share.
//!
//! | module | subject |
//! |---|---|
//! | [`lab`] | networks of namespaces on this machine, with real FRR routers, kernel hosts and nodes in them |
//! | [`http`] | a client for the management plane |
//! | [`wire`] | packets made by hand, right and wrong |

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "all of it is part of tests, whose way to fail it is"
)]

pub mod dashboards;
pub mod http;
pub mod lab;
pub mod wire;
