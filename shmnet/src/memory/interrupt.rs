//! For simulations: stops a node in the middle of an operation, between two accesses to shared memory, and lets others run,
//! after which the node goes on or is dead.

use std::cell::RefCell;

/// What becomes of the node that was interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on as if nothing had happened.
    GoOn,
    /// None of its stores has an effect any more.
    Die,
}

type Action = Box<dyn FnOnce() -> Then>;

#[derive(Default)]
struct State {
    pending: Option<(u64, Action)>,
    dead: bool,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Runs `operation`, and `action` before the access to shared memory that follows `accesses` others. Returns the result, and
/// whether the operation was cut off.
pub(crate) fn during<T>(accesses: u64, action: Action, operation: impl FnOnce() -> T) -> (T, bool) {
    STATE.with_borrow_mut(|state| *state = State { pending: Some((accesses, action)), dead: false });
    let result = operation();
    let dead = STATE.with_borrow_mut(|state| std::mem::take(state).dead);
    (result, dead)
}

/// To be called at every access; `true` if stores are not to happen.
pub(super) fn access() -> bool {
    let due = STATE.with_borrow_mut(|state| match &mut state.pending {
        Some((0, _)) => state.pending.take(),
        Some((left, _)) => {
            *left -= 1;
            None
        }
        None => None,
    });
    if let Some((_, action)) = due
        && action() == Then::Die
    {
        STATE.with_borrow_mut(|state| state.dead = true);
    }
    STATE.with_borrow(|state| state.dead)
}
