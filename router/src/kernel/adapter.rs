//! The kernel's two adapters, `lsm0` and `gsm0`: TAP devices whose other end is the router.
//!
//! The common address is a /32 on `gsm0`. The kernel answers ARP on an adapter only for that adapter's own
//! addresses, asks with an address of the adapter that it asks on, and accepts packets whose way back would be
//! another interface (a node behind the LSM may reach us by the GSM).

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt as _;
use ipnet::Ipv4Net;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::{AddressMessageBuilder, LinkMessageBuilder, LinkUnspec};

use super::{Kernel, KernelError, error, settings};

/// What an adapter of the kernel shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its name: `lsm0`.
    pub name: String,
    /// Largest IP datagram.
    pub mtu: u16,
    /// Its addresses with their networks; the first is the one that the kernel prefers.
    pub addresses: Vec<Ipv4Net>,
}

impl Adapter {
    /// The adapter of the local network.
    pub fn lsm(name: &str, mtu: u16, address: Ipv4Net) -> Self {
        Self { name: name.to_owned(), mtu, addresses: vec![address] }
    }

    /// The adapter of the global network: the node's own address there, and the common address, which all
    /// nodes have.
    pub fn gsm(name: &str, mtu: u16, address: Ipv4Net, common: Option<Ipv4Addr>) -> Self {
        let addresses = std::iter::once(address).chain(common.map(Ipv4Net::from)).collect();
        Self { name: name.to_owned(), mtu, addresses }
    }
}

impl Kernel {
    /// Brings an adapter into the state that is asked for; addresses that are not asked for go. Settings that cannot be
    /// changed, such as in a container where `/proc/sys` is read-only, are warned of.
    ///
    /// # Errors
    /// There is no such interface, the process lacks `CAP_NET_ADMIN`, or the adapter has a strict `rp_filter` that cannot
    /// be changed.
    pub async fn configure(&self, adapter: &Adapter) -> Result<(), KernelError> {
        let index = self.interface_index(&adapter.name).await?;
        change_settings(&adapter.name)?;
        let link = LinkMessageBuilder::<LinkUnspec>::new().index(index).mtu(adapter.mtu.into()).up().build();
        self.handle()
            .link()
            .set(link)
            .execute()
            .await
            .map_err(KernelError::netlink("bring an adapter up"))?;
        self.replace_addresses(index, &adapter.addresses).await
    }

    /// Gives an adapter exactly these addresses, and leaves everything else about it as it is.
    ///
    /// # Errors
    /// There is no such interface, or the process lacks `CAP_NET_ADMIN`.
    pub async fn set_addresses(&self, name: &str, wanted: &[Ipv4Net]) -> Result<(), KernelError> {
        self.replace_addresses(self.interface_index(name).await?, wanted).await
    }

    async fn replace_addresses(&self, index: u32, wanted: &[Ipv4Net]) -> Result<(), KernelError> {
        for address in self.addresses(index).await?.into_iter().filter(|address| !wanted.contains(address)) {
            let message = AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(address.addr(), address.prefix_len());
            let removed = self.handle().address().del(message.build()).execute().await;
            // The kernel removes some by itself, together with the first of their network.
            if let Err(failure) = removed
                && error::code(&failure) != Some(libc::EADDRNOTAVAIL)
            {
                return Err(KernelError::netlink("remove an address")(failure));
            }
        }
        for address in wanted {
            let request =
                self.handle().address().add(index, IpAddr::V4(address.addr()), address.prefix_len());
            if let Err(failure) = request.execute().await
                && error::code(&failure) != Some(libc::EEXIST)
            {
                return Err(KernelError::netlink("add an address")(failure));
            }
        }
        Ok(())
    }

    /// The IPv4 addresses of the interface `name`, in the kernel's order.
    ///
    /// # Errors
    /// There is no such interface, or the kernel does not answer.
    pub async fn addresses_of(&self, name: &str) -> Result<Vec<Ipv4Net>, KernelError> {
        self.addresses(self.interface_index(name).await?).await
    }

    /// The IPv4 addresses of an interface, in the kernel's order.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub async fn addresses(&self, index: u32) -> Result<Vec<Ipv4Net>, KernelError> {
        let mut found = Vec::new();
        let mut messages =
            std::pin::pin!(self.handle().address().get().set_link_index_filter(index).execute());
        let refused = KernelError::netlink("list addresses");
        while let Some(message) = messages.try_next().await.map_err(&refused)? {
            found.extend(address_of(&message));
        }
        Ok(found)
    }
}

fn change_settings(adapter: &str) -> Result<(), KernelError> {
    let warn = |setting: &str, error: &io::Error| {
        tracing::warn!(interface = adapter, setting, %error, "the setting could not be changed; the node goes on");
    };
    if let Err(source) = settings::change(adapter, "rp_filter", 2) {
        if settings::is_reverse_path_strict(adapter) {
            return Err(KernelError::StrictReversePath { name: adapter.to_owned(), source });
        }
        warn("rp_filter", &source);
    }
    for (setting, value) in [("arp_ignore", 1), ("arp_announce", 2)] {
        if let Err(error) = settings::change(adapter, setting, value) {
            warn(setting, &error);
        }
    }
    if let Err(error) = settings::disable_ipv6(adapter) {
        warn("disable_ipv6", &error);
    }
    Ok(())
}

/// The IPv4 address in a message, with its network.
pub(super) fn address_of(message: &AddressMessage) -> Option<Ipv4Net> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    Ipv4Net::new(local, message.header.prefix_len).ok()
}
