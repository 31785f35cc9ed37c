//! What a node runs now: its configuration and what was made of it. A transaction replaces it as a whole.

use std::sync::Arc;

use serde_json::Value;

use super::layout::Layout;
use super::ports::OpenedNic;
use crate::config::Config;
use crate::config::load::Loaded;
use crate::forward::InterfaceIndex;
use crate::kernel::guard::GuardKind;
use crate::port::PortInfo;
use crate::port::pcap::CaptureControl;
use crate::transaction::document;

/// What a node runs now.
#[derive(Clone)]
pub struct Current {
    /// The configuration.
    pub config: Arc<Config>,
    /// The same in the vocabulary of the file, with the defaults of its keys filled in.
    pub document: Value,
    /// The same as it was written.
    pub written: Value,
    /// The text of the file that says so.
    pub text: String,
    /// Interfaces and ports.
    pub layout: Layout,
    /// What each port is, by its index.
    pub ports: Vec<PortInfo>,
    /// Starts and ends captures, by the index of the port.
    pub captures: Vec<CaptureControl>,
    /// How the kernel is kept off the frames of each NIC.
    pub guards: Vec<(String, GuardKind)>,
}

impl Current {
    /// What a node starts with.
    pub fn new(
        loaded: Loaded,
        layout: Layout,
        ports: Vec<PortInfo>,
        captures: Vec<CaptureControl>,
        guards: Vec<(String, GuardKind)>,
    ) -> Self {
        let Loaded { config, document, text, .. } = loaded;
        let written = document::parse(&text).unwrap_or_default();
        Self { config: Arc::new(config), document, written, text, layout, ports, captures, guards }
    }

    /// What the node runs after a change of its configuration: the NICs that were opened for it are at the places that
    /// `layout` has for them.
    #[must_use]
    pub fn changed(&self, loaded: Loaded, layout: Layout, opened: &[OpenedNic]) -> Self {
        let mut next =
            Self::new(loaded, layout, self.ports.clone(), self.captures.clone(), self.guards.clone());
        for nic in opened {
            let Some(index) = next.layout.find(&nic.hold.name) else { continue };
            put(&mut next.ports, index, nic.port.info().clone());
            put(&mut next.captures, index, nic.capture.clone());
            next.guards.retain(|(name, _)| *name != nic.hold.name);
            next.guards.extend(nic.hold.guard_kind().map(|kind| (nic.hold.name.clone(), kind)));
        }
        let there = |name: &String| next.config.interfaces.iter().any(|nic| nic.name == *name);
        next.guards.retain(|(name, _)| there(name));
        next
    }
}

/// Puts a value at an index, which is one of those that are there, or the next.
fn put<T>(list: &mut Vec<T>, index: InterfaceIndex, value: T) {
    match list.get_mut(usize::from(index.0)) {
        Some(place) => *place = value,
        None => list.push(value),
    }
}
