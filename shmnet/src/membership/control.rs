//! The control thread: the loop, joining, leaving and rejoining.
//!
//! What is done about a single peer is in [`super::meeting`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::agree::Requirements;
use super::life::{Life, Setup};
use super::notice::{Notice, Notifier};
use super::peer::Peer;
use super::refutation::Refutations;
use super::shared::Shared;
use super::survey;
use crate::config::{BackOff, Backing, FabricConfig, Timing};
use crate::doorbell::Bell;
use crate::doorbell::activity::{Lookout, LookoutThread};
use crate::doorbell::attention::Sleeper;
use crate::doorbell::link::{Link, Listener, Said, Speaker};
use crate::error::JoinError;
use crate::event::{EventKind, FailureReason};
use crate::fabric::handover::{Beginning, Giver, GroupGauge, Handover, Reply};
use crate::facility::{self, IdLock, Liveness, Terms, Wakes};
use crate::facts::Facts;
use crate::group::GroupEndpoint;
use crate::layout::{Chunk, Layout, State};
use crate::liveness::heartbeat::{BeatClock, Pulse};
use crate::liveness::quota;
use crate::multicast::MulticastFilter;
use crate::node::{Cast, Network, NodeId};
use crate::quarantine::Quarantines;
use crate::ring::Limits;

/// What connects the control thread with the rest of the process.
pub(crate) struct Seams {
    pub(crate) shared: Arc<Shared>,
    /// The data thread's doorbell.
    pub(crate) bell: Arc<Bell>,
    /// The control thread's own.
    pub(crate) waker: Arc<Bell>,
    pub(crate) notifier: Notifier,
    pub(crate) notices: Receiver<Notice>,
    /// To the LSM's and the GSM's endpoint.
    pub(crate) givers: [Giver; 2],
}

/// All that membership knows.
pub(crate) struct Control {
    pub(super) setup: Setup,
    pub(super) seams: Seams,
    pub(super) lock: Box<dyn IdLock>,
    pub(super) facts: Facts,
    /// `None` while this node is not a member.
    pub(super) life: Option<Life>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// The last incarnation of each node that this node has closed.
    pub(super) closed: BTreeMap<NodeId, u64>,
    /// Those that were refused, so that each is complained about once.
    pub(super) refused: BTreeMap<NodeId, u64>,
    /// What is held against peers that have closed this node's incarnations without cause.
    pub(super) refutations: Refutations,
    /// Those that were broken with since this incarnation began, for they have closed it.
    pub(super) accusers: BTreeSet<NodeId>,
    /// Rings of closed incarnations that an endpoint may still use.
    pub(super) unforgotten: Vec<Unforgotten>,
    pub(super) quarantines: Quarantines,
    /// Nodes that may live, where only the heart can tell, and has not yet told.
    pub(super) unproven: BTreeMap<NodeId, Unproven>,
    /// Looks for what wakes this node, where no doorbell does.
    lookout: Option<LookoutThread>,
    pub(super) group_gauges: [Option<[Arc<GroupGauge>; 2]>; 2],
    /// Which networks' groups this node reads: both, until it drops an endpoint. From the first on, so that no peer gives up
    /// a frame for which this node was not yet waited.
    reads: [bool; 2],
    /// The multicast addresses that this node takes: all, until it says which.
    pub(super) multicast: [MulticastFilter; 2],
    callers: Vec<Caller>,
    retry: bool,
}

/// See [`Control::unforgotten`].
pub(super) struct Unforgotten {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    pub(super) network: Network,
    pub(super) chunks: Vec<Chunk>,
}

/// A node whose heart was not yet seen to beat.
#[derive(Debug)]
pub(super) struct Unproven {
    pub(super) incarnation: u64,
    /// The heartbeats at first, and when that was.
    pub(super) beats: u64,
    pub(super) since: Instant,
}

/// Someone who connected to our doorbell.
struct Caller {
    link: Link,
    node: Option<NodeId>,
}

