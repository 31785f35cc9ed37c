//! The thread that waits on the liveness words of all peers.
//!
//! The kernel wakes only one of those who wait on a dead node's word, so whoever is woken wakes all the others. Where
//! the kernel lacks `futex_waitv`, and for peers beyond the 127 that one call waits on, the words are looked at every
//! heartbeat.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::futex::{self, Expected, MAX_WAIT};
use super::roster::Roster;
use super::word_is_held;
use crate::node::NodeId;

/// Runs until dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    roster: Arc<Roster>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread. `gone` is called once for each incarnation whose word is not held any more.
    pub(crate) fn start(
        roster: Arc<Roster>,
        poll: Duration,
        gone: impl Fn(NodeId, u64) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (thread_stop, thread_roster) = (Arc::clone(&stop), Arc::clone(&roster));
        let thread = Builder::new().name("shm-watch".into()).stack_size(STACK).spawn(move || {
            watch(&thread_roster, &thread_stop, poll, &gone);
        })?;
        Ok(Self { stop, roster, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.roster.touch();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(roster: &Roster, stop: &AtomicBool, poll: Duration, gone: &dyn Fn(NodeId, u64)) {
    let mut reported = HashSet::new();
    let mut can_wait = true;
    while !stop.load(Ordering::SeqCst) {
        // Before the peers are read: a change after this load ends the wait at once.
        let version = roster.version().load(Ordering::Acquire);
        let peers = roster.peers();
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

        let all = words.len() <= MAX_WAIT;
        words.truncate(MAX_WAIT);
        if can_wait {
            let timeout = if all { LOOK_AGAIN } else { poll };
            if let Err(error) = futex::wait_any(&words, timeout) {
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

/// Nothing depends on it: a bound for what was not foreseen.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

const STACK: usize = 128 << 10;
