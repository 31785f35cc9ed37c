//! How many packets a worker forwards in a second: 64-byte frames from memory to memory, 10,000 routes, TTL,
//! checksum, counters. `cargo run --release -p isthmus --example forward_bench [SECONDS]`

use std::net::Ipv4Addr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use isthmus::forward::fib::{Fib, FibEntry, NextHop};
use isthmus::forward::state::{ForwardingState, Interface, InterfaceKind, LocalOwner};
use isthmus::forward::wire::write_header_checksum;
use isthmus::forward::worker::{Worker, WorkerSetup};
use isthmus::forward::{DropReason, InterfaceIndex};
use isthmus::packet::{PacketBuffer, Pool};
use isthmus::port::{Port, PortInfo};
use isthmus_shmnet::{Network, NodeId, mac_address};

const ROUTES: u32 = 10_000;
const FRAMES: usize = 4096;
const FRAME: usize = 64;

/// Hands out prepared frames without end, and takes frames into a small piece of memory.
struct MemoryPort {
    info: PortInfo,
    frames: Vec<[u8; FRAME]>,
    next: usize,
    taken: Box<[[u8; FRAME]; 512]>,
    position: usize,
}

impl Port for MemoryPort {
    fn info(&self) -> &PortInfo {
        &self.info
    }

    fn receive(&mut self, batch: &mut Vec<PacketBuffer>, pool: &mut Pool, limit: usize) -> usize {
        if self.frames.is_empty() {
            return 0;
        }
        for count in 0..limit {
            let Some(mut buffer) = pool.take() else { return count };
            buffer.fill(&self.frames[self.next]);
            self.next = (self.next + 1) % self.frames.len();
            batch.push(buffer);
        }
        limit
    }

    fn transmit(&mut self, frame: &[u8]) -> Result<(), DropReason> {
        self.position = (self.position + 1) % self.taken.len();
        let slot = self.taken[self.position].get_mut(..frame.len()).ok_or(DropReason::TooLong)?;
        slot.copy_from_slice(frame);
        Ok(())
    }

    fn flush(&mut self) {}

    fn carrier(&self) -> bool {
        true
    }

    fn poll_descriptors(&self, _out: &mut Vec<RawFd>) {}
}

fn main() -> std::io::Result<()> {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let (lsm, gsm) = (mac_of(Network::Lsm, 1), mac_of(Network::Gsm, 1));
    let build = Instant::now();
    let state = state();
    let build = build.elapsed();
    let setup = WorkerSetup {
        ports: vec![port("lsm0", lsm, frames(lsm)), port("gsm0", gsm, Vec::new())],
        state,
        host: None,
        ospf: None,
        buffers: 256,
    };
    let (mut worker, handle) = Worker::new(setup)?;
    let (began, mut samples) = (Instant::now(), Vec::new());
    worker.step(began.elapsed());
    for _ in 0..seconds {
        let (start, before) = (Instant::now(), handle.view().counters.snapshot().forwarded);
        while start.elapsed() < Duration::from_secs(1) {
            for _ in 0..64 {
                worker.step(began.elapsed());
            }
        }
        let packets = handle.view().counters.snapshot().forwarded - before;
        samples.push(packets as f64 / start.elapsed().as_secs_f64() / 1e6);
    }
    let dropped = handle.view().counters.snapshot().drops.total();
    samples.sort_by(f64::total_cmp);
    let median = samples.get(samples.len() / 2).copied().unwrap_or_default();
    println!("forward 64 B, {ROUTES} routes: {median:.2} Mpps median of {seconds}, {dropped} dropped");
    println!("forwarding table of {ROUTES} routes built in {build:.1?}");
    Ok(())
}

fn port(name: &str, mac: [u8; 6], frames: Vec<[u8; FRAME]>) -> Box<dyn Port> {
    let info = PortInfo { name: name.to_owned(), driver: "mem", mac, mtu: 9000 };
    Box::new(MemoryPort { info, frames, next: 0, taken: Box::new([[0; FRAME]; 512]), position: 0 })
}

fn state() -> ForwardingState {
    let interface = |name: &str, network, address: [u8; 4]| Interface {
        name: name.to_owned(),
        kind: InterfaceKind::Fabric(network),
        address: Ipv4Net::new(address.into(), 24).ok(),
        mtu: 9000,
        enabled: true,
        ospf: true,
    };
    let gateway = |node: u32| Some(Ipv4Addr::from_bits(0x0a4e_0000 + 2 + node % 250));
    let routes = (0..ROUTES).filter_map(|number| {
        let next_hop = NextHop { interface: InterfaceIndex(1), gateway: gateway(number) };
        Some((Ipv4Net::new(destination(number), 24).ok()?, FibEntry::Forward(vec![next_hop])))
    });
    let own = |last| LocalOwner::Host(if last == 77 { Network::Lsm } else { Network::Gsm });
    ForwardingState {
        interfaces: vec![
            interface("lsm0", Network::Lsm, [10, 77, 0, 1]),
            interface("gsm0", Network::Gsm, [10, 78, 0, 1]),
        ],
        fib: Arc::new(Fib::new(routes)),
        local: [77, 78].map(|net| (Ipv4Addr::new(10, net, 0, 1), own(net))).into_iter().collect(),
        common: [(Ipv4Addr::new(10, 78, 255, 1), own(78))].into_iter().collect(),
        node_id: 1,
        ..ForwardingState::default()
    }
}

fn destination(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x1400_0000 + (number << 8))
}

fn frames(router: [u8; 6]) -> Vec<[u8; FRAME]> {
    (0..FRAMES as u32)
        .map(|number| {
            let mut frame = [0; FRAME];
            frame[..6].copy_from_slice(&router);
            frame[6..12].copy_from_slice(&mac_of(Network::Lsm, 2));
            frame[12..14].copy_from_slice(&[8, 0]);
            frame[14] = 0x45;
            frame[17] = (FRAME - 14) as u8;
            frame[22..24].copy_from_slice(&[64, 17]);
            frame[26..30].copy_from_slice(&[10, 77, 0, 2]);
            // Spread over all routes, so that the lookups are not of one warm path.
            let to = destination(number.wrapping_mul(2_654_435_761) % ROUTES).to_bits() + 1;
            frame[30..34].copy_from_slice(&to.to_be_bytes());
            write_header_checksum(&mut frame[14..], 20);
            frame
        })
        .collect()
}

fn mac_of(network: Network, node: u16) -> [u8; 6] {
    NodeId::new(node).map_or([0; 6], |node| mac_address(network, node))
}
