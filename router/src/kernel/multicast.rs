//! The multicast addresses that the kernel takes on its devices: what programs, IGMP and the kernel itself have joined.
//!
//! The kernel tells nobody when they change (rtnetlink does for IPv4 groups, from Linux 6.15 on), so they are looked at.

use std::collections::HashMap;
use std::io;
use std::path::Path;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Where the kernel lists those of this network namespace.
pub const LIST: &str = "/proc/net/dev_mcast";

/// The multicast addresses of each device in a list such as [`LIST`].
///
/// # Errors
/// It is not there, or cannot be read.
pub fn joined(list: &Path) -> io::Result<HashMap<String, Vec<Mac>>> {
    std::fs::read_to_string(list).map(|text| parse(&text))
}

/// Lines of: index, device, users, global users, address in hexadecimal digits.
fn parse(text: &str) -> HashMap<String, Vec<Mac>> {
    let mut devices: HashMap<String, Vec<Mac>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(device), Some(mac)) = (words.nth(1), words.nth(2).and_then(address)) {
            devices.entry(device.to_owned()).or_default().push(mac);
        }
    }
    devices
}

/// Addresses of another length are not Ethernet's.
fn address(digits: &str) -> Option<Mac> {
    if digits.len() != 12 || !digits.is_ascii() {
        return None;
    }
    let mut mac = [0; 6];
    for (byte, at) in mac.iter_mut().zip((0..12).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read_by_device() {
        let text = "\
2    eth0            1     0     01005e000001
2    eth0            1     0     333300000001
17   lsm0            2     0     01005e010203
3    ib0             1     0     00ffffffff12401bffff000000000000ffffffff
short
9    odd             1     0     01005e00zz01
";
        let devices = parse(text);
        assert_eq!(devices["eth0"], [[1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]]);
        assert_eq!(devices["lsm0"], [[1, 0, 0x5e, 1, 2, 3]]);
        assert_eq!(devices.len(), 2);
    }

    #[test]
    fn this_kernel_has_such_a_list() {
        joined(Path::new(LIST)).unwrap();
    }
}
