//! The injector: one neighbor on a point-to-point link, which describes, hands over and floods its database as fast as it
//! is asked. It is the master of every exchange, for its router id is the highest.
//!
//! A program of its own in the namespace at the other end of the cable. It is told what to do line by line, and answers
//! each line with one line:
//!
//! | line | answer, once that is so |
//! |---|---|
//! | `exchange` | `full SYNC SINCE_START`: the router has asked for everything and got it; seconds |
//! | `host N`, `link N`, `entry`, `outside N` | `acked SECONDS`: the change is acknowledged |

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::wire::{
    DatabaseDescription, DdFlags, Header, Hello, LSA_HEADER_LEN, Lsa, LsaHeader, LsaKey, Options, Packet,
    PacketBody,
};

use super::database::Database;
use super::socket::Socket;
use super::{INJECTOR_ID, NETWORK_MASK, ROUTER_ADDRESS};
use crate::shm::Failure;

const HELLO_INTERVAL: Duration = Duration::from_secs(1);
/// The least that a router may have between two instances of one advertisement, and some more.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(1100);
/// What fits into an IP packet of 1500 bytes after the headers of IP and OSPF.
const BODY: usize = 1500 - 20 - 24;
const MTU: u16 = 1500;

/// `ROUTERS OUTSIDE`.
pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let [routers, outside] = words else { return Err("not an injector's arguments".into()) };
    let database = Database::new(routers.parse()?, outside.parse()?);
    let socket = Socket::open()?;
    println!("ready {}", database.routes());
    io::stdout().flush()?;
    Injector { socket, database, ..Injector::idle()? }.run(&commands())
}

/// The lines of the standard input; it ends with them.
fn commands() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(io::stdin()).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// How far the exchange is.
#[derive(PartialEq, Eq)]
enum State {
    /// The router does not list us.
    Init,
    /// We have sent the first description and wait for its echo.
    ExStart,
    /// Descriptions are on their way: all before this one of ours are acknowledged.
    Exchange { next: usize },
    /// Both have described everything.
    Described,
}

struct Injector {
    socket: Socket,
    database: Database,
    speaks: bool,
    started: Instant,
    hello_at: Instant,
    router: Option<RouterId>,
    state: State,
    sequence: u32,
    description: Option<DatabaseDescription>,
    description_sent: Instant,
    described_at: Option<Instant>,
    headers: Vec<LsaHeader>,
    wanted: BTreeSet<LsaKey>,
    /// What was flooded and not acknowledged, with when it was sent.
    unacknowledged: BTreeMap<LsaKey, Instant>,
    changed_at: Instant,
    waiting: Option<&'static str>,
}

impl Injector {
    fn idle() -> Result<Self, Failure> {
        let now = Instant::now();
        Ok(Self {
            socket: Socket::closed()?,
            database: Database::new(0, 0),
            speaks: false,
            started: now,
            hello_at: now,
            router: None,
            state: State::Init,
            sequence: 1,
            description: None,
            description_sent: now,
            described_at: None,
            headers: Vec::new(),
            wanted: BTreeSet::new(),
            unacknowledged: BTreeMap::new(),
            changed_at: now,
            waiting: None,
        })
    }

