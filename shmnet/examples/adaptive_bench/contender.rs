//! What is compared: the bare ring, a pair ring with a fixed or chosen copy routine, and the whole path of the fabric.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use isthmus_shmnet::memory::Mapping;
use isthmus_shmnet::ring::{Geometry, Limits, Receiver, RingKey, Transmitter};
use isthmus_shmnet::{
    Backing, CoherenceMode, CopyRoutine, DEFAULT_GEOMETRY, Destination, Endpoint, Fabric, FabricConfig,
    Facts, FrameSink, Metadata, Network, NetworkParameters, NodeId, Received, Timing,
};

use crate::Failure;
use crate::bare::{self, BareSink, BareSource};
use crate::measure::{Cpus, Sink, Source, one_way};

/// Something that carries frames.
pub(crate) trait Contender {
    fn name(&self) -> &str;
    /// Millions of frames of `len` bytes in a second.
    fn sample(&mut self, len: usize, run: Duration, cpus: Cpus) -> Result<f64, Failure>;
}

/// See [`bare`].
pub(crate) struct Bare(Option<(BareSource, BareSink)>);

impl Bare {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self(bare::ring(geometry))
    }
}

impl Contender for Bare {
    fn name(&self) -> &str {
        "bare ring"
    }

    fn sample(&mut self, len: usize, run: Duration, cpus: Cpus) -> Result<f64, Failure> {
        let (source, sink) = self.0.as_mut().ok_or("no memory for the bare ring")?;
        one_way(source, sink, (len, 32), run, cpus)
    }
}

/// A pair ring by itself.
pub(crate) struct Pair {
    name: &'static str,
    transmitter: Transmitter,
    receiver: Receiver,
}

impl Pair {
    pub(crate) fn new(
        name: &'static str,
        geometry: Geometry,
        copy: Option<CopyRoutine>,
    ) -> Result<Self, Failure> {
        let (tx, tx_view) = Mapping::anonymous(geometry.bytes())?;
        let (rx, rx_view) = Mapping::anonymous(4096)?;
        let key = RingKey { tx_incarnation: 1, rx_incarnation: 1, epoch: 1 };
        let mut transmitter = Transmitter::new(tx.own()?, rx_view.peer(), key, geometry)?;
        transmitter.fix_copy_routine(copy);
        let receiver = Receiver::new(tx_view.peer(), rx.own()?, key, Limits::default())?;
        Ok(Self { name, transmitter, receiver })
    }
}

impl Contender for Pair {
    fn name(&self) -> &str {
        self.name
    }

    fn sample(&mut self, len: usize, run: Duration, cpus: Cpus) -> Result<f64, Failure> {
        one_way(&mut self.transmitter, &mut self.receiver, (len, 32), run, cpus)
    }
}

impl Source for Transmitter {
    #[inline(always)]
    fn send(&mut self, frame: &[u8]) -> bool {
        Self::send(self, &[frame], Metadata::default()).is_ok()
    }

    fn flush(&mut self) {
        self.publish();
    }
}

impl Sink for Receiver {
    #[inline(always)]
    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        Self::receive(self, into).ok().flatten().map(|received| received.len)
    }

    #[inline(always)]
    fn receive_burst(&mut self, into: &mut [u8], limit: usize) -> usize {
        self.fetch_burst(limit as u32);
        (0..limit).take_while(|_| Sink::receive(self, into).is_some()).count()
    }

    fn flush(&mut self) {
        self.publish();
    }
}

/// Two nodes in one segment, with all that goes with it.
pub(crate) struct Full {
    name: &'static str,
    batch: usize,
    from: Endpoint,
    to: Endpoint,
    _fabrics: [Fabric; 2],
    _directory: Directory,
}

