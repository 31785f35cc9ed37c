//! A node with a worker thread for each queue, which owns the endpoints of that queue on both networks and shares nothing
//! with the others.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use isthmus_shmnet::{Destination, Endpoint, Fabric, Metadata, Network, NodeState, Received, TransmitError};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::common;

/// The body of a node's process.
///
/// Commands: `stream NET QUEUE NODE COUNT` sends numbered frames, `tally` prints how many came by each queue, `snapshot`
/// prints the rings, `broadcast NET QUEUE` prints what becomes of a broadcast frame.
pub fn child() {
    let Some((config, _)) = common::child_config() else { return };
    let fabric = match Fabric::join(config) {
        Ok(fabric) => fabric,
        Err(error) => {
            println!("@ refused {error}");
            return;
        }
    };
    println!("@ joined");
    let workers: Vec<Handle> = (0..fabric.queues()).map(|queue| Handle::start(&fabric, queue)).collect();
    let reported = fabric.clone();
    std::thread::spawn(move || report(&reported));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["stream", network, queue, to, count] => {
                let stream =
                    Stream { network: index(network), to: to.parse().unwrap(), left: count.parse().unwrap() };
                workers[queue.parse::<usize>().unwrap()].tell(Command::Stream(stream));
            }
            ["broadcast", network, queue] => {
                workers[queue.parse::<usize>().unwrap()].tell(Command::Broadcast(index(network)));
            }
            ["tally"] => workers.iter().for_each(|worker| worker.tell(Command::Tally)),
            ["snapshot"] => snapshot(&fabric),
            _ => panic!("unknown command {line:?}"),
        }
    }
}

fn index(network: &str) -> usize {
    Network::ALL.into_iter().position(|known| known.name() == network).unwrap()
}

