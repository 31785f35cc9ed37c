//! Requests of the TUN/TAP driver (`TUN...`), which rustix does not wrap.
#![allow(unsafe_code)]

use std::ffi::{c_short, c_uint};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::sys::interface_request;

/// Lets the kernel hand over TCP super-frames and checksums that are only begun.
const OFFLOADS: c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO_ECN;

/// Makes `tun`, which is an open `/dev/net/tun`, a TAP device of this name whose frames have a
/// `virtio_net_hdr` in front. `Ok(false)`: the kernel takes no such name.
pub(super) fn attach_tap(tun: &impl AsFd, name: &str) -> io::Result<bool> {
    let Some(mut request) = interface_request(name) else { return Ok(false) };
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as c_short;
    // SAFETY: the request reads and writes one `ifreq`, which the pointer refers to.
    let result =
        unsafe { libc::ioctl(tun.as_fd().as_raw_fd(), libc::TUNSETIFF as libc::Ioctl, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the request takes its argument by value.
    let result =
        unsafe { libc::ioctl(tun.as_fd().as_raw_fd(), libc::TUNSETOFFLOAD as libc::Ioctl, OFFLOADS) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(true) }
}
