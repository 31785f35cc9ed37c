//! A port to a NIC of this host, by an `AF_PACKET` socket.
//!
//! The socket is prepared here and handed to pnet, which binds it: raw, non-blocking, not promiscuous, without
//! what this host sends itself, with the multicast groups of OSPF, without the frames of VLANs (which belong to
//! the VLAN's own interface), and with a description of what the sender left to the hardware in front of each
//! frame ([`super::offload`]). pnet's calls poll the socket and build an allocated error when it is not ready; so
//! the port polls first and asks pnet only when the answer will be a frame.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use pnet_datalink::{Channel, ChannelType, Config, DataLinkReceiver, DataLinkSender, NetworkInterface};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::offload::{Finished, Finisher, LARGEST_MESSAGE, OFFLOAD_HEADER, receive_burst};
use super::{CarrierFlag, ETHERNET_HEADER, OpenError, Port, PortInfo, PortStatistics, sys, sys_packet};
use crate::forward::DropReason;
use crate::packet::{FRAME_CAPACITY, PacketBuffer, Pool};

/// Kernel buffer of received frames; without privileges the kernel cuts it to its limit.
const RECEIVE_BUFFER: usize = 8 << 20;
/// AllSPFRouters and AllDRouters (RFC 2328 appendix A.1) as Ethernet groups (RFC 1112 section 6.4).
const OSPF_GROUPS: [[u8; 6]; 2] =
    [[0x01, 0x00, 0x5e, 0x00, 0x00, 0x05], [0x01, 0x00, 0x5e, 0x00, 0x00, 0x06]];
const CAPABILITY: &str = "CAP_NET_RAW";

/// A port to a NIC, by an `AF_PACKET` socket.
pub struct PacketPort {
    info: PortInfo,
    interface: u32,
    /// A second descriptor of pnet's socket.
    socket: OwnedFd,
    receiver: Box<dyn DataLinkReceiver>,
    sender: Box<dyn DataLinkSender>,
    carrier: CarrierFlag,
    finisher: Finisher,
    /// The last frame was refused for lack of room: look before the next one.
    congested: bool,
    statistics: PortStatistics,
    kernel_drops: Cell<u64>,
}

impl PacketPort {
    /// Opens a port to the interface `name`, whose carrier is as `carrier` says. One that is down has no carrier,
    /// and works once it is up.
    ///
    /// # Errors
    /// There is no such Ethernet interface, or the process lacks `CAP_NET_RAW`.
    pub fn open(name: &str, carrier: CarrierFlag) -> Result<Self, OpenError> {
        let interface = find(name)?;
        let Some(mac) = interface.mac.filter(|_| !interface.is_loopback()) else {
            return Err(OpenError::NotEthernet { name: name.to_owned() });
        };
        let failed = |source| OpenError::system(name, "open a packet socket", CAPABILITY, source);
        let mtu = sys::mtu(name).map_err(failed)?;
        // A buffer holds no more; a longer datagram is refused on the way in.
        let largest = FRAME_CAPACITY - ETHERNET_HEADER;
        let mtu = mtu.min(largest as u32) as u16;
        let socket = prepare(&interface).map_err(failed)?;
        let ours = socket.try_clone().map_err(failed)?;
        // From here on pnet closes the other descriptor, also if it fails.
        let config = Config {
            write_buffer_size: OFFLOAD_HEADER + FRAME_CAPACITY,
            read_buffer_size: LARGEST_MESSAGE,
            read_timeout: Some(Duration::ZERO),
            write_timeout: Some(Duration::ZERO),
            channel_type: ChannelType::Layer2,
            promiscuous: false,
            socket_fd: Some(socket.into_raw_fd()),
            ..Config::default()
        };
        let (sender, receiver) = match pnet_datalink::channel(&interface, config).map_err(failed)? {
            Channel::Ethernet(sender, receiver) => (sender, receiver),
            _ => return Err(OpenError::NotEthernet { name: name.to_owned() }),
        };
        Ok(Self {
            info: PortInfo { name: name.to_owned(), driver: "packet", mac: mac.octets(), mtu },
            interface: interface.index,
            socket: ours,
            receiver,
            sender,
            carrier,
            finisher: Finisher::new(),
            congested: false,
            statistics: PortStatistics::default(),
            kernel_drops: Cell::new(0),
        })
    }

