//! What has changed in the forwarding table, summed up for the events: a storm of changes must not drive everything
//! else out of the log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use isthmus_mgmt_api::model::EventType;
use serde_json::json;

use super::events::EventLog;
use crate::forward::fib::Fib;

/// Changes are told of no more often.
const INTERVAL: Duration = Duration::from_secs(1);
/// Prefixes that an event names.
const NAMED: usize = 16;

/// Changes that nobody was told of yet.
#[derive(Debug, Default)]
pub struct RouteChanges {
    added: u64,
    changed: u64,
    removed: u64,
    prefixes: BTreeSet<Ipv4Net>,
    told: Option<Instant>,
}

impl RouteChanges {
    /// Takes note of what is different in a new table. Both are in the order of their prefixes.
    pub fn note(&mut self, old: &Fib, new: &Fib) {
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let (before, after) = (old.peek().copied(), new.peek().copied());
            let prefix = match (before, after) {
                (Some((gone, _)), None) => self.removed(gone),
                (Some((gone, _)), Some((next, _))) if gone < next => self.removed(gone),
                (None, Some((come, _))) => self.added(come),
                (Some((next, _)), Some((come, _))) if come < next => self.added(come),
                (Some((prefix, entry)), Some((_, now))) => {
                    if entry != now {
                        self.changed += 1;
                        self.name(prefix);
                    }
                    prefix
                }
                (None, None) => return,
            };
            old.next_if(|(passed, _)| *passed == prefix);
            new.next_if(|(passed, _)| *passed == prefix);
        }
    }

    /// Records what was noted, unless something was recorded within the last second: then it waits for a later call.
    pub fn tell(&mut self, events: &EventLog) {
        let now = Instant::now();
        let early = self.told.is_some_and(|told| now.duration_since(told) < INTERVAL);
        if early || self.added + self.changed + self.removed == 0 {
            return;
        }
        let Self { added, changed, removed, prefixes, .. } = std::mem::take(self);
        self.told = Some(now);
        events.record(
            EventType::RouteChange,
            format!("routes: {added} added, {changed} changed, {removed} removed"),
            json!({ "added": added, "changed": changed, "removed": removed, "prefix": prefixes }),
        );
    }

    fn added(&mut self, prefix: Ipv4Net) -> Ipv4Net {
        self.added += 1;
        self.name(prefix)
    }

    fn removed(&mut self, prefix: Ipv4Net) -> Ipv4Net {
        self.removed += 1;
        self.name(prefix)
    }

    fn name(&mut self, prefix: Ipv4Net) -> Ipv4Net {
        if self.prefixes.len() < NAMED {
            self.prefixes.insert(prefix);
        }
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::fib::FibEntry;
    use crate::forward::{InterfaceIndex, fib::NextHop};

    fn fib(entries: &[(&str, u16)]) -> Fib {
        Fib::new(entries.iter().map(|&(prefix, interface)| {
            let hop = NextHop { interface: InterfaceIndex(interface), gateway: None };
            (prefix.parse().unwrap(), FibEntry::Forward(vec![hop]))
        }))
    }

    #[test]
    fn the_differences_of_two_tables_are_summed_up() {
        let old = fib(&[("10.0.0.0/8", 1), ("10.0.0.0/24", 1), ("192.0.2.0/24", 1), ("203.0.113.0/24", 1)]);
        let new = fib(&[("0.0.0.0/0", 1), ("10.0.0.0/8", 1), ("192.0.2.0/24", 2), ("198.51.100.0/24", 1)]);
        let mut changes = RouteChanges::default();
        changes.note(&old, &new);
        let events = EventLog::default();
        changes.tell(&events);
        let told = events.recent().event;
        assert_eq!(
            serde_json::Value::from(told[0].detail.clone()),
            json!({
                "added": 2, "changed": 1, "removed": 2,
                "prefix": ["0.0.0.0/0", "10.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"],
            })
        );
        changes.note(&new, &new);
        changes.tell(&events);
        assert_eq!(events.recent().event.len(), 1, "no change, no event");
    }

    #[test]
    fn a_storm_of_changes_is_one_event() {
        let (one, other) = (fib(&[("10.0.0.0/8", 1)]), fib(&[]));
        let (mut changes, events) = (RouteChanges::default(), EventLog::default());
        let started = Instant::now();
        for _ in 0..100 {
            changes.note(&other, &one);
            changes.note(&one, &other);
            changes.tell(&events);
        }
        let most = 1 + started.elapsed().as_secs() as usize;
        assert!(events.recent().event.len() <= most);
    }

    #[test]
    fn an_event_names_only_so_many_prefixes() {
        let many: Vec<String> = (0..100).map(|number| format!("10.{number}.0.0/16")).collect();
        let many: Vec<(&str, u16)> = many.iter().map(|prefix| (prefix.as_str(), 1)).collect();
        let (mut changes, events) = (RouteChanges::default(), EventLog::default());
        changes.note(&Fib::default(), &fib(&many));
        changes.tell(&events);
        let told = events.recent().event;
        assert_eq!(told[0].detail["added"], 100);
        assert_eq!(told[0].detail["prefix"].as_array().map(Vec::len), Some(NAMED));
    }
}
