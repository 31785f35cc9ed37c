//! Looking at a segment before this node is in it: who is alive there, and what they remember of this node.

use std::time::{Duration, Instant};

use super::agree;
use super::control::Unproven;
use super::life::Setup;
use crate::config::Timing;
use crate::error::JoinError;
use crate::facility::{Liveness, PeerFile};
use crate::layout::{Identity, Malformed, PeerArena, State, plausible};
use crate::node::NodeId;
use crate::sigbus;

/// What was found.
#[derive(Debug)]
pub(super) struct Survey {
    /// Members whose processes live, and with whom we agree.
    pub(super) live: Vec<NodeId>,
    /// The highest incarnation of this node that anybody remembers.
    pub(super) remembered: u64,
    /// Of the live ones, the heartbeats from which they were seen to beat on, where nothing else tells that they live.
    pub(super) proven: Vec<(NodeId, Unproven)>,
}

/// Looks at every arena; refuses to join live members who disagree.
pub(super) fn survey(setup: &Setup) -> Result<Survey, JoinError> {
    let mut found = Survey { live: Vec::new(), remembered: 0, proven: Vec::new() };
    let present = setup.facility.present().map_err(JoinError::system("looking at the segment"))?;
    for (node, _) in present {
        let Ok(Some(file)) = setup.facility.open(node) else { continue };
        sigbus::guard(&file.mapping).map_err(JoinError::system("guarding memory"))?;
        if node == setup.me {
            found.remembered = found.remembered.max(own_former(setup, &file));
            continue;
        }
        found.remembered = found.remembered.max(closed(&file, setup.me));
        if !is_member(setup, &file) {
            continue;
        }
        let identity = PeerArena::identity_of(&file.mapping.peer());
        let by_heart = setup.facility.liveness() == Liveness::Heartbeat;
        let span = file.mapping.peer();
        let first = PeerArena::heartbeat_of(&span).unwrap_or(0);
        if by_heart && !beats(&file, silence(setup, &identity)) {
            continue;
        }
        match agree::check(node, &identity, &setup.requirements, setup.coherence_of(&file.mapping)) {
            Ok(true) if by_heart => {
                let incarnation = PeerArena::state_of(&span).map_or(0, |word| word.incarnation);
                found.live.push(node);
                found.proven.push((node, Unproven { incarnation, beats: first, since: Instant::now() }));
            }
            Ok(true) => found.live.push(node),
            Ok(false) => {}
            // Only a beating heart refuses: a marked word can be missing where the kernel or the machine died.
            Err(error) if beats(&file, 2 * setup.timing.failed) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(found)
}

/// Waits until all live members have closed an incarnation of this node whose memory is to be used again.
pub(super) fn await_closing(setup: &Setup, live: &[NodeId], former: u64) -> Result<(), JoinError> {
    let give_up = Instant::now() + CLOSING + 4 * setup.timing.failed;
    for peer in live {
        let Ok(Some(file)) = setup.facility.open(*peer) else { continue };
        sigbus::guard(&file.mapping).map_err(JoinError::system("guarding memory"))?;
        while closed(&file, setup.me) < former && is_member(setup, &file) {
            if Instant::now() >= give_up {
                return Err(JoinError::StillOpen { peer: *peer, incarnation: former });
            }
            setup.facility.pause(setup.timing.heartbeat);
        }
    }
    Ok(())
}

/// The timeouts of a node that lives and has closed this incarnation of ours.
pub(super) fn accusation(setup: &Setup, node: NodeId, incarnation: u64) -> Option<Timing> {
    let file = setup.facility.open(node).ok()??;
    sigbus::guard(&file.mapping).ok()?;
    let accuses =
        is_member(setup, &file) && PeerArena::closed_of(&file.mapping.peer(), setup.me)? >= incarnation;
    let identity = PeerArena::identity_of(&file.mapping.peer()).ok()?;
    (accuses && identity.node == node).then_some(identity.timing)
}

/// Whether a node says that it takes part, and its process lives.
fn is_member(setup: &Setup, file: &PeerFile) -> bool {
    let span = file.mapping.peer();
    let state = PeerArena::state_of(&span).map(|word| word.state);
    matches!(state, Some(State::Joining | State::Active))
        && PeerArena::liveness_of(&span).is_some_and(|word| setup.may_live(word))
}

/// How long a heart may be silent before its node counts as dead.
fn silence(setup: &Setup, identity: &Result<Identity, Malformed>) -> Duration {
    let theirs = identity.as_ref().map_or(Duration::ZERO, |identity| identity.timing.failed);
    setup.timing.failed.max(theirs.min(PATIENCE))
}

fn own_former(setup: &Setup, file: &PeerFile) -> u64 {
    let identity = PeerArena::identity_of(&file.mapping.peer());
    if !identity.is_ok_and(|identity| identity.node == setup.me) {
        // Memory of which it is not known what it was before.
        return 0;
    }
    PeerArena::state_of(&file.mapping.peer()).map_or(0, |word| plausible(word.incarnation))
}

fn closed(file: &PeerFile, me: NodeId) -> u64 {
    PeerArena::closed_of(&file.mapping.peer(), me).map_or(0, plausible)
}

/// Whether a heart is seen to beat within a time.
fn beats(file: &PeerFile, within: Duration) -> bool {
    let span = file.mapping.peer();
    let first = PeerArena::heartbeat_of(&span);
    let give_up = Instant::now() + within;
    while Instant::now() < give_up {
        if PeerArena::heartbeat_of(&span) != first {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// The longest failure timeout of a peer that is believed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Beyond the failure timeout, the time that peers get to close a dead incarnation.
const CLOSING: Duration = Duration::from_secs(2);
