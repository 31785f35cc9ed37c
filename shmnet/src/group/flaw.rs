//! Faults that the simulation puts into the protocol, to show that it would find them. Outside of the unit tests there are none.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A new owner orders what comes after the frames that the owner before had ordered.
    OwnerGoesOnWhereTheLastOneWas,
    /// A reader delivers whatever a reference names.
    ReaderTrustsReferences,
    /// A reader passes over what the references passed over.
    ReaderLeavesGaps,
    /// A reader that was lapped goes on with the oldest reference that is left.
    ReaderForgetsWhatLappedIt,
    /// A reader does not look at a slot's word again after it has copied it.
    ReaderDoesNotLookTwice,
    /// A reader takes frames of any incarnation of a source.
    ReaderTakesAnyIncarnation,
    /// A source gives up frames that members have not acknowledged.
    SourceDoesNotWait,
    /// A node goes on reading the order of an owner that it has closed.
    ReaderStaysWithTheDead,
}

#[cfg(all(test, not(loom)))]
pub(super) use present::set;

/// Whether the simulation has put a flaw in.
pub(super) use present::has;

#[cfg(test)]
mod present {
    use std::cell::Cell;

    use super::Flaw;

    thread_local! {
        static PRESENT: Cell<Option<Flaw>> = const { Cell::new(None) };
    }

    /// Puts a flaw into this thread's protocol, or takes it out.
    pub(in crate::group) fn set(flaw: Option<Flaw>) {
        PRESENT.set(flaw);
    }

    pub(in crate::group) fn has(flaw: Flaw) -> bool {
        PRESENT.get() == Some(flaw)
    }
}

#[cfg(not(test))]
mod present {
    use super::Flaw;

    #[inline(always)]
    pub(in crate::group) const fn has(_: Flaw) -> bool {
        false
    }
}
