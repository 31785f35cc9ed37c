//! Liveness: telling that a node is dead, late or well.
//!
//! * [`holder`]: each node has a thread that holds a robust futex word in its own arena, which the kernel marks when the
//!   process dies, however it dies.
//! * [`watcher`]: a thread that waits on the words of all peers at once.
//! * [`heartbeat`]: a thread that beats for this node and counts the silence of the others.
//! * [`scheduling`]: all three are real-time threads where that is permitted.
//! * [`quota`]: whether this process can be stopped by a CPU quota, which makes silence mean less.

pub(crate) mod heartbeat;
pub(crate) mod holder;
pub(crate) mod quota;
pub(crate) mod roster;
pub(crate) mod watcher;

mod futex;
mod scheduling;

/// Bits of a robust futex word, as the kernel defines them: someone waits; the owner died; the owner's thread id.
pub(crate) const WAITERS: u32 = 0x8000_0000;
pub(crate) const OWNER_DIED: u32 = 0x4000_0000;
pub(crate) const TID_MASK: u32 = 0x3fff_ffff;

/// Whether the kernel has marked the word's owner dead.
pub(crate) fn word_is_dead(word: u32) -> bool {
    word & OWNER_DIED != 0
}

/// Whether a living thread holds the word, as far as the word says.
pub(crate) fn word_is_held(word: u32) -> bool {
    word & OWNER_DIED == 0 && word & TID_MASK != 0
}
