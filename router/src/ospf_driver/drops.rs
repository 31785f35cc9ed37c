//! What is lost between the worker and the engine, and why.

use std::sync::atomic::{AtomicU64, Ordering};

/// A reason for which a datagram does not reach the engine, or a packet of the engine not the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum DropReason {
    /// A fragment: OSPF packets are made to fit, and the engine does not put fragments together.
    Fragment,
    /// Not an IPv4 datagram that carries OSPF.
    BadDatagram,
    /// It came in where the engine has no interface.
    NoInterface,
    /// A packet of the backbone over the fabric, from an address of no node that there is an adjacency to.
    NoAdjacency,
    /// The engine's packet is longer than a buffer.
    TooLong,
    /// The engine's packet has no way out.
    NoPort,
    /// All buffers are in flight.
    NoBuffer,
    /// The worker's queue is full.
    QueueFull,
}

impl DropReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Fragment,
        Self::BadDatagram,
        Self::NoInterface,
        Self::NoAdjacency,
        Self::TooLong,
        Self::NoPort,
        Self::NoBuffer,
        Self::QueueFull,
    ];

    /// The name of its counter.
    pub fn label(self) -> &'static str {
        match self {
            Self::Fragment => "received-fragments",
            Self::BadDatagram => "received-bad-datagrams",
            Self::NoInterface => "received-without-interface",
            Self::NoAdjacency => "received-without-adjacency",
            Self::TooLong => "lost-too-long",
            Self::NoPort => "lost-without-port",
            Self::NoBuffer => "lost-without-buffer",
            Self::QueueFull => "lost-queue-full",
        }
    }
}

/// How often each happened. Written by the driver, read by management.
#[derive(Debug, Default)]
pub struct DropCounters([AtomicU64; DropReason::ALL.len()]);

impl DropCounters {
    pub(super) fn count(&self, reason: DropReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Each reason and how often it happened.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .zip(&self.0)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_counter_and_its_name() {
        let counters = DropCounters::default();
        for (times, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, times);
            (0..times).for_each(|_| counters.count(reason));
        }
        let counts: Vec<_> = counters.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7]);
        let mut labels: Vec<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), DropReason::ALL.len());
    }
}
