//! The demo asks its nodes over REST, as any client does.
//!
//! Requests block a thread of their own, never the one that waits for signals, and every answer is waited for no
//! longer than `ANSWER`.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::client::{Client, Target};
use crate::cli::error::CliError;

/// From one look to the next while something is awaited.
const LOOK: Duration = Duration::from_millis(10);
/// For an answer. The longest tool of the tour takes a second.
const ANSWER: Duration = Duration::from_secs(15);

/// A node's API.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

impl Api {
    /// The API on a unix socket.
    pub fn unix(socket: &Path) -> Self {
        Self { client: Client::unix(socket) }
    }

    /// The API at `http://HOST:PORT`.
    ///
    /// # Errors
    /// It speaks TLS, and the system trusts nobody.
    pub fn http(base: &str) -> io::Result<Self> {
        let client = Client::new(Target::Http(base.to_owned())).map_err(io::Error::other)?;
        Ok(Self { client })
    }

    /// Fetches a resource.
    ///
    /// # Errors
    /// The node does not answer, not in time, or refuses.
    pub async fn get(&self, path: &str) -> io::Result<Value> {
        let path = path.to_owned();
        self.ask(move |client| client.get(&path)).await
    }

    /// Asks a tool of the node, and collects the lines of its answer.
    ///
    /// # Errors
    /// The node does not answer, not in time, or refuses.
    pub async fn tool(&self, path: &str, request: Value) -> io::Result<Vec<Value>> {
        let path = path.to_owned();
        self.ask(move |client| client.post_lines(&path, &request)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, CliError> + Send + 'static,
    ) -> io::Result<T> {
        let client = self.client.clone();
        let asking = tokio::task::spawn_blocking(move || ask(&client));
        let late = |_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {ANSWER:?} from {}", self.target()))
        };
        let answer = tokio::time::timeout(ANSWER, asking).await.map_err(late)?;
        answer.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    fn target(&self) -> &Target {
        self.client.target()
    }
}

/// Looks until `look` finds something, or `patience` is over: then the last reason why not. Ends at once when
/// `alive` says that there is nothing to wait for.
///
/// # Errors
/// What `look` said last, or what `alive` said.
pub async fn wait_for<T>(
    patience: Duration,
    mut alive: impl FnMut() -> Result<(), String>,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> io::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(why) if Instant::now() >= deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("after {patience:?}: {why}")));
            }
            Err(_) => alive().map_err(io::Error::other)?,
        }
        tokio::time::sleep(LOOK).await;
    }
}