impl Full {
    /// With a fixed geometry the rings do not grow: the arenas have no room for more.
    pub(crate) fn new(name: &'static str, fixed: Option<Geometry>, batch: usize) -> Result<Self, Failure> {
        let directory = Directory::new()?;
        let first = Fabric::join(config(&directory.0, 1, fixed)?)?;
        let second = Fabric::join(config(&directory.0, 2, fixed)?)?;
        let from = first.endpoint(Network::Lsm).ok_or("no endpoint")?;
        let to = second.endpoint(Network::Lsm).ok_or("no endpoint")?;
        let mut full = Self { name, batch, from, to, _fabrics: [first, second], _directory: directory };
        full.await_connection()?;
        Ok(full)
    }

    fn await_connection(&mut self) -> Result<(), Failure> {
        let give_up = Instant::now() + Duration::from_secs(10);
        let mut into = [0; 128];
        while self.to.receive(&mut into).is_none() {
            Source::send(&mut self.from, &[0; 60]);
            Endpoint::flush(&mut self.from);
            Endpoint::flush(&mut self.to);
            if Instant::now() > give_up {
                return Err("the two nodes did not meet".into());
            }
        }
        Ok(())
    }
}

impl Contender for Full {
    fn name(&self) -> &str {
        self.name
    }

    fn sample(&mut self, len: usize, run: Duration, cpus: Cpus) -> Result<f64, Failure> {
        one_way(&mut self.from, &mut self.to, (len, self.batch), run, cpus)
    }
}

impl Source for Endpoint {
    #[inline(always)]
    fn send(&mut self, frame: &[u8]) -> bool {
        let Some(to) = NodeId::new(2) else { return false };
        self.transmit(Destination::Node(to), frame, Metadata::default()).is_ok()
    }

    #[inline(always)]
    fn send_burst(&mut self, frame: &[u8], times: usize) -> usize {
        let Some(to) = NodeId::new(2) else { return 0 };
        self.transmit_burst(to, std::iter::repeat_n(frame, times)).unwrap_or(0)
    }

    fn flush(&mut self) {
        Self::flush(self);
    }
}

impl Sink for Endpoint {
    #[inline(always)]
    fn receive(&mut self, into: &mut [u8]) -> Option<usize> {
        Self::receive(self, into).map(|received| received.len)
    }

    #[inline(always)]
    fn receive_burst(&mut self, into: &mut [u8], limit: usize) -> usize {
        Self::receive_burst(self, limit, &mut OneRoom(into))
    }

    fn flush(&mut self) {
        Self::flush(self);
    }
}

/// The same room for every frame.
struct OneRoom<'a>(&'a mut [u8]);

impl FrameSink for OneRoom<'_> {
    #[inline(always)]
    fn room(&mut self) -> Option<&mut [u8]> {
        Some(self.0)
    }

    #[inline(always)]
    fn received(&mut self, _frame: Received) {}
}

fn config(directory: &std::path::Path, id: u16, fixed: Option<Geometry>) -> Result<FabricConfig, Failure> {
    let parameters = |third| NetworkParameters {
        area_id: 1,
        network_type: 3,
        hello_interval: 1,
        dead_interval: 4,
        cost: 2,
        mtu: 9000,
        prefix: Ipv4Addr::new(10, 77, third, 0),
        prefix_len: 24,
    };
    let geometry = fixed.unwrap_or(DEFAULT_GEOMETRY);
    Ok(FabricConfig {
        node_id: NodeId::new(id).ok_or("no such node")?,
        backing: Backing::Directory(directory.to_owned()),
        coherence: CoherenceMode::Hardware,
        max_nodes: 2,
        queues: 1,
        geometry: [geometry; 2],
        timing: Timing { failed: Duration::from_secs(5), ..Timing::default() },
        parameters: [parameters(1), parameters(2)],
        facts: Facts::default(),
        takeover: false,
        // Areas of the groups and tables take 900 KiB.
        budget: fixed.map(|geometry| (1 << 20) + 2 * geometry.bytes() as u64),
    })
}

/// A directory on tmpfs that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self, Failure> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let base = PathBuf::from("/dev/shm");
        let base = if base.is_dir() { base } else { std::env::temp_dir() };
        let path = base.join(format!("isthmus-adaptive-{}-{count}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
