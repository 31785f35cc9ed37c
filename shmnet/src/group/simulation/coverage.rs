//! What happened in the runs: a simulation in which nothing happens proves nothing.

use crate::group::ReaderCounters;

macro_rules! coverage {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// How often each thing happened.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Coverage { $($(#[$doc])* pub(super) $field: u64,)* }

        impl Coverage {
            pub(super) fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// What never happened.
            pub(super) fn missing(&self) -> Vec<&'static str> {
                [$((stringify!($field), self.$field),)*]
                    .into_iter()
                    .filter_map(|(name, count)| (count == 0).then_some(name))
                    .collect()
            }
        }
    };
}

coverage! {
    /// Frames delivered.
    delivered,
    /// Frames of which two readers' order was compared.
    compared,
    /// Frames that a member was owed and that were overwritten before it read them.
    overwritten,
    /// Operations in the middle of which others ran.
    interrupted,
    /// Deaths in the middle of an operation.
    died_within,
    /// Steps after which more than one node took itself for the owner.
    rival_owners,
    /// Changes of the owner.
    generations,
    /// Readers that had seen the order ring go round.
    lapped,
    /// Readers that had lost frames to a lane that went round.
    lost,
    /// Readers that had found a gap in the order.
    gaps,
    /// Readers that had been given a frame twice by the order, and had dropped it.
    duplicates,
    /// Lives in the memory of the life before.
    reused,
    /// Attachments where a joiner had looked before.
    joined_at,
    /// Orderly departures.
    leaves,
    /// Words that a liar wrote.
    lies,
}

impl Coverage {
    pub(super) fn note(&mut self, received: &ReaderCounters) {
        self.lapped += u64::from(received.laps > 0);
        self.lost += u64::from(received.lost > 0);
        self.gaps += u64::from(received.gaps > 0);
        self.duplicates += u64::from(received.duplicates > 0);
    }
}
