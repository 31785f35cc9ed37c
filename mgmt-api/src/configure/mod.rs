//! Changes of single resources, as edits of the one document that the node is configured by.
//!
//! The node takes whole documents only. A change of a resource reads the document, edits the resource's part of it, and
//! hands the whole back with the revision that was read; if another change came in between, it does so again, unless the
//! client has named the revision that it means. So no change can undo another by accident.
//!
//! | module | subject |
//! |---|---|
//! | [`place`] | where a resource is in the document: finding, putting, removing |
//! | [`part`] | which resource is where |
//! | [`merge`] | merge patches (RFC 7396) |
//! | [`conditions`] | entity tags and the conditions that name them (RFC 9110 section 13) |
//! | [`transaction`] | read, edit, hand back |

pub(crate) mod conditions;
pub(crate) mod merge;
pub(crate) mod part;
pub(crate) mod place;
pub(crate) mod transaction;
