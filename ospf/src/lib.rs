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
//! | `instance` | entry points, the checks of every packet, reconfiguration, shutdown, views | sections 5, 8.2 |
//! | `interface` | interface state machine, hellos, sending | sections 9, 8.1 |
//! | `neighbor` | neighbor state machine, database exchange, requests, retransmission | section 10, 13.6, 13.7 |
//! | `flood` | updates received and passed on, acknowledgments, aging | sections 13, 14 |
//! | `lsdb` | the database of one flooding scope | sections 12, 13.2 |
//! | `originate` | our own advertisements and when they may change | sections 12.4, 13.4 |
//! | `area` | an area: its database and what we say in it | section 6 |
//! | [`event`] | what the instance says to its caller | |
//! | [`error`] | why packets are refused | |
//! | `timer`, `log` | what is due when; the last route calculations | |

#![forbid(unsafe_code)]

pub mod abr;
pub mod config;
pub mod error;
pub mod event;
pub mod route;
pub mod spf;
pub mod types;
pub mod view;
pub mod wire;

mod area;
mod flood;
mod instance;
mod interface;
mod log;
mod lsdb;
mod neighbor;
mod originate;
mod timer;

pub use event::{Notification, Output, Transmit};
pub use instance::Instance;
