//! The commands about the shared memory itself.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// A part of the shared memory, as a node sees it.
#[derive(Debug, Subcommand)]
pub enum ShowShm {
    /// Nodes, with what they publish about themselves.
    #[command(after_help = "Example:\n  isthmus show shm nodes")]
    Nodes,
    /// Rings, with both pointers.
    #[command(after_help = "Example:\n  isthmus show shm rings -o wide")]
    Rings,
    /// What happened in the memory: announcements, connections, failures, owners of rings.
    #[command(after_help = "Example:\n  isthmus show shm events -l 20")]
    Events {
        /// The newest so many.
        #[arg(short, long)]
        limit: Option<u32>,
    },
}

/// What to do with shared memory.
#[derive(Debug, Subcommand)]
pub enum ShmAction {
    /// Read a segment without joining it, and print every field.
    #[command(after_help = "\
Examples:
  isthmus shm dump /dev/shm/isthmus                the directory of a segment
  isthmus shm dump /dev/shm/isthmus --id 2         one node's arena
  isthmus shm dump node-002.arena -o json          a copy of an arena, from wherever it comes

Writes nothing and needs no node: a segment whose nodes have all died can be read as well. What makes
no sense is named. Exit code 1 if there is no arena.")]
    Dump(DumpArgs),
    /// Prepare an empty segment.
    #[command(after_help = "\
Examples:
  isthmus shm format /dev/shm/isthmus              a directory, with a file for each node
  isthmus shm format /dev/shm/cluster --size 256M  one file for all nodes, for example behind an ivshmem device

Zeroed memory is an empty segment: what formatting does beyond making the place is to clear what former nodes
left. It refuses while a node lives there. Exit code 1 if it was refused.")]
    Format(FormatArgs),
}

/// Options of `shm dump`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DumpArgs {
    /// A directory of arenas, one arena, or one file or device with all arenas.
    pub path: PathBuf,
    /// Only the arena of this node.
    #[arg(long, value_name = "ID")]
    pub id: Option<u16>,
}

/// Options of `shm format`.
#[derive(Clone, Debug, ClapArgs)]
pub struct FormatArgs {
    /// A directory; or, with --size, one file for all nodes; or an existing file or device of that kind.
    pub path: PathBuf,
    /// Make one file of this size for all nodes: 64M, 1G, or octets.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub size: Option<u64>,
    /// Clear it even if a node seems to live there.
    #[arg(long)]
    pub force: bool,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchAction {
    /// The shared memory between two processes: rate, round trip, waking up.
    #[command(after_help = "\
Examples:
  isthmus bench shm
  isthmus bench shm --sizes 64,1500 --seconds 0.5 --cpus 2,3 -o json

Both processes poll, each on a processor of its own, except for the last column: there the answering one sleeps
between two frames. Every check of the fabric is on. Figures of virtual machines vary with where their processors
happen to be: repeat.")]
    Shm(BenchShmArgs),
}

/// Options of `bench shm`.
#[derive(Clone, Debug, ClapArgs)]
pub struct BenchShmArgs {
    /// Octets of a frame.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1500, 65536], value_parser = frame_size)]
    pub sizes: Vec<usize>,
    /// How long each figure is taken.
    #[arg(long, default_value_t = 1.0, value_parser = super::seconds)]
    pub seconds: f64,
    /// The processors of the two processes; else the first two that may be used.
    #[arg(long, value_name = "CPU,CPU", value_parser = two_processors)]
    pub cpus: Option<(usize, usize)>,
    /// The directory for the segment; else a new one on /dev/shm.
    #[arg(long, value_name = "DIRECTORY")]
    pub segment: Option<PathBuf>,
    /// Be the other process.
    #[arg(long, hide = true)]
    pub far_end: bool,
}

fn frame_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 40..=65536) => Ok(size),
        _ => Err("a frame has 40 to 65536 octets".to_owned()),
    }
}

fn two_processors(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once(',').and_then(|(near, far)| Some((near.parse().ok()?, far.parse().ok()?)));
    numbers.ok_or_else(|| "name two processors, as in 2,3".to_owned())
}

/// A number of octets, with K, M, G for powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        _ => return Err("write octets, or a number with K, M or G".to_owned()),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.filter(|bytes| *bytes > 0).ok_or_else(|| "write octets, or a number with K, M or G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("2gib"), Ok(2 << 30));
        for wrong in ["", "M", "0", "-1", "1.5G", "64 M", "64T", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processors_come_in_pairs() {
        assert_eq!(two_processors("2,3"), Ok((2, 3)));
        for wrong in ["2", "2,", "2,3,4", "a,b", "-1,2"] {
            assert!(two_processors(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn frames_have_a_header_and_an_end() {
        assert_eq!(frame_size("40"), Ok(40));
        assert_eq!(frame_size("65536"), Ok(65536));
        assert!(frame_size("39").is_err() && frame_size("65537").is_err() && frame_size("x").is_err());
    }
}
