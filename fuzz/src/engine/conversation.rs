//! Real conversations as scripts: what an engine was given by three others, in order.

use std::net::Ipv4Addr;
use std::time::Duration;

use isthmus_ospf::types::{AreaId, Instant, InterfaceId};
use isthmus_ospf::{Instance, Output, Transmit};

use super::{AREA, DESTINATIONS, LINK, NETWORK, SOURCES, config, step};
use crate::Steps;

/// A router of the conversation and its only interface there; the first is the one that is written down.
struct Router {
    instance: Instance,
    interfaces: Vec<InterfaceId>,
}

/// What the router of a shape is given in its first seconds: two routers on the network, or one on a point-to-point link, one
/// at the link, and `routes` externals of one of them. Then one of them dies and returns, and the last one leaves in order.
pub fn conversation(shape: u8, routes: u8) -> Vec<u8> {
    let mut conversation = Conversation::new(shape);
    conversation.run(Duration::from_secs(7));
    conversation.announce(1, routes);
    conversation.run(Duration::from_secs(3));
    let killed = conversation.routers.pop();
    conversation.run(Duration::from_secs(5));
    conversation.routers.extend(killed);
    let now = conversation.now;
    conversation.routers[1].instance.shutdown(now);
    conversation.run(Duration::from_secs(6));
    conversation.steps.0
}

struct Conversation {
    now: Instant,
    written: Instant,
    routers: Vec<Router>,
    steps: Steps,
}

impl Conversation {
    fn new(shape: u8) -> Self {
        let now = Instant(1_000_000);
        let peers: &[(u8, InterfaceId)] = match shape & 3 {
            0 => &[(2, NETWORK), (2, LINK)],
            _ => &[(2, NETWORK), (3, NETWORK), (2, LINK)],
        };
        let mut routers = vec![Router {
            instance: Instance::new(now, config(shape, 1), 1),
            interfaces: vec![NETWORK, LINK],
        }];
        for (number, (host, interface)) in peers.iter().enumerate() {
            let mut config = config(shape, *host);
            config.router_id = super::router_id(2 + number as u8);
            config.interfaces.retain(|id, _| id == interface);
            let area = if *interface == LINK { AREA } else { AreaId::BACKBONE };
            config.areas.retain(|id, _| *id == area);
            let instance = Instance::new(now, config, 2 + number as u64);
            routers.push(Router { instance, interfaces: vec![*interface] });
        }
        for router in &mut routers {
            for interface in &router.interfaces {
                router.instance.handle_link(now, *interface, true);
            }
        }
        Self { now, written: now, routers, steps: Steps(vec![shape]) }
    }

    fn announce(&mut self, router: usize, routes: u8) {
        let prefix = |number| super::net(Ipv4Addr::new(203, 0, number, 0), 24);
        let routes = (0..routes).map(|number| (prefix(number), Default::default())).collect();
        self.routers[router].instance.handle_redistribution(self.now, routes);
    }

    /// Delivers what each says to the others, and wakes each when it wants to be.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.deliver();
            let next = self.routers.iter().filter_map(|router| router.instance.poll_timeout()).min();
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            for router in &mut self.routers {
                router.instance.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        for _ in 0..100 {
            let mut said = Vec::new();
            for (number, router) in self.routers.iter_mut().enumerate() {
                while let Some(output) = router.instance.poll_output() {
                    if let Output::Transmit(packet) = output {
                        said.push((number, packet));
                    }
                }
            }
            if said.is_empty() {
                return;
            }
            self.now = self.now + Duration::from_millis(1);
            for (from, packet) in said {
                self.transmit(from, &packet);
            }
        }
    }

    fn transmit(&mut self, from: usize, packet: &Transmit) {
        let Transmit { interface, source, destination, payload, .. } = packet;
        for to in (0..self.routers.len()).filter(|to| *to != from) {
            if !self.routers[to].interfaces.contains(interface) {
                continue;
            }
            if to == 0 {
                self.write(packet);
            }
            self.routers[to].instance.handle_packet(self.now, *interface, *source, *destination, payload);
        }
    }

    /// Writes down what the first router is given.
    fn write(&mut self, packet: &Transmit) {
        let pause = self.now.since(self.written).as_millis() as u16;
        if pause > 0 {
            self.steps.step(step::MILLISECONDS, &[&pause.to_le_bytes()]);
            self.written = self.now;
        }
        let position =
            |of: &[Ipv4Addr], address| of.iter().position(|other| *other == address).unwrap_or(0) as u8;
        let (source, destination) =
            (position(&SOURCES, packet.source), position(&DESTINATIONS, packet.destination));
        let length = packet.payload.len() as u16;
        let addressed = [packet.interface.0 as u8 - 1, source, destination];
        self.steps.step(step::PACKET, &[&addressed, &length.to_le_bytes(), &packet.payload]);
    }
}
