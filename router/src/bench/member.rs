//! A member of the segment: joining, sending, receiving, sleeping.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use isthmus_shmnet::{
    Backing, CoherenceMode, DEFAULT_GEOMETRY, Destination, Endpoint, Fabric, FabricConfig, Facts, Metadata,
    Network, NetworkParameters, NodeId, Timing, TransmitError, mac_address,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::BenchError;
use super::frame::{HEADER, Header, Kind};

/// The longest frame that is received.
const LONGEST: usize = 1 << 16;

/// One end: a fabric and its endpoint on the local network.
pub struct Member {
    fabric: Fabric,
    endpoint: Endpoint,
    peer: NodeId,
    frame: Vec<u8>,
    room: Vec<u8>,
}

impl Member {
    /// Joins the segment as node `me`; the other end is node `peer`.
    ///
    /// # Errors
    /// Why it cannot join.
    pub fn join(directory: &Path, me: NodeId, peer: NodeId) -> Result<Self, BenchError> {
        let fabric = Fabric::join(config(directory, me))?;
        let endpoint = fabric.endpoint(Network::Lsm).ok_or(BenchError::Silence(Duration::ZERO))?;
        // The other network's endpoint is taken as well, since group rings wait for it; nothing is sent there.
        drop(fabric.endpoint(Network::Gsm));
        Ok(Self { fabric, endpoint, peer, frame: vec![0; LONGEST], room: vec![0; LONGEST] })
    }

    /// Sends a frame of `size` octets, waiting for room. It is seen by an end that polls; [`flush`](Self::flush) wakes one
    /// that sleeps. Returns whether there was room before `give_up`.
    pub fn send(&mut self, header: Header, size: usize, give_up: Instant) -> bool {
        let size = size.clamp(HEADER, LONGEST);
        let address = |node| mac_address(Network::Lsm, node);
        header.write(address(self.fabric.node()), address(self.peer), &mut self.frame);
        loop {
            match self.endpoint.transmit(
                Destination::Node(self.peer),
                &self.frame[..size],
                Metadata::default(),
            ) {
                Ok(()) => return true,
                Err(TransmitError::RingFull | TransmitError::NoSuchNode | TransmitError::NotMember) => {
                    self.endpoint.flush();
                    if Instant::now() > give_up {
                        return false;
                    }
                    std::hint::spin_loop();
                }
                Err(_) => return false,
            }
        }
    }

    /// Ends a burst.
    pub fn flush(&mut self) {
        self.endpoint.flush();
    }

    /// The header and the length of the next frame, if there is one.
    #[inline]
    pub fn receive(&mut self) -> Option<(Header, usize)> {
        let received = self.endpoint.receive(&mut self.room)?;
        Some((Header::read(&self.room[..received.len])?, received.len))
    }

    /// Polls for a frame of a kind until `give_up`; others are dropped.
    pub fn await_kind(&mut self, kind: Kind, give_up: Instant) -> Option<Header> {
        let mut turns = 0_u32;
        loop {
            while let Some((header, _)) = self.receive() {
                if header.kind == kind {
                    return Some(header);
                }
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(256) {
                self.endpoint.flush();
                if Instant::now() > give_up {
                    return None;
                }
            }
            std::hint::spin_loop();
        }
    }

    /// Sleeps until something may have come, `limit` at most.
    pub fn sleep(&mut self, limit: Duration) {
        if self.endpoint.prepare_sleep() {
            let mut doorbell = [PollFd::from_borrowed_fd(self.fabric.doorbell(), PollFlags::IN)];
            let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 100_000_000 });
            // Interrupted or timed out: the caller looks again in any case.
            let _ = poll(&mut doorbell, Some(&limit));
            self.endpoint.wake();
        }
    }
}

fn config(directory: &Path, me: NodeId) -> FabricConfig {
    let parameters = |third| NetworkParameters {
        area_id: 1,
        network_type: 0,
        hello_interval: 1,
        dead_interval: 4,
        cost: 1,
        mtu: 9000,
        prefix: Ipv4Addr::new(192, 0, third, 0),
        prefix_len: 24,
    };
    FabricConfig {
        node_id: me,
        backing: Backing::Directory(directory.to_owned()),
        coherence: CoherenceMode::Hardware,
        max_nodes: 2,
        queues: 1,
        geometry: [DEFAULT_GEOMETRY; 2],
        // A data thread that polls leaves the other threads of a small machine little time.
        timing: Timing { failed: Duration::from_secs(5), ..Timing::default() },
        parameters: [parameters(2), parameters(3)],
        facts: Facts::default(),
        takeover: false,
        budget: Some(BUDGET),
    }
}

/// Room for rings as large as they grow.
const BUDGET: u64 = 32 << 20;
