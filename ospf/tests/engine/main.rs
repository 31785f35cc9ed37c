//! One engine and a scripted neighbor: what RFC 2328 says about single packets and timers, section by section.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod authentication;
mod back_off;
mod bench;
mod bfd;
mod broadcast;
mod exchange;
mod externals;
mod flooding;
mod hello;
mod helper;
mod keys;
mod mismatches;
mod networks;
mod non_broadcast;
mod notifications;
mod nssa;
mod opaque;
mod origination;
mod partial;
mod recording;
mod refused;
mod replay;
mod robust;
mod topology;
mod ttl;
mod two_links;
mod virtual_links;
