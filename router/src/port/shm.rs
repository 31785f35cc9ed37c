//! A port to one of the two networks over the shared memory.
//!
//! The frame's destination address says who gets it: a node's own address names the node, the broadcast address
//! and group addresses go by the network's two group rings. The ring that a frame came by vouches for its
//! sender, so a frame whose source address names another is dropped: no node can speak for a second one.
//!
//! The port has the endpoints of all queues, as there is one worker: it sends by the first queue, which is the worker's number,
//! and receives by all of them, for a node with more workers sends by each.

use std::os::fd::{AsRawFd, RawFd};

use isthmus_shmnet::{Destination, Endpoint, Fabric, FrameSink, Metadata, Network, Received, TransmitError};
use isthmus_shmnet::{mac_address, node_of_mac};

use super::offload::{Finished, Finisher, Offload};
use super::{CarrierFlag, ETHERNET_HEADER, Port, PortInfo, PortStatistics};
use crate::forward::DropReason;
use crate::packet::{PacketBuffer, Pool};

const BROADCAST: [u8; 6] = [0xff; 6];

/// A port to the LSM or the GSM.
pub struct ShmPort {
    info: PortInfo,
    network: Network,
    /// Of every queue; never empty.
    endpoints: Vec<Endpoint>,
    /// The queue that is received from first, the next time.
    turn: usize,
    /// Keeps the node in the segment.
    _fabric: Fabric,
    carrier: CarrierFlag,
    finisher: Finisher,
    statistics: PortStatistics,
}

impl ShmPort {
    /// A port named `name` to `network`. `None`: one of the network's endpoints is taken already.
    pub fn open(fabric: &Fabric, network: Network, name: &str, mtu: u16) -> Option<Self> {
        let queues = (0..fabric.queues()).map(|queue| fabric.queue(network, queue));
        let endpoints = queues.collect::<Option<Vec<_>>>()?;
        let info = PortInfo { name: name.to_owned(), driver: "shm", mac: endpoints.first()?.mac(), mtu };
        Some(Self {
            info,
            network,
            endpoints,
            turn: 0,
            _fabric: fabric.clone(),
            carrier: CarrierFlag::new(true),
            finisher: Finisher::new(),
            statistics: PortStatistics::default(),
        })
    }

    /// The carrier: for the watcher of the fabric's events, which clears it while this node is no member.
    pub fn carrier_flag(&self) -> CarrierFlag {
        self.carrier.clone()
    }
}

impl Port for ShmPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        let before = batch.len();
        let mut arrivals = Arrivals {
            network: self.network,
            buffer: None,
            room: limit,
            batch,
            pool,
            finisher: &mut self.finisher,
            statistics: &mut self.statistics,
        };
        // Frames that are dropped count, too: a flood of them must not keep the worker here.
        let mut rest = limit;
        let mut dry = 0;
        while dry < self.endpoints.len() {
            arrivals.take_pieces();
            let taken = self.endpoints[self.turn].receive_burst(rest.min(arrivals.room), &mut arrivals);
            rest -= taken;
            if taken == 0 {
                dry += 1;
                self.turn = (self.turn + 1) % self.endpoints.len();
            } else {
                dry = 0;
            }
        }
        // A queue that always has enough for a whole burst leaves the next one to another.
        self.turn = (self.turn + 1) % self.endpoints.len();
        arrivals.end();
        batch.len() - before
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() < ETHERNET_HEADER {
            return Err(DropReason::BadFrame);
        }
        if frame.len() > usize::from(self.info.mtu) + ETHERNET_HEADER {
            return Err(DropReason::TooLong);
        }
        let to = destination(self.network, frame).ok_or(DropReason::NoSuchNode)?;
        self.endpoints[0].transmit(to, frame, Metadata::default()).or_else(|error| match error {
            // As on any Ethernet, a frame to a group that nobody has joined was sent. The fabric counts it as unwanted.
            TransmitError::NoListener => Ok(()),
            error => Err(drop_reason(error)),
        })
    }

    fn flush(&mut self) {
        self.endpoints.iter_mut().for_each(Endpoint::flush);
    }

    fn carrier(&self) -> bool {
        self.carrier.is_up()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.extend(self.endpoints.iter().map(|endpoint| endpoint.doorbell().as_raw_fd()));
    }

    fn prepare_sleep(&mut self) -> bool {
        self.endpoints.iter_mut().all(Endpoint::prepare_sleep) && !self.finisher.has_pieces()
    }

    fn wake(&mut self) {
        self.endpoints.iter_mut().for_each(Endpoint::wake);
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

/// Why a frame that the fabric did not take is dropped.
fn drop_reason(error: TransmitError) -> DropReason {
    match error {
        TransmitError::NoSuchNode => DropReason::NoSuchNode,
        TransmitError::RingFull => DropReason::RingFull,
        TransmitError::TooLong => DropReason::TooLong,
        TransmitError::NotMember => DropReason::NoCarrier,
        _ => DropReason::TransmitError,
    }
}

/// Frames of a burst on their way from the rings to the worker's batch.
struct Arrivals<'a> {
    network: Network,
    /// For the next frame.
    buffer: Option<PacketBuffer>,
    /// How many frames the batch still takes.
    room: usize,
    batch: &'a mut Vec<PacketBuffer>,
    pool: &'a mut Pool,
    finisher: &'a mut Finisher,
    statistics: &'a mut PortStatistics,
}

