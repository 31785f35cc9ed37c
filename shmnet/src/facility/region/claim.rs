//! Who is a node, where no lock works: the memory is shared with other kernels, and there is nothing but memory.
//!
//! ```text
//! 1. a heart that beats in the arena: somebody is this node. Refused, unless to take over.
//! 2. write a random nonce into the identity
//! 3. wait for one failure timeout: whoever did the same at the same time has written his by then
//! 4. the nonce is still there: this process is the node. Else somebody else is.
//! ```
//! The holder looks at the nonce before every heartbeat, and whenever it was late. When it finds another one it stops writing: it
//! was taken over, or it was stopped for so long that it was taken for dead and its id was taken by another process.

use std::time::{Duration, Instant};

use crate::config::Timing;
use crate::error::JoinError;
use crate::facility::{IdLock, Terms};
use crate::layout::{PeerArena, State, at, plausible};
use crate::liveness::word_is_held;
use crate::memory::{LINE, Mapping, OwnSpan, PeerSpan};
use crate::node::NodeId;
use crate::sync::Ordering;

/// A claim to a node id: the nonce that this process has written.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    identity: OwnSpan,
    nonce: u64,
}

impl Claim {
    /// Whether the nonce is still this process's. Costs one load.
    pub(crate) fn is_held(&self) -> bool {
        let identity = self.identity.as_peer();
        identity.invalidate(at::NONCE, 8);
        // Relaxed: nothing that another process wrote before its nonce is read on the strength of it.
        identity.load_u64(at::NONCE, Ordering::Relaxed) == self.nonce
    }

    /// What was written.
    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }
}

/// The id, held by a claim.
#[derive(Debug)]
pub(super) struct Held {
    claim: Claim,
    previous: u64,
}

impl IdLock for Held {
    fn previous(&self) -> u64 {
        self.previous
    }

    fn still_held(&self) -> bool {
        self.claim.is_held()
    }

    /// The arena's header says it already.
    fn record(&mut self, incarnation: u64, _hostname: &str) {
        self.previous = incarnation;
    }

    fn claim(&self) -> Option<Claim> {
        Some(self.claim.clone())
    }
}

/// Claims a node's arena.
pub(super) fn take(
    arena: &std::sync::Arc<Mapping>,
    node: NodeId,
    takeover: bool,
    terms: &Terms,
    one_kernel: bool,
) -> Result<Held, JoinError> {
    let span = arena.peer();
    let former = Former::read(&span, node);
    if let Some(former) = &former
        && !takeover
        && former.lives(&span, terms.timing, one_kernel)
    {
        return Err(former.in_use(node));
    }
    let mapped = |error| JoinError::System { what: "mapping the arena", error: std::io::Error::other(error) };
    let identity = arena.own().and_then(|own| own.sub_aligned(at::IDENTITY, LINE, LINE)).map_err(mapped)?;
    let claim = Claim { identity, nonce: random() };
    // Release, for it is a statement to others like any other; what counts is the wait that follows.
    claim.identity.store_u64(at::NONCE, claim.nonce, Ordering::Release);
    claim.identity.write_back(at::NONCE, 8);
    claim.identity.write_back_fence();
    let decided = Instant::now() + terms.timing.failed;
    while Instant::now() < decided {
        if !claim.is_held() {
            return Err(JoinError::IdClaimed { node });
        }
        std::thread::sleep(LOOK);
    }
    if !claim.is_held() {
        return Err(JoinError::IdClaimed { node });
    }
    Ok(Held { claim, previous: former.map_or(0, |former| former.incarnation) })
}

/// What the arena says of the node that had it last.
#[derive(Debug)]
struct Former {
    pid: u32,
    hostname: String,
    incarnation: u64,
    timing: Timing,
    takes_part: bool,
}

impl Former {
    /// `None` if the memory is no arena of this node: what is in it is garbage, and counts for nothing.
    fn read(span: &PeerSpan, node: NodeId) -> Option<Self> {
        let identity = PeerArena::identity_of(span).ok().filter(|identity| identity.node == node)?;
        let word = PeerArena::state_of(span)?;
        Some(Self {
            pid: identity.pid,
            hostname: identity.hostname,
            incarnation: plausible(word.incarnation),
            timing: identity.timing,
            takes_part: matches!(word.state, State::Joining | State::Active),
        })
    }

    fn lives(&self, span: &PeerSpan, ours: Timing, one_kernel: bool) -> bool {
        // A word that the kernel has marked, or that was given back, is as good as a silent heart, and faster.
        let may_live = !one_kernel || PeerArena::liveness_of(span).is_some_and(word_is_held);
        self.takes_part && may_live && beats(span, ours.failed.max(self.timing.failed.min(PATIENCE)))
    }

    fn in_use(&self, node: NodeId) -> JoinError {
        let (pid, hostname, incarnation) = (self.pid, self.hostname.clone(), self.incarnation);
        JoinError::IdInUse { node, pid, hostname, incarnation }
    }
}

/// Whether a heart is seen to beat within a time.
pub(super) fn beats(span: &PeerSpan, within: Duration) -> bool {
    let first = PeerArena::heartbeat_of(span);
    let give_up = Instant::now() + within;
    while Instant::now() < give_up {
        if PeerArena::heartbeat_of(span) != first {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

/// A number that no other process chooses, and not 0.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Its keys come from the operating system's source of randomness.
    let hash = RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()));
    hash.max(1)
}

const LOOK: Duration = Duration::from_millis(1);

/// The longest failure timeout of a holder that is believed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::CoherenceMode;

    fn terms() -> Terms {
        let timing = Timing { failed: Duration::from_millis(30), ..Timing::default() };
        Terms { max_nodes: 1, queues: 1, timing, coherence: CoherenceMode::Hardware }
    }

    fn arena() -> Arc<Mapping> {
        Mapping::anonymous(1 << 20).unwrap().0
    }

    fn node() -> NodeId {
        NodeId::new(1).unwrap()
    }

    #[test]
    fn garbage_is_no_holder() {
        let arena = arena();
        let own = arena.own().unwrap();
        own.copy_in(0, &[0xa5; 4096]);
        let held = take(&arena, node(), false, &terms(), false).unwrap();
        assert_eq!(held.previous(), 0);
        assert!(held.still_held());
        own.store_u64(at::NONCE, 7, Ordering::Relaxed);
        assert!(!held.still_held());
    }

    #[test]
    fn of_two_that_claim_an_arena_at_once_one_gets_it() {
        for _ in 0..8 {
            let arena = arena();
            let claims: Vec<_> = (0..2)
                .map(|_| {
                    let arena = Arc::clone(&arena);
                    std::thread::spawn(move || take(&arena, node(), false, &terms(), false))
                })
                .collect();
            let held: Vec<_> = claims.into_iter().filter_map(|claim| claim.join().unwrap().ok()).collect();
            // Both wait for longer than either is likely to take from its look to its nonce; were it not so, the first would
            // find out at its next heartbeat.
            assert_eq!(held.iter().filter(|held| held.still_held()).count(), 1);
        }
    }
}