impl Control {
    /// Joins the segment; the thread is not yet started.
    pub(crate) fn join(config: FabricConfig, seams: Seams) -> Result<Self, JoinError> {
        let FabricConfig {
            node_id: me,
            backing,
            coherence,
            max_nodes,
            geometry,
            timing,
            parameters,
            facts,
            takeover,
            budget,
        } = config;
        if me.get() > max_nodes {
            return Err(JoinError::IdOutOfRange { node: me, max_nodes });
        }
        check_timing(timing)?;
        for ring in geometry {
            if ring.bytes() > Limits::default().max_bytes {
                let value = format!("{} x {} bytes", ring.slots(), ring.buffer());
                return Err(JoinError::BadValue { field: "ring", value, allowed: "at most 64 MiB" });
            }
        }
        let layout = Layout::new(max_nodes).ok_or_else(|| JoinError::BadValue {
            field: "max-nodes",
            value: max_nodes.to_string(),
            allowed: "1 to 254",
        })?;
        let cpu_quota = quota::is_limited();
        let timing =
            if cpu_quota { Timing { failed: timing.failed.max(QUOTA_FAILED), ..timing } } else { timing };
        let back_off =
            if let Backing::Region(_, back_off) = &backing { *back_off } else { BackOff::default() };
        let facility = facility::facility(backing, Terms { max_nodes, timing, coherence })?;
        facility.bells(&seams.bell, &seams.waker);
        let setup = Setup {
            me,
            facility,
            layout,
            geometry,
            requirements: Requirements { geometry: layout.geometry_words(geometry), parameters },
            timing,
            cpu_quota,
            hostname: hostname(),
            budget,
            notifier: seams.notifier.clone(),
            clock: Arc::new(BeatClock::new()),
        };
        let lock = setup.facility.lock(me, takeover)?;
        let lookout = (setup.facility.wakes() == Wakes::Activity)
            .then(|| LookoutThread::start(Arc::clone(&seams.bell), back_off))
            .transpose()
            .map_err(JoinError::system("starting the lookout"))?;
        let mut control = Self {
            setup,
            seams,
            lock,
            facts,
            life: None,
            peers: BTreeMap::new(),
            closed: BTreeMap::new(),
            refused: BTreeMap::new(),
            refutations: Refutations::default(),
            accusers: BTreeSet::new(),
            unforgotten: Vec::new(),
            quarantines: Quarantines::default(),
            unproven: BTreeMap::new(),
            lookout,
            group_gauges: [None, None],
            reads: [true; 2],
            multicast: [MulticastFilter::all(), MulticastFilter::all()],
            callers: Vec::new(),
            retry: false,
        };
        control.enter()?;
        Ok(control)
    }

    pub(crate) fn clock(&self) -> Arc<BeatClock> {
        Arc::clone(&self.setup.clock)
    }

    /// What the endpoints tell when they sleep, where no doorbell wakes them.
    pub(crate) fn lookout(&self) -> Option<Arc<Lookout>> {
        self.lookout.as_ref().map(|thread| Arc::clone(thread.lookout()))
    }

    pub(crate) fn timing(&self) -> Timing {
        self.setup.timing
    }

    /// Starts the thread.
    pub(crate) fn start(mut self) -> io::Result<JoinHandle<()>> {
        Builder::new().name("shm-control".into()).spawn(move || self.run())
    }

    /// Becomes a member, in the next incarnation.
    fn enter(&mut self) -> Result<(), JoinError> {
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
        let Some(life) = &mut self.life else { return Ok(()) };
        self.setup.facility.show(self.setup.me)?;
        life.shown = true;
        life.arena.set_state(life.incarnation, State::Active);
        life.arena.changed();
        self.lock.record(life.incarnation, &self.setup.hostname);
        self.look_at_segment();
        self.publish();
        Ok(())
    }

    fn begin_endpoints(&mut self) -> Result<(), JoinError> {
        let Some(life) = &self.life else { return Ok(()) };
        let broken = |error: &dyn std::fmt::Display| JoinError::System {
            what: "laying out the arena",
            error: io::Error::other(error.to_string()),
        };
        for network in Network::ALL {
            let group = |kind| {
                let area = life.arena.group(network, kind).map_err(|error| broken(&error))?;
                let number = self.setup.me.group_number();
                GroupEndpoint::new(area, number, life.incarnation, self.setup.layout.group)
                    .map_err(|error| broken(&error))
            };
            let gauge = || Arc::new(GroupGauge::new(self.setup.layout.max_nodes));
            let gauges = [gauge(), gauge()];
            let beginning = Beginning {
                incarnation: life.incarnation,
                claim: self.lock.claim(),
                sleeper: Sleeper::new(life.arena.attention(network).map_err(|error| broken(&error))?),
                groups: [group(0)?, group(1)?],
                group_gauges: gauges.clone(),
            };
            self.group_gauges[network.index()] = Some(gauges);
            self.seams.givers[network.index()].give(Handover::Begin(Box::new(beginning)));
        }
        Ok(())
    }

