//! The fabric: a node's membership of a segment, as its user sees it.

pub(crate) mod endpoint;
mod ends;
pub(crate) mod handover;
pub(crate) mod reservation;
pub(crate) mod sink;
pub(crate) mod snapshot;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use self::endpoint::{Endpoint, Parts};
use self::handover::Giver;
use self::snapshot::Snapshot;
use crate::channel::{Channel, PerChannel};
use crate::config::{FabricConfig, NetworkParameters};
use crate::doorbell::Bell;
use crate::error::JoinError;
use crate::event::Event;
use crate::facts::Facts;
use crate::membership::active::ActiveNodes;
use crate::membership::control::{Control, Seams};
use crate::membership::notice::{Notice, Notifier};
use crate::membership::shared::Shared;
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};

/// A node's membership of a segment. Clones are handles to the same; dropping the last one leaves.
#[derive(Clone, Debug)]
pub struct Fabric {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: NodeId,
    shared: Arc<Shared>,
    bells: Vec<Arc<Bell>>,
    notifier: Notifier,
    endpoints: Mutex<PerChannel<Option<Endpoint>>>,
    control: Mutex<Option<JoinHandle<()>>>,
}

impl Fabric {
    /// Joins a segment: takes the node id, prepares an arena, meets all members and announces itself to them.
    ///
    /// # Errors
    /// Why this node cannot be a member of the segment, with what to do about it.
    pub fn join(config: FabricConfig) -> Result<Self, JoinError> {
        let node = config.node_id;
        let queues = config.queues;
        let bell = || Bell::new().map(Arc::new).map_err(JoinError::system("making a doorbell"));
        let bells = (0..queues).map(|_| bell()).collect::<Result<Vec<_>, _>>()?;
        let waker = bell()?;
        let (notifier, notices) = Notifier::new(Arc::clone(&waker));
        let shared = Arc::new(Shared::default());
        let mut takers = PerChannel::new(queues, |_| None);
        let givers = PerChannel::new(queues, |channel| {
            let (giver, taker) = Giver::new(Arc::clone(&bells[usize::from(channel.queue)]));
            takers[channel] = Some(taker);
            giver
        });
        let max_nodes = usize::from(config.max_nodes);
        let control = Control::join(
            config,
            Seams {
                shared: Arc::clone(&shared),
                bells: bells.clone(),
                waker,
                notifier: notifier.clone(),
                notices,
                givers,
            },
        )?;
        let clock = control.clock();
        let lookout = control.lookout();
        let failed = control.timing().failed;
        let endpoints = PerChannel::new(queues, |channel| {
            Some(Endpoint::new(Parts {
                channel,
                me: node,
                max_nodes,
                taker: takers[channel].take()?,
                notifier: notifier.clone(),
                clock: Arc::clone(&clock),
                bell: Arc::clone(&bells[usize::from(channel.queue)]),
                lookout: lookout.clone(),
                failed,
            }))
        });
        let thread = control.start().map_err(JoinError::system("starting the control thread"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                node,
                shared,
                bells,
                notifier,
                endpoints: Mutex::new(endpoints),
                control: Mutex::new(Some(thread)),
            }),
        })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// A network's endpoint, for the thread that moves frames; once each. Of several queues it is that of the first.
    ///
    /// Take it soon: this node may own the network's broadcast and multicast rings, which then wait for it. Dropping it ends this
    /// node's part in them.
    pub fn endpoint(&self, network: Network) -> Option<Endpoint> {
        self.queue(network, 0)
    }

    /// The endpoint of one of a network's [queues](Self::queues), from 0; once each. Each may be in a thread of its own, but
    /// both networks' endpoints of the same queue belong to one thread, as they have one doorbell.
    ///
    /// Peers send by any queue, so all of them have to be read by somebody. Dropping an endpoint says so to nobody: frames to
    /// it fill the ring, and are refused then.
    pub fn queue(&self, network: Network, queue: u8) -> Option<Endpoint> {
        let mut endpoints = self.inner.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.get_mut(Channel { network, queue })?.take()
    }

    /// How many queues each network has, as configured.
    pub fn queues(&self) -> u8 {
        self.inner.bells.len() as u8
    }

    /// The table of active nodes in local memory. A load without a lock.
    pub fn active_nodes(&self) -> Arc<ActiveNodes> {
        self.inner.shared.active.load_full()
    }

    /// What membership sees from now on, after what is still in the log. A listener that does not read loses events, and sees
    /// the gap in their numbers.
    pub fn events(&self) -> Receiver<Event> {
        self.inner.shared.log.listen()
    }

    /// The last thousand events or so.
    pub fn recent_events(&self) -> Vec<Event> {
        self.inner.shared.log.recent()
    }

    /// Publishes what this node says about itself.
    pub fn publish_facts(&self, facts: Facts) {
        self.inner.notifier.tell(Notice::Facts(facts));
    }

    /// From now on this node takes these multicast frames of a network, and no others. Peers learn of it at once: what nobody
    /// takes is not even sent. A node that has not called this takes every multicast frame. Broadcast frames go to all.
    pub fn subscribe(&self, network: Network, filter: MulticastFilter) {
        self.inner.notifier.tell(Notice::Multicast(network, filter));
    }

    /// From now on this node requires other parameters of nodes that join, and says so in its arena. Those that it is
    /// connected with stay: it is for whoever changes them to change them everywhere. A node that joins in the very moment
    /// of the change may see neither and be refused; it finds the new ones when it tries again.
    pub fn publish_parameters(&self, parameters: [NetworkParameters; 2]) {
        self.inner.notifier.tell(Notice::Parameters(parameters));
    }

    /// A picture of the segment. After this node has left it is an empty one.
    pub fn snapshot(&self) -> Snapshot {
        let (sender, receiver) = mpsc::channel();
        self.inner.notifier.tell(Notice::Snapshot(sender));
        receiver.recv().unwrap_or_else(|_| Snapshot::empty(self.inner.node))
    }

    /// The last picture of the segment that the fabric's thread has left: no older than a fifth of a second while that
    /// thread runs, and after a change of the active nodes at most 10 ms. A load without a lock or a wait, whatever the thread
    /// is doing.
    pub fn picture(&self) -> Arc<Snapshot> {
        let picture = self.inner.shared.picture.load_full();
        picture.unwrap_or_else(|| Arc::new(Snapshot::empty(self.inner.node)))
    }

    /// The doorbell of the first queue's endpoints, as [`Endpoint::doorbell`]: readable when a peer rang, or when they have
    /// something new to take over. For a thread that sleeps; see [`Endpoint::prepare_sleep`].
    pub fn doorbell(&self) -> BorrowedFd<'_> {
        self.inner.bells[0].as_fd()
    }

    /// Leaves the segment: all peers see it at once. The endpoints send and receive nothing any more.
    pub fn leave(&self) {
        self.inner.leave();
    }
}

impl Inner {
    fn leave(&self) {
        let thread = self.control.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.notifier.tell(Notice::Leave);
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.leave();
    }
}
