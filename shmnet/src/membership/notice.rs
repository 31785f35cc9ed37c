//! What is told to the control thread, by all the others.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::channel::Channel;
use crate::config::NetworkParameters;
use crate::doorbell::Bell;
use crate::fabric::handover::Reply;
use crate::fabric::snapshot::Snapshot;
use crate::facts::Facts;
use crate::liveness::heartbeat::Pulse;
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};

/// One message.
#[derive(Debug)]
pub(crate) enum Notice {
    /// From the heartbeat thread, about a peer's incarnation.
    Pulse(NodeId, u64, Pulse),
    /// From the watcher: the liveness word of a peer's incarnation is not held any more.
    Gone(NodeId, u64),
    /// A node that is no peer has closed this node's incarnation.
    Accused(NodeId),
    /// From an endpoint.
    Reply(Channel, Reply),
    /// The user dropped an endpoint.
    EndpointDropped(Channel),
    /// The user takes other multicast addresses on a network.
    Multicast(Network, MulticastFilter),
    /// The user has new facts.
    Facts(Facts),
    /// The user requires other parameters.
    Parameters([NetworkParameters; 2]),
    /// The user wants to see everything.
    Snapshot(Sender<Snapshot>),
    /// The user leaves.
    Leave,
}

/// Tells the control thread something, and wakes it.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    sender: Sender<Notice>,
    bell: Arc<Bell>,
}

impl Notifier {
    /// A notifier, and where its notices arrive after `bell` was rung.
    pub(crate) fn new(bell: Arc<Bell>) -> (Self, Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel();
        (Self { sender, bell }, receiver)
    }

    /// Whether the control thread is still there does not matter to those who tell it something.
    pub(crate) fn tell(&self, notice: Notice) {
        if self.sender.send(notice).is_ok() {
            self.bell.ring();
        }
    }

    pub(crate) fn reply(&self, channel: Channel, reply: Reply) {
        self.tell(Notice::Reply(channel, reply));
    }
}
