//! A peer's arena, into whose header, tables, group areas and heap the script writes: everything that a node reads of it.
#![no_main]

use isthmus_fuzz::Script;
use isthmus_shmnet::fuzzing::ArenaUnderTest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script(bytes);
    let arena = ArenaUnderTest::new();
    while let Some((at, word)) = script.int().zip(script.word()) {
        // Half of the writes go into the small part in front, of which every word means something.
        let at = if at & 1 == 0 { at as usize / 2 % arena.tables() } else { at as usize / 2 };
        arena.write(at, word);
        if word & 0xff == 0x77 {
            arena.read_everything();
        }
    }
    arena.read_everything();
});
