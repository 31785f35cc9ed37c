//! The heap of an arena: which parts are rings, and which are free.

use super::PAGE;

/// A part of the heap, in bytes from the beginning of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// Finds room in whole pages, the lowest first.
#[derive(Debug)]
pub(crate) struct Heap {
    /// Sorted by offset, no two adjacent.
    free: Vec<Chunk>,
    len: u64,
}

impl Heap {
    /// A heap of the bytes from `begin` to `end`.
    pub(crate) fn new(begin: u64, end: u64) -> Self {
        let begin = begin.next_multiple_of(PAGE as u64);
        let len = end.saturating_sub(begin) / PAGE as u64 * PAGE as u64;
        let free = if len == 0 { Vec::new() } else { vec![Chunk { offset: begin, len }] };
        Self { free, len }
    }

    /// Takes `bytes`, rounded up to pages.
    pub(crate) fn take(&mut self, bytes: u64) -> Option<Chunk> {
        let len = bytes.checked_next_multiple_of(PAGE as u64).filter(|len| *len > 0)?;
        let index = self.free.iter().position(|chunk| chunk.len >= len)?;
        let chunk = &mut self.free[index];
        let taken = Chunk { offset: chunk.offset, len };
        chunk.offset += len;
        chunk.len -= len;
        if chunk.len == 0 {
            self.free.remove(index);
        }
        Some(taken)
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, chunk: Chunk) {
        let index = self.free.partition_point(|other| other.offset < chunk.offset);
        self.free.insert(index, chunk);
        let joins = |left: Chunk, right: Chunk| left.offset + left.len == right.offset;
        if index + 1 < self.free.len() && joins(self.free[index], self.free[index + 1]) {
            self.free[index].len += self.free.remove(index + 1).len;
        }
        if index > 0 && joins(self.free[index - 1], self.free[index]) {
            self.free[index - 1].len += self.free.remove(index).len;
        }
    }

    /// Bytes that are free, though perhaps not in one piece.
    pub(crate) fn free(&self) -> u64 {
        self.free.iter().map(|chunk| chunk.len).sum()
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.len - self.free()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_given_back_is_whole_again() {
        let mut heap = Heap::new(8192, 8192 + 10 * 4096);
        let chunks: Vec<Chunk> = (0..5).map(|_| heap.take(5000).unwrap()).collect();
        assert_eq!(heap.take(1), None);
        assert_eq!(heap.used(), 10 * 4096);
        for index in [1, 3, 0, 4, 2] {
            heap.give(chunks[index]);
        }
        assert_eq!(heap.used(), 0);
        assert_eq!(heap.take(10 * 4096), Some(Chunk { offset: 8192, len: 10 * 4096 }));
    }

    proptest! {
        #[test]
        fn chunks_never_overlap(steps in proptest::collection::vec((any::<bool>(), 0_u64..40_000), 1..200)) {
            let mut heap = Heap::new(4096, 1 << 20);
            let mut taken: Vec<Chunk> = Vec::new();
            for (give, size) in steps {
                if give && !taken.is_empty() {
                    heap.give(taken.swap_remove(size as usize % taken.len()));
                } else if let Some(chunk) = heap.take(size) {
                    prop_assert!(chunk.offset >= 4096 && chunk.offset + chunk.len <= 1 << 20 && chunk.len >= size);
                    for other in &taken {
                        prop_assert!(chunk.offset + chunk.len <= other.offset || other.offset + other.len <= chunk.offset);
                    }
                    taken.push(chunk);
                }
                prop_assert_eq!(heap.used(), taken.iter().map(|chunk| chunk.len).sum::<u64>());
            }
        }
    }
}
