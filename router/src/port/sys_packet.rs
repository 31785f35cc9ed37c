//! Socket options of `AF_PACKET` that rustix does not wrap.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_ushort};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Does not hand over what this host sends itself.
pub(crate) fn ignore_outgoing(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)
}

/// Puts a `virtio_net_hdr` in front of every frame, both ways.
pub(crate) fn describe_offloads(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, &1_i32)
}

/// Lets the NIC take frames to the Ethernet group.
pub(crate) fn join_group(socket: &impl AsFd, interface: u32, group: [u8; 6]) -> io::Result<()> {
    let [a, b, c, d, e, f] = group;
    let request = libc::packet_mreq {
        mr_ifindex: i32::try_from(interface).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        mr_type: libc::PACKET_MR_MULTICAST as c_ushort,
        mr_alen: 6,
        mr_address: [a, b, c, d, e, f, 0, 0],
    };
    set_option(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Hides frames of VLANs from the socket. The kernel strips their tag, and only its auxiliary data would
/// tell: without this they look like the interface's own. Priority tags (VLAN 0) pass.
pub(crate) fn hide_vlans(socket: &impl AsFd) -> io::Result<()> {
    let tag = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG).cast_unsigned();
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, tag),
        instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, 0x0fff),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, 0),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let filter = libc::sock_fprog { len: program.len() as c_ushort, filter: program.as_mut_ptr() };
    set_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)
}

/// How many frames the socket's queue had no room for since the last call.
pub(crate) fn take_drops(socket: &impl AsFd) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = size_of_val(&statistics) as libc::socklen_t;
    // SAFETY: the option writes at most `len` bytes, which is the size of what the pointer refers to.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut statistics).cast(),
            &raw mut len,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(statistics.tp_drops) }
}

fn instruction(code: u32, jump_true: u8, jump_false: u8, constant: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: jump_true, jf: jump_false, k: constant }
}

fn set_option<T>(socket: &impl AsFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from a valid reference, and what a filter's pointer
    // refers to, which the caller keeps alive for the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
