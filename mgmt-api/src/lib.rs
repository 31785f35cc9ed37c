//! HTTP surface of Isthmus: REST, metrics exposition, problem documents.
//!
//! | module | subject |
//! |---|---|
//! | [`backend`] | what the surface asks of the node; the router implements it |
//! | [`model`] | the structure of each resource |
//! | [`error`] | refusals as problem documents (RFC 9457) |

pub mod backend;
pub mod error;
pub mod model;

pub use backend::Backend;
pub use error::{ApiError, ProblemKind};
