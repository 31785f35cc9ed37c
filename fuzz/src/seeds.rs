//! Writes the corpus that the fuzzers begin with: honest traffic, as the words that it leaves in memory, and steps around it.
//!
//! `cargo run --bin seeds -- DIRECTORY` makes `DIRECTORY/{ring,group,arena,engine}/`.

use std::path::{Path, PathBuf};

use isthmus_fuzz::Steps;
use isthmus_fuzz::engine::conversation::conversation;
use isthmus_shmnet::group::{GroupEndpoint, GroupGeometry};
use isthmus_shmnet::memory::Mapping;
use isthmus_shmnet::ring::{Geometry, Metadata, RingKey, Transmitter};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Fallible {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: seeds DIRECTORY")?);
    for (shape, lens) in
        [(0_u8, &[1_usize, 60, 104][..]), (5, &[200, 500, 900]), (3, &[1, 64, 128, 600, 1000])]
    {
        write(&directory, "ring", &format!("traffic-{shape}"), &ring(shape, lens)?)?;
    }
    write(&directory, "ring", "sends", &ring_steps())?;
    for shape in 0..4 {
        write(&directory, "group", &format!("traffic-{shape}"), &group(shape)?)?;
    }
    write(&directory, "arena", "words", &arena())?;
    // Each type of network, password, normal area and both kinds of stub areas, a range that is hidden.
    for (shape, routes) in [(0, 3), (1, 40), (2, 3), (6, 3), (9, 0), (24, 8), (34, 3)] {
        write(&directory, "engine", &format!("conversation-{shape}"), &conversation(shape, routes))?;
    }
    Ok(())
}

/// A ring's words after some frames were sent, and looks at them.
fn ring(shape: u8, lens: &[usize]) -> Fallible<Vec<u8>> {
    let geometry = Geometry::new(4 << (shape & 3), 128 * (1 + u32::from(shape >> 2 & 3)))?;
    let (memory, _) = Mapping::anonymous(geometry.bytes())?;
    let (_, pointer) = Mapping::anonymous(128)?;
    let key = RingKey { tx_incarnation: 3, rx_incarnation: 5, epoch: 1 };
    let mut transmitter = Transmitter::new(memory.own()?, pointer.peer(), key, geometry)?;
    for len in lens {
        // What does not fit is left out.
        let _ = transmitter.send(&[&vec![0; *len]], Metadata { header_len: 1, ..Metadata::default() });
    }
    let mut steps = Steps(vec![shape]);
    steps.copy_of(0, &memory.own()?);
    for _ in lens {
        steps.step(3, &[&2048_u16.to_le_bytes()]);
    }
    steps.step(6, &[]);
    Ok(steps.0)
}

/// Steps alone: sent, received, sent again, the read pointer a little off.
fn ring_steps() -> Vec<u8> {
    let mut steps = Steps(vec![1]);
    for len in [1_u16, 100, 130, 500, 60, 60, 60, 60] {
        steps.step(2, &[&len.to_le_bytes()]);
        steps.step(3, &[&1024_u16.to_le_bytes()]);
    }
    steps.step(5, &[&[1]]);
    steps.step(6, &[]);
    steps.step(1, &[&[0], &[1], &60_u16.to_le_bytes(), &[0]]);
    steps.step(7, &[&[1]]);
    steps.step(3, &[&1024_u16.to_le_bytes()]);
    steps.0
}

/// The words of a node that has sent frames and has claimed the ring, between exchanges of the two others.
fn group(shape: u8) -> Fallible<Vec<u8>> {
    let geometry = GroupGeometry::new(4, 4 << (shape & 1), 128, 8)?;
    let id = if shape & 2 == 0 { 1 } else { 3 };
    let (memory, _) = Mapping::anonymous(geometry.bytes())?;
    let mut end = GroupEndpoint::new(memory.own()?, id, 4 + u64::from(id), geometry)?;
    for len in [1, 60, 150] {
        end.send(&vec![0; len])?;
        end.poll_owner_duties();
    }
    let mut steps = Steps(vec![shape]);
    steps.step(4, &[]);
    steps.copy_of(0, &memory.own()?);
    steps.step(4, &[]);
    steps.step(7, &[&[0]]);
    steps.step(4, &[]);
    steps.step(6, &[&[0], &[4 + id as u8], &[0]]);
    steps.step(4, &[]);
    Ok(steps.0)
}

/// One write into each line of the part in front, and looks between.
fn arena() -> Vec<u8> {
    let mut steps = Vec::new();
    for line in 0..88_u32 {
        steps.extend_from_slice(&(line * 16 * 2).to_le_bytes());
        steps.extend_from_slice(&(u64::from(line) << 8 | 0x77).to_le_bytes());
    }
    steps
}

fn write(directory: &Path, target: &str, name: &str, bytes: &[u8]) -> Fallible {
    let directory = directory.join(target);
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join(name), bytes)?;
    Ok(())
}
