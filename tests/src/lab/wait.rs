//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Waits until `condition` holds and returns what it found. The limit is generous: it says when a test has failed, not
/// how fast anything should be.
///
/// # Panics
/// After `limit`, with what the condition said last.
pub fn wait<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match condition() {
            Ok(found) => return found,
            Err(last) if Instant::now() >= deadline => {
                panic!("waited {} s for: {what}\nlast seen: {last}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
