//! Whether this process runs under a CPU quota: it can then be stopped for longer than a failure timeout while it is
//! perfectly well.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether a control group of this process, of version 1 or 2, limits its share of CPU time.
pub(crate) fn is_limited() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups.lines().any(|line| limited_by(line, Path::new("/sys/fs/cgroup")))
}

/// `line` is `ID:CONTROLLERS:PATH`; the limits of all groups above count too.
fn limited_by(line: &str, root: &Path) -> bool {
    let mut fields = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let (root, file): (PathBuf, _) = match controllers {
        "" => (root.to_owned(), "cpu.max"),
        names if names.split(',').any(|name| name == "cpu") => (root.join(names), "cpu.cfs_quota_us"),
        _ => return false,
    };
    let group = root.join(group.trim_start_matches('/'));
    group.ancestors().take_while(|path| path.starts_with(&root)).any(|path| {
        // A container that sees its own group as the root finds the limit there.
        fs::read_to_string(path.join(file)).is_ok_and(|text| is_limit(&text))
    })
}

/// `max 100000` and `-1` are no limit; `50000 100000` and `50000` are.
fn is_limit(text: &str) -> bool {
    text.split_whitespace().next().and_then(|word| word.parse::<i64>().ok()).is_some_and(|quota| quota > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_positive_quota_limits() {
        assert!(is_limit("50000 100000\n"));
        assert!(is_limit("50000\n"));
        for free in ["max 100000\n", "-1\n", "", "garbage"] {
            assert!(!is_limit(free), "{free}");
        }
    }

    #[test]
    fn a_limit_of_a_group_above_counts() {
        let root = std::env::temp_dir().join(format!("isthmus-quota-{}", std::process::id()));
        fs::create_dir_all(root.join("pod/container")).unwrap();
        fs::write(root.join("pod/cpu.max"), "20000 100000\n").unwrap();
        fs::write(root.join("pod/container/cpu.max"), "max 100000\n").unwrap();
        assert!(limited_by("0::/pod/container", &root));
        assert!(!limited_by("0::/other", &root));
        assert!(!limited_by("nonsense", &root));
        fs::remove_dir_all(&root).unwrap();
    }
}
