//! Interface requests (`SIOC...`) that rustix does not wrap.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The request block of an interface with this name, otherwise zero. `None`: the kernel takes no such name.
pub(crate) fn interface_request(name: &str) -> Option<libc::ifreq> {
    // SAFETY: `ifreq` is plain integers, arrays and a union of those; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bad = |byte: u8| byte == 0 || byte == b'/' || byte == b':' || byte.is_ascii_whitespace();
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.bytes().any(bad) {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    Some(request)
}

/// The largest datagram of the interface.
pub(crate) fn mtu(name: &str) -> io::Result<u32> {
    let mut request = named(name)?;
    device_request(libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: the kernel answered this request by writing this member.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    u32::try_from(mtu).map_err(|_| io::Error::from_raw_os_error(libc::ERANGE))
}

/// Sets the largest datagram of the interface.
pub(crate) fn set_mtu(name: &str, mtu: u16) -> io::Result<()> {
    let mut request = named(name)?;
    request.ifr_ifru.ifru_mtu = c_int::from(mtu);
    device_request(libc::SIOCSIFMTU, &mut request)
}

/// Sets the Ethernet address of the interface.
pub(crate) fn set_hardware_address(name: &str, mac: [u8; 6]) -> io::Result<()> {
    let mut request = named(name)?;
    let mut data = [0; 14];
    for (to, from) in data.iter_mut().zip(mac) {
        *to = c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_hwaddr = libc::sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: data };
    device_request(libc::SIOCSIFHWADDR, &mut request)
}

fn named(name: &str) -> io::Result<libc::ifreq> {
    interface_request(name).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

fn device_request(code: c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: every request that is passed here reads and writes one `ifreq`, which `request` points to.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), code as libc::Ioctl, std::ptr::from_mut(request)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
