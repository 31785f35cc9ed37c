//! The power button, signals, and the end of the machine.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use rustix::mount::{UnmountFlags, unmount};
use rustix::system::{RebootCommand, reboot};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::source;

/// What the machine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To turn itself off.
    PowerOff,
    /// To start again.
    Reboot,
}

/// Orders as they come: the power button, SIGTERM and SIGPWR turn the machine off, Ctrl-Alt-Delete starts it again. To be
/// called inside a tokio runtime.
///
/// # Errors
/// Signals cannot be caught.
pub fn orders() -> io::Result<UnboundedReceiver<Order>> {
    let (sender, receiver) = unbounded_channel();
    // Else the kernel starts again at once, and nobody takes leave.
    if let Err(error) = reboot(RebootCommand::CadOff) {
        tracing::warn!(%error, "Ctrl-Alt-Delete is the kernel's");
    }
    let power_failure = SignalKind::from_raw(libc::SIGPWR);
    for (kind, order) in [
        (SignalKind::terminate(), Order::PowerOff),
        (power_failure, Order::PowerOff),
        (SignalKind::interrupt(), Order::Reboot),
    ] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(order).is_ok() {} });
    }
    for entry in fs::read_dir("/dev/input").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("event") {
            watch_keys(&entry.path(), sender.clone());
        }
    }
    Ok(receiver)
}

/// Reads the keys of an input device in a thread of its own; it ends with the device.
fn watch_keys(device: &Path, orders: UnboundedSender<Order>) {
    let Ok(mut events) = File::open(device) else { return };
    let watching = std::thread::Builder::new().name("keys".into()).spawn(move || {
        let mut event = [0; INPUT_EVENT];
        while events.read_exact(&mut event).is_ok() {
            if is_power_button(&event) && orders.send(Order::PowerOff).is_err() {
                return;
            }
        }
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "the keys of {} are not heard", device.display());
    }
}

/// `struct input_event` of 64-bit systems: two words of time, then type, code and value.
const INPUT_EVENT: usize = 24;

/// `EV_KEY`, `KEY_POWER`, pressed.
fn is_power_button(event: &[u8; INPUT_EVENT]) -> bool {
    const EV_KEY: u16 = 1;
    const KEY_POWER: u16 = 116;
    const PRESSED: i32 = 1;
    let half = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
    let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
    half(16) == EV_KEY && half(18) == KEY_POWER && value == PRESSED
}

/// Ends the machine. Returns only if the kernel refuses.
pub fn obey(order: Order) {
    // It may not be mounted.
    let _ = unmount(source::DIRECTORY, UnmountFlags::empty());
    rustix::fs::sync();
    let command = match order {
        Order::PowerOff => RebootCommand::PowerOff,
        Order::Reboot => RebootCommand::Restart,
    };
    tracing::info!(
        "{}",
        if order == Order::Reboot { "the machine starts again" } else { "the machine is off" }
    );
    if let Err(error) = reboot(command) {
        tracing::error!(%error, "the kernel does not end the machine");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_press_of_the_power_button_is_one() {
        let event = |kind: u16, code: u16, value: i32| {
            let mut event = [0xff; INPUT_EVENT];
            event[16..18].copy_from_slice(&kind.to_ne_bytes());
            event[18..20].copy_from_slice(&code.to_ne_bytes());
            event[20..].copy_from_slice(&value.to_ne_bytes());
            event
        };
        assert!(is_power_button(&event(1, 116, 1)));
        assert!(!is_power_button(&event(1, 116, 0)), "released");
        assert!(!is_power_button(&event(1, 30, 1)), "another key");
        assert!(!is_power_button(&event(0, 116, 1)), "no key");
    }
}
