//! What has just left the database at MaxAge, or was not let in because of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::types::Instant;
use crate::wire::{LsaHeader, LsaKey};

/// How long a packet may be under way after one that has overtaken it.
const LATE: Duration = Duration::from_millis(250);
/// How many are remembered: whoever flushes more loses the memory of the first, and no more than that.
const LIMIT: usize = 1_000;

/// Headers of what was flushed a moment ago. A copy that is still under way, overtaken by the flush, would else be taken for
/// something new (RFC 2328 section 13 step 4 does not keep what is flushed) and stay until MaxAge.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    headers: BTreeMap<LsaKey, (Instant, LsaHeader)>,
    order: VecDeque<(Instant, LsaKey)>,
}

impl Gone {
    /// Remembers what was flushed.
    pub(crate) fn add(&mut self, now: Instant, header: LsaHeader) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= LATE || self.order.len() >= LIMIT) {
            let Some((at, key)) = self.order.pop_front() else { break };
            // It may have been flushed again since.
            if self.headers.get(&key).is_some_and(|(last, _)| *last == at) {
                self.headers.remove(&key);
            }
        }
        self.headers.insert(header.key, (now, header));
        self.order.push_back((now, header.key));
    }

    /// Whether an instance is not newer than what was flushed under its name a moment ago.
    pub(crate) fn has_overtaken(&self, now: Instant, header: &LsaHeader) -> bool {
        self.headers
            .get(&header.key)
            .is_some_and(|(at, gone)| now.since(*at) < LATE && !header.compare(gone).is_gt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{MAX_AGE, RouterId, SeqNum};
    use crate::wire::{LsType, Options};

    fn header(id: u32, sequence: i32, age: u16) -> LsaHeader {
        let key = LsaKey {
            ls_type: LsType::AS_EXTERNAL,
            id: id.into(),
            advertising_router: RouterId([9; 4].into()),
        };
        LsaHeader { age, options: Options::empty(), key, sequence: SeqNum(sequence), checksum: 1, length: 36 }
    }

    #[test]
    fn for_a_moment_nothing_older_is_new() {
        let mut gone = Gone::default();
        let now = Instant(5_000_000);
        gone.add(now, header(1, 7, MAX_AGE));
        assert!(gone.has_overtaken(now, &header(1, 7, 0)) && gone.has_overtaken(now, &header(1, 6, 0)));
        assert!(!gone.has_overtaken(now, &header(1, 8, 0)) && !gone.has_overtaken(now, &header(2, 7, 0)));
        assert!(!gone.has_overtaken(now + LATE, &header(1, 7, 0)));
    }

    #[test]
    fn it_is_bounded_whatever_is_flushed() {
        let mut gone = Gone::default();
        let now = Instant(5_000_000);
        for id in 0..3 * LIMIT as u32 {
            gone.add(now, header(id % 1_500, 7, MAX_AGE));
        }
        assert!(gone.headers.len() <= LIMIT && gone.order.len() <= LIMIT, "{}", gone.order.len());
        gone.add(now + LATE, header(1, 7, MAX_AGE));
        assert_eq!((gone.headers.len(), gone.order.len()), (1, 1));
    }
}
