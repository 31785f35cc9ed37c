//! The kernel's side of the node: its interfaces, addresses and routes, and what it must not do.
//!
//! | module | subject |
//! |---|---|
//! | [`adapter`] | `lsm0` and `gsm0`: up, with addresses and sane ARP |
//! | [`routes`] | the kernel's routes into the cluster and to the outside |
//! | [`guard`] | keeps the kernel from acting on frames that a packet port takes |
//! | [`monitor`] | link state, MTU and addresses as they change |
//! | [`multicast`] | the multicast groups that programs have joined on the adapters |
//!
//! All of it is control: it runs in tokio and never on the packet path.

pub mod adapter;
mod error;
pub mod guard;
pub mod monitor;
pub mod multicast;
pub mod routes;
mod settings;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::link::{LinkFlags, LinkMessage};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};
use tokio::task::JoinHandle;

pub use error::KernelError;

/// A conversation with the kernel by rtnetlink, in the network namespace that it was opened in.
pub struct Kernel {
    handle: rtnetlink::Handle,
    task: JoinHandle<()>,
}

impl Kernel {
    /// Opens the conversation. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn connect() -> Result<Self, KernelError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(KernelError::system("open a netlink socket"))?;
        Ok(Self { handle, task: tokio::spawn(connection) })
    }

    pub(crate) fn handle(&self) -> &rtnetlink::Handle {
        &self.handle
    }

    /// The index of the interface `name`.
    ///
    /// # Errors
    /// There is none.
    pub async fn interface_index(&self, name: &str) -> Result<u32, KernelError> {
        Ok(self.link(name).await?.header.index)
    }

    /// Brings an interface up, as an operator's `ip link set NAME up` does. Of one that is up nothing is asked.
    ///
    /// # Errors
    /// There is no such interface, or the process lacks `CAP_NET_ADMIN`.
    pub async fn bring_up(&self, name: &str) -> Result<(), KernelError> {
        let header = self.link(name).await?.header;
        if header.flags.contains(LinkFlags::Up) {
            return Ok(());
        }
        let link = LinkMessageBuilder::<LinkUnspec>::new().index(header.index).up().build();
        self.handle.link().set(link).execute().await.map_err(KernelError::netlink("bring an interface up"))
    }

    async fn link(&self, name: &str) -> Result<LinkMessage, KernelError> {
        let unknown = || KernelError::UnknownInterface { name: name.to_owned() };
        let found = self.handle.link().get().match_name(name).execute().try_next().await;
        match found {
            Ok(link) => link.ok_or_else(unknown),
            Err(error) if error::code(&error) == Some(libc::ENODEV) => Err(unknown()),
            Err(error) => Err(KernelError::netlink("look an interface up")(error)),
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.task.abort();
    }
}
