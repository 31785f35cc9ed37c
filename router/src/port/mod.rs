//! Ports: what receives and sends bursts of Ethernet frames.
//!
//! A port belongs to one worker thread. Nothing in it blocks, locks, logs per packet or allocates
//! while packets flow (I4); what it drops, it counts under a [`DropReason`] (I5).

use std::os::fd::RawFd;

use crate::forward::DropReason;
use crate::packet::{PacketBuffer, Pool};

/// What a port is, fixed while it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// The interface's name: `lsm0`, `eth1`.
    pub name: String,
    /// The driver, a metric label: `shm`, `packet`, `tap`, `socket`, `mem`.
    pub driver: &'static str,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// The largest IP datagram that fits in one frame.
    pub mtu: u16,
}

/// What a port counts by itself, beside what the forwarding path counts for every interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStatistics {
    /// Frames that the port could not take over from the medium, and lost.
    pub receive_drops: u64,
    /// Frames that the medium handed over damaged.
    pub receive_errors: u64,
    /// Super-frames that the port cut into frames of at most the MTU.
    pub segmented: u64,
    /// Checksums that the sender left to the hardware and the port completed.
    pub checksums_completed: u64,
}

/// Receives and sends bursts of Ethernet frames.
pub trait Port: Send {
    /// What it is.
    fn info(&self) -> &PortInfo;

    /// Takes at most `limit` frames from the medium and appends them to `batch`, in buffers from `pool`.
    /// Stops when the medium or the pool is empty. Returns how many frames were appended.
    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize;

    /// Queues one whole Ethernet frame.
    ///
    /// # Errors
    /// The reason for which the frame is lost; the caller counts it.
    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason>;

    /// Hands queued frames to the medium and tells a sleeping receiver.
    fn flush(&mut self);

    /// Whether the medium has its carrier.
    fn carrier(&self) -> bool;

    /// Descriptors that become readable when [`Self::receive`] would find something.
    fn poll_descriptors(&self, out: &mut Vec<RawFd>);

    /// Called before the worker sleeps on the descriptors. `false`: there is work already, do not sleep.
    fn prepare_sleep(&mut self) -> bool {
        true
    }

    /// Called after a sleep.
    fn wake(&mut self) {}

    /// The port's own counters.
    fn statistics(&self) -> PortStatistics {
        PortStatistics::default()
    }
}
