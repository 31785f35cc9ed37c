//! What a change of the configuration consists of, apart from the node that it is applied to.
//!
//! | module | subject |
//! |---|---|
//! | [`document`] | a configuration as text and as a document, and the revision that names it |
//! | [`diff`] | the keys whose values differ between two documents |
//! | [`effects`] | what the change of each key leads to: at once, or with a restart of what |
//! | [`secrets`] | masked when shown, kept when the mask comes back |
//! | [`file`](mod@file) | the configuration file, replaced so that a crash leaves the old one or the new one |
//! | [`history`] | the configurations that were committed |

pub mod diff;
pub mod document;
pub mod effects;
pub mod file;
pub mod history;
pub mod secrets;
