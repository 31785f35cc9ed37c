//! What others see of this node and of what it knows: its arena, the table of active nodes, the snapshot, the endpoints.

use std::sync::Arc;

use super::control::Control;
use super::peer::Peer;
use crate::channel::Channel;
use crate::doorbell::link::Speaker;
use crate::fabric::handover::{Giver, Handover};
use crate::multicast::MulticastFilter;
use crate::node::Network;

impl Control {
    /// Says in the arena which networks' groups this node reads.
    pub(super) fn subscribe(&mut self) {
        if let Some(life) = &self.life {
            let bitmap = u64::from(self.reads[0]) | u64::from(self.reads[1]) << 1;
            life.arena.set_subscriptions(bitmap);
            self.tell_peers();
        }
    }

    /// Says in the arena which multicast addresses this node takes, and has the endpoint take no others.
    pub(super) fn filter_multicast(&self, network: Network) {
        let filter = &self.multicast[network.index()];
        if let Some(life) = &self.life {
            life.arena.publish_multicast(network, filter);
        }
        self.group_giver(network).give(Handover::Takes(filter.clone()));
    }

    /// To the endpoint that has the groups of a network.
    fn group_giver(&self, network: Network) -> &Giver {
        &self.seams.givers[Channel { network, queue: 0 }]
    }

    /// Makes peers look at this node's arena.
    pub(super) fn tell_peers(&self) {
        let Some(life) = &self.life else { return };
        life.arena.changed();
        let me = Speaker { node: self.setup.me, incarnation: life.incarnation };
        for link in self.peers.values().filter_map(|peer| peer.link.as_ref()) {
            link.look(me);
        }
    }

    /// Shows the table of active nodes, and tells the endpoints and threads who the members are.
    pub(super) fn publish(&self) {
        self.seams.shared.active.store(Arc::new(self.active_nodes()));
        self.take_picture();
    }

    /// Leaves a snapshot where it is found without asking this thread.
    pub(super) fn take_picture(&self) {
        self.seams.shared.picture.store(Some(Arc::new(self.snapshot())));
    }

    /// Hands the peers to the threads that look after them.
    pub(super) fn publish_peers(&self) {
        if let Some(life) = &self.life {
            life.roster.replace(self.peers.values().map(Peer::watched).collect());
        }
        if let Some(thread) = &self.lookout {
            thread.lookout().watch(self.peers.values().filter_map(|peer| peer.line.clone()).collect());
        }
        for network in Network::ALL {
            let subscribed = self.peers.values().filter(|peer| peer.subscribed[network.index()]);
            let wanted =
                MulticastFilter::union(subscribed.clone().map(|peer| &peer.multicast[network.index()]));
            let members = subscribed.map(|peer| peer.node.group_number()).collect();
            self.group_giver(network).give(Handover::Members { members, wanted });
        }
        self.publish();
    }
}
