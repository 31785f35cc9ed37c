//! Counters of an interface.

use std::collections::BTreeMap;

use crate::error::Refusal;
use crate::view::PacketTypeCountersView;

/// What an interface has done since it was configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct InterfaceStatistics {
    /// Packets taken.
    pub(crate) received: PacketTypeCountersView,
    /// Packets sent.
    pub(crate) sent: PacketTypeCountersView,
    /// What was refused, by the label of its reason.
    pub(crate) bad: BTreeMap<&'static str, u64>,
    /// What was passed over as part of a healthy network, by the label of its reason.
    pub(crate) ignored: BTreeMap<&'static str, u64>,
    /// Changes of the interface's state.
    pub(crate) events: u64,
    /// Advertisements sent again because nobody acknowledged them.
    pub(crate) retransmissions: u64,
}

impl InterfaceStatistics {
    pub(crate) fn refuse(&mut self, reason: Refusal) {
        let counters = if reason.is_normal() { &mut self.ignored } else { &mut self.bad };
        *counters.entry(reason.label()).or_default() += 1;
    }
}
