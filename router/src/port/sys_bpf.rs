//! The one BPF program of the router, and its way into the kernel by `bpf(2)`.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: c_int = 5;
const BPF_LINK_CREATE: c_int = 28;
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_TCX_INGRESS: u32 = 46;

/// Position of `vlan_tci` in the program's context (`struct __sk_buff`).
const VLAN_TCI: i16 = 24;
/// The next program, or the kernel's protocols, decide.
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// One BPF instruction: operation, destination and source registers, offset, constant.
#[repr(C)]
struct Instruction(u8, u8, i16, i32);

/// Drops every frame without a VLAN. Register 1 holds the context, register 0 takes the verdict.
const PROGRAM: [Instruction; 7] = [
    Instruction(0x61, 0x12, VLAN_TCI, 0), // r2 = *(u32 *)(r1 + vlan_tci)
    Instruction(0x54, 0x02, 0, 0x0fff),   // w2 &= 0xfff: the VLAN, without its priority
    Instruction(0x55, 0x02, 2, 0),        // if r2 != 0, skip the next two
    Instruction(0xb7, 0x00, 0, TCX_DROP), // r0 = TCX_DROP
    Instruction(0x95, 0x00, 0, 0),        // exit
    Instruction(0xb7, 0x00, 0, TCX_NEXT), // r0 = TCX_NEXT
    Instruction(0x95, 0x00, 0, 0),        // exit
];

/// `union bpf_attr` as `BPF_PROG_LOAD` reads it, up to the last member that is not zero.
#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

/// `union bpf_attr` as `BPF_LINK_CREATE` reads it for TCX.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
    relative: u32,
    padding: u32,
    expected_revision: u64,
}

/// Attaches the program to what comes in on the interface. It stays until the descriptor is closed.
pub(crate) fn drop_ingress(interface: u32) -> io::Result<OwnedFd> {
    let program = load()?;
    let attributes = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        interface,
        attach_type: BPF_TCX_INGRESS,
        ..LinkCreate::default()
    };
    bpf(BPF_LINK_CREATE, &attributes)
}

fn load() -> io::Result<OwnedFd> {
    // The program calls no helper of the kernel, so no licence is asked for; the member must be a string.
    let license = c"Apache-2.0";
    let attributes = ProgramLoad {
        program_type: BPF_PROG_TYPE_SCHED_CLS,
        instruction_count: PROGRAM.len() as u32,
        instructions: PROGRAM.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name: *b"isthmus_guard\0\0\0",
        expected_attach_type: BPF_TCX_INGRESS,
        ..ProgramLoad::default()
    };
    bpf(BPF_PROG_LOAD, &attributes)
}

/// A command that answers with a new descriptor.
fn bpf<T>(command: c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes from a valid reference to a structure without padding,
    // and from the program and the string that it points to, which are constants.
    let result: c_long =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = c_int::try_from(result).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the call answered with a new descriptor (close-on-exec by itself) that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
