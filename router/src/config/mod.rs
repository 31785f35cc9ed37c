//! The configuration of a node.
//!
//! The file is parsed into a mirror of itself, then turned whole into a [`Config`], which cannot express what the
//! router refuses. Everything below this module is given a `Config` and never a half-checked file.

pub mod model;

pub use model::Config;
