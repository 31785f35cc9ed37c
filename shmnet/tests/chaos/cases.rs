//! What a hostile node can write, one kind of thing after the other, and what is made of it.

use rustix::fs::{FallocateFlags, fallocate};

use super::arena::{Arena, CHANGES, FACTS, HEARTBEAT, LIVENESS, STATE, STEERING, SUBSCRIPTIONS};

/// What every honest node does about it.
pub enum Outcome {
    /// It closes the incarnation for one of these causes.
    Quarantine(&'static [&'static str]),
    /// It takes the node for dead.
    Death,
    /// It cannot tell, and has no need to: only the hostile node's own packets and facts are concerned.
    Nothing,
}

use Outcome::{Death, Nothing, Quarantine};

pub struct Case {
    pub name: &'static str,
    /// The process is stopped first, so that it does not notice what is done to its arena, nor begins its next incarnation
    /// as soon as the first of the others has closed this one.
    pub stopped: bool,
    pub outcome: Outcome,
    /// Writes to the first arena; the others are those of the honest nodes, to read from.
    pub act: fn(&Arena, &[Arena]),
}

const IDENTITY: Outcome = Quarantine(&["Identity"]);
const DIRECTORY: Outcome = Quarantine(&["Directory"]);
const HEADER: Outcome = Quarantine(&["RingHeader"]);
const SLOT: Outcome = Quarantine(&["Slot"]);
const GROUP: Outcome = Quarantine(&["Group"]);

const MORE: u64 = 1;
const CONTINUATION: u64 = 2;
const BUFFERED: u64 = 4;
const METADATA: u64 = 8;

const fn slot(length: u64, flags: u64) -> u64 {
    length << 16 | flags
}

/// For all honest nodes.
fn each(honest: &[Arena], act: impl Fn(&Arena)) {
    honest.iter().for_each(act);
}

const fn stopped(name: &'static str, outcome: Outcome, act: fn(&Arena, &[Arena])) -> Case {
    Case { name, stopped: true, outcome, act }
}

const fn running(name: &'static str, outcome: Outcome, act: fn(&Arena, &[Arena])) -> Case {
    Case { name, stopped: false, outcome, act }
}

