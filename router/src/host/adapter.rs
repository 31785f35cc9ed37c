//! A network adapter as smoltcp sees it: queues of datagrams between the stack and the worker.

use std::collections::VecDeque;

use isthmus_shmnet::Network;
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::packet::{PacketBuffer, Pool};

/// One of the stack's two adapters. Received datagrams wait in `received`; what the stack sends waits in
/// `to_send` until the loop hands it to the worker.
pub struct Adapter {
    network: Network,
    mtu: usize,
    /// Datagrams from the worker.
    pub received: VecDeque<PacketBuffer>,
    /// Datagrams from the worker that the stack has read.
    pub spent: Vec<PacketBuffer>,
    /// Datagrams for the worker.
    pub to_send: VecDeque<PacketBuffer>,
    /// Empty buffers for what the stack sends, filled up by the loop.
    pub free: Vec<PacketBuffer>,
}

impl Adapter {
    /// An adapter with room for `buffers` datagrams in flight to the worker.
    pub fn new(network: Network, mtu: u16, buffers: usize) -> Self {
        Self {
            network,
            mtu: usize::from(mtu),
            received: VecDeque::with_capacity(buffers),
            spent: Vec::with_capacity(buffers),
            to_send: VecDeque::with_capacity(buffers),
            free: Vec::with_capacity(buffers),
        }
    }

    /// Fills up the empty buffers from `pool`.
    pub fn refill(&mut self, pool: &mut Pool) {
        while self.free.len() < self.free.capacity() {
            let Some(buffer) = pool.take() else { return };
            self.free.push(buffer);
        }
    }

    /// The network that the adapter belongs to.
    pub fn network(&self) -> Network {
        self.network
    }
}

impl Device for Adapter {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _timestamp: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        // Every received datagram may need an answer: without a buffer for it, it waits.
        let answer = self.free.pop()?;
        let Some(buffer) = self.received.pop_front() else {
            self.free.push(answer);
            return None;
        };
        Some((
            RxToken { buffer, spent: &mut self.spent },
            TxToken {
                buffer: Some(answer),
                queue: &mut self.to_send,
                free: &mut self.free,
                network: self.network,
            },
        ))
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<TxToken<'_>> {
        let buffer = self.free.pop()?;
        Some(TxToken {
            buffer: Some(buffer),
            queue: &mut self.to_send,
            free: &mut self.free,
            network: self.network,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // The worker forwards to NICs as it is: every checksum is complete when it leaves here.
        capabilities.checksum = ChecksumCapabilities::default();
        capabilities
    }
}

/// The right to read one datagram.
pub struct RxToken<'a> {
    buffer: PacketBuffer,
    spent: &'a mut Vec<PacketBuffer>,
}

impl smoltcp::phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(self.buffer.bytes());
        self.spent.push(self.buffer);
        result
    }
}

/// The right to send one datagram; unused, its buffer goes back.
pub struct TxToken<'a> {
    buffer: Option<PacketBuffer>,
    queue: &'a mut VecDeque<PacketBuffer>,
    free: &'a mut Vec<PacketBuffer>,
    network: Network,
}

impl smoltcp::phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, write: F) -> R {
        let mut scratch = Vec::new();
        let Some(mut buffer) = self.buffer.take() else { return write_nowhere(&mut scratch, len, write) };
        if buffer.space_mut().len() < len {
            self.buffer = Some(buffer);
            return write_nowhere(&mut scratch, len, write);
        }
        buffer.set_len(len);
        let result = write(buffer.bytes_mut());
        allow_fragmentation_of_icmp(buffer.bytes_mut());
        buffer.network = self.network;
        self.queue.push_back(buffer);
        result
    }
}

impl Drop for TxToken<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.free.push(buffer);
        }
    }
}

/// A datagram beyond the adapter's MTU, which smoltcp does not produce: it is written and forgotten.
fn write_nowhere<R>(scratch: &mut Vec<u8>, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
    scratch.resize(len, 0);
    write(scratch)
}

/// smoltcp sets "don't fragment" on everything and does no path MTU discovery for ICMP: a large echo
/// would never pass a smaller link. TCP keeps the bit; its segments fit what the peer announced.
fn allow_fragmentation_of_icmp(datagram: &mut [u8]) {
    let mut packet = smoltcp::wire::Ipv4Packet::new_unchecked(datagram);
    if packet.check_len().is_ok() && packet.next_header() == smoltcp::wire::IpProtocol::Icmp {
        packet.set_dont_frag(false);
        packet.fill_checksum();
    }
}