    /// The carrier, for the link monitor to keep up to date.
    pub fn carrier_flag(&self) -> CarrierFlag {
        self.carrier.clone()
    }

    /// The kernel's index of the interface that the port is bound to, which it keeps for its life.
    pub fn interface_index(&self) -> u32 {
        self.interface
    }

    /// Takes one message from the socket. `None`: there is none.
    fn take_message(&mut self, buffer: &mut PacketBuffer) -> Option<Finished> {
        if !is_ready(&self.socket, PollFlags::IN) {
            return None;
        }
        Some(match self.receiver.next() {
            Ok(message) => self.finisher.accept(message, buffer),
            // The kernel could not describe the frame, or the interface went down.
            Err(_) => Finished::Damaged,
        })
    }
}

impl Port for PacketPort {
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
        if !self.carrier.is_up() {
            return Err(DropReason::NoCarrier);
        }
        if self.congested && !is_ready(&self.socket, PollFlags::OUT) {
            return Err(DropReason::TransmitError);
        }
        // A header of zeros: nothing is left to the hardware.
        let sent = self.sender.build_and_send(1, OFFLOAD_HEADER + frame.len(), &mut |message| {
            let (header, rest) = message.split_at_mut(OFFLOAD_HEADER);
            header.fill(0);
            rest.copy_from_slice(frame);
        });
        let error = match sent {
            Some(Ok(())) => {
                self.congested = false;
                return Ok(());
            }
            None => return Err(DropReason::TooLong),
            Some(Err(error)) => error,
        };
        self.congested = true;
        Err(match error.raw_os_error() {
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => DropReason::InterfaceDown,
            Some(libc::EMSGSIZE) => DropReason::TooLong,
            _ => DropReason::TransmitError,
        })
    }

    /// Every frame went to the kernel when it was queued.
    fn flush(&mut self) {}

    fn carrier(&self) -> bool {
        self.carrier.is_up()
    }

    fn poll_descriptors(&self, out: &mut Vec<RawFd>) {
        out.push(self.socket.as_raw_fd());
    }

    fn prepare_sleep(&mut self) -> bool {
        !self.finisher.has_pieces()
    }

    fn statistics(&self) -> PortStatistics {
        // The kernel counts from zero after every look.
        let new = sys_packet::take_drops(&self.socket).unwrap_or(0);
        self.kernel_drops.set(self.kernel_drops.get() + u64::from(new));
        PortStatistics {
            receive_drops: self.statistics.receive_drops + self.kernel_drops.get(),
            ..self.statistics
        }
    }
}

fn find(name: &str) -> Result<NetworkInterface, OpenError> {
    let mut existing = pnet_datalink::interfaces();
    match existing.iter().position(|interface| interface.name == name) {
        Some(position) => Ok(existing.swap_remove(position)),
        None => {
            let existing = existing.into_iter().map(|interface| interface.name).collect();
            Err(OpenError::UnknownInterface { name: name.to_owned(), existing })
        }
    }
}

/// A socket that receives nothing until it is bound, so that every frame arrives under all options.
fn prepare(interface: &NetworkInterface) -> std::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    sys_packet::ignore_outgoing(&socket)?;
    sys_packet::describe_offloads(&socket)?;
    sys_packet::hide_vlans(&socket)?;
    for group in OSPF_GROUPS {
        sys_packet::join_group(&socket, interface.index, group)?;
    }
    if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    }
    Ok(socket)
}

/// Whether the socket can be read or written now. Clears an error that the interface left (it went down).
fn is_ready(socket: impl AsFd, wanted: PollFlags) -> bool {
    let mut descriptors = [PollFd::new(&socket, wanted)];
    let none = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut descriptors, Some(&none)).is_err() {
        return false;
    }
    let found = descriptors[0].revents();
    if found.contains(PollFlags::ERR) {
        // To read the error is to clear it; what it is shows in the link's state.
        let _ = sockopt::socket_error(&socket);
    }
    found.contains(wanted)
}
