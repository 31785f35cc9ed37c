//! The threads that wait on the liveness words of all peers: one call waits on 127 of them, so there is a thread for each 127 nodes
//! that the segment may have beside this one.
//!
//! The kernel wakes only one of those who wait on a dead node's word, so whoever is woken wakes all the others. Where
//! the kernel lacks `futex_waitv` the words are looked at every heartbeat.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::futex::{self, Expected, MAX_WAIT};
use super::roster::Roster;
use super::scheduling::become_real_time;
use super::word_is_held;
use crate::node::NodeId;

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    roster: Arc<Roster>,
    threads: Vec<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the threads, for a roster of at most `most` peers. `gone` is called once for each incarnation whose word is not held any
    /// more.
    pub(crate) fn start(
        roster: Arc<Roster>,
        most: usize,
        poll: Duration,
        gone: impl Fn(NodeId, u64) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let mut watcher = Self { stop: Arc::new(AtomicBool::new(false)), roster, threads: Vec::new() };
        for part in 0..most.div_ceil(PART) {
            let (stop, roster) = (Arc::clone(&watcher.stop), Arc::clone(&watcher.roster));
            let gone = gone.clone();
            let thread = Builder::new().name("shm-watch".into()).stack_size(STACK).spawn(move || {
                become_real_time();
                watch(&roster, part, &stop, poll, &gone);
            })?;
            watcher.threads.push(thread);
        }
        Ok(watcher)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.roster.touch();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Waits on the words of one part of the roster.
fn watch(roster: &Roster, part: usize, stop: &AtomicBool, poll: Duration, gone: &dyn Fn(NodeId, u64)) {
    let mut reported = HashSet::new();
    let mut can_wait = true;
    while !stop.load(Ordering::SeqCst) {
        // Before the peers are read: a change after this load ends the wait at once.
        let version = roster.version().load(Ordering::Acquire);
        let peers = roster.peers();
        let peers = peers.chunks(PART).nth(part).unwrap_or_default();
        reported.retain(|known| peers.iter().any(|peer| (peer.node, peer.incarnation) == *known));

        let mut newly = Vec::new();
        let mut words = vec![Expected::private(roster.version(), version)];
        for peer in peers.iter().filter(|peer| !reported.contains(&(peer.node, peer.incarnation))) {
            let word = peer.arena.liveness_word();
            if word_is_held(word) {
                words.push(Expected::liveness(&peer.mapping, word));
            } else {
                futex::wake_liveness(&peer.mapping);
                gone(peer.node, peer.incarnation);
                newly.push((peer.node, peer.incarnation));
            }
        }
        reported.extend(newly);

        if can_wait {
            if let Err(error) = futex::wait_any(&words, LOOK_AGAIN) {
                // A word that cannot be read (a peer's file was cut short) counts as any other failure to wait.
                tracing::debug!(%error, "waiting on liveness words is not possible; polling them");
                can_wait = error.raw_os_error() != Some(libc::ENOSYS);
                std::thread::sleep(poll);
            }
        } else {
            std::thread::sleep(poll);
        }
    }
}

/// How many peers a thread waits on: one more word is the roster's.
const PART: usize = MAX_WAIT - 1;

/// Nothing depends on it: a bound for what was not foreseen.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

const STACK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc;

    use super::*;
    use crate::layout::{Layout, PeerArena, at};
    use crate::liveness::roster::Watched;
    use crate::liveness::{OWNER_DIED, WAITERS};
    use crate::memory::{Mapping, OwnSpan};

    /// A peer whose word is held, and the memory where the word is.
    fn peer(node: NodeId, layout: Layout) -> (OwnSpan, Watched) {
        let (own, peer) = Mapping::anonymous(layout.heap).unwrap();
        let own = own.own().unwrap();
        own.store_u32(at::LIVENESS, WAITERS | 1, Ordering::SeqCst);
        let arena = PeerArena::new(peer.peer(), layout).unwrap();
        let silence = Arc::new(AtomicU64::new(0));
        (own, Watched { node, incarnation: 7, arena, mapping: peer, silence })
    }

    /// Input: 255 peers, of which one in each thread's part dies as the kernel marks and wakes it, and so does the very last one.
    /// Expected: each is told of at once, not when the words are looked at the next time, in an hour.
    #[test]
    fn of_255_peers_each_that_dies_is_told_of() {
        let layout = Layout::new(256, 1).unwrap();
        let (words, watched): (Vec<_>, Vec<_>) =
            (0..255).map(|index| peer(NodeId::from_index(index).unwrap(), layout)).unzip();
        let mappings: Vec<_> = watched.iter().map(|peer| Arc::clone(&peer.mapping)).collect();
        let roster = Arc::new(Roster::default());
        roster.replace(watched);
        let (tell, told) = mpsc::channel();
        let watcher = Watcher::start(roster, 255, Duration::from_secs(3600), move |node, incarnation| {
            let _ = tell.send((node.index(), incarnation));
        });
        let watcher = watcher.unwrap();
        for dead in [3, 126, 127, 200, 254] {
            words[dead].store_u32(at::LIVENESS, WAITERS | OWNER_DIED | 1, Ordering::SeqCst);
            futex::wake_liveness(&mappings[dead]);
            assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok((dead, 7)));
        }
        drop(watcher);
        assert_eq!(told.try_iter().count(), 0, "told twice, or of those who live");
    }
}
