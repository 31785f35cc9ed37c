//! How often this router has started: the upper half of extended sequence numbers (RFC 7474 section 2), which are never to
//! come again.
//!
//! A file in the state directory counts. The clock counts too: the boot count is at least the seconds since 1970, so that it rises
//! also where the file was lost, or cannot be written, and rises by the file where the clock is wrong.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::transaction::file::{self, RealDisk};

/// The file in the state directory.
const FILE: &str = "ospf-boot-count";

/// The boot count of this life, which is on the disk when this returns. `matters`: sequence numbers are made of it.
pub(super) fn next(directory: &Path, matters: bool) -> u32 {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let boots = after(read(directory), clock);
    remember(directory, boots, matters);
    boots
}

/// Makes sure that the next life begins above `boots`.
pub(super) fn remember(directory: &Path, boots: u32, matters: bool) {
    match write(directory, boots) {
        Ok(()) => {}
        Err(error) if matters => tracing::warn!(
            %error, directory = %directory.display(),
            "the boot count of OSPF cannot be kept: neighbors believe the next start only if the clock is right"
        ),
        Err(error) => tracing::debug!(%error, "the boot count of OSPF cannot be kept"),
    }
}

fn after(last: u32, clock: u64) -> u32 {
    last.saturating_add(1).max(u32::try_from(clock).unwrap_or(u32::MAX))
}

/// The boot count of the last life; 0 if nothing is known of one.
fn read(directory: &Path) -> u32 {
    let text = fs::read_to_string(directory.join(FILE)).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn write(directory: &Path, boots: u32) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    file::stage(&mut RealDisk, &directory.join(FILE), format!("{boots}\n").as_bytes())?.commit(&mut RealDisk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_by_the_clock_and_by_the_file() {
        assert_eq!((after(0, 1_800_000_000), after(1_800_000_000, 5)), (1_800_000_000, 1_800_000_001));
        assert_eq!((after(u32::MAX, 7), after(7, u64::MAX)), (u32::MAX, u32::MAX));
        let directory = std::env::temp_dir().join(format!("isthmus-boot-count-{}", std::process::id()));
        let lives: Vec<u32> = (0..3).map(|_| next(&directory, true)).collect();
        assert!(lives.is_sorted_by(|a, b| a < b), "{lives:?}");
        remember(&directory, u32::MAX - 1, true);
        assert_eq!((next(&directory, true), read(&directory)), (u32::MAX, u32::MAX));
        fs::remove_dir_all(&directory).unwrap();
        // Where nothing can be kept it still rises with the clock.
        assert!(next(Path::new("/proc/no-such-place"), false) > 1_700_000_000);
    }
}
