//! Becoming a member, ceasing to be one, and becoming one again.

use std::io;
use std::sync::Arc;

use super::control::{Control, Stale};
use super::life::Life;
use super::survey;
use crate::doorbell::attention::Sleeper;
use crate::error::JoinError;
use crate::event::EventKind;
use crate::fabric::handover::{Beginning, GroupGauge, Handover};
use crate::layout::State;
use crate::node::{Network, NodeId};

impl Control {
    /// Becomes a member, in the next incarnation.
    pub(super) fn enter(&mut self) -> Result<(), JoinError> {
        let me = self.setup.me;
        let survey = survey::survey(&self.setup)?;
        let former = survey.remembered.max(self.lock.previous());
        if self.setup.facility.reuses_memory() {
            survey::await_closing(&self.setup, &survey.live, former)?;
        }
        self.unproven.clear();
        for (node, unproven) in survey.proven {
            self.unproven.insert(node, unproven);
        }
        if survey.live.is_empty() {
            self.setup.facility.sweep(me);
        }
        // What our own former incarnation took is given back before more is asked for.
        self.setup.facility.remove(me);

        let life = Life::begin(&self.setup, former + 1, survey.live.len(), &self.facts, self.lock.claim())?;
        if let Some(listener) = &life.listener {
            self.ears.hear_listener(listener).map_err(JoinError::system("listening for doorbells"))?;
        }
        for (node, incarnation) in &self.closed {
            life.arena.close(*node, *incarnation);
        }
        self.life = Some(life);
        Network::ALL.into_iter().for_each(|network| self.filter_multicast(network));
        self.subscribe();
        let entered = self.show(&survey.live);
        if entered.is_err() {
            self.end_life();
            self.setup.facility.remove(me);
        }
        entered
    }

    /// Allocates rings for the live members, shows the arena, and announces it to all.
    fn show(&mut self, live: &[NodeId]) -> Result<(), JoinError> {
        self.begin_endpoints()?;
        for node in live {
            self.meet(*node);
        }
        self.publish_members();
        let Some(life) = &mut self.life else { return Ok(()) };
        self.setup.facility.show(self.setup.me)?;
        life.shown = true;
        life.arena.set_state(life.incarnation, State::Active);
        life.arena.changed();
        self.lock.record(life.incarnation, &self.setup.hostname);
        self.look_at_segment();
        self.stale.peers = true;
        self.settle();
        self.take_picture();
        Ok(())
    }

    fn begin_endpoints(&mut self) -> Result<(), JoinError> {
        let Some(life) = &mut self.life else { return Ok(()) };
        for channel in self.setup.layout.channels() {
            let network = channel.network;
            let gauge = || Arc::new(GroupGauge::new(self.setup.layout.max_nodes));
            let groups = channel.has_groups().then(|| life.groups[network.index()].take()).flatten();
            let groups = groups.map(|groups| groups.map(|group| (group, gauge())));
            if let Some(groups) = &groups {
                let gauges = groups.each_ref().map(|(_, gauge)| Arc::clone(gauge));
                self.group_gauges[network.index()] = Some(gauges);
            }
            let attention = life.arena.attention(channel).map_err(io::Error::other);
            let attention = attention.map_err(JoinError::system("laying out the arena"))?;
            let beginning = Beginning {
                incarnation: life.incarnation,
                claim: self.lock.claim(),
                sleeper: Sleeper::new(attention),
                groups,
            };
            self.seams.givers[channel].give(Handover::Begin(Box::new(beginning)));
        }
        Ok(())
    }

    /// This node's incarnation was closed, and not without cause: it ends here, and the next one begins.
    pub(super) fn on_closed(&mut self, by: NodeId) {
        let Some(life) = &self.life else { return };
        self.log(self.setup.me, life.incarnation, EventKind::SelfClosed { by });
        self.end_life();
        self.publish();
        self.rejoin();
    }

    pub(super) fn rejoin(&mut self) {
        let me = self.setup.me;
        if !self.lock.still_held() {
            let why = format!("another process has taken node id {me}");
            self.retry = false;
            self.log(me, 0, EventKind::RejoinFailed { why });
            return;
        }
        match self.enter() {
            Ok(()) => {
                self.retry = false;
                let incarnation = self.life.as_ref().map_or(0, |life| life.incarnation);
                self.log(me, incarnation, EventKind::Rejoined);
            }
            Err(error) => {
                let first = !std::mem::replace(&mut self.retry, true);
                if first {
                    self.log(me, 0, EventKind::RejoinFailed { why: error.to_string() });
                }
            }
        }
    }

    /// Ends this incarnation, without a word to the peers.
    fn end_life(&mut self) {
        for (_, giver) in self.seams.givers.iter() {
            giver.give(Handover::End);
        }
        self.unpublished = None;
        self.stale = Stale::default();
        self.peers.clear();
        self.unproven.clear();
        self.ears.hang_up();
        self.unforgotten.clear();
        self.accusers.clear();
        self.refutations.settled();
        self.group_gauges = [None, None];
        self.life = None;
    }

    pub(super) fn leave(&mut self) {
        if let Some(life) = &self.life {
            let still_ours = self.lock.still_held();
            // What another process has taken over may be the very same memory.
            if still_ours || !self.setup.facility.reuses_memory() {
                life.arena.set_state(life.incarnation, State::Left);
                self.tell_peers();
            }
            self.end_life();
            if still_ours {
                self.setup.facility.remove(self.setup.me);
            }
        }
        self.publish();
        self.take_picture();
    }

    /// Another process is this node now.
    pub(super) fn lose_id(&mut self) {
        let me = self.setup.me;
        let why = format!("another process has taken node id {me}");
        self.end_life();
        self.publish();
        self.log(me, 0, EventKind::RejoinFailed { why });
    }
}
