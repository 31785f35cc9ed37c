//! What others see of this node and of what it knows: its arena, the table of active nodes, the snapshot, the endpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::control::{Control, NEW_PICTURE, PICTURE, pause_after, thread_time};
use super::peer::Peer;
use crate::channel::Channel;
use crate::doorbell::link::Speaker;
use crate::fabric::handover::{Giver, Handover};
use crate::multicast::MulticastFilter;
use crate::node::{Network, NodeId};

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

    /// Makes all peers look at this node's arena.
    pub(super) fn tell_peers(&self) {
        let Some(life) = &self.life else { return };
        life.arena.changed();
        let me = Speaker { node: self.setup.me, incarnation: life.incarnation };
        for link in self.peers.values().filter_map(|peer| peer.link.as_ref()) {
            link.look(me);
        }
    }

    /// Makes one peer look at this node's arena, for what concerns nobody else: were all to look, as many nodes that meet a new
    /// one would have to look as often as there are pairs of them.
    pub(super) fn tell_peer(&self, node: NodeId) {
        let Some(life) = &self.life else { return };
        match self.peers.get(&node).and_then(|peer| peer.link.as_ref()) {
            Some(link) => link.look(Speaker { node: self.setup.me, incarnation: life.incarnation }),
            // Its heartbeat finds it.
            None => life.arena.changed(),
        }
    }

    /// Shows the table of active nodes, and soon the snapshot.
    pub(super) fn publish(&mut self) {
        self.stale.active = false;
        self.seams.shared.active.store(Arc::new(self.active_nodes()));
        let soon = (Instant::now() + NEW_PICTURE).max(self.no_picture_before);
        self.next_picture = self.next_picture.min(soon);
    }

    /// Leaves a snapshot where it is found without asking this thread.
    pub(super) fn take_picture(&mut self) {
        let began = thread_time();
        self.seams.shared.picture.store(Some(Arc::new(self.snapshot())));
        let now = Instant::now();
        self.next_picture = now + pause_after(began, PICTURE);
        self.no_picture_before = now + pause_after(began, Duration::ZERO);
    }

    /// Has the peers published soon: at the latest when nothing more happens for the moment.
    pub(super) fn publish_peers_soon(&mut self) {
        self.unpublished.get_or_insert_with(Instant::now);
    }

    /// Shows what has changed in this turn.
    pub(super) fn settle(&mut self) {
        if self.stale.members {
            self.publish_members();
        }
        if self.stale.peers {
            self.publish_peers();
        } else if self.stale.active {
            self.publish();
        }
    }

    /// Hands the peers to the threads that look after them, and shows them to all.
    pub(super) fn publish_peers(&mut self) {
        self.unpublished = None;
        self.stale.peers = false;
        if let Some(life) = &self.life {
            life.roster.replace(self.peers.values().map(Peer::watched).collect());
        }
        if let Some(thread) = &self.lookout {
            thread.lookout().watch(self.peers.values().filter_map(|peer| peer.line.clone()).collect());
        }
        self.publish();
    }

    /// Tells the endpoints who the members of their groups are, and what these take.
    pub(super) fn publish_members(&mut self) {
        self.stale.members = false;
        for network in Network::ALL {
            let subscribed = self.peers.values().filter(|peer| peer.subscribed[network.index()]);
            let wanted =
                MulticastFilter::union(subscribed.clone().map(|peer| &peer.multicast[network.index()]));
            let members = subscribed.map(|peer| peer.node.group_number()).collect();
            self.group_giver(network).give(Handover::Members { members, wanted });
        }
    }
}
