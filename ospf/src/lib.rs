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
//!  handle_redistribution(..)┤                          │
//!  handle_bfd_down(..)     ─┤
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
//! | `nssa` | who translates for a not-so-stubby area, and into what | RFC 3101 section 3 |
//! | [`view`] | snapshots for management, named as in RFC 9129 | |
//! | [`config`] | what the instance is told: areas, interfaces, ranges, timers | appendix C |
//! | `instance` | entry points, the checks of every packet, reconfiguration, shutdown, views | sections 5, 8.2 |
//! | `interface` | interface state machine, hellos, sending, authentication | sections 9, 8.1, appendix D |
//! | `neighbor` | neighbor state machine, database exchange, requests, retransmission | section 10, 13.6, 13.7 |
//! | `flood` | updates received and passed on, acknowledgments, aging | sections 13, 14 |
//! | `lsdb` | the database of one flooding scope | sections 12, 13.2 |
//! | `originate` | our own advertisements and when they may change | sections 12.4, 13.4 |
//! | `area` | an area: its database and what we say in it | section 6 |
//! | [`bfd`] | bidirectional forwarding detection of neighbors, driven by the caller beside the instance | RFC 5880, 5881 |
//! | [`what_if`] | supposed changes, whose routes are calculated on a copy | |
//! | [`event`] | what the instance says to its caller | |
//! | [`record`] | all inputs and outputs as lines of JSON, and their replay | |
//! | [`error`] | why packets are refused | |
//! | [`mismatch`] | what other routers are configured differently | |
//! | `timer`, `log` | what is due when; the last route calculations | |

//! # Implemented
//!
//! Point-to-point (numbered, unnumbered, multi-area) and point-to-multipoint networks, broadcast and NBMA networks with a
//! designated router and its backup, listed neighbors where there is no multicast; database exchange, flooding, aging, refresh, the wrap of sequence numbers; router-,
//! network-, summary- and AS-external-LSAs; routes inside and between areas and to the
//! outside, equal-cost paths; virtual links; stub, totally stubby and not-so-stubby areas (RFC 3101); area border routers with ranges (RFC 3509 behaviour without a backbone neighbor);
//! reconfiguration under Full adjacencies; null, simple password, MD5 and HMAC-SHA authentication
//! (RFC 5709) with keys that have lifetimes, extended sequence numbers (RFC 7474); TTL security (RFC 5082);
//! opaque LSAs carried, router information with the host name originated (RFC 5250, 7770, 5642);
//! help for neighbors that restart gracefully (RFC 3623);
//! neighbors watched by BFD over a single hop (RFC 5880, 5881, 5882).
//!
//! # Omitted as yet
//!
//! Hybrid networks (RFC 6845), extended prefixes and links (RFC 7684), the host router bit (RFC 8770), a graceful
//! restart of this router itself (RFC 3623), link-local signalling and reverse metrics (RFC 5613, 9339), loop-free alternates (RFC 5286), two-part metrics
//! (RFC 8042), demand circuits (RFC 4136), paced and shortened exchanges (RFC 4222, 5243), hellos more often than once a second,
//! a limit on the number of advertisements. docs/rfc/compliance.md has a row for each requirement.
//!
//! # Deviations from RFC 2328
//!
//! | section | here | why |
//! |---|---|---|
//! | 8.1, 9.5.1 | hellos, flooding and delayed acknowledgments are multicast on point-to-multipoint networks where no neighbors are listed | inside the cluster the network can; neighbors find each other |
//! | 9.5 | a hello also leaves when a link comes up, when our role on a network changes, and in answer to who does not know us | Full within milliseconds |
//! | 9.5 | an interface that leaves sends a hello that lists nobody | neighbors need not wait for RouterDeadInterval |
//! | RFC 8405 | what changes at this router itself waits for INITIAL_SPF_DELAY alone | packets are lost until it is known |
//! | 10.5 | another router id at the address of a neighbor replaces it on every type of network | a replaced router leaves no ghost |
//! | 10.5 | no more neighbors on an interface than one hello can list | whoever claims to be many does not push out who is there |
//! | 12.4 | the first router-LSA of an area waits for the first Full neighbor, at most 2 s | its second instance would be dropped within MinLSArrival |
//! | 12.4, B | without a configured MinLSInterval: the first change at once, then after 1.05, 2.1, 4.2, 5 s | speed for one change, calm for many |
//! | 12.4 (1) | refresh up to a twentieth earlier than LSRefreshTime | what was originated together does not stay together |
//! | 13, A.4 | an advertisement of a known type whose body ends early is stored and flooded, and is no input of routes; links of undefined types and bytes after the last field are passed over | a third router's oddity must not hold up an adjacency |
//! | 13 (5a) | MinLSArrival does not bind what a link state request has brought | neighbors originate again as soon as they are Full |
//! | 13 (4) | for 250 ms after a flush a copy that is not newer is dropped, unless it was asked for | on a network that reorders packets the flush overtakes it, and it would stay until MaxAge |
//! | 13.5 | an instance that a newer one has replaced before its delayed acknowledgment left is not acknowledged | the acknowledgment would count for a second copy, which was dropped as older |
//! | 13.4 | what an earlier life has left and this one does not want is flushed after the exchange, at most 10 s later | what it does want keeps its routes meanwhile |
//! | 13.6 | an unacknowledged instance of ours is first sent again 50 ms after MinLSArrival, or after the longest delay of an acknowledgment if that is longer: 1.05 s by default | it may have fallen into the peer's MinLSArrival |
//! | 10.7 | a neighbor that asks for an advertisement of its own gets it once more after MinLSArrival, unless it acknowledges or replaces it | a restarted router drops it as too young for its new one |
//! | 13 | of two instances in one update only the newer is looked at | it would fall into MinLSArrival of the older |
//! | 13.5 | acknowledgments wait for RxmtInterval / 8, 100 ms at most | a windowed sender is not held up |
//! | 12.4.3.1, 16.2 | a stub area's border router does not follow another one's default route, not even while it has no neighbor in the backbone | it announces one itself: packets would come back |
//! | 16 | what advertisements change is calculated at most every 50 ms while a database exchange is under way | every packet of it would calculate everything |
//! | 16.1 (2) | a stub network on an own interface is reached there, not also through a router that announces it at the same cost | what is connected needs no router |
//! | 16.1 | a router that the caller has declared dead is left out at once | others' advertisements still list it |

#![forbid(unsafe_code)]

pub mod abr;
pub mod bfd;
pub mod config;
pub mod error;
pub mod event;
pub mod mismatch;
pub mod record;
pub mod route;
pub mod spf;
pub mod types;
pub mod view;
pub mod what_if;
pub mod wire;

mod area;
mod flood;
mod instance;
mod interface;
mod log;
mod lsdb;
mod neighbor;
mod nssa;
mod originate;
mod timer;

pub use event::{Notification, Output, Transmit};
pub use instance::{BfdNeighbor, Instance};