impl Arrivals<'_> {
    /// Takes the rest of a super-frame that was received before.
    fn take_pieces(&mut self) {
        while self.room > 0 && self.finisher.has_pieces() {
            let Some(mut buffer) = self.buffer.take().or_else(|| self.pool.take()) else { return };
            if !self.finisher.take_piece(&mut buffer) {
                self.buffer = Some(buffer);
                return;
            }
            self.push(buffer);
        }
    }

    fn push(&mut self, buffer: PacketBuffer) {
        self.batch.push(buffer);
        self.room -= 1;
    }

    fn end(self) {
        if let Some(buffer) = self.buffer {
            self.pool.give(buffer);
        }
    }
}

impl FrameSink for Arrivals<'_> {
    #[inline]
    fn room(&mut self) -> Option<&mut [u8]> {
        // The pieces of a super-frame come before the next frame.
        if self.room == 0 || self.finisher.has_pieces() {
            return None;
        }
        if self.buffer.is_none() {
            self.buffer = self.pool.take();
        }
        self.buffer.as_mut().map(PacketBuffer::space_mut)
    }

    #[inline]
    fn received(&mut self, frame: Received) {
        let Some(mut buffer) = self.buffer.take() else { return };
        buffer.set_len(frame.len);
        let finished = if is_from(self.network, &frame, buffer.bytes()) {
            self.finisher.finish(&offload_of(&frame.metadata), &mut buffer)
        } else {
            Finished::Damaged
        };
        match finished {
            Finished::Frame => return self.push(buffer),
            Finished::Completed => {
                self.statistics.checksums_completed += 1;
                return self.push(buffer);
            }
            Finished::SuperFrame => self.statistics.segmented += 1,
            Finished::TooLong => self.statistics.receive_drops += 1,
            _ => self.statistics.receive_errors += 1,
        }
        self.buffer = Some(buffer);
    }
}

/// Who gets a frame. `None`: its destination is nobody's on this network.
fn destination(network: Network, frame: &[u8]) -> Option<Destination> {
    let mac: [u8; 6] = *frame.first_chunk()?;
    if mac == BROADCAST {
        return Some(Destination::Broadcast);
    }
    if mac[0] & 1 == 1 {
        return Some(Destination::Multicast);
    }
    node_of_mac(mac).filter(|(of, _)| *of == network).map(|(_, node)| Destination::Node(node))
}

/// Whether the frame's source address is that of the node whose ring it came by.
fn is_from(network: Network, received: &Received, frame: &[u8]) -> bool {
    frame.get(6..12) == Some(&mac_address(network, received.from))
}

fn offload_of(metadata: &Metadata) -> Offload {
    Offload::new(
        metadata.flags,
        metadata.gso_type,
        metadata.gso_size,
        metadata.csum_start,
        metadata.csum_offset,
    )
}

#[cfg(test)]
mod tests;
