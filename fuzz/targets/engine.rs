//! A whole OSPF engine in a conversation that the script changes: whatever it is given, what it says can be read, its timers lead
//! on, what it tells of routes adds up, and everything can be looked at.
#![no_main]

use isthmus_fuzz::Script;
use isthmus_fuzz::engine::Engine;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script(bytes);
    let Some(shape) = script.byte() else { return };
    let mut engine = Engine::new(shape);
    while engine.step(&mut script).is_some() {}
    engine.look();
});
