//! The process as the kernel accounts it, for metrics.

use std::fs;

use isthmus_mgmt_api::model::Process;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Reads the accounts. What cannot be read is absent.
pub(super) fn process() -> Process {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    Process {
        cpu: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
        resident: field(&status, "VmRSS").map(|kibibytes| kibibytes << 10),
        virtual_size: field(&status, "VmSize").map(|kibibytes| kibibytes << 10),
        // The descriptor by which the directory is read is not counted.
        descriptors: fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1)),
        max_descriptors: getrlimit(Resource::Nofile).current,
        threads: field(&status, "Threads"),
    }
}

/// The number in a line such as `VmRSS: 5184 kB`.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_uses_everything_that_is_accounted() {
        let process = process();
        assert!(process.cpu.unwrap() > 0.0);
        assert!(process.resident.unwrap() > 1 << 20, "{process:?}");
        assert!(process.virtual_size >= process.resident);
        assert!(process.threads.unwrap() >= 1);
        let before = process.descriptors.unwrap();
        assert!(before >= 1 && process.max_descriptors.is_none_or(|most| most >= before));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status = "VmRSSx:\t1 kB\nVmRSS:\t  5184 kB\nThreads:\t3\n";
        assert_eq!(field(status, "VmRSS"), Some(5184));
        assert_eq!(field(status, "Threads"), Some(3));
        assert_eq!(field(status, "VmSize"), None);
    }
}
