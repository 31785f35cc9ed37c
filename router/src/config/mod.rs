//! The configuration of a node.
//!
//! The file is parsed into a mirror of itself, then turned whole into a [`Config`], which cannot express what the
//! router refuses. Everything below this module is given a `Config` and never a half-checked file.
//!
//! | module | subject |
//! |---|---|
//! | [`model`] | the checked configuration |
//! | [`raw`] | the file as it is written, and the defaults of its keys |
//! | `check` | from the file to the configuration, with everything that is refused and why |
//! | [`load`] | from bytes to the file: size, syntax, types |
//! | [`diagnostic`] | what is wrong, where, why, and what to do |
//! | [`locate`] | line and column of a key |
//! | [`environment`] | what defaults take from the machine |
//! | [`stack`] | kernel or embedded stack: the decision at start |
//! | [`schema`], [`mod@reference`] | the JSON schema, and the page of the documentation made from it |
//! | [`report`] | what `isthmus check` prints |

mod check;
pub mod diagnostic;
pub mod environment;
pub mod load;
pub mod locate;
pub mod model;
pub mod raw;
pub mod reference;
pub mod report;
pub mod schema;
pub mod stack;

pub use diagnostic::{Code, Diagnostic, Severity};
pub use environment::Environment;
pub use load::{load_file, parse_str};
pub use model::Config;
pub use report::check_file;
pub use stack::resolve_stack;

/// What is shown in place of a secret, and is none.
pub const MASK: &str = "********";

#[cfg(test)]
mod tests;
