//! Many routers in one process on virtual time: engines, links that lose, delay, reorder and duplicate, and an
//! oracle that computes what everybody should know from the ground truth. Every run is a function of its seed;
//! `ISTHMUS_SIM_FACTOR=20` tries twenty times as many of them.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod adjacency;
mod areas;
mod authentication;
mod broadcast;
mod change;
mod chaos;
mod externals;
mod grid;
mod lives;
mod mesh;
mod network;
mod nssa;
mod oracle;
mod random;
mod stub;
mod virtual_links;
mod what_if;
