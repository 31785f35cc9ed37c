//! Membership: who is in the segment, in which incarnation, and by which rings it is reached.
//!
//! One thread ([`control`]) decides everything; the others only tell it what they see ([`notice`]), and read what it
//! shows ([`shared`], [`active`]). It is woken by notices, by the doorbell sockets of peers, and once a second to look
//! at the whole segment for what was missed.
//!
//! A node joins in this order: it takes its id, prepares an arena with a new incarnation, allocates a ring for each node
//! that it finds, shows the arena, becomes active, and announces itself to the doorbell of every node. Whoever hears
//! the announcement connects to the ring that was allocated for it, and allocates its own for the announcer.

mod accused;
pub(crate) mod active;
pub(crate) mod agree;
pub(crate) mod control;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a simulation fails by panicking")]
mod crash;
mod hearing;
mod inspection;
mod joining;
mod life;
pub(crate) mod log;
mod meeting;
pub(crate) mod notice;
mod peer;
mod publishing;
mod refutation;
pub(crate) mod room;
mod rounds;
pub(crate) mod shared;
mod survey;
mod view;
