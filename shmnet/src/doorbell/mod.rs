//! Doorbells: waking a node that sleeps.
//!
//! A node's data thread sleeps on an eventfd ([`Bell`]). Peers get a copy of it over a unix socket ([`link`]), and write
//! to it when they have something for a node whose arena says that it sleeps ([`attention`]). The same socket carries
//! the words "look at my arena", so that announcements are seen at once, and its hang-up tells of a death where
//! nothing else does.

pub(crate) mod attention;
#[cfg(not(loom))]
mod bell;
#[cfg(not(loom))]
pub(crate) mod link;

#[cfg(not(loom))]
pub(crate) use self::bell::Bell;
