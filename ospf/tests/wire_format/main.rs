//! The wire format: golden bytes, malformed input, properties.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod authentication;
mod golden;
mod malformed;
mod properties;
mod scapy;
mod support;
