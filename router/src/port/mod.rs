//! Ports: what receives and sends bursts of Ethernet frames.
//!
//! A port belongs to one worker thread. Nothing in it blocks, locks, logs per packet or allocates
//! while packets flow (I4); what it drops, it counts under a [`DropReason`] (I5).
//!
//! | module | medium |
//! |---|---|
//! | [`shm`] | the other nodes, over the shared memory |
//! | [`packet`] | a NIC, by `AF_PACKET` |
//! | [`tap`] | this node's kernel, by a TAP device |
//! | [`socket`] | another process on this host, without privileges |
//! | [`mem`] | another port of this process |
//!
//! [`pcap`] goes around any of them, and copies their frames to captures. [`offload`] finishes what senders leave to the hardware.

pub mod carrier;
pub mod error;
pub mod mem;
pub mod offload;
pub mod packet;
pub mod pcap;
pub mod shm;
pub mod socket;
pub(crate) mod sys;
pub(crate) mod sys_bpf;
mod sys_packet;
pub mod sys_poll;
mod sys_tun;
pub mod tap;

use std::os::fd::RawFd;

pub use carrier::CarrierFlag;
pub use error::OpenError;

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

impl<P: Port + ?Sized> Port for Box<P> {
    fn info(&self) -> &PortInfo {
        (**self).info()
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        (**self).receive(batch, pool, limit)
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        (**self).transmit(frame)
    }

    fn flush(&mut self) {
        (**self).flush();
    }

    fn carrier(&self) -> bool {
        (**self).carrier()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        (**self).poll_descriptors(out);
    }

    fn prepare_sleep(&mut self) -> bool {
        (**self).prepare_sleep()
    }

    fn wake(&mut self) {
        (**self).wake();
    }

    fn statistics(&self) -> PortStatistics {
        (**self).statistics()
    }
}

/// Length of an Ethernet header without a tag.
pub const ETHERNET_HEADER: usize = 14;

/// A locally administered unicast Ethernet address that follows from `seed` alone, so that it is the same
/// after a restart (FNV-1a, 64 bits, of which 40 are used).
pub fn derived_mac(seed: &str) -> [u8; 6] {
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, ..] = (hash ^ (hash >> 40)).to_le_bytes();
    [0x02, a, b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_addresses_are_local_unicast_and_depend_on_the_seed() {
        let one = derived_mac("/run/isthmus/a.sock");
        let other = derived_mac("/run/isthmus/b.sock");
        assert_eq!(one, derived_mac("/run/isthmus/a.sock"));
        assert_ne!(one, other);
        assert_eq!(one[0], 0x02);
    }
}
