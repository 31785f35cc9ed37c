//! What is measured of the node and is no resource of its own: it is shown by the metrics alone.

use super::histogram::Histogram;

/// The node's measurements at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// The process, as the kernel accounts it.
    pub process: Process,
    /// The threads that move packets.
    pub worker: Vec<Worker>,
    /// From a change in the network to the forwarding table that follows it.
    pub convergence: Histogram,
    /// Lines logged, by their level.
    pub log: Vec<(&'static str, u64)>,
    /// Events, by the names of their types; those that did not occur included.
    pub events: Vec<(&'static str, u64)>,
    /// What this node has seen of each node of the fabric that it ever knew.
    pub member: Vec<Member>,
    /// Times that this node became a member of the segment again after its peers had given it up.
    pub rejoins: u64,
}

/// The process. What the kernel does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Seconds of processor time, in user and system mode.
    pub cpu: Option<f64>,
    /// Octets of memory that are resident.
    pub resident: Option<u64>,
    /// Octets of address space. The arenas of all peers are in it.
    pub virtual_size: Option<u64>,
    /// Descriptors that are open.
    pub descriptors: Option<u64>,
    /// The most that may be.
    pub max_descriptors: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

/// A thread that moves packets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// Seconds spent on turns that found work.
    pub busy: f64,
    /// Their part of the last second that was measured, 0 to 1.
    pub busy_ratio: f64,
    /// Seconds since its last turn began. One that sleeps wakes ten times in a second.
    pub silence: f64,
    /// Times that it slept and woke.
    pub wakeups: u64,
}

/// What was seen of a node of the fabric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node_id: u16,
    /// Times that its heartbeat was late.
    pub suspicions: u64,
    /// Times that it was taken for dead.
    pub failures: u64,
}
