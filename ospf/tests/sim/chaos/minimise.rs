//! A scenario that fails made smaller, as long as it still fails.

use super::scenario::Scenario;

/// How many candidates are played, at most.
const PATIENCE: u32 = 1_000;

/// The smallest scenario found that fails, and how it fails.
pub(super) fn minimise(
    scenario: &Scenario,
    fails: impl Fn(&Scenario) -> Option<String>,
) -> (Scenario, String) {
    let mut smallest = Smallest {
        scenario: scenario.clone(),
        failure: fails(scenario).unwrap_or_else(|| "it does not fail again".to_owned()),
        played: 0,
        fails,
    };
    loop {
        let before = smallest.size();
        smallest.without_events();
        smallest.without_routers();
        smallest.without_segments();
        smallest.simpler();
        if smallest.size() == before || smallest.is_out_of_patience() {
            return (smallest.scenario, smallest.failure);
        }
    }
}

struct Smallest<F> {
    scenario: Scenario,
    failure: String,
    played: u32,
    fails: F,
}

impl<F: Fn(&Scenario) -> Option<String>> Smallest<F> {
    fn size(&self) -> (usize, usize, usize) {
        let members = self.scenario.segments.iter().map(|segment| segment.members.len()).sum();
        let routers = self.scenario.routers.iter().filter(|router| router.present).count();
        (self.scenario.events.len(), routers, members)
    }

    fn is_out_of_patience(&self) -> bool {
        self.played >= PATIENCE
    }

    /// Keeps a candidate that fails as well.
    fn try_out(&mut self, candidate: Scenario) -> bool {
        if self.is_out_of_patience() {
            return false;
        }
        self.played += 1;
        let Some(failure) = (self.fails)(&candidate) else { return false };
        (self.scenario, self.failure) = (candidate, failure);
        true
    }

    /// Halves of the events, then quarters, and so on to single ones.
    fn without_events(&mut self) {
        let mut length = self.scenario.events.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.scenario.events.len() {
                let mut candidate = self.scenario.clone();
                let end = (at + length).min(candidate.events.len());
                // What is left happens when it did.
                let gone: u64 = candidate.events.drain(at..end).map(|(pause, _)| pause).sum();
                if let Some((pause, _)) = candidate.events.get_mut(at) {
                    *pause += gone;
                }
                if !self.try_out(candidate) {
                    at += length;
                }
            }
            length = if length == 1 { 0 } else { length.div_ceil(2) };
        }
    }

    fn without_routers(&mut self) {
        for router in 0..self.scenario.routers.len() {
            if self.scenario.routers[router].present {
                let mut candidate = self.scenario.clone();
                candidate.routers[router].present = false;
                self.try_out(candidate);
            }
        }
    }

    fn without_segments(&mut self) {
        for segment in 0..self.scenario.segments.len() {
            if !self.scenario.segments[segment].members.is_empty() {
                let mut candidate = self.scenario.clone();
                candidate.segments[segment].members.clear();
                self.try_out(candidate);
            }
        }
    }

    /// Good links, no externals, no ranges, normal areas without signatures.
    fn simpler(&mut self) {
        let simplify: [fn(&mut Scenario); 5] = [
            |scenario| scenario.bad = false,
            |scenario| scenario.routers.iter_mut().for_each(|router| router.externals.clear()),
            |scenario| scenario.areas.iter_mut().for_each(|area| area.range = None),
            |scenario| scenario.areas.iter_mut().for_each(|area| area.stub = None),
            |scenario| scenario.areas.iter_mut().for_each(|area| area.signed = false),
        ];
        for simplify in simplify {
            let mut candidate = self.scenario.clone();
            simplify(&mut candidate);
            self.try_out(candidate);
        }
    }
}