    fn run(&mut self) {
        let mut next_survey = Instant::now() + SURVEY;
        let mut next_picture = Instant::now() + PICTURE;
        // Where nothing tells of those who join and that they live, they are looked for.
        let looks = self.setup.facility.liveness() == Liveness::Heartbeat;
        let mut next_look = looks.then(|| Instant::now() + NEWCOMERS);
        loop {
            let soonest = next_survey.min(next_picture);
            let next = self.refutations.rejoin_at().into_iter().chain(next_look).fold(soonest, Instant::min);
            self.wait(next.saturating_duration_since(Instant::now()));
            self.seams.waker.silence();
            if self.life.is_some() && self.lock.claim().is_some_and(|claim| !claim.is_held()) {
                // Before anything is written for what was heard.
                self.lose_id();
            }
            if self.setup.facility.has_news() && self.life.is_some() {
                self.look_at_segment();
            }
            self.accept_callers();
            self.hear_callers();
            self.hear_peers();
            while let Ok(notice) = self.seams.notices.try_recv() {
                if matches!(notice, Notice::Leave) {
                    self.leave();
                    return;
                }
                self.handle(notice);
            }
            if self.refutations.rejoin_at().is_some_and(|at| at <= Instant::now()) {
                self.reconsider();
            }
            if next_look.is_some_and(|at| at <= Instant::now()) {
                next_look = Some(Instant::now() + NEWCOMERS);
                self.look_for_newcomers();
            }
            if Instant::now() >= next_survey {
                next_survey = Instant::now() + SURVEY;
                self.survey();
            }
            if Instant::now() >= next_picture {
                next_picture = Instant::now() + PICTURE;
                self.take_picture();
            }
        }
    }

