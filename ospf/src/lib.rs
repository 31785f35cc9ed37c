//! OSPFv2 (RFC 2328) as a deterministic machine.
//!
//! The engine contains no networking code, no clock, no randomness and no threads. Everything that
//! it does is a function of what it was given: packets, link states, configurations and the time,
//! which is an argument of every entry point. The same code therefore runs in the router, in a
//! simulation of many routers on virtual time, and under a fuzzer.
//!
//! ```text
//!  handle_packet(now, ..)  ─┐                          ┌─ poll_output(): Transmit, Routes, Notification
//!  handle_timeout(now)     ─┤   Instance               │
//!  handle_link(now, ..)    ─┼─► areas ─► interfaces ───┼─ poll_timeout(): when to call handle_timeout
//!  handle_config(now, ..)  ─┤   lsdb     neighbors     │
//!  handle_neighbor_dead(..)─┘   spf      flooding      └─ view(): snapshots shaped as RFC 9129
//! ```
//!
//! | module | subject | RFC 2328 |
//! |---|---|---|
//! | [`types`] | identifiers, time, costs | |
//! | [`wire`] | packets and link state advertisements, decode and encode | appendix A |
//! | [`spf`] | the route calculation | section 16 |
//! | [`route`] | the routing table and its changes | section 11 |
//! | [`abr`] | what an area border router announces | sections 3.5, 12.4.3 |
//! | [`view`] | snapshots for management, named as in RFC 9129 | |
//! | [`config`] | what the instance is told: areas, interfaces, ranges, timers | appendix C |

#![forbid(unsafe_code)]

pub mod abr;
pub mod config;
pub mod route;
pub mod spf;
pub mod types;
pub mod view;
pub mod wire;
