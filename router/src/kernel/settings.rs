//! An interface's settings under `/proc/sys/net`, which netlink cannot change.

use std::fs;
use std::io;

/// A setting of one interface that was changed, with what it was before.
#[derive(Debug)]
pub(crate) struct Changed {
    path: String,
    before: String,
}

impl Changed {
    /// Sets it back. That the interface is gone is fine.
    pub(crate) fn undo(&self) {
        let _ = fs::write(&self.path, &self.before);
    }
}

/// Changes an IPv4 setting of the interface: `rp_filter`, `arp_ignore`.
pub(crate) fn change(interface: &str, setting: &str, value: u8) -> io::Result<Changed> {
    write(format!("/proc/sys/net/ipv4/conf/{interface}/{setting}"), value)
}

/// Whether packets to the interface must come by the way that answers to them would go (RFC 3704 section 2.2): the
/// larger of the interface's setting and that of all is in effect. What cannot be read counts as 0.
pub(crate) fn is_reverse_path_strict(interface: &str) -> bool {
    let read = |of: &str| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"));
        text.ok().and_then(|text| text.trim().parse::<u8>().ok()).unwrap_or(0)
    };
    read("all").max(read(interface)) == 1
}

/// Keeps IPv6 off the interface. A kernel without IPv6 has nothing to keep off.
pub(crate) fn disable_ipv6(interface: &str) -> io::Result<()> {
    match write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), 1) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

fn write(path: String, value: u8) -> io::Result<Changed> {
    let before = fs::read_to_string(&path)?;
    let value = value.to_string();
    // A container may have these read-only, and right.
    if before.trim() != value {
        fs::write(&path, value)?;
    }
    Ok(Changed { path, before })
}
