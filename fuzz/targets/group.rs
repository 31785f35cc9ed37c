//! A group of three, of whom the first's or the last's memory is written by the script: whatever it says, the two others get
//! each other's frames, each once and in order.
#![no_main]

use isthmus_fuzz::Script;
use isthmus_shmnet::group::{GroupEndpoint, GroupGeometry, Start};
use isthmus_shmnet::memory::{Mapping, OwnSpan, PeerSpan};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::Ordering::Relaxed;

fuzz_target!(|bytes: &[u8]| {
    let mut script = Script(bytes);
    let Some(mut group) = script.byte().and_then(Group::new) else { return };
    while group.step(&mut script).is_some() {}
    group.exchange();
    group.exchange();
});

/// Incarnation of a node.
fn incarnation(id: u16) -> u64 {
    4 + u64::from(id)
}

struct Honest {
    id: u16,
    end: GroupEndpoint,
    /// The number of the next frame that it sends.
    sent: u64,
    /// The number that it expects next of the other honest node.
    expected: u64,
}

struct Group {
    geometry: GroupGeometry,
    hostile: u16,
    memory: OwnSpan,
    seen: PeerSpan,
    honest: [Honest; 2],
}

impl Group {
    fn new(shape: u8) -> Option<Self> {
        let geometry = GroupGeometry::new(4, 4 << (shape & 1), 128, 8).ok()?;
        let ids: [u16; 3] = if shape & 2 == 0 { [1, 2, 3] } else { [3, 1, 2] };
        let maps = ids.map(|_| Mapping::anonymous(geometry.bytes()));
        let [Ok(hostile), Ok(first), Ok(second)] = maps else { return None };
        let end =
            |id: u16, own: &OwnSpan| GroupEndpoint::new(own.clone(), id, incarnation(id), geometry).ok();
        // The hostile node's area is laid out as an honest one's at first.
        end(ids[0], &hostile.0.own().ok()?)?;
        let mut honest = [
            Honest { id: ids[1], end: end(ids[1], &first.0.own().ok()?)?, sent: 0, expected: 0 },
            Honest { id: ids[2], end: end(ids[2], &second.0.own().ok()?)?, sent: 0, expected: 0 },
        ];
        let seen = hostile.1.peer();
        let areas = [(ids[0], seen.clone()), (ids[1], first.1.peer()), (ids[2], second.1.peer())];
        for one in &mut honest {
            for (id, area) in areas.iter().filter(|(id, _)| *id != one.id) {
                one.end.attach_peer(*id, incarnation(*id), area.clone(), Start::Oldest).ok()?;
            }
            one.end.set_active(&ids);
        }
        Some(Self { geometry, hostile: ids[0], memory: hostile.0.own().ok()?, seen, honest })
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? % 8 {
            0 | 1 => {
                let words = self.memory.len() / 8;
                let (at, word) = (script.int()? as usize % words * 8, script.word()?);
                self.memory.store_u64(at, word, Relaxed);
            }
            2 => {
                // The words in front: header, lane, claims, acknowledgements, reader's position.
                let (at, word) = (usize::from(script.byte()?) % 64 * 8, script.word()?);
                self.memory.store_u64(at, word, Relaxed);
            }
            3 => {
                let (at, by) = (usize::from(script.byte()?) % 64 * 8, i8::from_le_bytes([script.byte()?]));
                let word = self.memory.load_u64(at, Relaxed).wrapping_add_signed(i64::from(by));
                self.memory.store_u64(at, word, Relaxed);
            }
            4 => self.exchange(),
            5 => {
                let honest = usize::from(script.byte()? & 1);
                self.honest[honest].end.poll_owner_duties();
                let _ = self.honest[honest].end.has_unread();
                let _ = self.honest[honest].end.lag().count();
            }
            6 => {
                // The node is met again, as another incarnation or as the same.
                let honest = usize::from(script.byte()? & 1);
                let (to, start) = (u64::from(script.byte()?), script.byte()?);
                let start = if start & 1 == 0 { Start::Oldest } else { Start::Next };
                let _ = self.honest[honest].end.attach_peer(self.hostile, to, self.seen.clone(), start);
            }
            _ => {
                let honest = usize::from(script.byte()? & 1);
                self.honest[honest].end.detach_peer(self.hostile);
            }
        }
        Some(())
    }

    /// Both honest nodes send a frame, do their duties, and receive the other's.
    fn exchange(&mut self) {
        for one in &mut self.honest {
            let text = format!("{}", one.sent);
            one.sent += 1;
            assert!(one.end.send(text.as_bytes()).is_ok());
        }
        for _ in 0..2 {
            for index in 0..2 {
                self.honest[index].end.poll_owner_duties();
            }
            for index in 0..2 {
                self.drain(index);
            }
        }
        // The owner may be the hostile node: then patience ends, as it does for a real node after some milliseconds.
        for index in 0..2 {
            let _ = self.honest[index].end.is_overdue();
            if self.honest[index].end.is_overdue() {
                self.honest[index].end.sweep();
            }
            self.drain(index);
            let other = &self.honest[1 - index];
            assert_eq!(
                self.honest[index].expected, other.sent,
                "node {} misses a frame",
                self.honest[index].id
            );
        }
    }

    fn drain(&mut self, index: usize) {
        let other = self.honest[1 - index].id;
        let one = &mut self.honest[index];
        let mut into = vec![0; self.geometry.max_frame()];
        // A hostile node can keep a reader busy with frames of its own, but not for ever.
        for _ in 0..10_000 {
            let Some(delivered) = one.end.receive(&mut into) else { return };
            assert!(delivered.len <= into.len() && delivered.source != one.id);
            if delivered.source == other {
                assert_eq!(&into[..delivered.len], format!("{}", one.expected).as_bytes());
                one.expected += 1;
            }
        }
        panic!("node {} never runs dry", one.id);
    }
}
