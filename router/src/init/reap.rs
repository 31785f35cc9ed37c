//! Children that have ended. The first process of a process namespace inherits the orphans in it; one that is not
//! waited for stays as a zombie and holds its process id.

use std::io;

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Takes the status of every child that has ended, of whatever process group, without waiting for others.
pub fn ended() -> impl Iterator<Item = (Pid, WaitStatus)> {
    std::iter::from_fn(|| wait(WaitOptions::NOHANG).ok().flatten())
}

/// Collects orphans for as long as the process lives, if it is the first of its namespace. To be called inside a tokio
/// runtime, by a process that has no children of its own.
///
/// # Errors
/// Signals cannot be caught.
pub fn collect_orphans() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let mut children = signal(SignalKind::child())?;
    tokio::spawn(async move {
        loop {
            // Those that ended before the signal was caught are taken by the first turn.
            for (pid, _) in ended() {
                tracing::debug!(pid = pid.as_raw_nonzero().get(), "an orphan has ended");
            }
            if children.recv().await.is_none() {
                return;
            }
        }
    });
    Ok(())
}