    fn run(mut self, commands: &Receiver<String>) -> Result<(), Failure> {
        let mut room = vec![0; 1 << 16];
        loop {
            match commands.try_recv() {
                Ok(line) => self.command(&line)?,
                Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                Err(mpsc::TryRecvError::Empty) => {}
            }
            if !self.speaks {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            while let Some((source, payload)) = self.socket.receive(&mut room, Duration::from_millis(1))? {
                if source == ROUTER_ADDRESS
                    && let Ok((packet, _)) = Packet::decode(payload)
                {
                    self.take(packet)?;
                }
            }
            self.due()?;
        }
    }

    fn command(&mut self, line: &str) -> Result<(), Failure> {
        let mut words = line.split(' ');
        let (verb, number) = (words.next().unwrap_or_default(), words.next());
        let number: u32 = number.map_or(Ok(0), str::parse)?;
        self.changed_at = Instant::now();
        let changed = match verb {
            "exchange" => {
                self.speaks = true;
                self.started = Instant::now();
                self.hello_at = self.started;
                self.waiting = Some("full");
                return Ok(());
            }
            "host" => self.database.change_host(number),
            "link" => self.database.change_link(number),
            "entry" => self.database.change_entry(),
            "outside" => self.database.change_outside(number),
            other => return Err(format!("unknown command {other}").into()),
        };
        self.waiting = Some("acked");
        self.unacknowledged.extend(changed.iter().map(|key| (*key, self.changed_at)));
        self.send_updates(&changed)
    }

    fn take(&mut self, packet: Packet) -> Result<(), Failure> {
        let router = packet.header.router_id;
        match packet.body {
            PacketBody::Hello(hello) => self.take_hello(router, &hello),
            PacketBody::DatabaseDescription(theirs) => self.take_description(&theirs),
            PacketBody::LinkStateRequest(keys) => {
                for key in &keys {
                    self.wanted.remove(key);
                }
                self.send_updates(&keys)?;
                self.report_full()
            }
            PacketBody::LinkStateUpdate(lsas) => {
                let headers: Vec<_> = lsas.iter().map(|lsa| lsa.header).collect();
                for chunk in headers.chunks(BODY / LSA_HEADER_LEN) {
                    self.send(PacketBody::LinkStateAck(chunk.to_vec()))?;
                }
                Ok(())
            }
            PacketBody::LinkStateAck(headers) => self.take_acks(&headers),
        }
    }

    fn take_hello(&mut self, router: RouterId, hello: &Hello) -> Result<(), Failure> {
        let is_new = self.router.replace(router) != Some(router);
        let hears_us = hello.neighbors.contains(&RouterId(INJECTOR_ID));
        if is_new {
            self.send_hello()?;
        }
        if hears_us && self.state == State::Init {
            self.state = State::ExStart;
            self.headers = self.database.lsas().values().map(|lsa| lsa.header).collect();
            self.wanted = self.database.lsas().keys().copied().collect();
            self.describe(DdFlags::I | DdFlags::M | DdFlags::MS, Vec::new())?;
        }
        Ok(())
    }

    fn take_description(&mut self, theirs: &DatabaseDescription) -> Result<(), Failure> {
        // The first one of a router that does not know yet that it is the slave.
        if theirs.flags.contains(DdFlags::MS) || theirs.sequence != self.sequence {
            return Ok(());
        }
        let next = match self.state {
            State::ExStart => 0,
            State::Exchange { next } => next,
            State::Init | State::Described => return Ok(()),
        };
        if self.described_at.is_none() {
            self.described_at = Some(Instant::now());
        }
        let ours_done = self.description.as_ref().is_some_and(|sent| !sent.flags.contains(DdFlags::M));
        if ours_done && !theirs.flags.contains(DdFlags::M) {
            self.state = State::Described;
            self.description = None;
            return self.report_full();
        }
        let capacity = (BODY - 8) / LSA_HEADER_LEN;
        let end = (next + capacity).min(self.headers.len());
        let chunk = self.headers[next..end].to_vec();
        let more = if end < self.headers.len() { DdFlags::M } else { DdFlags::empty() };
        self.sequence += 1;
        self.state = State::Exchange { next: end };
        self.describe(DdFlags::MS | more, chunk)
    }

    fn take_acks(&mut self, headers: &[LsaHeader]) -> Result<(), Failure> {
        for header in headers {
            let newest = self.database.lsas().get(&header.key);
            if newest.is_some_and(|lsa| lsa.header.sequence == header.sequence) {
                self.unacknowledged.remove(&header.key);
            }
        }
        if self.unacknowledged.is_empty() && self.waiting == Some("acked") {
            self.answer(&format!("acked {:.6}", self.changed_at.elapsed().as_secs_f64()))?;
        }
        Ok(())
    }

    fn report_full(&mut self) -> Result<(), Failure> {
        let is_full = self.state == State::Described && self.wanted.is_empty();
        let Some(described_at) = self.described_at.filter(|_| is_full && self.waiting == Some("full")) else {
            return Ok(());
        };
        let (synchronised, since_start) = (described_at.elapsed(), self.started.elapsed());
        self.answer(&format!("full {:.6} {:.6}", synchronised.as_secs_f64(), since_start.as_secs_f64()))
    }

    fn answer(&mut self, line: &str) -> Result<(), Failure> {
        self.waiting = None;
        println!("{line}");
        Ok(io::stdout().flush()?)
    }

    /// What is due by the clock.
    fn due(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.hello_at {
            self.hello_at = now + HELLO_INTERVAL;
            self.send_hello()?;
        }
        if let Some(description) = &self.description
            && now.duration_since(self.description_sent) > RETRANSMIT_AFTER
        {
            let again = description.clone();
            self.description_sent = now;
            self.send(PacketBody::DatabaseDescription(again))?;
        }
        let overdue: Vec<_> = self
            .unacknowledged
            .iter()
            .filter(|(_, sent)| now.duration_since(**sent) > RETRANSMIT_AFTER)
            .map(|(key, _)| *key)
            .collect();
        for key in &overdue {
            self.unacknowledged.insert(*key, now);
        }
        self.send_updates(&overdue)
    }

    fn describe(&mut self, flags: DdFlags, headers: Vec<LsaHeader>) -> Result<(), Failure> {
        let (options, sequence) = (Options::E, self.sequence);
        let description = DatabaseDescription { interface_mtu: MTU, options, flags, sequence, headers };
        self.description = Some(description.clone());
        self.description_sent = Instant::now();
        self.send(PacketBody::DatabaseDescription(description))
    }

    fn send_hello(&mut self) -> Result<(), Failure> {
        self.send(PacketBody::Hello(Hello {
            network_mask: NETWORK_MASK,
            hello_interval: 1,
            options: Options::E,
            priority: 1,
            dead_interval: 4,
            designated_router: Ipv4Addr::UNSPECIFIED,
            backup_designated_router: Ipv4Addr::UNSPECIFIED,
            neighbors: self.router.into_iter().collect(),
        }))
    }

    /// Sends advertisements in as few packets as the MTU allows.
    fn send_updates(&mut self, keys: &[LsaKey]) -> Result<(), Failure> {
        let mut packet: Vec<Lsa> = Vec::new();
        let mut length = 4;
        for key in keys {
            let Some(lsa) = self.database.lsas().get(key).cloned() else { continue };
            if length + lsa.encoded_len() > BODY && !packet.is_empty() {
                self.send(PacketBody::LinkStateUpdate(std::mem::take(&mut packet)))?;
                length = 4;
            }
            length += lsa.encoded_len();
            packet.push(lsa);
        }
        if packet.is_empty() { Ok(()) } else { self.send(PacketBody::LinkStateUpdate(packet)) }
    }

    fn send(&mut self, body: PacketBody) -> Result<(), Failure> {
        let header = Header { router_id: RouterId(INJECTOR_ID), area_id: AreaId::BACKBONE };
        self.socket.send(&Packet { header, body }.encode())
    }
}
