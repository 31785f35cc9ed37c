//! Memory that is not coherent, simulated: one main memory for each arena, and for each node a cache of it that shows only what
//! was fetched, and gives away only what was written back or evicted.
//!
//! A node's [`Mapping`] of an arena is its cache of it: the mapped bytes are what the node sees. What a cache may do of its own accord it
//! does, by the dice of a seed, at every access of anybody: it evicts a line, fetches one, or does either by halves. The unit of
//! atomicity is the aligned 8-byte word: lines go to main memory and come from there in several goes, in any order.
//!
//! * A line that is stored to is *dirty*, word by word, until it was written back.
//! * `write_back` begins to write lines, `write_back_fence` ends it; in between they may be written or not.
//! * `invalidate` begins to drop lines (after writing what is dirty, as the instructions do), its fence ends it. It may have been
//!   done at any time since the fence before: what was fetched since may stay.
//! * A line that is not there is fetched when it is loaded from or stored to.
//!
//! Which calls of the product keep the memory together can be tried out: [`Simulation::skip`] makes the calls at one place of the source,
//! or of one kind, do nothing, and a test that does not fail then does not test that place.

#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, reason = "a simulation fails by panicking")]

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Mapping;

/// What caches hold, in bytes.
const CACHE_LINE: usize = 64;
/// The unit of atomicity, in bytes.
const WORD: usize = 8;
/// All words of a line.
const ALL: u8 = 0xff;

/// A place of the source: file and line.
pub(crate) type Place = (&'static str, u32);

/// What keeps the memory together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    WriteBack,
    WriteBackFence,
    Invalidate,
    InvalidateFence,
}

/// Calls that are to do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    Place(Place),
    Kind(Kind),
}

/// Several arenas and the caches that nodes have of them.
#[derive(Clone)]
pub(crate) struct Simulation {
    state: Arc<Mutex<State>>,
}

struct State {
    random: Random,
    /// How many of 256 accesses make a cache do something of its own accord.
    unrest: u64,
    calm: bool,
    arenas: Vec<Vec<u8>>,
    caches: Vec<Lines>,
    /// Lines that were accessed of late, where things are most likely to go wrong: arena and line.
    recent: [(usize, usize); 16],
    skipped: Option<Skip>,
    places: BTreeSet<Place>,
}

/// The lines of one node's cache of one arena.
struct Lines {
    arena: usize,
    /// The bytes as the node sees them, as an address; the mapping outlives its use.
    image: usize,
    lines: Vec<Line>,
    /// Lines that are to be written at the next fence.
    writing: Vec<usize>,
    /// Lines that are to be dropped at the next fence.
    dropping: Vec<usize>,
    /// Counts the fences that end invalidations.
    fences: u64,
}

#[derive(Clone, Copy, Default)]
struct Line {
    /// Words that were fetched or stored.
    present: u8,
    /// At which count of fences the first of them came.
    since: u64,
    /// Words that were stored and are not in main memory.
    dirty: u8,
    /// `write_back` was called for these words, and no fence since.
    writing: u8,
    /// Its address was given away, to be stored to at any time: dirty until it is written back.
    lent: bool,
}

