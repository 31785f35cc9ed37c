//! Neighbors on links with ARP (RFC 826, RFC 1122 section 2.3.2): what is known of them, when to ask again,
//! and the packets that wait for the answer.
//!
//! Time is passed in. The table and its queue are bounded, and allocated when it is made.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::forward::InterfaceIndex;
use crate::packet::PacketBuffer;

/// What a packet waits for: a neighbor on a link.
pub type NeighborKey = (InterfaceIndex, Ipv4Addr);

/// A neighbor as management shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// Its interface.
    pub interface: InterfaceIndex,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its Ethernet address, when known.
    pub mac: Option<[u8; 6]>,
    /// Whether it is known.
    pub state: NeighborState,
}

/// Whether a neighbor is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborState {
    /// Asked for, no answer yet.
    Incomplete,
    /// Known.
    Reachable,
    /// Known, and asked whether it is still there.
    Probe,
    /// Asked for in vain; not asked again for a moment.
    Failed,
}

/// What the table says about a neighbor that a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Send to this Ethernet address.
    Known([u8; 6]),
    /// Wait; `ask` says whether a request must be sent now.
    Wait {
        /// Nobody asked yet.
        ask: bool,
    },
    /// It did not answer, a moment ago; or the table is full.
    Failed,
}

/// What time asks of the caller.
pub enum NeighborAction<W> {
    /// Send a request: to this Ethernet address, or to all.
    Ask(NeighborKey, Option<[u8; 6]>),
    /// This packet waited in vain.
    GiveUp(W),
}

/// A packet that waits, with what the caller must know to go on with it.
pub struct Waiting<T> {
    /// For whom it waits.
    pub key: NeighborKey,
    /// The packet.
    pub buffer: PacketBuffer,
    /// The caller's.
    pub context: T,
}

/// All neighbors of a worker.
pub struct NeighborTable<T> {
    entries: HashMap<NeighborKey, Entry>,
    waiting: Vec<Waiting<T>>,
    deadline: Option<Duration>,
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Incomplete { asked: u8, next: Duration, queued: u8 },
    Reachable { mac: [u8; 6], confirmed: Duration, used: bool },
    Probe { mac: [u8; 6], asked: u8, next: Duration },
    Failed { until: Duration },
}

impl<T> NeighborTable<T> {
    /// Neighbors kept at most.
    pub const CAPACITY: usize = 4096;
    /// Packets that wait for one neighbor at most.
    pub const QUEUE: u8 = 16;
    /// Packets that wait at most, for all neighbors.
    pub const QUEUES: usize = 256;
    /// Requests before a neighbor is given up.
    pub const ATTEMPTS: u8 = 3;
    /// Time between requests (RFC 1122 section 2.3.2.1: at most one a second for an address).
    pub const RETRY: Duration = Duration::from_secs(1);
    /// A neighbor in use is asked again after this time.
    pub const REACHABLE: Duration = Duration::from_secs(60);
    /// A neighbor not in use is forgotten after this time.
    pub const FORGET: Duration = Duration::from_secs(600);
    /// A neighbor that did not answer is not asked again for this time.
    pub const HOLD: Duration = Duration::from_secs(3);

    /// An empty table.
    pub fn new() -> Self {
        Self {
            entries: HashMap::with_capacity(Self::CAPACITY),
            waiting: Vec::with_capacity(Self::QUEUES),
            deadline: None,
            changed: false,
        }
    }

    /// Where to send a packet for a neighbor.
    pub fn resolve(&mut self, now: Duration, key: NeighborKey) -> Resolution {
        let full = self.entries.len() >= Self::CAPACITY;
        match self.entries.get_mut(&key) {
            Some(Entry::Reachable { mac, used, confirmed }) => {
                let (mac, check) = (*mac, *confirmed + Self::REACHABLE);
                if !std::mem::replace(used, true) {
                    self.note_deadline(check);
                }
                Resolution::Known(mac)
            }
            Some(Entry::Probe { mac, .. }) => Resolution::Known(*mac),
            Some(Entry::Incomplete { .. }) => Resolution::Wait { ask: false },
            Some(Entry::Failed { .. }) => Resolution::Failed,
            None if full => Resolution::Failed,
            None => {
                let next = now + Self::RETRY;
                self.entries.insert(key, Entry::Incomplete { asked: 1, next, queued: 0 });
                self.note_deadline(next);
                self.changed = true;
                Resolution::Wait { ask: true }
            }
        }
    }

    /// Keeps a packet until its neighbor, which [`Self::resolve`] said to wait for, is known.
    ///
    /// # Errors
    /// Gives it back if too many wait.
    pub fn wait(&mut self, waiting: Waiting<T>) -> Result<(), Waiting<T>> {
        let Some(Entry::Incomplete { queued, .. }) = self.entries.get_mut(&waiting.key) else {
            return Err(waiting);
        };
        if *queued >= Self::QUEUE || self.waiting.len() >= Self::QUEUES {
            return Err(waiting);
        }
        *queued += 1;
        self.waiting.push(waiting);
        Ok(())
    }

    /// Notes that a neighbor has an Ethernet address. A neighbor that is not in the table is entered only if
    /// `create`. Returns whether packets may be waiting for it: take them with [`Self::take_waiting`].
    pub fn learn(&mut self, now: Duration, key: NeighborKey, mac: [u8; 6], create: bool) -> bool {
        let had_queue = match self.entries.get(&key) {
            None if !create || self.entries.len() >= Self::CAPACITY => return false,
            None => {
                self.changed = true;
                false
            }
            Some(Entry::Reachable { mac: known, .. }) => {
                self.changed |= *known != mac;
                false
            }
            Some(Entry::Incomplete { queued, .. }) => {
                self.changed = true;
                *queued > 0
            }
            Some(_) => {
                self.changed = true;
                false
            }
        };
        self.entries.insert(key, Entry::Reachable { mac, confirmed: now, used: false });
        self.note_deadline(now + Self::REACHABLE);
        had_queue
    }

