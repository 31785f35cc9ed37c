//! Single values: addresses, prefixes, areas, names, paths.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::Ipv4Net;
use isthmus_ospf::types::AreaId;

use super::super::Code;
use super::findings::Findings;

/// The longest path that a socket address holds, without its terminating zero (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// What an MTU may be: from what every IPv4 host takes (RFC 1122 section 3.3.2) to what a packet buffer holds.
pub(super) const MTU: RangeInclusive<u16> = 576..=9_000;

/// What a file says, short enough and clean enough to be repeated in a message.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > 64 {
        shown.push_str("...");
    }
    shown
}

impl Findings {
    /// An IPv4 address that a router can have or send to.
    pub(super) fn address(&mut self, path: &str, text: &str) -> Option<Ipv4Addr> {
        let Ok(address) = text.parse::<Ipv4Addr>() else {
            let remedy = match text.contains('/') {
                true => "leave the prefix length out: this is one address",
                false => "write four numbers from 0 to 255 with dots between, such as 192.0.2.1",
            };
            self.error(Code::BadAddress, path, format!("`{}` is not an IPv4 address", shown(text)), remedy);
            return None;
        };
        self.unicast(path, address).then_some(address)
    }

    /// Whether an address is one that a router can have.
    fn unicast(&mut self, path: &str, address: Ipv4Addr) -> bool {
        let kind = match address.octets()[0] {
            0 => "of this network (0.0.0.0/8)",
            127 => "a loopback address",
            224..=239 => "a multicast address",
            240..=255 => "in the reserved range 240.0.0.0/4",
            _ => return true,
        };
        self.error(
            Code::BadAddress,
            path,
            format!("{address} is {kind}"),
            "use a unicast address, from 1.0.0.0 to 223.255.255.255 without 127.0.0.0/8",
        );
        false
    }

    /// A prefix without host bits.
    pub(super) fn prefix(&mut self, path: &str, text: &str) -> Option<Ipv4Net> {
        let Ok(prefix) = text.parse::<Ipv4Net>() else {
            self.error(
                Code::BadPrefix,
                path,
                format!("`{}` is not an IPv4 prefix", shown(text)),
                "write an address and a prefix length, such as 10.0.0.0/24",
            );
            return None;
        };
        if prefix.addr() != prefix.network() {
            self.error(
                Code::BadPrefix,
                path,
                format!("{prefix} has bits set behind the prefix length"),
                format!("write {}", prefix.trunc()),
            );
            return None;
        }
        Some(prefix)
    }

    /// The prefix of a network that routers have addresses in.
    pub(super) fn unicast_prefix(&mut self, path: &str, text: &str) -> Option<Ipv4Net> {
        let prefix = self.prefix(path, text)?;
        self.unicast(path, prefix.network()).then_some(prefix)
    }

    /// A router's address with its network's prefix length.
    pub(super) fn interface_address(&mut self, path: &str, text: &str) -> Option<Ipv4Net> {
        let Ok(address) = text.parse::<Ipv4Net>() else {
            let remedy = match text.parse::<Ipv4Addr>() {
                Ok(bare) => format!("add the length of the network's prefix, as in {bare}/24"),
                Err(_) => "write an address and a prefix length, such as 192.0.2.1/30".to_owned(),
            };
            let reason = format!("`{}` is not an IPv4 address with a prefix length", shown(text));
            self.error(Code::BadAddress, path, reason, remedy);
            return None;
        };
        if !self.unicast(path, address.addr()) {
            return None;
        }
        let (length, host) = (address.prefix_len(), address.addr());
        let reason = match () {
            () if length == 32 => format!("{address} leaves no address for a neighbor"),
            () if length < 8 => format!("{address} is in a network larger than any class of addresses"),
            () if length < 31 && host == address.network() => {
                format!("{host} is the address of the network {} itself", address.trunc())
            }
            () if length < 31 && host == address.broadcast() => {
                format!("{host} is the broadcast address of {}", address.trunc())
            }
            () => return Some(address),
        };
        let remedy = "use an address of a host in its network, with a prefix length from 8 to 31";
        self.error(Code::BadAddress, path, reason, remedy);
        None
    }

    /// An area id, as RFC 9129 writes it.
    pub(super) fn area(&mut self, path: &str, text: &str) -> Option<AreaId> {
        if let Ok(area) = text.parse() {
            return Some(area);
        }
        let remedy = match text.parse::<u32>() {
            Ok(number) => format!("write {}", Ipv4Addr::from(number)),
            Err(_) => "write a dotted quad, such as 0.0.0.1".to_owned(),
        };
        self.error(Code::BadArea, path, format!("`{}` is not a dotted quad", shown(text)), remedy);
        None
    }

    /// A name that the kernel would take for a device, and that stands in a path of the API as it is.
    pub(super) fn interface_name(&mut self, path: &str, name: &str) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
        if name.is_empty() || name.len() > 15 || !name.chars().all(fits) || name == "." || name == ".." {
            self.error(
                Code::BadName,
                path,
                format!("`{}` is not a name for an interface", shown(name)),
                "use 1 to 15 letters, digits and `-`, `_`, `.`, `@`, `:`",
            );
            return None;
        }
        Some(name.to_owned())
    }

    /// An absolute path without `..`.
    pub(super) fn absolute_path(&mut self, path: &str, text: &str) -> Option<PathBuf> {
        let value = PathBuf::from(text);
        let climbs = value.components().any(|part| part == std::path::Component::ParentDir);
        if !value.is_absolute() || climbs || text.contains('\0') {
            self.error(
                Code::BadPath,
                path,
                format!("`{}` is not an absolute path", shown(text)),
                "write the whole path from `/`, without `..`",
            );
            return None;
        }
        Some(value)
    }

    /// A path that a socket can be bound to.
    pub(super) fn socket_path(&mut self, path: &str, text: &str) -> Option<PathBuf> {
        let value = self.absolute_path(path, text)?;
        if text.len() > LONGEST_SOCKET_PATH {
            self.error(
                Code::BadPath,
                path,
                format!("a socket's path has at most {LONGEST_SOCKET_PATH} bytes, this one {}", text.len()),
                "use a shorter path",
            );
            return None;
        }
        Some(value)
    }
}
