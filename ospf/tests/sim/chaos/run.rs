//! A scenario played, until everybody knows the truth and no packet goes in circles.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use isthmus_ospf::types::AreaId;

use super::loops::Loops;
use super::scenario::{Event, Scenario, area_id, routes};
use crate::network::{Network, NodeId, SegmentId, seconds};

/// What a run has shown.
#[derive(Default)]
pub(super) struct Report {
    /// From the last event until everything was right.
    pub(super) quiet_after: Duration,
    pub(super) packets: u64,
    /// How long each loop has lasted.
    pub(super) loops: Vec<Duration>,
}

/// How long after the last event everything may take: longer than a neighbor that is gone, retransmissions over bad links and
/// the originations that follow.
const LIMIT: Duration = Duration::from_secs(400);

impl Scenario {
    /// Plays it; what went wrong is said, a panic as well.
    pub(super) fn run(&self) -> Result<Report, String> {
        catch_unwind(AssertUnwindSafe(|| self.play())).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        })
    }

    fn play(&self) -> Result<Report, String> {
        let mut network = self.build();
        network.changed = Some(std::collections::BTreeSet::new());
        let mut loops = Loops::default();
        for (router, _) in self.routers.iter().enumerate().filter(|(_, router)| router.present) {
            network.start(router);
        }
        pass(&mut network, &mut loops, seconds(3));
        for (pause, event) in &self.events {
            pass(&mut network, &mut loops, Duration::from_millis(*pause));
            self.befall(&mut network, event);
            loops.look_at_all(&network);
        }
        let end = network.now;
        pass(&mut network, &mut loops, seconds(5));
        while let Err(what) = network.check() {
            if network.now.since(end) > LIMIT {
                return Err(format!("not within {LIMIT:?}: {what}\n{}", network.describe()));
            }
            pass(&mut network, &mut loops, seconds(5));
        }
        loops.look_at_all(&network);
        if let Some(destination) = loops.lasting() {
            return Err(format!("packets to {destination} go in circles\n{}", network.describe()));
        }
        let quiet_after = network.now.since(end);
        Ok(Report { quiet_after, packets: network.packets, loops: loops.ended })
    }

    fn befall(&self, network: &mut Network, event: &Event) {
        match event {
            Event::Carrier(segment, up) if *segment < self.segments.len() => network.set_link(*segment, *up),
            Event::Silent(segment, silent) if *segment < self.segments.len() => {
                network.segments[*segment].silent = *silent;
            }
            Event::Carrier(..) | Event::Silent(..) => {}
            Event::Kill(router) => network.kill(*router),
            Event::ShutDown(router) => network.shut_down(*router),
            Event::Start(router) => {
                if self.routers[*router].present && network.nodes[*router].instance.is_none() {
                    network.start(*router);
                }
            }
            Event::Jump(router, by) => network.jump(*router, seconds(*by)),
            Event::Cost(router, segment, cost) => {
                reconfigure(network, *router, *segment, |interface| interface.cost = *cost);
            }
            Event::Priority(router, segment, priority) => {
                reconfigure(network, *router, *segment, |interface| interface.priority = *priority);
            }
            Event::Stub(router, segment, there) => {
                let prefix = format!("172.20.{}.0/24", segment % 256).parse().expect("a prefix");
                let prefixes = if *there { vec![(prefix, 2)] } else { Vec::new() };
                reconfigure(network, *router, *segment, |interface| interface.stub_prefixes = prefixes);
            }
            Event::Range(area, range) => {
                self.area(network, *area, |area| area.range = *range);
            }
            Event::AreaType(area, stub) => {
                self.area(network, *area, |area| area.stub = *stub);
            }
            Event::Externals(router, externals) => {
                network.nodes[*router].externals = routes(externals);
                let routes = routes(externals);
                network.with(*router, |instance, now| instance.handle_redistribution(now, routes));
            }
            Event::SpfDelay(router, delay) => {
                network
                    .reconfigure(*router, |config| config.spf_delay.initial = Duration::from_millis(*delay));
            }
            Event::Partition(cut) => {
                let parts = |segment: &&super::scenario::Segment| {
                    segment.members.iter().any(|(router, _, _)| router % 2 == 0)
                        && segment.members.iter().any(|(router, _, _)| router % 2 == 1)
                };
                for (number, _) in self.segments.iter().enumerate().filter(|(_, segment)| parts(segment)) {
                    network.segments[number].silent = *cut;
                }
            }
        }
    }

    /// Changes an area at all of its routers. What an earlier event has changed of it is as it was in the beginning again,
    /// but for its type or range.
    fn area(&self, network: &mut Network, number: usize, change: impl FnOnce(&mut super::scenario::Area)) {
        let mut area = self.areas[number].clone();
        change(&mut area);
        let (id, config): (AreaId, _) = (area_id(number), area.config(number));
        for node in 0..network.nodes.len() {
            if network.nodes[node].config.areas.contains_key(&id) {
                network.reconfigure(node, |there| drop(there.areas.insert(id, config.clone())));
            }
        }
    }
}

fn reconfigure(
    network: &mut Network,
    router: NodeId,
    segment: SegmentId,
    change: impl FnOnce(&mut isthmus_ospf::config::InterfaceConfig),
) {
    let Some(members) = network.segments.get(segment).map(|segment| &segment.members) else { return };
    let Some((_, id)) = members.iter().find(|(member, _)| *member == router).copied() else { return };
    network.reconfigure(router, |config| change(config.interfaces.get_mut(&id).expect("an interface")));
}

/// Lets time pass and follows the loops. What happens at one moment is looked at when all of it has happened.
fn pass(network: &mut Network, loops: &mut Loops, duration: Duration) {
    let end = network.now + duration;
    while let Some(at) = network.next_event().filter(|at| *at <= end) {
        if at > network.now {
            loops.follow(network);
        }
        network.step();
    }
    loops.follow(network);
    network.now = end;
}
