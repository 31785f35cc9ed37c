//! Looking at the whole segment now and then, for what nobody told.

use super::control::Control;
use crate::event::FailureReason;
use crate::node::NodeId;

impl Control {
    /// Looks at the whole segment for what was missed.
    pub(super) fn survey(&mut self) {
        if self.life.is_none() {
            if self.retry {
                self.rejoin();
            }
            return;
        }
        if !self.lock.still_held() {
            self.lose_id();
            return;
        }
        if self.life.as_ref().is_some_and(|life| !life.is_intact()) {
            tracing::error!(
                "somebody else wrote to this node's own arena or cut it short; rejoining with a new one"
            );
            self.on_closed(self.setup.me);
            return;
        }
        self.look_at_segment();
        self.inspect_peers();
    }

    /// Meets whoever is new; whether anybody is there who could not be met yet.
    pub(super) fn look_for_newcomers(&mut self) -> bool {
        if self.life.is_none() {
            return true;
        }
        let mut unmet = false;
        for (node, _) in self.setup.facility.present().unwrap_or_default() {
            if node != self.setup.me && !self.peers.contains_key(&node) {
                self.look(node);
                unmet |= !self.peers.contains_key(&node);
            }
        }
        unmet
    }

    /// Meets whoever is new, and looks at everybody else.
    pub(super) fn look_at_segment(&mut self) {
        let present = match self.setup.facility.present() {
            Ok(present) => present,
            Err(error) => {
                tracing::warn!(%error, "cannot look at the segment");
                return;
            }
        };
        for (node, stamp) in present {
            if node == self.setup.me {
                continue;
            }
            if self.peers.get(&node).is_some_and(|peer| peer.stamp != stamp) {
                self.replaced(node);
            }
            self.look(node);
        }
        self.close_ended();
    }

    /// Closes those whose processes have ended, as the facility says, before their silence tells.
    fn close_ended(&mut self) {
        let facility = &self.setup.facility;
        let ended: Vec<(NodeId, u64)> = self
            .peers
            .iter()
            .filter(|(node, peer)| facility.has_ended(**node, peer.stamp))
            .map(|(node, peer)| (*node, peer.incarnation))
            .collect();
        for (node, incarnation) in ended {
            // It may have left in order before that.
            self.look(node);
            if self.is_current(node, incarnation) {
                self.fail(node, FailureReason::HungUp);
            }
        }
    }
}
