//! Each resource for people.

mod config;
mod interfaces;
mod observe;
mod ospf;
mod ospf_database;
mod ospf_interface;
mod routing;
mod shm;
mod system;

pub(super) use system::checks;

use super::output::Style;

/// A resource that can be written for people.
pub(super) trait Render {
    /// The text, with its last line ended.
    fn render(&self, style: Style) -> String;
}

#[cfg(test)]
mod tests;
