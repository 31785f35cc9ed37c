//! Waits for the NICs of a configuration. Whoever starts a container may plug its cables in after its process has
//! started.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::config::model::Driver;
use crate::kernel::{Kernel, KernelError};

/// From one look to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Waits until all devices of the configuration exist, but no longer than `limit`: what is missing then is refused
/// where it is opened.
pub(super) async fn appear(config: &Config, limit: Duration) {
    let began = Instant::now();
    let mut said = false;
    while began.elapsed() < limit {
        let missing = missing(config).await;
        if missing.is_empty() {
            return;
        }
        if !std::mem::replace(&mut said, true) {
            tracing::info!("waiting for {}", missing.join(", "));
        }
        tokio::time::sleep(LOOK_AGAIN.min(limit)).await;
    }
}

/// The devices that do not exist. A kernel that does not answer is left to the ports, which say so.
async fn missing(config: &Config) -> Vec<&str> {
    let Ok(kernel) = Kernel::connect() else { return Vec::new() };
    let mut missing = Vec::new();
    for nic in config.interfaces.iter().filter(|nic| matches!(nic.driver, Driver::Packet)) {
        if let Err(KernelError::UnknownInterface { .. }) = kernel.interface_index(&nic.name).await {
            missing.push(nic.name.as_str());
        }
    }
    missing
}
