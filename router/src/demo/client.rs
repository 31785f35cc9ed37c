//! The demo asks its nodes over REST, as any client does.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::client::Client;

/// From one look to the next while something is awaited.
const LOOK: Duration = Duration::from_millis(10);

/// A node's API.
#[derive(Clone)]
pub struct Api {
    client: Client,
}

impl Api {
    /// The API on a unix socket.
    pub fn new(socket: &Path) -> Self {
        Self { client: Client::unix(socket) }
    }

    /// Fetches a resource.
    ///
    /// # Errors
    /// The node does not answer, or refuses.
    pub fn get(&self, path: &str) -> io::Result<Value> {
        self.client.get(path).map_err(io::Error::other)
    }

    /// Asks a tool of the node, and collects the lines of its answer.
    ///
    /// # Errors
    /// The node does not answer, or refuses.
    pub fn tool(&self, path: &str, request: &Value) -> io::Result<Vec<Value>> {
        self.client.post_lines(path, request).map_err(io::Error::other)
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
    mut look: impl FnMut() -> Result<T, String>,
) -> io::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(why) if Instant::now() >= deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("after {patience:?}: {why}")));
            }
            Err(_) => alive().map_err(io::Error::other)?,
        }
        tokio::time::sleep(LOOK).await;
    }
}
