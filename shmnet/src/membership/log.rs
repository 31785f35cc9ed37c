//! The bounded log of events, and those who listen to it.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::event::{Event, EventKind};
use crate::node::NodeId;

/// The bounded log of events, and those who listen.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    recent: VecDeque<Event>,
    written: u64,
    listeners: Vec<SyncSender<Event>>,
}

impl EventLog {
    pub(crate) fn write(&self, node: NodeId, incarnation: u64, kind: EventKind) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.written += 1;
        let event = Event { number: inner.written, at: SystemTime::now(), node, incarnation, kind };
        tracing::info!(node = node.get(), incarnation, event = ?event.kind, "membership");
        if inner.recent.len() == RECENT {
            inner.recent.pop_front();
        }
        // A listener that does not read loses events, and sees the gap in their numbers.
        inner.listeners.retain(|listener| {
            !matches!(listener.try_send(event.clone()), Err(TrySendError::Disconnected(_)))
        });
        inner.recent.push_back(event);
    }

    /// A channel that carries every event from now on, after those still in the log.
    pub(crate) fn listen(&self) -> Receiver<Event> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, receiver) = mpsc::sync_channel(2 * RECENT);
        for event in &inner.recent {
            // The channel has room for the whole log.
            let _ = sender.try_send(event.clone());
        }
        inner.listeners.push(sender);
        receiver
    }

    pub(crate) fn recent(&self) -> Vec<Event> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).recent.iter().cloned().collect()
    }
}

/// How many events the log keeps.
const RECENT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_gets_the_log_and_then_the_rest_in_order() {
        let log = EventLog::default();
        let node = NodeId::new(7).unwrap();
        log.write(node, 1, EventKind::Announced);
        let listener = log.listen();
        log.write(node, 1, EventKind::Left);
        let numbers: Vec<u64> = listener.try_iter().map(|event| event.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(log.recent().len(), 2);
    }

    #[test]
    fn the_log_is_bounded() {
        let log = EventLog::default();
        let node = NodeId::new(7).unwrap();
        for _ in 0..RECENT + 5 {
            log.write(node, 1, EventKind::FactsChanged);
        }
        let recent = log.recent();
        assert_eq!(recent.len(), RECENT);
        assert_eq!(recent[0].number, 6);
    }
}
