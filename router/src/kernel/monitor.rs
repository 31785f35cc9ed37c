//! Link state, MTU and addresses of interfaces, as they change.
//!
//! The monitor subscribes first and lists afterwards, so that nothing falls between; when the kernel says that it had
//! to drop messages, the monitor lists again.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _};
use ipnet::Ipv4Net;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, MulticastGroup, new_multicast_connection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::KernelError;
use super::adapter::address_of;
use crate::port::CarrierFlag;

/// The state of an interface, after it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkEvent {
    /// The interface's name.
    pub name: String,
    /// The kernel's index of it; 0 while it is gone.
    pub index: u32,
    /// Whether the medium is there: up, with its carrier.
    pub carrier: bool,
    /// Whether the operator has it up.
    pub admin_up: bool,
    /// Largest datagram; 0 while it is gone.
    pub mtu: u32,
    /// Its IPv4 addresses in the kernel.
    pub addresses: BTreeSet<Ipv4Net>,
    /// Whether there is no such interface.
    pub gone: bool,
    /// Whether it is another interface than the one that a port was opened on, which has gone and left its name: it is
    /// no carrier for that port.
    pub replaced: bool,
}

/// An interface to watch.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Its name. It need not exist yet.
    pub name: String,
    /// The index of the interface that a port was opened on; `None`: whichever has the name.
    pub index: Option<u32>,
    /// A port's carrier, to be kept up to date.
    pub carrier: Option<CarrierFlag>,
}

/// Watches interfaces until it is dropped.
pub struct LinkMonitor {
    events: mpsc::UnboundedReceiver<LinkEvent>,
    tasks: [JoinHandle<()>; 2],
}

impl LinkMonitor {
    /// Starts to watch. The first events say how the interfaces are. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn start(watches: Vec<Watch>) -> Result<Self, KernelError> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr];
        let (connection, handle, mut messages) =
            new_multicast_connection(&groups).map_err(KernelError::system("watch the kernel's links"))?;
        let (sender, events) = mpsc::unbounded_channel();
        let mut state = State { handle, watches, known: HashMap::new(), told: HashMap::new(), sender };
        let watching = async move {
            state.list_until_it_works().await;
            while let Some((message, _)) = messages.next().await {
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => state.learn(&message),
                    // Messages were lost.
                    _ => state.list_until_it_works().await,
                }
                if !state.tell() {
                    return;
                }
            }
        };
        Ok(Self { events, tasks: [tokio::spawn(connection), tokio::spawn(watching)] })
    }

    /// The next change. `None`: the kernel's messages came to an end.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }
}

impl Drop for LinkMonitor {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct State {
    handle: Handle,
    watches: Vec<Watch>,
    /// All interfaces by their index: names move between them.
    known: HashMap<u32, LinkEvent>,
    /// What was said last, by name.
    told: HashMap<String, LinkEvent>,
    sender: mpsc::UnboundedSender<LinkEvent>,
}

impl State {
    async fn list_until_it_works(&mut self) {
        while let Err(error) = self.list().await {
            tracing::warn!(%error, "cannot list the kernel's links; trying again");
            tokio::time::sleep(RETRY).await;
        }
        self.tell();
    }

    async fn list(&mut self) -> Result<(), rtnetlink::Error> {
        self.known.clear();
        let mut links = std::pin::pin!(self.handle.link().get().execute());
        while let Some(link) = links.try_next().await? {
            learn_link(&mut self.known, &link);
        }
        let mut addresses = std::pin::pin!(self.handle.address().get().execute());
        while let Some(address) = addresses.try_next().await? {
            if let (Some(link), Some(net)) = (self.known.get_mut(&address.header.index), address_of(&address))
            {
                link.addresses.insert(net);
            }
        }
        Ok(())
    }

    fn learn(&mut self, message: &RouteNetlinkMessage) {
        match message {
            // A bridge speaks of its ports in messages of its own family: they come and go, the links stay.
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)
                if link.header.interface_family != AddressFamily::Unspec => {}
            RouteNetlinkMessage::NewLink(link) => learn_link(&mut self.known, link),
            RouteNetlinkMessage::DelLink(link) => {
                self.known.remove(&link.header.index);
            }
            RouteNetlinkMessage::NewAddress(address) => {
                if let (Some(link), Some(net)) =
                    (self.known.get_mut(&address.header.index), address_of(address))
                {
                    link.addresses.insert(net);
                }
            }
            RouteNetlinkMessage::DelAddress(address) => {
                if let (Some(link), Some(net)) =
                    (self.known.get_mut(&address.header.index), address_of(address))
                {
                    link.addresses.remove(&net);
                }
            }
            _ => {}
        }
    }

    /// Says what changed. `false`: nobody listens any more.
    fn tell(&mut self) -> bool {
        for watch in &self.watches {
            let found = self.known.values().find(|link| link.name == watch.name);
            let mut now = found.cloned().unwrap_or_else(|| LinkEvent {
                name: watch.name.clone(),
                gone: true,
                ..LinkEvent::default()
            });
            now.replaced = !now.gone && watch.index.is_some_and(|index| index != now.index);
            now.carrier &= !now.replaced;
            if let Some(flag) = &watch.carrier {
                flag.set(now.carrier);
            }
            let before = self.told.get(&watch.name);
            if now.replaced && !before.is_some_and(|before| before.replaced) {
                tracing::warn!(
                    interface = watch.name,
                    "the interface was deleted, and another has its name: restart the node to use it"
                );
            }
            if before != Some(&now) {
                self.told.insert(watch.name.clone(), now.clone());
                if self.sender.send(now).is_err() {
                    return false;
                }
            }
        }
        true
    }
}

fn learn_link(known: &mut HashMap<u32, LinkEvent>, message: &LinkMessage) {
    let link = known.entry(message.header.index).or_default();
    link.index = message.header.index;
    link.admin_up = message.header.flags.contains(LinkFlags::Up);
    link.carrier = link.admin_up && message.header.flags.contains(LinkFlags::LowerUp);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            _ => {}
        }
    }
}

const RETRY: std::time::Duration = std::time::Duration::from_millis(200);