    /// Waits for anything to happen.
    fn wait(&self, timeout: Duration) {
        let mut fds = vec![PollFd::from_borrowed_fd(self.seams.waker.as_fd(), PollFlags::IN)];
        if let Some(life) = &self.life {
            fds.extend(life.listener.as_ref().map(|it| PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN)));
        }
        let links = self.peers.values().filter_map(|peer| peer.link.as_ref());
        for link in links.chain(self.callers.iter().map(|caller| &caller.link)) {
            fds.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN));
        }
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // Interrupted or not, everything is looked at next.
        let _ = poll(&mut fds, Some(&timeout));
    }

    fn handle(&mut self, notice: Notice) {
        match notice {
            Notice::Pulse(node, incarnation, pulse) => self.on_pulse(node, incarnation, pulse),
            Notice::Gone(node, incarnation) => {
                if self.is_current(node, incarnation) {
                    self.look(node);
                    if self.is_current(node, incarnation) {
                        self.fail(node, FailureReason::ProcessDeath);
                    }
                }
            }
            Notice::Accused(node) => self.on_accused(node),
            Notice::Reply(network, reply) => self.on_reply(network, reply),
            Notice::EndpointDropped(network) => {
                self.reads[network.index()] = false;
                self.subscribe();
            }
            Notice::Multicast(network, filter) => {
                self.multicast[network.index()] = filter;
                self.filter_multicast(network);
                self.tell_peers();
                self.take_picture();
            }
            Notice::Facts(facts) => {
                self.facts = facts;
                if let Some(life) = &self.life {
                    life.arena.publish_facts(&self.facts);
                    self.tell_peers();
                }
                self.publish();
            }
            Notice::Parameters(parameters) => {
                self.setup.requirements.parameters = parameters;
                if let Some(life) = &mut self.life {
                    life.require(parameters);
                }
                // Whoever was refused is looked at once more.
                self.refused.clear();
                self.tell_peers();
            }
            Notice::Snapshot(sender) => {
                let _ = sender.send(self.snapshot());
            }
            // Handled by the loop.
            Notice::Leave => {}
        }
    }

    fn on_pulse(&mut self, node: NodeId, incarnation: u64, pulse: Pulse) {
        if pulse == Pulse::IdLost && self.life.as_ref().is_some_and(|life| life.incarnation == incarnation) {
            self.lose_id();
        }
        if !self.is_current(node, incarnation) {
            return;
        }
        match pulse {
            Pulse::Late | Pulse::Back => {
                if let Some(peer) = self.peers.get_mut(&node) {
                    peer.suspect = pulse == Pulse::Late;
                }
                self.publish();
                let kind = if pulse == Pulse::Late { EventKind::Suspected } else { EventKind::Recovered };
                self.log(node, incarnation, kind);
            }
            Pulse::Lost => self.fail(node, FailureReason::HeartbeatLost),
            Pulse::Changed => self.look(node),
            Pulse::IdLost => {}
            // It may be of a former incarnation, told by a heartbeat thread that has ended since: that is looked at.
            Pulse::ClosedUs => self.on_accused(node),
        }
    }

    fn on_reply(&mut self, network: Network, reply: Reply) {
        match reply {
            Reply::Broken { node, incarnation, cause, why } => {
                if self.is_current(node, incarnation) {
                    self.quarantine(node, cause, format!("{network}: {why}"));
                }
            }
            Reply::Full { node, incarnation, epoch } => {
                if self.is_current(node, incarnation) {
                    self.grow(node, network, epoch);
                }
            }
            Reply::Drained { node, incarnation, epoch } => {
                if self.is_current(node, incarnation) {
                    self.drained(node, network, epoch);
                }
            }
            Reply::Forgotten { node, incarnation } => self.forgotten(node, incarnation, network),
            Reply::ClosedUs { by, incarnation } => {
                if self.life.as_ref().is_some_and(|life| life.incarnation == incarnation) {
                    self.on_accused(by);
                }
            }
            Reply::Owner { kind, owner, generation } => {
                let cast = if kind == 0 { Cast::Broadcast } else { Cast::Multicast };
                let incarnation = match &self.life {
                    Some(life) if owner == self.setup.me => life.incarnation,
                    _ => self.peers.get(&owner).map_or(0, |peer| peer.incarnation),
                };
                self.log(owner, incarnation, EventKind::OwnerChanged { network, cast, generation });
            }
        }
    }

    /// This node's incarnation was closed, and not without cause: it ends here, and the next one begins.
    pub(super) fn on_closed(&mut self, by: NodeId) {
        let Some(life) = &self.life else { return };
        self.log(self.setup.me, life.incarnation, EventKind::SelfClosed { by });
        self.end_life();
        self.publish();
        self.rejoin();
    }

    fn rejoin(&mut self) {
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
        for giver in &self.seams.givers {
            giver.give(Handover::End);
        }
        self.peers.clear();
        self.unproven.clear();
        self.callers.clear();
        self.unforgotten.clear();
        self.accusers.clear();
        self.refutations.settled();
        self.group_gauges = [None, None];
        self.life = None;
    }

    fn leave(&mut self) {
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
    }

    /// Says in the arena which networks' groups this node reads.
    fn subscribe(&mut self) {
        if let Some(life) = &self.life {
            let bitmap = u64::from(self.reads[0]) | u64::from(self.reads[1]) << 1;
            life.arena.set_subscriptions(bitmap);
            self.tell_peers();
        }
    }

    /// Says in the arena which multicast addresses this node takes, and has the endpoint take no others.
    fn filter_multicast(&self, network: Network) {
        let filter = &self.multicast[network.index()];
        if let Some(life) = &self.life {
            life.arena.publish_multicast(network, filter);
        }
        self.seams.givers[network.index()].give(Handover::Takes(filter.clone()));
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

    fn accept_callers(&mut self) {
        let Some(life) = &self.life else { return };
        let me = Speaker { node: self.setup.me, incarnation: life.incarnation };
        while let Some(link) = life.listener.as_ref().and_then(Listener::accept) {
            if self.callers.len() < MAX_CALLERS && link.pass(me, &self.seams.bell).is_ok() {
                self.callers.push(Caller { link, node: None });
            }
        }
    }

    fn hear_callers(&mut self) {
        let mut heard = Vec::new();
        self.callers.retain_mut(|caller| {
            for _ in 0..HEAR_AT_ONCE {
                match caller.link.hear() {
                    Said::Hello(speaker) => {
                        caller.node = Some(speaker.node);
                        heard.push(speaker.node);
                    }
                    Said::Look => heard.extend(caller.node),
                    Said::Nothing => return true,
                    // Bells are not taken from callers.
                    Said::Bell(..) | Said::Gone => {
                        heard.extend(caller.node);
                        return false;
                    }
                }
            }
            true
        });
        heard.sort_unstable();
        heard.dedup();
        for node in heard {
            self.look(node);
        }
    }

    fn hear_peers(&mut self) {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in nodes {
            for _ in 0..HEAR_AT_ONCE {
                let Some(link) = self.peers.get(&node).and_then(|peer| peer.link.as_ref()) else { break };
                match link.hear() {
                    Said::Bell(speaker, bell) => self.take_bell(node, speaker, bell),
                    Said::Nothing => break,
                    Said::Hello(_) | Said::Look => {}
                    Said::Gone => {
                        self.hung_up(node);
                        break;
                    }
                }
            }
        }
    }

    /// Looks at the whole segment for what was missed.
    fn survey(&mut self) {
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

    /// Another process is this node now.
    fn lose_id(&mut self) {
        let me = self.setup.me;
        let why = format!("another process has taken node id {me}");
        self.end_life();
        self.publish();
        self.log(me, 0, EventKind::RejoinFailed { why });
    }

    /// Meets whoever is new.
    fn look_for_newcomers(&mut self) {
        if self.life.is_none() {
            return;
        }
        for (node, _) in self.setup.facility.present().unwrap_or_default() {
            if node != self.setup.me && !self.peers.contains_key(&node) {
                self.look(node);
            }
        }
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
    }

    pub(super) fn is_current(&self, node: NodeId, incarnation: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.incarnation == incarnation)
    }

    pub(super) fn log(&self, node: NodeId, incarnation: u64, kind: EventKind) {
        self.seams.shared.log.write(node, incarnation, kind);
    }

    /// Shows the table of active nodes, and tells the endpoints and threads who the members are.
    pub(super) fn publish(&self) {
        self.seams.shared.active.store(Arc::new(self.active_nodes()));
        self.take_picture();
    }

    /// Leaves a snapshot where it is found without asking this thread.
    fn take_picture(&self) {
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
            self.seams.givers[network.index()].give(Handover::Members { members, wanted });
        }
        self.publish();
    }
}