/// A node's cache of one arena, as its mapping knows it.
pub(crate) struct Cache {
    state: Arc<Mutex<State>>,
    index: usize,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let unrest = [0, 4, 32, 128][random.below(4) as usize];
        Self {
            state: Arc::new(Mutex::new(State {
                random,
                unrest,
                calm: false,
                arenas: Vec::new(),
                caches: Vec::new(),
                recent: [(0, 0); 16],
                skipped: None,
                places: BTreeSet::new(),
            })),
        }
    }

    /// Makes some calls do nothing.
    pub(crate) fn skip(&self, calls: Option<Skip>) {
        self.lock().skipped = calls;
    }

    /// The places of the source from which memory was written back, invalidated or fenced.
    pub(crate) fn places(&self) -> BTreeSet<Place> {
        self.lock().places.clone()
    }

    /// From here on no cache does anything of its own accord, and what it was told to do is done at once: what does not arrive
    /// now never would.
    pub(crate) fn calm(&self) {
        let mut state = self.lock();
        state.calm = true;
        for cache in 0..state.caches.len() {
            state.end_writing(cache);
            state.end_dropping(cache);
        }
    }

    /// A new arena of zeroed memory, as its owner maps it.
    pub(crate) fn arena(&self, len: usize) -> Arc<Mapping> {
        let mut state = self.lock();
        state.arenas.push(vec![0; len.next_multiple_of(CACHE_LINE)]);
        let arena = state.arenas.len() - 1;
        drop(state);
        self.map(arena, len, true)
    }

    /// The same arena as another node maps it.
    pub(crate) fn peer(&self, arena: &Mapping) -> Arc<Mapping> {
        let index = arena.cache().expect("simulated memory").index;
        let arena_index = self.lock().caches[index].arena;
        self.map(arena_index, arena.len(), false)
    }

    fn map(&self, arena: usize, len: usize, writable: bool) -> Arc<Mapping> {
        let index = self.lock().caches.len();
        let cache = Cache { state: Arc::clone(&self.state), index };
        let mapping = Mapping::simulated(len.next_multiple_of(CACHE_LINE), writable, cache).unwrap();
        let lines = vec![Line::default(); len.div_ceil(CACHE_LINE)];
        let image = mapping.base().expose_provenance();
        self.lock().caches.push(Lines {
            arena,
            image,
            lines,
            writing: Vec::new(),
            dropping: Vec::new(),
            fences: 0,
        });
        mapping
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    pub(super) fn skips(&self, kind: Kind, place: &'static Location<'static>) -> bool {
        let place = (place.file(), place.line());
        let mut state = self.lock();
        state.places.insert(place);
        state.skipped == Some(Skip::Place(place)) || state.skipped == Some(Skip::Kind(kind))
    }

    pub(super) fn before_load(&self, offset: usize, len: usize) {
        let mut state = self.lock();
        state.stir();
        for line in lines(offset, len) {
            state.note(self.index, line);
            state.fetch(self.index, line, ALL);
        }
    }

    pub(super) fn before_store(&self, offset: usize, len: usize) {
        let mut state = self.lock();
        state.stir();
        state.make_dirty(self.index, offset, len, false);
    }

    pub(super) fn lend(&self, offset: usize, len: usize) {
        self.lock().make_dirty(self.index, offset, len, true);
    }

    pub(super) fn write_back(&self, offset: usize, len: usize) {
        let mut state = self.lock();
        for line in lines(offset, len) {
            let at = &mut state.caches[self.index].lines[line];
            at.writing |= at.dirty;
            at.lent = false;
            state.caches[self.index].writing.push(line);
            if state.random.one_in(2) {
                let words = state.random.next() as u8;
                state.write(self.index, line, words);
            }
        }
        if state.calm {
            state.end_writing(self.index);
        }
        state.stir();
    }

    pub(super) fn write_back_fence(&self) {
        self.lock().end_writing(self.index);
    }

    pub(super) fn invalidate(&self, offset: usize, len: usize) {
        let mut state = self.lock();
        for line in lines(offset, len) {
            let cache = &state.caches[self.index];
            if cache.lines[line].since == cache.fences && !state.calm && state.random.one_in(2) {
                continue;
            }
            if state.random.one_in(2) {
                state.drop_line(self.index, line);
            } else {
                state.caches[self.index].dropping.push(line);
            }
        }
        if state.calm {
            state.end_dropping(self.index);
        }
        state.stir();
    }

    pub(super) fn invalidate_fence(&self) {
        let mut state = self.lock();
        state.end_dropping(self.index);
        state.caches[self.index].fences += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cache {
    /// The node is gone. What it had stored and not written back may go to main memory or not.
    fn drop(&mut self) {
        let mut state = self.lock();
        for line in 0..state.caches[self.index].lines.len() {
            let words = state.random.next() as u8;
            state.write(self.index, line, words);
        }
        let cache = &mut state.caches[self.index];
        (cache.lines, cache.writing, cache.dropping) = Default::default();
    }
}

impl State {
    /// Perhaps a cache does something of its own accord.
    fn stir(&mut self) {
        if self.calm || self.random.below(256) >= self.unrest {
            return;
        }
        let cache = self.random.below(self.caches.len() as u64) as usize;
        if self.caches[cache].lines.is_empty() {
            return;
        }
        let arena = self.caches[cache].arena;
        let (recent_arena, recent) = self.recent[self.random.below(16) as usize];
        let line = if recent_arena == arena && !self.random.one_in(4) {
            recent
        } else {
            self.random.below(self.caches[cache].lines.len() as u64) as usize
        };
        let words = if self.random.one_in(2) { ALL } else { self.random.next() as u8 };
        if self.random.one_in(2) {
            self.fetch(cache, line, words);
        } else {
            self.write(cache, line, words);
            let at = &mut self.caches[cache].lines[line];
            if !at.lent {
                at.present &= !words | at.dirty;
            }
        }
    }

    fn note(&mut self, cache: usize, line: usize) {
        let at = self.random.below(16) as usize;
        self.recent[at] = (self.caches[cache].arena, line);
    }

    /// Fetches those of `words` that are not there.
    fn fetch(&mut self, cache: usize, line: usize, words: u8) {
        let lines = &mut self.caches[cache];
        let missing = words & !lines.lines[line].present;
        if lines.lines[line].present == 0 {
            lines.lines[line].since = lines.fences;
        }
        lines.lines[line].present |= missing;
        let main = &self.arenas[lines.arena];
        for at in offsets(line, missing) {
            // SAFETY: the image is as long as the arena and lives as long as anything is accessed by it; this thread
            // alone accesses it, under the lock.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    main[at..at + WORD].as_ptr(),
                    std::ptr::with_exposed_provenance_mut(lines.image + at),
                    WORD,
                );
            }
        }
    }

    /// Writes those of `words` to main memory that are dirty.
    fn write(&mut self, cache: usize, line: usize, words: u8) {
        let lines = &mut self.caches[cache];
        let at = &mut lines.lines[line];
        let written = words & at.dirty;
        if !at.lent {
            at.dirty &= !written;
        }
        at.writing &= !words;
        let main = &mut self.arenas[lines.arena];
        for at in offsets(line, written) {
            // SAFETY: as in `fetch`.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    std::ptr::with_exposed_provenance(lines.image + at),
                    main[at..at + WORD].as_mut_ptr(),
                    WORD,
                );
            }
        }
    }

    fn end_writing(&mut self, cache: usize) {
        for line in std::mem::take(&mut self.caches[cache].writing) {
            let words = self.caches[cache].lines[line].writing;
            self.write(cache, line, words);
        }
    }

    fn end_dropping(&mut self, cache: usize) {
        for line in std::mem::take(&mut self.caches[cache].dropping) {
            self.drop_line(cache, line);
        }
    }

    fn drop_line(&mut self, cache: usize, line: usize) {
        self.write(cache, line, ALL);
        let at = &mut self.caches[cache].lines[line];
        if !at.lent {
            at.present = 0;
        }
    }

    fn make_dirty(&mut self, cache: usize, offset: usize, len: usize, lent: bool) {
        for line in lines(offset, len) {
            self.note(cache, line);
            self.fetch(cache, line, ALL);
            let first = offset.max(line * CACHE_LINE) % CACHE_LINE / WORD;
            let last = ((offset + len).min((line + 1) * CACHE_LINE) - 1) % CACHE_LINE / WORD;
            let at = &mut self.caches[cache].lines[line];
            at.dirty |= (first..=last).fold(0, |words, word| words | 1 << word);
            at.lent |= lent;
        }
    }
}

