//! The file systems of a machine that has none: those of the kernel, and memory.

use std::ffi::CString;
use std::fs;
use std::io;

use rustix::mount::{MountFlags, mount};

use super::InitError;

/// Type, place, options.
const FILE_SYSTEMS: &[(&str, &str, &str)] = &[
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", "mode=0755"),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/run", "mode=0755"),
    ("tmpfs", "/tmp", "mode=1777"),
];

/// Mounts them all; what could not be.
pub fn mount_all() -> Vec<InitError> {
    let mut errors = Vec::new();
    for &(kind, place, options) in FILE_SYSTEMS {
        if let Err(cause) = mount_one(kind, place, options) {
            errors.push(InitError::System { what: format!("mount {kind} on {place}"), cause });
        }
    }
    errors
}

fn mount_one(kind: &str, place: &str, options: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    // On `/dev` devices are the point of it.
    let flags = if kind == "devtmpfs" { flags } else { flags | MountFlags::NODEV };
    let options = CString::new(options)?;
    match mount(kind, place, kind, flags, options.as_c_str()) {
        // The kernel may have done it.
        Err(rustix::io::Errno::BUSY) => Ok(()),
        result => result.map_err(io::Error::from),
    }
}
