//! The kernel's routes into the cluster and to the outside.
//!
//! Everything that the router can reach is routed to it by the GSM adapter, so that a packet from the node's
//! local address to a global one passes there. The preferred source is the node's LSM address: without it the
//! kernel would choose an address of `gsm0`, of which one is common to all nodes.
//!
//! Our routes carry a protocol number of their own, so that `ip route show proto 73` lists them, and no other
//! routing daemon in the namespace takes them for its own.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ipnet::Ipv4Net;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};

use super::{Kernel, KernelError, error};

/// The protocol number of our routes (`rtm_protocol`; not assigned to anyone).
pub const ROUTE_PROTOCOL: u8 = 73;
/// Their metric: what the operator configured without one wins.
pub const ROUTE_METRIC: u32 = 20;
/// Requests that wait for their answer at one time.
const WINDOW: usize = 32;

/// Where the kernel's routes lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath {
    /// The adapter: `gsm0`.
    pub adapter: String,
    /// The router's loopback address, which is taken to be on the adapter's link.
    pub gateway: Ipv4Addr,
    /// The node's LSM address.
    pub source: Ipv4Addr,
}

/// The set of the kernel's routes that lead to the router.
pub struct KernelRoutes {
    path: RoutePath,
    index: u32,
    installed: BTreeSet<Ipv4Net>,
}

impl KernelRoutes {
    /// Takes over the routes of our protocol that an earlier run left on the adapter.
    ///
    /// # Errors
    /// There is no such adapter.
    pub async fn new(kernel: &Kernel, path: RoutePath) -> Result<Self, KernelError> {
        let index = kernel.interface_index(&path.adapter).await?;
        let mut routes = Self { path, index, installed: BTreeSet::new() };
        let left = routes.list(kernel).await?;
        // Where they lead is not known: they go, and come back as they shall be.
        routes.installed = left;
        routes.sync(kernel, &[]).await?;
        Ok(routes)
    }

    /// Makes the kernel's set equal to `wanted`. Returns how many routes were added and removed.
    ///
    /// # Errors
    /// The kernel refused a route; the others are as asked for, and the next call tries again.
    pub async fn sync(&mut self, kernel: &Kernel, wanted: &[Ipv4Net]) -> Result<(usize, usize), KernelError> {
        let wanted: BTreeSet<_> = wanted.iter().map(Ipv4Net::trunc).collect();
        let extra: Vec<_> = self.installed.difference(&wanted).copied().collect();
        let missing: Vec<_> = wanted.difference(&self.installed).copied().collect();
        let mut first_failure = None;
        let counts = (missing.len(), extra.len());

        let added = missing.into_iter().map(|prefix| {
            let request = kernel.handle().route().add(self.route(prefix)).replace();
            async move { (prefix, request.execute().await) }
        });
        let mut added = stream::iter(added).buffer_unordered(WINDOW);
        let mut done = Vec::new();
        while let Some((prefix, result)) = added.next().await {
            match result {
                Ok(()) => done.push(prefix),
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        drop(added);

        let removed = extra.into_iter().map(|prefix| {
            let request = kernel.handle().route().del(self.any_route(prefix));
            async move { (prefix, request.execute().await) }
        });
        let mut removed = stream::iter(removed).buffer_unordered(WINDOW);
        let mut gone = Vec::new();
        while let Some((prefix, result)) = removed.next().await {
            match result {
                Ok(()) => gone.push(prefix),
                // The adapter was down meanwhile, which removes them.
                Err(failure) if matches!(error::code(&failure), Some(libc::ESRCH | libc::ENODEV)) => {
                    gone.push(prefix)
                }
                Err(failure) => first_failure = first_failure.or(Some(failure)),
            }
        }
        drop(removed);

        self.installed.extend(done);
        self.installed.retain(|prefix| !gone.contains(prefix));
        first_failure
            .map_or(Ok(counts), |failure| Err(KernelError::netlink("change the kernel's routes")(failure)))
    }

    /// Forgets what is installed, so that the next [`Self::sync`] installs all: for when the adapter was down.
    pub fn forget(&mut self) {
        self.installed.clear();
    }

    /// What is installed.
    pub fn installed(&self) -> impl Iterator<Item = Ipv4Net> {
        self.installed.iter().copied()
    }

    fn route(&self, prefix: Ipv4Net) -> RouteMessage {
        RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.addr(), prefix.prefix_len())
            .gateway(self.path.gateway)
            .output_interface(self.index)
            .onlink()
            .pref_source(self.path.source)
            .priority(ROUTE_METRIC)
            .protocol(RouteProtocol::Other(ROUTE_PROTOCOL))
            .build()
    }

    /// Names our route to `prefix`, wherever it leads.
    fn any_route(&self, prefix: Ipv4Net) -> RouteMessage {
        RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.addr(), prefix.prefix_len())
            .output_interface(self.index)
            .priority(ROUTE_METRIC)
            .protocol(RouteProtocol::Other(ROUTE_PROTOCOL))
            .build()
    }

    async fn list(&self, kernel: &Kernel) -> Result<BTreeSet<Ipv4Net>, KernelError> {
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut messages = std::pin::pin!(kernel.handle().route().get(all).execute());
        let refused = KernelError::netlink("list the kernel's routes");
        let mut found = BTreeSet::new();
        while let Some(message) = messages.try_next().await.map_err(&refused)? {
            let leaves_here =
                message.attributes.iter().any(|a| matches!(a, RouteAttribute::Oif(i) if *i == self.index));
            if leaves_here && message.header.protocol == RouteProtocol::Other(ROUTE_PROTOCOL) {
                found.extend(destination(&message));
            }
        }
        Ok(found)
    }
}

fn destination(message: &RouteMessage) -> Option<Ipv4Net> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    });
    Ipv4Net::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED), message.header.destination_prefix_length).ok()
}
