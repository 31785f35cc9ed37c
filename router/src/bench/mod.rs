//! `isthmus bench`: what the shared memory does on this machine, measured without a node.
//!
//! Two processes join a segment of their own and exchange frames over the fabric, with all its checks, as the data
//! threads of two nodes do.
//!
//! | module | subject |
//! |---|---|
//! | [`frame`] | what the two processes say to each other |
//! | [`member`] | a member of the segment: joining, sending, receiving, sleeping |
//! | [`near`] | this process: it measures |
//! | [`far`] | the other one: it answers and counts |
//! | [`report`] | the figures |

pub mod far;
pub mod frame;
pub mod member;
pub mod near;
mod place;
pub mod report;

use std::path::PathBuf;
use std::time::Duration;

/// What is measured, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct ShmBench {
    /// Lengths of frames in octets.
    pub sizes: Vec<usize>,
    /// How long each figure is taken.
    pub time: Duration,
    /// The processors for the two processes; the first two that this process may use if absent.
    pub processors: Option<[usize; 2]>,
    /// The directory of the segment; if absent, a new one on `/dev/shm` that is removed afterwards.
    pub segment: Option<PathBuf>,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The segment has no place.
    #[error("cannot make a segment at {}: {cause}", place.display())]
    Place {
        /// Where it should be.
        place: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// This process, or the other, could not join.
    #[error("cannot join the segment: {0}")]
    Join(#[from] isthmus_shmnet::JoinError),
    /// The other process did not start, or ended.
    #[error("the other process {what}: {cause}")]
    FarEnd {
        /// What it did.
        what: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The other process does not answer any more.
    #[error("the other process did not answer within {0:?}")]
    Silence(Duration),
    /// A processor was asked for that there is not, or that this process may not use.
    #[error("cannot run on processor {processor}: {cause}")]
    Processor {
        /// Its number.
        processor: usize,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl BenchError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Place { .. } => "name a directory on a tmpfs with --segment",
            Self::Join(_) => "see what it names; --segment chooses another place",
            Self::FarEnd { .. } => "run the command again",
            Self::Silence(_) => "run it again when the machine has less to do",
            Self::Processor { .. } => "name two of the processors that `taskset -cp $$` lists with --cpus",
        }
    }
}
