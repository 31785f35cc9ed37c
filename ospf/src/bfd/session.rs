//! One session (RFC 5880 section 6.8): its variables, its state machine, and when it has to speak.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Parameters;
use super::packet::ControlPacket;
use super::view::{Diagnostic, SessionState, SessionStatisticsView, SessionView};
use crate::instance::Random;
use crate::types::Instant;

/// The least interval between packets while the session is not up (section 6.8.3).
const SLOW: u32 = 1_000_000;
/// How long a session that was removed still says so: three packets, of which one will arrive.
const LEAVE: Duration = Duration::from_secs(3);
/// bfd.RemoteMinRxInterval before anything was heard (section 6.8.1).
const UNHEARD_MIN_RX: u32 = 1;

/// What a session has done that somebody must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) from: SessionState,
    pub(super) to: SessionState,
    /// Whether packets do not pass any more: the session left Up, and nobody did that on purpose.
    pub(super) is_failure: bool,
}

/// The variables of section 6.8.1, without those of features that are not used here.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) local_address: Ipv4Addr,
    pub(super) source_port: u16,
    pub(super) parameters: Parameters,
    pub(super) state: SessionState,
    pub(super) local_discriminator: u32,
    pub(super) diagnostic: Diagnostic,
    pub(super) remote: Option<Remote>,
    /// bfd.RemoteSessionState, which is Down before anything was heard.
    pub(super) remote_state: SessionState,
    pub(super) changed: Instant,
    pub(super) statistics: SessionStatisticsView,
    /// When the session is forgotten: it was removed, and takes leave until then.
    pub(super) leaves_at: Option<Instant>,
    /// The interval that packets leave at, in microseconds: behind `desired_min_tx` while a Poll Sequence is to tell the
    /// peer of a longer one.
    active_min_tx: u32,
    /// The same for the peer's packets: a shorter one counts once the peer knows it.
    active_min_rx: u32,
    /// A Poll Sequence goes on (section 6.5).
    polling: bool,
    /// What is being polled was changed again meanwhile: its Final bit answers the former.
    poll_again: bool,
    /// When the next periodic packet leaves; `None` while there are none.
    next_transmit: Option<Instant>,
    /// The interval that it follows from.
    scheduled_interval: Option<u32>,
    /// When the last periodic packet left.
    last_transmit: Option<Instant>,
    /// Until when a packet must have come.
    detects_at: Option<Instant>,
}

/// What the last packet of the peer said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub(super) discriminator: u32,
    pub(super) multiplier: u8,
    pub(super) diagnostic: Diagnostic,
    pub(super) desired_min_tx: u32,
    pub(super) required_min_rx: u32,
    pub(super) demand: bool,
}

impl Session {
    /// A session in state Down that speaks as soon as it is asked what is due.
    pub(super) fn new(
        now: Instant,
        local_address: Ipv4Addr,
        parameters: Parameters,
        local_discriminator: u32,
        source_port: u16,
    ) -> Self {
        Self {
            local_address,
            source_port,
            parameters,
            state: SessionState::Down,
            local_discriminator,
            diagnostic: Diagnostic::None,
            remote: None,
            remote_state: SessionState::Down,
            changed: now,
            statistics: SessionStatisticsView::default(),
            leaves_at: None,
            active_min_tx: SLOW.max(micros(parameters.min_tx)),
            active_min_rx: micros(parameters.min_rx),
            polling: false,
            poll_again: false,
            next_transmit: Some(now),
            scheduled_interval: None,
            last_transmit: None,
            detects_at: None,
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_transmit, self.detects_at, self.leaves_at].into_iter().flatten().min()
    }

    /// bfd.DesiredMinTxInterval: at least a second while the session is not up (section 6.8.3).
    fn desired_min_tx(&self) -> u32 {
        let configured = micros(self.parameters.min_tx);
        if self.state == SessionState::Up { configured } else { configured.max(SLOW) }
    }

    fn required_min_rx(&self) -> u32 {
        micros(self.parameters.min_rx)
    }

    /// The interval at which packets leave, before jitter (section 6.8.7); `None` if the peer wants none.
    pub(super) fn transmit_interval(&self) -> Option<u32> {
        let remote = self.remote.map_or(UNHEARD_MIN_RX, |remote| remote.required_min_rx);
        (remote != 0).then(|| self.active_min_tx.max(remote))
    }

    /// The interval at which the peer's packets come, before jitter.
    pub(super) fn receive_interval(&self) -> u32 {
        self.active_min_rx.max(self.remote.map_or(0, |remote| remote.desired_min_tx))
    }

    /// How long may pass without a packet (section 6.8.4); `None` while nothing was heard.
    pub(super) fn detection_time(&self) -> Option<Duration> {
        let multiplier = u64::from(self.remote?.multiplier);
        Some(Duration::from_micros(multiplier * u64::from(self.receive_interval())))
    }