/// Dice.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The lines that hold `len` bytes at `offset`.
fn lines(offset: usize, len: usize) -> std::ops::Range<usize> {
    offset / CACHE_LINE..if len == 0 { offset / CACHE_LINE } else { (offset + len - 1) / CACHE_LINE + 1 }
}

/// The offsets of some words of a line.
fn offsets(line: usize, words: u8) -> impl Iterator<Item = usize> {
    (0..CACHE_LINE / WORD)
        .filter(move |word| words >> word & 1 == 1)
        .map(move |word| line * CACHE_LINE + word * WORD)
}

/// The seeds to run: `FLUSH_SEED` alone, or the first `FLUSH_SEEDS`, or so many.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("FLUSH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FLUSH_SEEDS").unwrap_or(usual),
    }
}

/// Leaves out the calls at each place of the source that keeps memory together, one place after the other: each time `run` must fail
/// within so many seeds, or the place is in `harmless`, by a part of its file's name and a word of its line.
pub(crate) fn sensitive_places(
    within: u64,
    run: impl Fn(u64, Option<Skip>, &Simulation) -> Result<(), String>,
    harmless: &[(&str, &str)],
) {
    let mut places = BTreeSet::new();
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        run(seed, None, &simulation).unwrap();
        places.extend(simulation.places());
    }
    let text = |(file, line): Place| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let source = std::fs::read_to_string(format!("{source}/{file}")).unwrap();
        format!("{file}:{line}: {}", source.lines().nth(line as usize - 1).unwrap_or_default().trim())
    };
    let is_harmless = |place: &Place| {
        let text = text(*place);
        harmless.iter().any(|(file, word)| text.contains(file) && text.contains(word))
    };
    places.retain(|place| !is_harmless(place));
    assert!(!places.is_empty());
    let unnoticed: Vec<String> = places
        .into_iter()
        .filter(|place| {
            !(0..within).any(|seed| run(seed, Some(Skip::Place(*place)), &Simulation::new(seed)).is_err())
        })
        .map(text)
        .collect();
    assert!(unnoticed.is_empty(), "nothing fails without these: {unnoticed:#?}");
}

/// Leaves out all calls of a kind: each time `run` must fail within so many seeds.
pub(crate) fn sensitive_kinds(
    within: u64,
    run: impl Fn(u64, Option<Skip>, &Simulation) -> Result<(), String>,
) {
    for kind in [Kind::WriteBack, Kind::WriteBackFence, Kind::Invalidate, Kind::InvalidateFence] {
        let fails = |seed| run(seed, Some(Skip::Kind(kind)), &Simulation::new(seed)).is_err();
        assert!((0..within).any(fails), "nothing fails without {kind:?}");
    }
}
