//! The control thread: what it knows, its loop, and what it is told.
//!
//! | module | subject |
//! |---|---|
//! | [`super::joining`] | becoming a member, ceasing to be one, and becoming one again |
//! | [`super::hearing`] | connections to the doorbells |
//! | [`super::rounds`] | looking at the whole segment |
//! | [`super::meeting`] | a single peer |
//! | [`super::publishing`] | what the others see |

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::agree::Requirements;
use super::hearing::Ears;
use super::life::{Life, Setup};
use super::notice::{Notice, Notifier};
use super::peer::Peer;
use super::refutation::Refutations;
use super::shared::Shared;
use crate::channel::{Channel, PerChannel};
use crate::config::{BackOff, Backing, FabricConfig, MAX_QUEUES, Timing};
use crate::doorbell::Bell;
use crate::doorbell::activity::{Lookout, LookoutThread};
use crate::error::JoinError;
use crate::event::{EventKind, FailureReason};
use crate::fabric::handover::{Giver, GroupGauge, Reply};
use crate::facility::{self, Facility, IdLock, Liveness, Terms, Wakes};
use crate::facts::Facts;
use crate::layout::{Chunk, Layout};
use crate::liveness::heartbeat::{BeatClock, Pulse};
use crate::liveness::quota;
use crate::multicast::MulticastFilter;
use crate::node::{Cast, NodeId};
use crate::quarantine::Quarantines;
use crate::ring::Limits;

/// What connects the control thread with the rest of the process.
pub(crate) struct Seams {
    pub(crate) shared: Arc<Shared>,
    /// The data threads' doorbells, by queue.
    pub(crate) bells: Vec<Arc<Bell>>,
    /// The control thread's own.
    pub(crate) waker: Arc<Bell>,
    pub(crate) notifier: Notifier,
    pub(crate) notices: Receiver<Notice>,
    /// To the endpoints.
    pub(crate) givers: PerChannel<Giver>,
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
    /// The peer that was inspected last, unless all were.
    pub(super) inspected: Option<NodeId>,
    /// Nodes that may live, where only the heart can tell, and has not yet told.
    pub(super) unproven: BTreeMap<NodeId, Unproven>,
    /// Looks for what wakes this node, where no doorbell does.
    pub(super) lookout: Option<LookoutThread>,
    pub(super) group_gauges: [Option<[Arc<GroupGauge>; 2]>; 2],
    /// Which networks' groups this node reads: both, until it drops an endpoint. From the first on, so that no peer gives up
    /// a frame for which this node was not yet waited.
    pub(super) reads: [bool; 2],
    /// The multicast addresses that this node takes: all, until it says which.
    pub(super) multicast: [MulticastFilter; 2],
    pub(super) ears: Ears,
    pub(super) retry: bool,
    /// Since when [`Control::publish_peers`] is due.
    pub(super) unpublished: Option<Instant>,
    /// What is shown anew at the end of the turn.
    pub(super) stale: Stale,
    /// When the next snapshot is left, and until when none is, whatever happens.
    pub(super) next_picture: Instant,
    pub(super) no_picture_before: Instant,
}

/// What others have an old copy of. Many nodes can come or go in one turn, and each copy is of all of them.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// The members of the groups.
    pub(super) members: bool,
    /// The table of active nodes.
    pub(super) active: bool,
    /// That, and the peers that are looked after.
    pub(super) peers: bool,
}

/// See [`Control::unforgotten`].
pub(super) struct Unforgotten {
    pub(super) node: NodeId,
    pub(super) incarnation: u64,
    pub(super) channel: Channel,
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

impl Control {
    /// Joins the segment; the thread is not yet started.
    pub(crate) fn join(config: FabricConfig, seams: Seams) -> Result<Self, JoinError> {
        Self::join_by(facility::facility, config, seams)
    }