    /// Section 6.6: the peer does not want to hear us while both are up, unless there is something to ask.
    fn is_silenced(&self) -> bool {
        let demand = self.remote.is_some_and(|remote| remote.demand);
        let both_up = self.state == SessionState::Up && self.remote_state == SessionState::Up;
        (demand && both_up && !self.polling) || self.transmit_interval().is_none()
    }

    /// Takes a packet that section 6.8.6 has found to belong here. Returns what changed, and the answer to a Poll.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        packet: &ControlPacket,
        random: &mut Random,
    ) -> (Option<Transition>, Option<ControlPacket>) {
        self.statistics.receive_packet_count += 1;
        self.remote = Some(Remote {
            discriminator: packet.my_discriminator,
            multiplier: packet.detect_multiplier,
            diagnostic: packet.diagnostic,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            demand: packet.demand,
        });
        let remote_was_up = std::mem::replace(&mut self.remote_state, packet.state) == SessionState::Up;
        if self.polling && packet.final_ {
            self.end_poll();
        }
        if self.state == SessionState::AdminDown {
            return (None, None);
        }
        let transition = self.follow_peer(now, packet.state);
        self.detects_at = self.detection_time().map(|time| now + time);
        // Section 6.8.7: a new interval counts at once, and so does silence or its end.
        if transition.is_some() || (remote_was_up && packet.state != SessionState::Up) {
            self.speak_soon(now);
        } else {
            self.schedule(now, random);
        }
        let answer = packet.poll.then(|| ControlPacket { poll: false, final_: true, ..self.packet() });
        self.statistics.send_packet_count += u64::from(answer.is_some());
        (transition, answer)
    }

    /// The state machine of section 6.2, as section 6.8.6 spells it.
    fn follow_peer(&mut self, now: Instant, remote: SessionState) -> Option<Transition> {
        use SessionState as State;

        match (self.state, remote) {
            (State::Down, State::Down) => self.change(now, State::Init, None),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.change(now, State::Up, None)
            }
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.change(now, State::Down, Some(Diagnostic::NeighborDown))
            }
            _ => None,
        }
    }

    /// Changes the state, and the intervals that depend on it.
    fn change(
        &mut self,
        now: Instant,
        state: SessionState,
        diagnostic: Option<Diagnostic>,
    ) -> Option<Transition> {
        let before = std::mem::replace(&mut self.state, state);
        if before == state {
            return None;
        }
        self.changed = now;
        self.diagnostic = diagnostic.unwrap_or(self.diagnostic);
        let is_peers_wish =
            self.remote_state == SessionState::AdminDown && self.diagnostic == Diagnostic::NeighborDown;
        if before == SessionState::Up && state == SessionState::Down {
            self.statistics.down_count += 1;
        }
        if state == SessionState::AdminDown || (is_peers_wish && before != SessionState::Down) {
            self.statistics.admin_down_count += 1;
        }
        if state == SessionState::Up {
            // Section 6.8.3: from the slow interval to the configured one, which the peer is to be told.
            self.active_min_tx = self.desired_min_tx();
            self.active_min_rx = self.required_min_rx();
            self.start_poll();
        } else {
            self.active_min_tx = self.desired_min_tx();
            self.active_min_rx = self.required_min_rx();
            self.polling = false;
            self.poll_again = false;
        }
        // RFC 5882 section 4.2: what an operator does on purpose is no failure of the path.
        let is_failure = before == SessionState::Up && state == SessionState::Down && !is_peers_wish;
        Some(Transition { from: before, to: state, is_failure })
    }

    /// Section 6.8.3: other intervals. Longer ones for sending and shorter ones for receiving wait until the peer knows them.
    pub(super) fn configure(&mut self, now: Instant, parameters: Parameters, random: &mut Random) {
        if self.parameters == parameters {
            return;
        }
        let intervals_change =
            (self.parameters.min_tx, self.parameters.min_rx) != (parameters.min_tx, parameters.min_rx);
        self.parameters = parameters;
        let (desired, required) = (self.desired_min_tx(), self.required_min_rx());
        if self.state == SessionState::Up {
            self.active_min_tx = self.active_min_tx.min(desired);
            self.active_min_rx = self.active_min_rx.max(required);
            if intervals_change {
                self.start_poll();
            }
        } else {
            self.active_min_tx = desired;
            self.active_min_rx = required;
        }
        self.schedule(now, random);
    }

    fn start_poll(&mut self) {
        self.poll_again = self.polling;
        self.polling = true;
    }

    /// The Final bit has come: the peer knows our intervals, unless they have changed since.
    fn end_poll(&mut self) {
        self.polling = std::mem::take(&mut self.poll_again);
        if !self.polling {
            self.active_min_tx = self.desired_min_tx();
            self.active_min_rx = self.required_min_rx();
        }
    }

    /// Takes the session out of use: an operator's wish, or the neighbor has gone. What has failed says so; the rest is
    /// administratively down (section 6.8.16).
    pub(super) fn leave(&mut self, now: Instant) -> Option<Transition> {
        if self.leaves_at.is_some() {
            return None;
        }
        self.leaves_at = Some(now + LEAVE);
        let failed = self.state == SessionState::Down && self.diagnostic != Diagnostic::None;
        let transition = if failed {
            None
        } else {
            self.change(now, SessionState::AdminDown, Some(Diagnostic::AdminDown))
        };
        self.speak_soon(now);
        transition
    }

    /// Takes a session that was to be forgotten into use again.
    pub(super) fn stay(&mut self, now: Instant) -> Option<Transition> {
        self.leaves_at.take()?;
        if self.state != SessionState::AdminDown {
            return None;
        }
        self.speak_soon(now);
        self.change(now, SessionState::Down, None)
    }

    /// What management shows.
    pub(super) fn view(&self, now: Instant, interface: String, peer: Ipv4Addr) -> SessionView {
        SessionView {
            interface,
            dest_addr: peer,
            source_addr: self.local_address,
            source_port: self.source_port,
            local_discriminator: self.local_discriminator,
            remote_discriminator: self.remote.map(|remote| remote.discriminator),
            local_multiplier: self.parameters.multiplier,
            remote_multiplier: self.remote.map(|remote| remote.multiplier),
            local_state: self.state,
            remote_state: self.remote_state,
            local_diagnostic: self.diagnostic,
            remote_diagnostic: self.remote.map_or(Diagnostic::None, |remote| remote.diagnostic),
            remote_demand: self.remote.is_some_and(|remote| remote.demand),
            negotiated_tx_interval: self.transmit_interval(),
            negotiated_rx_interval: self.receive_interval(),
            detection_time: self
                .detection_time()
                .map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
            state_age: now.since(self.changed).as_secs(),
            session_statistics: self.statistics,
        }
    }

    /// Section 6.8.4. Returns what changed.
    pub(super) fn detect(&mut self, now: Instant) -> Option<Transition> {
        self.detects_at.filter(|at| *at <= now)?;
        self.detects_at = None;
        // Section 6.8.1: the peer's discriminator is forgotten, and it may be another one that speaks next. What it
        // wanted is forgotten with it.
        self.remote = None;
        self.remote_state = SessionState::Down;
        let is_alive = matches!(self.state, SessionState::Init | SessionState::Up);
        if !is_alive {
            return None;
        }
        let transition = self.change(now, SessionState::Down, Some(Diagnostic::ControlExpiry));
        self.speak_soon(now);
        transition
    }

    /// The periodic packet, if it is due.
    pub(super) fn transmit(&mut self, now: Instant, random: &mut Random) -> Option<ControlPacket> {
        self.next_transmit.filter(|at| *at <= now)?;
        self.last_transmit = Some(now);
        self.next_transmit = None;
        self.schedule(now, random);
        self.statistics.send_packet_count += 1;
        Some(self.packet())
    }

    /// The contents of a packet have changed: it leaves between the periodic ones (section 6.8.7).
    fn speak_soon(&mut self, now: Instant) {
        self.next_transmit = Some(now);
    }

    /// When the next periodic packet leaves: an interval after the last one, with jitter (section 6.8.7). What is scheduled
    /// already stays, unless the interval has changed.
    fn schedule(&mut self, now: Instant, random: &mut Random) {
        let interval = self.transmit_interval().filter(|_| !self.is_silenced());
        let is_due = self.next_transmit.is_some_and(|at| at <= now);
        let is_same = self.next_transmit.is_some() && self.scheduled_interval == interval;
        if is_due || is_same {
            return;
        }
        self.scheduled_interval = interval;
        self.next_transmit = interval.map(|interval| {
            // Up to 25% earlier; with a multiplier of one at least 10% earlier, so that the peer does not miss it.
            let longest = if self.parameters.multiplier == 1 { 900 } else { 1000 };
            let share = 750 + random.below(longest - 750 + 1);
            let wait = Duration::from_micros(u64::from(interval) * share / 1000);
            // Never nothing: the caller would not get out of the timers of one moment.
            (self.last_transmit.unwrap_or(now) + wait.max(Duration::from_micros(1))).max(now)
        });
    }

    /// What the session has to say now.
    fn packet(&self) -> ControlPacket {
        ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling,
            final_: false,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: self.parameters.multiplier,
            my_discriminator: self.local_discriminator,
            your_discriminator: self.remote.map_or(0, |remote| remote.discriminator),
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.required_min_rx(),
            required_min_echo_rx: 0,
        }
    }
}

/// An interval as the wire carries it. Zero would ask for silence.
fn micros(interval: Duration) -> u32 {
    u32::try_from(interval.as_micros()).unwrap_or(u32::MAX).max(1)
}