    /// The packet that has waited longest for a neighbor.
    pub fn take_waiting(&mut self, key: NeighborKey) -> Option<Waiting<T>> {
        let position = self.waiting.iter().position(|waiting| waiting.key == key)?;
        Some(self.waiting.remove(position))
    }

    /// When [`Self::service`] has something to do, at the earliest.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Does what is due: appends to `actions`, which the caller reuses.
    pub fn service(&mut self, now: Duration, actions: &mut Vec<NeighborAction<Waiting<T>>>) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        let mut deadline = None;
        let mut failed = false;
        let before = (self.entries.len(), self.changed);
        self.entries.retain(|key, entry| {
            let state = std::mem::discriminant(entry);
            let (kept, action) = entry.advance::<T>(now);
            self.changed |= state != std::mem::discriminant(entry);
            failed |= matches!(entry, Entry::Failed { .. });
            if let Some(destination) = action {
                actions.push(NeighborAction::Ask(*key, destination));
            }
            if kept {
                let next = entry.next::<T>();
                deadline = Some(deadline.map_or(next, |earliest: Duration| earliest.min(next)));
            }
            kept
        });
        self.changed |= before.0 != self.entries.len();
        self.deadline = deadline;
        if failed {
            self.give_up_on_failed(actions);
        }
    }

    /// Forgets the neighbors on an interface (all, for `None`) and gives up the packets that wait for them.
    pub fn clear(
        &mut self,
        interface: Option<InterfaceIndex>,
        actions: &mut Vec<NeighborAction<Waiting<T>>>,
    ) {
        let matches = |key: &NeighborKey| interface.is_none_or(|interface| key.0 == interface);
        let before = self.entries.len();
        self.entries.retain(|key, _| !matches(key));
        self.changed |= before != self.entries.len();
        let gone = self.waiting.extract_if(.., |waiting| matches(&waiting.key));
        actions.extend(gone.map(NeighborAction::GiveUp));
    }

    /// Whether a neighbor changed since the last [`Self::snapshot`].
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// All neighbors, in order.
    pub fn snapshot(&mut self) -> Vec<Neighbor> {
        self.changed = false;
        let mut neighbors: Vec<_> = self.entries.iter().map(|(key, entry)| entry.describe(*key)).collect();
        neighbors.sort_by_key(|neighbor| (neighbor.interface, neighbor.address));
        neighbors
    }

    fn give_up_on_failed(&mut self, actions: &mut Vec<NeighborAction<Waiting<T>>>) {
        let entries = &self.entries;
        let gone = self
            .waiting
            .extract_if(.., |waiting| !matches!(entries.get(&waiting.key), Some(Entry::Incomplete { .. })));
        actions.extend(gone.map(NeighborAction::GiveUp));
    }

    fn note_deadline(&mut self, at: Duration) {
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }
}

impl<T> Default for NeighborTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// Does what is due at `now`. Returns whether the entry is kept, and whom to ask, if anybody.
    fn advance<T>(&mut self, now: Duration) -> (bool, Option<Option<[u8; 6]>>) {
        match *self {
            Self::Incomplete { next, .. } | Self::Probe { next, .. } if next > now => (true, None),
            Self::Incomplete { asked, queued, .. } if asked < NeighborTable::<T>::ATTEMPTS => {
                *self = Self::Incomplete { asked: asked + 1, next: now + NeighborTable::<T>::RETRY, queued };
                (true, Some(None))
            }
            Self::Incomplete { .. } => {
                *self = Self::Failed { until: now + NeighborTable::<T>::HOLD };
                (true, None)
            }
            Self::Reachable { mac, confirmed, used: true }
                if now >= confirmed + NeighborTable::<T>::REACHABLE =>
            {
                *self = Self::Probe { mac, asked: 1, next: now + NeighborTable::<T>::RETRY };
                (true, Some(Some(mac)))
            }
            Self::Reachable { confirmed, .. } => (now < confirmed + NeighborTable::<T>::FORGET, None),
            Self::Probe { mac, asked, .. } if asked < NeighborTable::<T>::ATTEMPTS => {
                *self = Self::Probe { mac, asked: asked + 1, next: now + NeighborTable::<T>::RETRY };
                (true, Some(Some(mac)))
            }
            Self::Probe { .. } => (false, None),
            Self::Failed { until } => (now < until, None),
        }
    }

    /// When the entry has something to do next.
    fn next<T>(&self) -> Duration {
        match *self {
            Self::Incomplete { next, .. } | Self::Probe { next, .. } => next,
            Self::Reachable { confirmed, used: true, .. } => confirmed + NeighborTable::<T>::REACHABLE,
            Self::Reachable { confirmed, .. } => confirmed + NeighborTable::<T>::FORGET,
            Self::Failed { until } => until,
        }
    }

    fn describe(&self, (interface, address): NeighborKey) -> Neighbor {
        let (mac, state) = match *self {
            Self::Incomplete { .. } => (None, NeighborState::Incomplete),
            Self::Reachable { mac, .. } => (Some(mac), NeighborState::Reachable),
            Self::Probe { mac, .. } => (Some(mac), NeighborState::Probe),
            Self::Failed { .. } => (None, NeighborState::Failed),
        };
        Neighbor { interface, address, mac, state }
    }
}
