//! A pair of ports in one process, joined by rings: for tests, and for a NIC that needs no medium.

use std::os::fd::{AsRawFd, RawFd};

use super::{CarrierFlag, ETHERNET_HEADER, Port, PortInfo, PortStatistics};
use crate::forward::DropReason;
use crate::forward::link::{Bell, LinkEnd, link};
use crate::packet::{PacketBuffer, Pool};

/// One of two joined ports. It has its carrier while the other exists and neither was unplugged.
pub struct MemPort {
    info: PortInfo,
    end: LinkEnd,
    pool: Pool,
    bell: Bell,
    cable: CarrierFlag,
    queued: bool,
    statistics: PortStatistics,
}

impl MemPort {
    /// Two joined ports. Each direction holds `capacity` frames; more are dropped by the transmitter.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn pair(left: PortInfo, right: PortInfo, capacity: usize) -> std::io::Result<(Self, Self)> {
        let (left_bell, right_bell) = (Bell::new()?, Bell::new()?);
        let (left_end, right_end) = link(capacity, left_bell.clone(), right_bell.clone());
        let cable = CarrierFlag::new(true);
        let port = |info, end, bell, cable| Self {
            info,
            end,
            pool: Pool::new(capacity),
            bell,
            cable,
            queued: false,
            statistics: PortStatistics::default(),
        };
        Ok((port(left, left_end, left_bell, cable.clone()), port(right, right_end, right_bell, cable)))
    }

    /// The cable between the two: clear the flag to pull it, set it to plug it in again.
    pub fn cable(&self) -> CarrierFlag {
        self.cable.clone()
    }

    /// What [`PortInfo`] of a memory port looks like.
    pub fn describe(name: &str, mac: [u8; 6], mtu: u16) -> PortInfo {
        PortInfo { name: name.to_owned(), driver: "mem", mac, mtu }
    }
}

impl Port for MemPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        let mut count = 0;
        while count < limit && self.end.has_incoming() {
            let Some(mut buffer) = pool.take() else { break };
            let Some(theirs) = self.end.pop() else {
                pool.give(buffer);
                break;
            };
            // Both are buffers of one size: it fits.
            buffer.fill(theirs.bytes());
            self.end.give_back(theirs);
            if self.cable.is_up() {
                batch.push(buffer);
                count += 1;
            } else {
                pool.give(buffer);
                self.statistics.receive_drops += 1;
            }
        }
        count
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() < ETHERNET_HEADER {
            return Err(DropReason::BadFrame);
        }
        if !self.cable.is_up() {
            return Err(DropReason::NoCarrier);
        }
        if frame.len() > usize::from(self.info.mtu) + ETHERNET_HEADER {
            return Err(DropReason::TooLong);
        }
        self.end.reclaim(&mut self.pool);
        let mut buffer = self.pool.take().ok_or(DropReason::TransmitError)?;
        if !buffer.fill(frame) {
            self.pool.give(buffer);
            return Err(DropReason::TooLong);
        }
        self.end.push(buffer).map_err(|buffer| {
            self.pool.give(buffer);
            DropReason::TransmitError
        })?;
        self.queued = true;
        Ok(())
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.queued) {
            self.end.notify();
        }
    }

    fn carrier(&self) -> bool {
        self.cable.is_up()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.push(self.bell.as_raw_fd());
    }

    fn prepare_sleep(&mut self) -> bool {
        self.bell.silence();
        !self.end.has_incoming()
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

impl Drop for MemPort {
    fn drop(&mut self) {
        self.cable.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(capacity: usize) -> (MemPort, MemPort) {
        let left = MemPort::describe("left", [2, 0, 0, 0, 0, 1], 1500);
        let right = MemPort::describe("right", [2, 0, 0, 0, 0, 2], 1500);
        MemPort::pair(left, right, capacity).unwrap()
    }

    fn take_all(port: &mut MemPort) -> Vec<Vec<u8>> {
        let (mut batch, mut pool) = (Vec::new(), Pool::new(64));
        port.receive(&mut batch, &mut pool, 64);
        batch.iter().map(|buffer| buffer.bytes().to_vec()).collect()
    }

    #[test]
    fn frames_arrive_in_order_and_unchanged() {
        let (mut left, mut right) = pair(8);
        for fill in 0..5 {
            left.transmit(&[fill; 60]).unwrap();
        }
        left.flush();
        assert_eq!(take_all(&mut right), (0..5).map(|fill| vec![fill; 60]).collect::<Vec<_>>());
        assert!(right.prepare_sleep());
    }

    #[test]
    fn buffers_come_home_however_long_the_traffic_is() {
        let (mut left, mut right) = pair(4);
        for _ in 0..100 {
            for _ in 0..4 {
                left.transmit(&[7; 100]).unwrap();
            }
            assert_eq!(take_all(&mut right).len(), 4);
        }
    }

    #[test]
    fn a_full_ring_a_long_frame_and_a_pulled_cable_are_refused() {
        let (mut left, right) = pair(2);
        assert_eq!(left.transmit(&[0; 1515]), Err(DropReason::TooLong));
        assert_eq!(left.transmit(&[0; 13]), Err(DropReason::BadFrame));
        assert_eq!(left.transmit(&[0; 1514]), Ok(()));
        assert_eq!(left.transmit(&[0; 64]), Ok(()));
        assert_eq!(left.transmit(&[0; 64]), Err(DropReason::TransmitError));
        right.cable().set(false);
        assert!(!left.carrier());
        assert_eq!(left.transmit(&[0; 64]), Err(DropReason::NoCarrier));
        right.cable().set(true);
        drop(right);
        assert!(!left.carrier());
    }

    #[test]
    fn a_receiver_that_is_about_to_sleep_sees_what_came_meanwhile() {
        let (mut left, mut right) = pair(2);
        assert!(right.prepare_sleep());
        left.transmit(&[0; 64]).unwrap();
        left.flush();
        assert!(!right.prepare_sleep());
    }

    #[test]
    fn an_empty_pool_leaves_frames_in_the_ring() {
        let (mut left, mut right) = pair(4);
        left.transmit(&[1; 64]).unwrap();
        left.transmit(&[2; 64]).unwrap();
        let (mut batch, mut pool) = (Vec::new(), Pool::new(1));
        assert_eq!(right.receive(&mut batch, &mut pool, 8), 1);
        assert_eq!(right.receive(&mut batch, &mut pool, 8), 0);
        pool.give(batch.pop().unwrap());
        assert_eq!(right.receive(&mut batch, &mut pool, 8), 1);
        assert_eq!(batch[0].bytes(), &[2; 64]);
    }
}
