//! Virtual links (RFC 2328 section 15): where the packets of one go.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::interface::Interface;

/// The ends of the path that a virtual link takes through its transit area (section 16.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VirtualEnds {
    /// The address of our interface that the path begins with.
    pub(crate) source: Ipv4Addr,
    /// The address of the other router's interface that it ends with.
    pub(crate) destination: Ipv4Addr,
    /// What the path costs, which is what the link costs.
    pub(crate) cost: u16,
}

impl Interface {
    /// Address and prefix length, as management sees them.
    pub(crate) fn view_address(&self) -> Ipv4Net {
        self.virtual_ends.map_or(self.config.address, |ends| Ipv4Net::from(ends.source))
    }
}
