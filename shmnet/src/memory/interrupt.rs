//! For simulations: stops a node in the middle of an operation, before an access to shared memory, and lets others run,
//! after which the node goes on or is dead.

use std::cell::RefCell;
use std::rc::Rc;

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
    /// Loads do not count.
    only_stores: bool,
    dead: bool,
}

type Pause = Rc<dyn Fn()>;

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
    static PAUSE: RefCell<Option<Pause>> = RefCell::default();
}

/// Runs `operation`, and `action` before the access to shared memory that follows `accesses` others. Returns the result, and
/// whether the operation was cut off.
pub(crate) fn during<T>(accesses: u64, action: Action, operation: impl FnOnce() -> T) -> (T, bool) {
    interrupted(State { pending: Some((accesses, action)), ..State::default() }, operation)
}

/// As [`during`], with `action` before the store that follows `stores` others.
pub(crate) fn during_stores<T>(stores: u64, action: Action, operation: impl FnOnce() -> T) -> (T, bool) {
    interrupted(State { pending: Some((stores, action)), only_stores: true, ..State::default() }, operation)
}

/// How many stores an operation does.
pub(crate) fn count_stores(operation: impl FnOnce()) -> u64 {
    let never = Some((u64::MAX, Box::new(|| Then::GoOn) as Action));
    STATE.set(State { pending: never, only_stores: true, ..State::default() });
    operation();
    STATE.take().pending.map_or(0, |(left, _)| u64::MAX - left)
}

fn interrupted<T>(state: State, operation: impl FnOnce() -> T) -> (T, bool) {
    STATE.set(state);
    let result = operation();
    (result, STATE.take().dead)
}

/// Whether the node whose operation this is has died in it.
pub(crate) fn is_dead() -> bool {
    STATE.with_borrow(|state| state.dead)
}

/// Runs what others do in the middle of an operation, of which it is no part.
pub(crate) fn aside<T>(others: impl FnOnce() -> T) -> T {
    let state = STATE.take();
    let result = others();
    STATE.set(state);
    result
}

/// Sets what happens in this thread whenever a node [waits](pause) for others.
pub(crate) fn on_pause(others: impl Fn() + 'static) {
    PAUSE.set(Some(Rc::new(others)));
}

/// A node waits for others. One that is dead waits for nobody: it unwinds, without a panic.
pub(crate) fn pause() {
    if is_dead() {
        std::panic::resume_unwind(Box::new("dead"));
    }
    let others = PAUSE.with_borrow(Clone::clone);
    if let Some(others) = others {
        others();
    }
}

/// To be called at every load.
pub(super) fn load() {
    if !STATE.with_borrow(|state| state.only_stores) {
        access();
    }
}

/// To be called at every other access; `true` if stores are not to happen.
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
