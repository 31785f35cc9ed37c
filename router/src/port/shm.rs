//! A port to one of the two networks over the shared memory.
//!
//! The frame's destination address says who gets it: a node's own address names the node, the broadcast address
//! and group addresses go by the network's two group rings. The ring that a frame came by vouches for its
//! sender, so a frame whose source address names another is dropped: no node can speak for a second one.

use std::os::fd::{AsRawFd, RawFd};

use isthmus_shmnet::{Destination, Endpoint, Fabric, Metadata, Network, Received, TransmitError};
use isthmus_shmnet::{mac_address, node_of_mac};

use super::offload::{Finished, Finisher, Offload, receive_burst};
use super::{CarrierFlag, ETHERNET_HEADER, Port, PortInfo, PortStatistics};
use crate::forward::DropReason;
use crate::packet::{PacketBuffer, Pool};

const BROADCAST: [u8; 6] = [0xff; 6];

/// A port to the LSM or the GSM.
pub struct ShmPort {
    info: PortInfo,
    network: Network,
    endpoint: Endpoint,
    /// Keeps the doorbell open.
    fabric: Fabric,
    carrier: CarrierFlag,
    finisher: Finisher,
    statistics: PortStatistics,
}

impl ShmPort {
    /// A port named `name` to `network`. `None`: the network's endpoint is taken already.
    pub fn open(fabric: &Fabric, network: Network, name: &str, mtu: u16) -> Option<Self> {
        let endpoint = fabric.endpoint(network)?;
        let info = PortInfo { name: name.to_owned(), driver: "shm", mac: endpoint.mac(), mtu };
        Some(Self {
            info,
            network,
            endpoint,
            fabric: fabric.clone(),
            carrier: CarrierFlag::new(true),
            finisher: Finisher::new(),
            statistics: PortStatistics::default(),
        })
    }

    /// The carrier: for the watcher of the fabric's events, which clears it while this node is no member.
    pub fn carrier_flag(&self) -> CarrierFlag {
        self.carrier.clone()
    }

    /// Takes one frame from the rings. `None`: there is none.
    fn take_frame(&mut self, buffer: &mut PacketBuffer) -> Option<Finished> {
        let received = self.endpoint.receive(buffer.space_mut())?;
        buffer.set_len(received.len);
        if !is_from(self.network, &received, buffer.bytes()) {
            return Some(Finished::Damaged);
        }
        Some(self.finisher.finish(&offload_of(&received.metadata), buffer))
    }
}

impl Port for ShmPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        receive_burst(
            self,
            (batch, pool, limit),
            |port| (&mut port.finisher, &mut port.statistics),
            Self::take_frame,
        )
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() < ETHERNET_HEADER {
            return Err(DropReason::BadFrame);
        }
        if frame.len() > usize::from(self.info.mtu) + ETHERNET_HEADER {
            return Err(DropReason::TooLong);
        }
        let to = destination(self.network, frame).ok_or(DropReason::NoSuchNode)?;
        self.endpoint.transmit(to, frame, Metadata::default()).map_err(|error| match error {
            TransmitError::NoSuchNode => DropReason::NoSuchNode,
            TransmitError::RingFull => DropReason::RingFull,
            TransmitError::NoListener => DropReason::MulticastNoListener,
            TransmitError::TooLong => DropReason::TooLong,
            TransmitError::NotMember => DropReason::NoCarrier,
            _ => DropReason::TransmitError,
        })
    }

    fn flush(&mut self) {
        self.endpoint.flush();
    }

    fn carrier(&self) -> bool {
        self.carrier.is_up()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.push(self.fabric.doorbell().as_raw_fd());
    }

    fn prepare_sleep(&mut self) -> bool {
        self.endpoint.prepare_sleep() && !self.finisher.has_pieces()
    }

    fn wake(&mut self) {
        self.endpoint.wake();
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
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