/// Prints the table of nodes whenever it changes, and events.
fn report(fabric: &Fabric) {
    let events = fabric.events();
    let mut shown = String::new();
    loop {
        for event in events.try_iter() {
            println!("@ event {} {}/{} {:?}", event.number, event.node, event.incarnation, event.kind);
        }
        let node = |node: &isthmus_shmnet::ActiveNode| {
            let connected = if node.connected { "+" } else { "-" };
            let sign = if node.state == NodeState::Suspect { "?" } else { connected };
            format!(" {}/{}{sign}", node.id, node.incarnation)
        };
        let table: String = fabric.active_nodes().nodes.iter().map(node).collect();
        if table != shown {
            println!("@ table{table}");
            shown = table;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn snapshot(fabric: &Fabric) {
    let mut snapshot = fabric.snapshot();
    snapshot.rings.sort_by_key(|ring| (ring.network, ring.transmitter, ring.receiver, ring.queue));
    for ring in &snapshot.rings {
        println!(
            "@ ring {} {}>{} queue {} epoch {} slots {} w {}",
            ring.network,
            ring.transmitter,
            ring.receiver,
            ring.queue,
            ring.epoch,
            ring.slots,
            ring.write_pointer
        );
    }
    println!("@ snapshot of {} queues, {} rings", snapshot.queues, snapshot.rings.len());
}

enum Command {
    Stream(Stream),
    Broadcast(usize),
    Tally,
}

/// Frames that are still to be sent.
struct Stream {
    network: usize,
    to: u16,
    left: u32,
}

/// The main thread's side of a worker.
struct Handle {
    commands: Sender<Command>,
    bell: Arc<OwnedFd>,
}

impl Handle {
    fn start(fabric: &Fabric, queue: u8) -> Self {
        let endpoints = Network::ALL.map(|network| fabric.queue(network, queue).unwrap());
        assert!(fabric.queue(Network::Lsm, queue).is_none(), "an endpoint is given once");
        let (commands, received) = channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap());
        let worker = Worker {
            queue,
            endpoints,
            commands: received,
            bell: Arc::clone(&bell),
            streams: Vec::new(),
            numbers: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        std::thread::spawn(move || worker.run());
        Self { commands, bell }
    }

    fn tell(&self, command: Command) {
        self.commands.send(command).unwrap();
        rustix::io::write(&self.bell, &1_u64.to_ne_bytes()).unwrap();
    }
}

struct Worker {
    queue: u8,
    endpoints: [Endpoint; 2],
    commands: Receiver<Command>,
    bell: Arc<OwnedFd>,
    streams: Vec<Stream>,
    /// The numbers of the next frames, by network and destination.
    numbers: BTreeMap<(usize, u16), u64>,
    /// How many frames came, and the number that is due, by network, sender and the sender's process.
    heard: BTreeMap<(usize, u16, u32), (u64, u64)>,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            let received = self.receive(&mut buffer);
            self.send();
            self.endpoints.iter_mut().for_each(Endpoint::flush);
            if received == 0 && self.streams.is_empty() {
                self.sleep();
            } else if received == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Longer than any test waits: a wake-up that is lost is found.
    fn sleep(&mut self) {
        let [lsm, gsm] = &mut self.endpoints;
        if lsm.prepare_sleep() & gsm.prepare_sleep() {
            let mut fds = [
                PollFd::from_borrowed_fd(lsm.doorbell(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN),
            ];
            let _ = poll(&mut fds, Some(&Timespec { tv_sec: 300, tv_nsec: 0 }));
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        self.endpoints.iter_mut().for_each(Endpoint::wake);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Stream(stream) => self.streams.push(stream),
            Command::Broadcast(network) => {
                let sent =
                    self.endpoints[network].transmit(Destination::Broadcast, b"all", Metadata::default());
                println!("@ broadcast {sent:?}");
            }
            Command::Tally => {
                let word = |((network, from, _), (count, _)): (&(usize, u16, u32), &(u64, u64))| {
                    format!(" {}/{from}={count}", Network::ALL[*network])
                };
                let words: String = self.heard.iter().map(word).collect();
                println!("@ tally {}{words}", self.queue);
            }
        }
    }

    /// A burst of each stream.
    fn send(&mut self) {
        for stream in &mut self.streams {
            let number = self.numbers.entry((stream.network, stream.to)).or_default();
            for _ in 0..stream.left.min(32) {
                let text = format!("{} {} {number} {}", self.queue, std::process::id(), "-".repeat(1000));
                let to = Destination::Node(common::node(stream.to));
                match self.endpoints[stream.network].transmit(to, text.as_bytes(), Metadata::default()) {
                    Ok(()) => {
                        *number += 1;
                        stream.left -= 1;
                    }
                    // Its receiver is busy, or is gone and comes back.
                    Err(TransmitError::RingFull | TransmitError::NoSuchNode) => break,
                    Err(error) => {
                        println!("@ not sent by queue {}: {error}", self.queue);
                        break;
                    }
                }
            }
        }
        let queue = self.queue;
        self.streams.retain(|stream| {
            if stream.left == 0 {
                println!("@ streamed {queue} {} {}", Network::ALL[stream.network], stream.to);
            }
            stream.left > 0
        });
    }

    fn receive(&mut self, buffer: &mut [u8]) -> u32 {
        let mut count = 0;
        for network in 0..2 {
            while count < 256
                && let Some(received) = self.endpoints[network].receive(buffer)
            {
                count += 1;
                self.hear(network, &received, &String::from_utf8_lossy(&buffer[..received.len]));
            }
        }
        count
    }

    fn hear(&mut self, network: usize, received: &Received, text: &str) {
        let mut words = text.split(' ');
        let mut word = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(queue), Some(process), Some(number)) = (word(), word(), word()) else {
            println!("@ nonsense by queue {}: {text:?}", self.queue);
            return;
        };
        if queue != u64::from(self.queue) {
            println!("@ stray: a frame of queue {queue} came by queue {}", self.queue);
        }
        let key = (network, received.from.get(), u32::try_from(process).unwrap());
        // Whoever comes back hears of a stream from its middle on.
        let (count, due) = self.heard.entry(key).or_insert((0, number));
        if number != *due {
            println!("@ disorder by queue {queue} from {}: {due} was due and {number} came", received.from);
        }
        *due = number + 1;
        *count += 1;
    }
}