pub const CASES: &[Case] = &[
    // The header.
    stopped("magic", IDENTITY, |bad, _| bad.put(0, 0)),
    stopped("version", IDENTITY, |bad, _| bad.put_bytes(8, &[0xff; 4])),
    stopped("node id", IDENTITY, |bad, _| bad.put_bytes(12, &[63, 0])),
    stopped("identity's incarnation", IDENTITY, |bad, _| bad.put(16, u64::MAX)),
    stopped("arena length", IDENTITY, |bad, _| bad.put(24, u64::MAX)),
    stopped("process", IDENTITY, |bad, _| bad.put_bytes(32, &[0xff; 4])),
    stopped("timeouts", IDENTITY, |bad, _| bad.put_bytes(36, &[0; 12])),
    stopped("host name", IDENTITY, |bad, _| bad.put_bytes(64, &[0xff; 32])),
    stopped("geometry", IDENTITY, |bad, _| bad.put(192, u64::MAX)),
    stopped("geometry's hash", IDENTITY, |bad, _| bad.put(248, 0)),
    stopped("reserved bytes and parameters", Nothing, |bad, _| bad.put_bytes(260, &[0xff; 200])),
    // The words.
    stopped("state empty", Quarantine(&["State"]), |bad, _| bad.put(STATE, bad.get(STATE) & !0xff)),
    stopped("state unknown", Quarantine(&["State"]), |bad, _| bad.put(STATE, bad.get(STATE) | 0xff)),
    stopped("state zero", Quarantine(&["State"]), |bad, _| bad.put(STATE, 0)),
    stopped("state of no incarnation", Quarantine(&["State"]), |bad, _| bad.put(STATE, 2)),
    stopped("state of the last incarnation", Quarantine(&["State"]), |bad, _| {
        bad.put(STATE, u64::MAX << 8 | 2)
    }),
    stopped("state of the next incarnation", Quarantine(&["State"]), |bad, _| {
        bad.put(STATE, bad.get(STATE) + (1 << 8));
    }),
    stopped("liveness word free", Death, |bad, _| bad.put_bytes(LIVENESS, &[0; 4])),
    stopped("liveness word marked", Death, |bad, _| bad.put_bytes(LIVENESS, &[0, 0, 0, 0xc0])),
    stopped("liveness word of another", Nothing, |bad, _| bad.put_bytes(LIVENESS, &[0xff, 0xff, 0xff, 0x3f])),
    running("heartbeat", Nothing, |bad, _| bad.put(HEARTBEAT, u64::MAX)),
    running("attention", Nothing, |bad, _| {
        let (attention, len) = bad.attention();
        bad.put_bytes(attention, &vec![0xff; len]);
    }),
    running("subscriptions", Nothing, |bad, _| bad.put(SUBSCRIPTIONS, u64::MAX)),
    running("changes", Nothing, |bad, _| bad.put(CHANGES, u64::MAX)),
    // Guarded records.
    stopped("facts held", Quarantine(&["Record"]), |bad, _| bad.put(FACTS, 77)),
    stopped("steering held", Quarantine(&["Record"]), |bad, _| bad.put(STEERING, u64::MAX)),
    stopped("directory held", Quarantine(&["Record"]), |bad, honest| {
        each(honest, |one| bad.put(bad.directory(one.id), 1));
    }),
    running("facts of garbage", Nothing, |bad, _| bad.put_bytes(FACTS + 8, &[0xff; 56])),
    running("steering of garbage", Nothing, |bad, _| bad.put_bytes(STEERING + 8, &[0xff; 4416])),
    // The directory.
    stopped("ring in the header", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| (entry[2], entry[4]) = (0x1000, entry[4] + 1)));
    }),
    stopped("ring beyond the end", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| (entry[2], entry[4]) = (bad.len(), entry[4] + 1)));
    }),
    stopped("ring at the end of all numbers", DIRECTORY, |bad, honest| {
        each(honest, |one| {
            bad.redirect(one.id, |entry| (entry[2], entry[4]) = (u64::MAX - 127, entry[4] + 1))
        });
    }),
    stopped("ring across two lines", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| (entry[2], entry[4]) = (entry[2] + 8, entry[4] + 1)));
    }),
    stopped("ring of any length", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| (entry[3], entry[4]) = (u64::MAX, entry[4] + 1)));
    }),
    stopped("ring that moves", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| entry[2] += 4096));
    }),
    stopped("ring of another transmitter", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| entry[0] += 1));
    }),
    stopped("ring of another receiver", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| entry[1] = u64::MAX));
    }),
    stopped("ring taken back", DIRECTORY, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| entry[4] = 0));
    }),
    // Ring headers.
    stopped("ring without length", HEADER, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| (entry[3], entry[4]) = (0, entry[4] + 1)));
    }),
    stopped("ring of another epoch", HEADER, |bad, honest| {
        each(honest, |one| bad.redirect(one.id, |entry| entry[4] = u64::from(u32::MAX)));
    }),
    stopped("ring without a header", HEADER, |bad, honest| {
        each(honest, |one| {
            bad.put(bad.ring(one.id), 0);
            bad.redirect(one.id, |entry| entry[4] += 1);
        });
    }),
    stopped("ring of no slots", HEADER, |bad, honest| each(honest, |one| bad.replace_ring(one.id, 2048))),
    stopped("ring of all slots", HEADER, |bad, honest| {
        each(honest, |one| bad.replace_ring(one.id, u64::MAX))
    }),
    stopped("ring larger than its memory", HEADER, |bad, honest| {
        each(honest, |one| bad.replace_ring(one.id, 65536 << 32 | 65408));
    }),
    // Slots.
    stopped("slot of another lap", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![7 << 32 | slot(60, 0)]));
    }),
    stopped("slot without bytes", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(0, 0)]))
    }),
    stopped("slot longer than its line", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(105, 0)]));
    }),
    stopped("slot longer than its buffer", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(65535, BUFFERED)]));
    }),
    stopped("slot with unknown flags", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(60, 0xfff0)]));
    }),
    stopped("slot that continues nothing", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(60, CONTINUATION)]));
    }),
    stopped("slot with metadata outside of its frame", SLOT, |bad, honest| {
        each(honest, |one| {
            // The checksum of a frame of 60 bytes at 60,000, in every slot.
            (0..64).for_each(|index| bad.put(bad.ring(one.id) + 256 + index * 128 + 8, 1 | 60_000 << 48));
            bad.publish(one, |_| vec![slot(60, METADATA)]);
        });
    }),
    stopped("chain that breaks off", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(2048, MORE | BUFFERED)]));
    }),
    stopped("chain into a frame", SLOT, |bad, honest| {
        each(honest, |one| bad.publish(one, |_| vec![slot(2048, MORE | BUFFERED), slot(60, 0)]));
    }),
    stopped("chain without an end", SLOT, |bad, honest| {
        each(honest, |one| {
            bad.publish(one, |slots| {
                let link = slot(2048, CONTINUATION | MORE | BUFFERED);
                (0..slots).map(|index| if index == 0 { link & !CONTINUATION } else { link }).collect()
            });
        });
    }),
    // Read pointers.
    stopped("read pointer that goes back", Quarantine(&["ReadPointer"]), |bad, honest| {
        each(honest, |one| {
            let at = bad.read_pointer(one.id);
            assert!(bad.get(at) << 24 != 0, "something was read");
            bad.put(at, bad.get(at) >> 40 << 40);
        });
    }),
    stopped("read pointer ahead", Quarantine(&["ReadPointer"]), |bad, honest| {
        each(honest, |one| bad.put(bad.read_pointer(one.id), bad.get(bad.read_pointer(one.id)) + 60_000));
    }),
    stopped("read pointer of another ring", Nothing, |bad, honest| {
        each(honest, |one| bad.put(bad.read_pointer(one.id), u64::MAX));
    }),
    // Group rings.
    stopped("group's header", GROUP, |bad, _| bad.put(bad.group(), 0)),
    stopped("group's geometry", GROUP, |bad, _| bad.put(bad.group() + 8, u64::MAX)),
    stopped("group's incarnation", GROUP, |bad, _| bad.put(bad.group() + 16, 0)),
    stopped("lane's tail", GROUP, |bad, _| bad.put(bad.group() + 128, u64::MAX)),
    stopped("lane's head", GROUP, |bad, _| bad.put(bad.group() + 136, u64::MAX)),
    stopped("lane longer than it is", GROUP, |bad, _| bad.put(bad.group() + 136, 1000)),
    stopped("lane of garbage", Nothing, |bad, _| {
        bad.put_bytes(bad.groups_end() - 65536, &[0xff; 65536]);
    }),
    stopped("generation beyond all", GROUP, |bad, _| bad.put(bad.group() + 256, u64::MAX)),
    stopped("the highest generation", Nothing, |bad, _| bad.put(bad.group() + 256, (1 << 40) - 1)),
    stopped("claim of nobody", GROUP, |bad, _| bad.put(bad.group() + 264, 5 << 16 | 0xffff)),
    stopped("claim beyond all", GROUP, |bad, _| bad.put(bad.group() + 264, u64::MAX << 16 | 1)),
    stopped("order's head", Nothing, |bad, _| bad.put(bad.group() + 272, u64::MAX)),
    stopped("acknowledgement of what was not sent", GROUP, |bad, honest| {
        each(honest, |one| bad.put(bad.acknowledgement(one.id), one.incarnation() << 48 | 1 << 40));
    }),
    stopped("references of garbage", Nothing, |bad, _| {
        bad.put(bad.group() + 256, 1 << 30);
        (1024..16384).step_by(8).for_each(|at| bad.put(bad.group() + at, at << 40 | 1));
    }),
    // The file.
    stopped("cut to nothing", Quarantine(&["MemoryLost"]), |bad, _| bad.file.set_len(0).unwrap()),
    stopped("cut in the header", Quarantine(&["MemoryLost"]), |bad, _| bad.file.set_len(4096).unwrap()),
    stopped("cut in the groups", Quarantine(&["MemoryLost"]), |bad, _| {
        bad.file.set_len(bad.group()).unwrap()
    }),
    stopped("cut in the heap", Quarantine(&["MemoryLost"]), |bad, _| {
        bad.file.set_len(bad.heap() + 4096).unwrap();
    }),
    stopped("holes everywhere", Quarantine(&["State", "Identity", "Group"]), |bad, _| {
        // But the word by which it lives.
        let liveness = bad.get(LIVENESS);
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&bad.file, hole, 0, bad.len()).unwrap();
        bad.put(LIVENESS, liveness);
    }),
    stopped("holes in the groups", GROUP, |bad, _| {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&bad.file, hole, bad.group(), bad.groups_end() - bad.group()).unwrap();
    }),
    running("longer than ever", Nothing, |bad, _| bad.file.set_len(1 << 40).unwrap()),
    running("of another user", Nothing, |bad, _| {
        // Where this is not root it stays whose it is.
        let _ = std::os::unix::fs::fchown(&bad.file, Some(12_345), Some(12_345));
    }),
];
