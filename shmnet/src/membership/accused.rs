//! What the control thread does when a peer has closed this node's incarnation.

use std::time::Instant;

use super::control::Control;
use super::refutation::{Evidence, Verdict, believable_timeout};
use super::survey;
use crate::config::Timing;
use crate::event::{EventKind, FailureReason};
use crate::node::NodeId;
use crate::quarantine::QuarantineCause;

impl Control {
    /// A node has closed this node's incarnation: it is right, or it is broken with.
    pub(super) fn on_accused(&mut self, by: NodeId) {
        let Some(timing) = self.accusation(by) else { return };
        self.accusers.insert(by);
        let (me, incarnation) = (self.setup.me, self.life.as_ref().map_or(0, |life| life.incarnation));
        let others = || self.peers.values().filter(|peer| !self.accusers.contains(&peer.node));
        let evidence = Evidence {
            silence: self.setup.clock.longest_silence(),
            timeout: believable_timeout(self.setup.timing, timing),
            accusers: self.accusers.len()
                + others().filter(|peer| peer.arena.closed(me) >= incarnation).count(),
            peers: self.accusers.len() + others().count(),
        };
        let verdict = self.refutations.judge(Instant::now(), by, evidence);
        if verdict == Verdict::Rejoin {
            self.on_closed(by);
            return;
        }
        tracing::warn!(
            node = by.get(),
            ?evidence,
            ?verdict,
            "a peer has closed this node's incarnation without cause; only its own rings are given up"
        );
        let (peer, why) = (self.peers.get(&by), format!("it closed incarnation {incarnation} of this node"));
        let theirs = peer.map_or(0, |peer| peer.incarnation);
        self.remember_quarantine(by, theirs, QuarantineCause::Accusation, why);
        self.fail(by, FailureReason::ClosedUs);
        if verdict == Verdict::Ignore {
            let why = "it closed this node's incarnations without cause, time and again".to_owned();
            self.log(by, incarnation, EventKind::Refused { why });
        }
    }

    /// The timeouts of a live node that has closed this node's incarnation, unless that was weighed before.
    fn accusation(&self, by: NodeId) -> Option<Timing> {
        let incarnation = self.life.as_ref()?.incarnation;
        match self.peers.get(&by) {
            Some(peer) => (peer.arena.closed(self.setup.me) >= incarnation).then_some(peer.identity.timing),
            None if self.accusers.contains(&by) => None,
            None => survey::accusation(&self.setup, by, incarnation),
        }
    }

    /// The time has come to begin the next incarnation for peers that were broken with: an honest one can meet this node
    /// only there.
    pub(super) fn reconsider(&mut self) {
        self.refutations.settled();
        let Some(life) = &self.life else { return };
        let still = |node: &NodeId| survey::accusation(&self.setup, *node, life.incarnation).is_some();
        let accusers: Vec<NodeId> = self.accusers.iter().copied().filter(still).collect();
        // Who does not say so any more, as its arena is between two incarnations, may say so again in its next one. That is another
        // accusation: were it passed over as weighed before, the two would never meet again.
        self.accusers.retain(|node| accusers.contains(node));
        let peers = self.peers.len() + accusers.len();
        if let Some(by) = accusers.first()
            && self.refutations.is_worth_it(Instant::now(), &accusers, peers)
        {
            self.on_closed(*by);
        }
    }
}
