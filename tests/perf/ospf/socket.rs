//! A raw socket of protocol 89 on one device.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use isthmus_ospf::wire::ALL_SPF_ROUTERS;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, bind, recv, sendto, socket, sockopt,
};

use super::INJECTOR_ADDRESS;
use crate::shm::Failure;

/// The number of OSPF among the protocols of IP.
const OSPF: u32 = 89;
/// Room for what a router sends at once.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Precedence internetwork control (RFC 2328 section A.1).
const TYPE_OF_SERVICE: u8 = 0xc0;

pub(super) struct Socket {
    descriptor: OwnedFd,
}

impl Socket {
    /// The socket of the injector's address.
    pub(super) fn open() -> Result<Self, Failure> {
        let socket = Self::closed()?;
        let descriptor = &socket.descriptor;
        sockopt::set_socket_recv_buffer_size_force(descriptor, RECEIVE_BUFFER)?;
        sockopt::set_ip_multicast_ttl(descriptor, 1)?;
        sockopt::set_ip_multicast_loop(descriptor, false)?;
        sockopt::set_ip_tos(descriptor, TYPE_OF_SERVICE)?;
        sockopt::set_ip_multicast_if(descriptor, &INJECTOR_ADDRESS)?;
        sockopt::set_ip_add_membership(descriptor, &ALL_SPF_ROUTERS, &INJECTOR_ADDRESS)?;
        bind(descriptor, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        Ok(socket)
    }

    /// One that is in no group yet.
    pub(super) fn closed() -> Result<Self, Failure> {
        let protocol = std::num::NonZero::new(OSPF).map(Protocol::from_raw);
        Ok(Self { descriptor: socket(AddressFamily::INET, SocketType::RAW, protocol)? })
    }

    /// Sends a packet to AllSPFRouters.
    pub(super) fn send(&self, packet: &[u8]) -> Result<(), Failure> {
        sendto(&self.descriptor, packet, SendFlags::empty(), &SocketAddrV4::new(ALL_SPF_ROUTERS, 0))?;
        Ok(())
    }

    /// The next packet, with its source; nothing after some time without one.
    pub(super) fn receive<'a>(
        &self,
        room: &'a mut [u8],
        longest: Duration,
    ) -> Result<Option<(Ipv4Addr, &'a [u8])>, Failure> {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(longest.subsec_nanos()) };
        let mut wait = [PollFd::new(&self.descriptor, PollFlags::IN)];
        if poll(&mut wait, Some(&timeout))? == 0 {
            return Ok(None);
        }
        let (length, _) = recv(&self.descriptor, &mut *room, RecvFlags::empty())?;
        let datagram = &room[..length];
        let header = datagram.first().map_or(0, |byte| usize::from(byte & 0xf) * 4);
        let source = datagram.get(12..16).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let Some((source, payload)) = source.zip(datagram.get(header..)) else { return Ok(None) };
        Ok(Some((Ipv4Addr::from(source), payload)))
    }
}
