//! What a service manager is told, in the protocol of `sd_notify(3)`: that the node serves, how it is, that it reloads
//! or stops, and that it is alive.
//!
//! A manager that wants to know names a socket in `NOTIFY_SOCKET`; without it nothing here does anything. The node says
//! that it is alive only while both of its loops turn: control calls [`Manager::look`] from its own, and hands over
//! the time of the worker's last turn. A worker that stands still, or a control loop that does, is a node
//! that the manager restarts after its `WatchdogSec`.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// How the node is, in one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether the node is ready, as `/readyz` means it.
    pub ready: bool,
    /// One line for people.
    pub status: String,
    /// When the worker's last turn began, since the worker did.
    pub worker_turned_at: Duration,
}

/// The manager that started this process, if one did.
#[derive(Debug)]
pub struct Manager {
    /// To the thread that talks to it: a manager that does not read must not hold control up.
    messages: Option<SyncSender<Message>>,
    talker: Option<JoinHandle<()>>,
    started: Instant,
    said_ready: bool,
    said_status: String,
    worker_turned_at: Option<Duration>,
}

/// A notification: its states, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    Ready,
    Status(String),
    Alive,
    Reloading,
    Stopping(Duration),
    /// Nothing follows.
    End,
}

impl Manager {
    /// The manager that the environment names.
    ///
    /// # Errors
    /// The system starts no thread for it.
    pub fn of_environment() -> std::io::Result<Self> {
        let mut manager = Self::none();
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            let (messages, received) = sync_channel(WAITING);
            manager.messages = Some(messages);
            let talker = std::thread::Builder::new().name("service".into());
            manager.talker = Some(talker.spawn(move || talk(&received))?);
        }
        Ok(manager)
    }

    /// Nobody wants to know.
    pub fn none() -> Self {
        Self {
            messages: None,
            talker: None,
            started: Instant::now(),
            said_ready: false,
            said_status: String::new(),
            worker_turned_at: None,
        }
    }

    /// Whether somebody wants to know; else there is no need to find out.
    pub fn is_there(&self) -> bool {
        self.messages.is_some()
    }

    /// Tells how the node is. Called by control from its loop, at least every half of the watchdog's time.
    pub fn look(&mut self, condition: &Condition) {
        for message in self.news(condition, self.started.elapsed()) {
            self.tell(message);
        }
    }

    /// What the manager does not know yet.
    fn news(&mut self, condition: &Condition, running: Duration) -> Vec<Message> {
        let mut news = Vec::new();
        if self.said_status != condition.status {
            self.said_status.clone_from(&condition.status);
            news.push(Message::Status(condition.status.clone()));
        }
        // A neighbor that does not come up is no reason to have this node restarted: it serves all the same.
        if !self.said_ready && (condition.ready || running >= LONGEST_START) {
            self.said_ready = true;
            news.push(Message::Ready);
        }
        if self.worker_turned_at.replace(condition.worker_turned_at) != Some(condition.worker_turned_at) {
            news.push(Message::Alive);
        }
        news
    }

    /// For those who have something to say beside control.
    pub fn teller(&self) -> Teller {
        Teller { messages: self.messages.clone() }
    }

    /// Says that the node leaves, after a time for which it goes on: the manager is asked not to lose its patience before.
    pub fn stopping(&self, time: Duration) {
        self.tell(Message::Stopping(time));
    }

    fn tell(&self, message: Message) {
        tell(self.messages.as_ref(), message);
    }
}

impl Drop for Manager {
    /// Waits until the last words are said, though not for a manager that does not listen.
    fn drop(&mut self) {
        self.tell(Message::End);
        self.messages = None;
        let Some(talker) = self.talker.take() else { return };
        let began = Instant::now();
        while !talker.is_finished() && began.elapsed() < LONGEST_FAREWELL {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Tells a service manager of single events.
#[derive(Clone, Debug)]
pub struct Teller {
    messages: Option<SyncSender<Message>>,
}

impl Teller {
    /// Says that the configuration is read again. [`Self::reloaded`] ends it.
    pub fn reloading(&self) {
        tell(self.messages.as_ref(), Message::Reloading);
    }

    /// Says that the configuration was read again, whether it was taken or not.
    pub fn reloaded(&self) {
        tell(self.messages.as_ref(), Message::Ready);
    }
}

fn tell(messages: Option<&SyncSender<Message>>, message: Message) {
    if let Some(messages) = messages {
        // A manager that has not read so much does not miss this one.
        let _ = messages.try_send(message);
    }
}

fn talk(messages: &Receiver<Message>) {
    let mut failed = false;
    for message in messages {
        let result = match &message {
            Message::End => return,
            Message::Ready => sd_notify::notify(&[NotifyState::Ready]),
            Message::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
            Message::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
            Message::Stopping(time) => {
                let limit = (*time + TO_LEAVE).as_micros().try_into().unwrap_or(u32::MAX);
                sd_notify::notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(limit)])
            }
            // The time is for systemd 253 and later with `Type=notify-reload`.
            Message::Reloading => NotifyState::monotonic_usec_now()
                .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        };
        if let Err(error) = result
            && !std::mem::replace(&mut failed, true)
        {
            tracing::warn!(%error, "the service manager cannot be told how the node is; is NOTIFY_SOCKET right?");
        }
    }
}

/// Messages that may wait for the manager.
const WAITING: usize = 16;
/// A node that is not ready by then serves as far as it can, and says so.
const LONGEST_START: Duration = Duration::from_secs(20);
/// What taking leave may take, beside the time for which a stub router goes on.
const TO_LEAVE: Duration = Duration::from_secs(20);
/// How long the manager has to take the last messages.
const LONGEST_FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(ready: bool, worker_turned_at: u64) -> Condition {
        Condition {
            ready,
            status: if ready { "ready" } else { "waiting" }.to_owned(),
            worker_turned_at: Duration::from_millis(worker_turned_at),
        }
    }

    const EARLY: Duration = Duration::from_secs(1);

    #[test]
    fn readiness_is_said_once_and_the_status_when_it_changes() {
        let mut manager = Manager::none();
        let news = manager.news(&condition(false, 1), EARLY);
        assert_eq!(news, [Message::Status("waiting".to_owned()), Message::Alive]);
        let news = manager.news(&condition(true, 2), EARLY);
        assert_eq!(news, [Message::Status("ready".to_owned()), Message::Ready, Message::Alive]);
        assert_eq!(manager.news(&condition(true, 3), EARLY), [Message::Alive]);
        let news = manager.news(&condition(false, 4), EARLY);
        assert_eq!(news, [Message::Status("waiting".to_owned()), Message::Alive]);
    }

    #[test]
    fn a_worker_that_stands_still_is_not_alive() {
        let mut manager = Manager::none();
        manager.news(&condition(true, 7), EARLY);
        assert_eq!(manager.news(&condition(true, 7), EARLY), []);
        assert_eq!(manager.news(&condition(true, 8), EARLY), [Message::Alive]);
    }

    #[test]
    fn a_node_that_waits_for_a_neighbor_too_long_counts_as_started() {
        let mut manager = Manager::none();
        assert!(!manager.news(&condition(false, 1), LONGEST_START / 2).contains(&Message::Ready));
        assert!(manager.news(&condition(false, 2), LONGEST_START).contains(&Message::Ready));
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let (messages, unread) = sync_channel(WAITING);
        let mut manager = Manager::none();
        manager.messages = Some(messages);
        for _ in 0..WAITING * 2 {
            manager.stopping(Duration::ZERO);
        }
        assert_eq!(unread.try_iter().count(), WAITING);
    }
}