    /// As [`join`](Self::join), in the facility that this makes.
    pub(super) fn join_by(
        make: impl FnOnce(Backing, Terms) -> Result<Arc<dyn Facility>, JoinError>,
        config: FabricConfig,
        seams: Seams,
    ) -> Result<Self, JoinError> {
        let FabricConfig {
            node_id: me,
            backing,
            coherence,
            max_nodes,
            queues,
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
        if !(1..=MAX_QUEUES).contains(&queues) {
            let value = queues.to_string();
            return Err(JoinError::BadValue { field: "queues", value, allowed: "1 to 8" });
        }
        let layout = Layout::new(max_nodes, queues).ok_or_else(|| JoinError::BadValue {
            field: "max-nodes",
            value: max_nodes.to_string(),
            allowed: "1 to 256",
        })?;
        let cpu_quota = quota::is_limited();
        let timing =
            if cpu_quota { Timing { failed: timing.failed.max(QUOTA_FAILED), ..timing } } else { timing };
        let back_off =
            if let Backing::Region(_, back_off) = &backing { *back_off } else { BackOff::default() };
        let facility = make(backing, Terms { max_nodes, queues, timing, coherence })?;
        facility.bells(&seams.bells, &seams.waker);
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
            .then(|| LookoutThread::start(seams.bells.clone(), back_off))
            .transpose()
            .map_err(JoinError::system("starting the lookout"))?;
        let ears = Ears::new(&seams.waker).map_err(JoinError::system("listening for doorbells"))?;
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
            inspected: None,
            unproven: BTreeMap::new(),
            lookout,
            group_gauges: [None, None],
            reads: [true; 2],
            multicast: [MulticastFilter::all(), MulticastFilter::all()],
            ears,
            retry: false,
            unpublished: None,
            stale: Stale::default(),
            next_picture: Instant::now(),
            no_picture_before: Instant::now(),
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

    fn run(&mut self) {
        let mut next_survey = Instant::now() + SURVEY;
        // Where nothing tells of those who join and that they live, they are looked for.
        let looks = self.setup.facility.liveness() == Liveness::Heartbeat;
        let mut next_look = looks.then(|| Instant::now() + NEWCOMERS);
        loop {
            let soonest = next_survey.min(self.next_picture);
            let next = self.refutations.rejoin_at().into_iter().chain(next_look).fold(soonest, Instant::min);
            let timeout = next.saturating_duration_since(Instant::now());
            let ready = self.wait(if self.unpublished.is_some() { Duration::ZERO } else { timeout });
            self.seams.waker.silence();
            // The others that follow at once are published with it.
            if self.unpublished.is_some_and(|since| !ready.anybody || since.elapsed() >= GATHERING) {
                self.publish_peers();
            }
            if self.life.is_some() && self.lock.claim().is_some_and(|claim| !claim.is_held()) {
                // Before anything is written for what was heard.
                self.lose_id();
            }
            if self.setup.facility.has_news() && self.life.is_some() {
                self.look_at_segment();
                next_look = looks.then(Instant::now);
            }
            self.hear(ready);
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
                let waits = self.look_for_newcomers() || self.setup.facility.wakes() != Wakes::Arrival;
                // What arrives tells of those who come; whether they live it does not.
                next_look = waits.then(|| Instant::now() + NEWCOMERS);
            }
            if Instant::now() >= next_survey {
                let cost = thread_time();
                self.survey();
                next_survey = Instant::now() + pause_after(cost, SURVEY);
            }
            self.settle();
            if Instant::now() >= self.next_picture {
                self.take_picture();
            }
        }
    }

    pub(super) fn handle(&mut self, notice: Notice) {
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
            Notice::Reply(channel, reply) => self.on_reply(channel, reply),
            Notice::EndpointDropped(channel) => {
                if channel.has_groups() {
                    self.reads[channel.network.index()] = false;
                    self.subscribe();
                }
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
                self.stale.active = true;
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

    fn on_reply(&mut self, channel: Channel, reply: Reply) {
        match reply {
            Reply::Broken { node, incarnation, cause, why } => {
                if self.is_current(node, incarnation) {
                    self.quarantine(node, cause, format!("{channel}: {why}"));
                }
            }
            Reply::Full { node, incarnation, epoch } => {
                if self.is_current(node, incarnation) {
                    self.grow(node, channel, epoch);
                }
            }
            Reply::Drained { node, incarnation, epoch } => {
                if self.is_current(node, incarnation) {
                    self.drained(node, channel, epoch);
                }
            }
            Reply::Forgotten { node, incarnation } => self.forgotten(node, incarnation, channel),
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
                self.log(
                    owner,
                    incarnation,
                    EventKind::OwnerChanged { network: channel.network, cast, generation },
                );
            }
        }
    }

    pub(super) fn is_current(&self, node: NodeId, incarnation: u64) -> bool {
        self.peers.get(&node).is_some_and(|peer| peer.incarnation == incarnation)
    }

    pub(super) fn log(&self, node: NodeId, incarnation: u64, kind: EventKind) {
        self.seams.shared.log.write(node, incarnation, kind);
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

/// The processor time of this thread.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long to wait after something that began when this thread had used so much processor time, and that is done every `usual` while
/// that costs little: it grows with the nodes, and all nodes do it, perhaps on one machine.
pub(super) fn pause_after(began: Duration, usual: Duration) -> Duration {
    let cost = thread_time().saturating_sub(began);
    usual.max(cost.saturating_mul(SHARE).min(LONGEST_PAUSE))
}

/// Looking at everything and showing everything take at most this part of a processor each.
const SHARE: u32 = 500;

/// The longest time between two looks or pictures, whatever they cost.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How often the whole segment is looked at for what no doorbell told.
const SURVEY: Duration = Duration::from_secs(1);

/// How often nodes that are no members yet are looked for, where nothing tells of them.
const NEWCOMERS: Duration = Duration::from_millis(20);

/// How often a snapshot is left for those who do not wait for one.
pub(crate) const PICTURE: Duration = Duration::from_millis(200);

/// How much later at most one is left after a change of the active nodes.
pub(super) const NEW_PICTURE: Duration = Duration::from_millis(10);

/// How long changes of peers are gathered while others follow at once: when many nodes meet, each of them would else be
/// published on its own.
const GATHERING: Duration = Duration::from_millis(1);

/// The least failure timeout where a CPU quota can stop a healthy process.
const QUOTA_FAILED: Duration = Duration::from_millis(500);
