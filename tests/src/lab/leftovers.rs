//! What a lab leaves when its process is killed, and its removal by the next one.
//!
//! Each lab notes the processes that it starts, by id and start time, so that an id used again by something else is
//! not mistaken for one of them. Labs hold a lock: whatever is there when a lab begins was left.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::command::try_run;
use super::huge_pages;

/// What the names of all namespaces of labs begin with.
pub(super) const NAMESPACE_PREFIX: &str = "isthmus-lab-";

const PROCESSES: &str = "processes";
const SEGMENT: &str = "segment";

/// Notes a process that was started.
pub(super) fn note_process(directory: &Path, pid: u32) {
    let Some(started) = start_time(pid) else { return };
    let notes = OpenOptions::new().create(true).append(true).open(directory.join(PROCESSES));
    let mut notes = notes.expect("the notes of the lab");
    writeln!(notes, "{pid} {started}").expect("the notes of the lab");
}

/// Notes where the lab's shared memory is.
pub(super) fn note_segment(directory: &Path, segment: &Path) {
    fs::write(directory.join(SEGMENT), segment.as_os_str().as_encoded_bytes()).expect("the notes of the lab");
}

/// Removes all that earlier labs left: those with notes in `home`, and namespaces of this prefix.
pub(super) fn sweep(home: &Path, namespace_prefix: &str) {
    let labs = fs::read_dir(home).into_iter().flatten().flatten();
    for lab in labs.map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let notes = fs::read_to_string(lab.join(PROCESSES)).unwrap_or_default();
        notes.lines().for_each(end_process);
        if let Ok(segment) = fs::read_to_string(lab.join(SEGMENT))
            && segment.starts_with("/dev/shm/isthmus-lab-")
        {
            let _ = fs::remove_dir_all(segment);
        }
        huge_pages::give_back(&lab);
        let _ = fs::remove_dir_all(lab);
    }
    let namespaces = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    for name in namespaces.filter_map(|entry| entry.file_name().into_string().ok()) {
        if name.starts_with(namespace_prefix) {
            try_run(&["ip", "netns", "delete", &name]);
        }
    }
}

fn end_process(note: &str) {
    let Some((pid, started)) = note.split_once(' ') else { return };
    let Ok(pid) = pid.parse::<u32>() else { return };
    if start_time(pid).is_some_and(|now| now == started)
        && let Some(pid) = Pid::from_raw(pid.cast_signed())
    {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Field 22 of `/proc/PID/stat`: together with the id it names a process for ever.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses, which may contain anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Input: what a killed lab leaves: notes of a process that runs, of one whose id is another's now, a namespace.
    /// Output: the first is ended, the second is not, files and namespace are gone.
    #[test]
    fn what_a_killed_lab_left_is_swept() {
        let home = std::env::temp_dir().join(format!("isthmus-sweep-{}", std::process::id()));
        let lab = home.join("killed");
        fs::create_dir_all(&lab).unwrap();
        let mut left = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
        note_process(&lab, left.id());
        let notes = fs::read_to_string(lab.join(PROCESSES)).unwrap();
        fs::write(lab.join(PROCESSES), format!("{notes}{} 1\nnonsense\n", other.id())).unwrap();
        let prefix = format!("isthmus-sweep-{}-", std::process::id());
        let namespace = format!("{prefix}x");
        let root = rustix::process::geteuid().is_root();
        if root {
            assert!(try_run(&["ip", "netns", "add", &namespace]).ok());
        }

        sweep(&home, &prefix);
        assert!(!left.wait().unwrap().success(), "it was ended");
        assert_eq!(other.try_wait().unwrap(), None, "it was not ours");
        assert!(!lab.exists());
        assert!(!Path::new("/run/netns").join(&namespace).exists());
        other.kill().unwrap();
        other.wait().unwrap();
        fs::remove_dir_all(&home).unwrap();
    }
}
