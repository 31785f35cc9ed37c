//! The node as a child of the first process: it is told when to stop, watched while it runs, and started again when it
//! ends or stands still. It says how it is as it does to any service manager ([`crate::service`]).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use tokio::net::UnixDatagram;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::power::Order;
use super::{InitError, reap};

/// The binary, as the image has it.
const BINARY: &str = "/usr/bin/isthmus";
/// Where the node says how it is.
const NOTIFY_SOCKET: &str = "/run/isthmus-init.sock";

/// A node that says nothing for so long stands still.
const WATCHDOG: Duration = Duration::from_secs(15);
/// The same until it has said for the first time that it serves.
const LONGEST_START: Duration = Duration::from_secs(90);
/// What a node has to leave the cluster in order.
const LONGEST_FAREWELL: Duration = Duration::from_secs(10);
/// From the end of a node to the next one, at first; twice as long each time.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After such a life the pause is short again.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// Keeps a node running.
pub struct Supervisor {
    config: PathBuf,
    api: Option<PathBuf>,
    notifications: UnixDatagram,
    children: tokio::signal::unix::Signal,
}

/// How a node's life ended.
enum End {
    Ordered(Order),
    Died(String),
}

/// What is known of a node that runs.
struct Life {
    ready: bool,
    /// It is stuck if it says nothing until then.
    silent_until: Instant,
}

impl Supervisor {
    /// A supervisor of a node on a configuration file, whose API is at a socket. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// The system refuses a socket, or to tell of children that end.
    pub fn new(config: PathBuf, api: Option<PathBuf>) -> Result<Self, InitError> {
        // Of an earlier life.
        let _ = fs::remove_file(NOTIFY_SOCKET);
        let notifications =
            UnixDatagram::bind(NOTIFY_SOCKET).map_err(InitError::system(format!("bind {NOTIFY_SOCKET}")))?;
        let children = signal(SignalKind::child()).map_err(InitError::system("catch signals"))?;
        Ok(Self { config, api, notifications, children })
    }

    /// Keeps a node running until the machine is told to end, and ends the node then.
    pub async fn run(mut self, orders: &mut UnboundedReceiver<Order>) -> Order {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            match self.live(orders).await {
                End::Ordered(order) => return order,
                End::Died(why) => tracing::error!("{why}; it is started again in {} s", pause.as_secs()),
            }
            tokio::select! {
                Some(order) = orders.recv() => return order,
                () = sleep(pause) => {}
            }
            pause =
                if began.elapsed() >= LONG_LIFE { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
    }

    /// One life of the node.
    async fn live(&mut self, orders: &mut UnboundedReceiver<Order>) -> End {
        let spawned = Command::new(BINARY)
            .args(["run", "-c"])
            .arg(&self.config)
            .env("NOTIFY_SOCKET", NOTIFY_SOCKET)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .spawn();
        let pid = match spawned.map(|child| Pid::from_raw(child.id().cast_signed())) {
            Ok(Some(pid)) => pid,
            Ok(None) => return End::Died("the node has no process id".to_owned()),
            Err(error) => return End::Died(format!("{BINARY} does not start: {error}")),
        };
        let mut life = Life { ready: false, silent_until: Instant::now() + LONGEST_START };
        let mut text = [0; 4096];
        loop {
            tokio::select! {
                Some(order) = orders.recv() => {
                    self.end(pid).await;
                    return End::Ordered(order);
                }
                _ = self.children.recv() => {
                    if let Some(status) = status_of(pid) {
                        return End::Died(format!("the node has ended ({})", describe(status)));
                    }
                }
                Ok(length) = self.notifications.recv(&mut text) => {
                    self.hear(&mut life, &String::from_utf8_lossy(&text[..length]));
                }
                () = sleep_until(life.silent_until) => {
                    tracing::error!("the node stands still: it is killed");
                    // It may have ended just now.
                    let _ = kill_process(pid, Signal::KILL);
                    life.silent_until = Instant::now() + LONGEST_START;
                }
            }
        }
    }

    fn hear(&self, life: &mut Life, notification: &str) {
        for line in notification.lines() {
            if let Some(status) = line.strip_prefix("STATUS=") {
                tracing::info!("{status}");
            } else if line == "READY=1" && !life.ready {
                life.ready = true;
                life.silent_until = Instant::now() + WATCHDOG;
                self.show_status();
            } else if line == "WATCHDOG=1" && life.ready {
                life.silent_until = Instant::now() + WATCHDOG;
            }
        }
    }

    /// Lets the command line write the node's state to the console. It is collected like any other child.
    fn show_status(&self) {
        let mut status = Command::new(BINARY);
        status.arg("status");
        if let Some(api) = &self.api {
            status.arg("--api").arg(format!("unix:{}", api.display()));
        }
        if let Err(error) = status.spawn() {
            tracing::warn!(%error, "the state of the node cannot be shown");
        }
    }

    /// Tells the node to leave, and waits until it has.
    async fn end(&mut self, pid: Pid) {
        if kill_process(pid, Signal::TERM).is_err() {
            return;
        }
        let gone = timeout(LONGEST_FAREWELL, async {
            while status_of(pid).is_none() && self.children.recv().await.is_some() {}
        });
        if gone.await.is_err() {
            tracing::error!("the node does not leave: it is killed");
            // It may have ended just now.
            let _ = kill_process(pid, Signal::KILL);
        } else {
            tracing::info!("the node has left");
        }
    }
}

/// Collects all children that have ended; the status of this one, if it has.
fn status_of(pid: Pid) -> Option<WaitStatus> {
    // All of them are taken, whichever comes first.
    let ended: Vec<_> = reap::ended().collect();
    ended.into_iter().find_map(|(other, status)| (other == pid).then_some(status))
}

fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for no known reason".to_owned(),
    }
}
