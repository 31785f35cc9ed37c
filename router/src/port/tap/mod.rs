//! A port to this node's kernel: a TAP device, which the kernel sees as an Ethernet card with the router on
//! the other end of the cable.
//!
//! The device exists while the port is open. The kernel leaves checksums and the cutting of TCP to the port
//! ([`super::offload`]), which saves it a system call per frame of a bulk transfer.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::offload::{Finished, Finisher, LARGEST_MESSAGE, OFFLOAD_HEADER, receive_burst};
use super::{
    CarrierFlag, ETHERNET_HEADER, OpenError, Port, PortInfo, PortStatistics, derived_mac, sys, sys_tun,
};
use crate::forward::DropReason;
use crate::packet::{PacketBuffer, Pool};

const DEVICE: &str = "/dev/net/tun";
const CAPABILITY: &str = "CAP_NET_ADMIN";

/// How a TAP port is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapConfig {
    /// The name of the kernel's interface: `lsm0`.
    pub name: String,
    /// The Ethernet address of the router's end.
    pub router_mac: [u8; 6],
    /// The Ethernet address of the kernel's end.
    pub kernel_mac: [u8; 6],
    /// Largest IP datagram, both ways.
    pub mtu: u16,
}

impl TapConfig {
    /// A device whose two addresses follow from its name and the node's id, and differ.
    pub fn new(name: &str, node: u16, mtu: u16) -> Self {
        Self {
            name: name.to_owned(),
            router_mac: derived_mac(&format!("router {name} {node}")),
            kernel_mac: derived_mac(&format!("kernel {name} {node}")),
            mtu,
        }
    }
}

/// Whether this process may make TAP devices: tries it, with a device that is gone at once.
///
/// # Errors
/// Why not, in words.
pub fn is_permitted() -> Result<(), String> {
    const PROBE: &str = "isthmus%d";
    let device = open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| format!("{DEVICE}: {error}"))?;
    match sys_tun::attach_tap(&device, PROBE) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("a TAP device needs {CAPABILITY}: {error}")),
    }
}

/// A port to this node's kernel, by a TAP device.
pub struct TapPort {
    info: PortInfo,
    kernel_mac: [u8; 6],
    device: OwnedFd,
    carrier: CarrierFlag,
    finisher: Finisher,
    message: Vec<u8>,
    statistics: PortStatistics,
}

impl TapPort {
    /// Makes the device, with its address and MTU. It is down until it is configured.
    ///
    /// # Errors
    /// There is no TAP driver, the process lacks `CAP_NET_ADMIN`, or the name is taken.
    pub fn open(config: &TapConfig) -> Result<Self, OpenError> {
        let name = &config.name;
        let failed = |source: io::Error| OpenError::system(name, "make a TAP device", CAPABILITY, source);
        let device = open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(
            |errno| match errno {
                Errno::NOENT | Errno::NODEV | Errno::NXIO => OpenError::NoTunDevice,
                other => failed(other.into()),
            },
        )?;
        match sys_tun::attach_tap(&device, name) {
            Ok(true) => {}
            Ok(false) => return Err(OpenError::BadName { name: name.clone() }),
            Err(error) => return Err(explain(name, error)),
        }
        sys::set_hardware_address(name, config.kernel_mac).map_err(failed)?;
        sys::set_mtu(name, config.mtu).map_err(failed)?;
        Ok(Self {
            info: PortInfo { name: name.clone(), driver: "tap", mac: config.router_mac, mtu: config.mtu },
            kernel_mac: config.kernel_mac,
            device,
            carrier: CarrierFlag::new(true),
            finisher: Finisher::new(),
            message: vec![0; LARGEST_MESSAGE],
            statistics: PortStatistics::default(),
        })
    }

    /// The Ethernet address of the kernel's end.
    pub fn kernel_mac(&self) -> [u8; 6] {
        self.kernel_mac
    }

    /// The carrier: for the link monitor, which clears it while the operator has the kernel's end down.
    pub fn carrier_flag(&self) -> CarrierFlag {
        self.carrier.clone()
    }

    /// Takes one message from the device. `None`: there is none.
    fn take_message(&mut self, buffer: &mut PacketBuffer) -> Option<Finished> {
        loop {
            return match rustix::io::read(&self.device, &mut self.message[..]) {
                Ok(len) => Some(self.finisher.accept(&self.message[..len], buffer)),
                Err(Errno::INTR) => continue,
                // Empty; or the kernel's end is down or deleted, which shows in the link's state.
                Err(_) => None,
            };
        }
    }
}

impl Port for TapPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        receive_burst(
            self,
            (batch, pool, limit),
            |port| (&mut port.finisher, &mut port.statistics),
            Self::take_message,
        )
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() < ETHERNET_HEADER {
            return Err(DropReason::BadFrame);
        }
        if frame.len() > usize::from(self.info.mtu) + ETHERNET_HEADER {
            return Err(DropReason::TooLong);
        }
        // A header of zeros: checksums are complete, nothing is left to cut.
        let message = [IoSlice::new(&[0; OFFLOAD_HEADER]), IoSlice::new(frame)];
        match rustix::io::writev(&self.device, &message) {
            Ok(_) => Ok(()),
            // The kernel answers so while its end is down.
            Err(Errno::IO) => Err(DropReason::InterfaceDown),
            Err(_) => Err(DropReason::TransmitError),
        }
    }

    /// Every frame went to the kernel when it was queued.
    fn flush(&mut self) {}

    fn carrier(&self) -> bool {
        self.carrier.is_up()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.push(self.device.as_raw_fd());
    }

    fn prepare_sleep(&mut self) -> bool {
        !self.finisher.has_pieces()
    }

    fn statistics(&self) -> PortStatistics {
        self.statistics
    }
}

fn explain(name: &str, error: io::Error) -> OpenError {
    let taken = |by| OpenError::NameTaken { name: name.to_owned(), by };
    match error.raw_os_error() {
        Some(libc::EBUSY) => taken("another process has this TAP device open"),
        Some(libc::EINVAL | libc::EEXIST) => taken("an interface of another kind has it"),
        _ => OpenError::system(name, "make a TAP device", CAPABILITY, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ends_have_different_addresses_that_stay_the_same() {
        let config = TapConfig::new("lsm0", 3, 1500);
        assert_ne!(config.router_mac, config.kernel_mac);
        assert_eq!(config, TapConfig::new("lsm0", 3, 1500));
        assert_ne!(config.router_mac, TapConfig::new("gsm0", 3, 1500).router_mac);
        assert_ne!(config.kernel_mac, TapConfig::new("lsm0", 4, 1500).kernel_mac);
    }

    #[test]
    fn names_that_the_kernel_does_not_take_are_refused() {
        for name in ["", "a name", "a/b", "abcdefghijklmnop"] {
            let error = TapPort::open(&TapConfig::new(name, 1, 1500)).err().unwrap();
            // Where the device is missing or closed to us, that is the first thing to say.
            assert!(
                matches!(
                    error,
                    OpenError::BadName { .. } | OpenError::NoTunDevice | OpenError::NotPermitted { .. }
                ),
                "{error}"
            );
        }
    }
}
