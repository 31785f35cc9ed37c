//! Routes from all sources, selection of the best, publication to the forwarding table.
//!
//! For each prefix every source has at most one route; the source with the lowest preference value is active
//! (RFC 8349's route-preference; others call it administrative distance). A static route is active only
//! while its next hop is on a connected network.

pub mod explain;
mod table;

#[cfg(test)]
mod tests;

pub use explain::{Explanation, Query, Surroundings, route_explain};
pub use table::{Action, OspfAttributes, Rib, Route, Source};