fn check_timing(timing: Timing) -> Result<(), JoinError> {
    let wrong = |field, value: Duration, allowed| {
        Err(JoinError::BadValue { field, value: format!("{value:?}"), allowed })
    };
    if timing.heartbeat < Duration::from_millis(1) || timing.heartbeat > Duration::from_secs(1) {
        return wrong("heartbeat", timing.heartbeat, "1 ms to 1 s");
    }
    if timing.suspect < timing.heartbeat {
        return wrong("suspect", timing.suspect, "at least the heartbeat");
    }
    if timing.failed <= timing.suspect || timing.failed > Duration::from_secs(60) {
        return wrong("failed", timing.failed, "more than suspect, at most 60 s");
    }
    Ok(())
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How often the whole segment is looked at for what no doorbell told.
const SURVEY: Duration = Duration::from_secs(1);

/// How often nodes that are no members yet are looked for, where nothing tells of them.
const NEWCOMERS: Duration = Duration::from_millis(20);

/// How often a snapshot is left for those who do not wait for one.
pub(crate) const PICTURE: Duration = Duration::from_millis(200);

/// The least failure timeout where a CPU quota can stop a healthy process.
const QUOTA_FAILED: Duration = Duration::from_millis(500);

/// Connections to our doorbell: two for each possible node.
const MAX_CALLERS: usize = 512;

/// Messages heard from one connection before the others are heard.
const HEAR_AT_ONCE: usize = 16;
