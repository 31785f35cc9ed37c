//! Memory in huge pages: a file system of them, with pages that a lab adds to the kernel's pool and gives back.

use std::fs;
use std::path::{Path, PathBuf};

use super::Lab;
use super::command::{run, try_run};

/// The kernel's pool of huge pages of 2 MiB.
const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
/// In the lab's directory: how many pages were added, for the next lab if this one is killed; and where they are mounted.
const NOTE: &str = "huge-pages";
const MOUNT: &str = "huge";

/// A mounted file system of huge pages.
pub struct HugePages {
    lab: PathBuf,
}

impl HugePages {
    /// The size of a page in bytes.
    pub const SIZE: u64 = 2 << 20;

    /// Adds pages to the pool and mounts a file system of huge pages. `None` if the kernel does not give so many.
    ///
    /// # Panics
    /// If they cannot be mounted.
    pub fn add(lab: &Lab, count: u64) -> Option<Self> {
        let before = present()?;
        let pages = Self { lab: lab.directory().to_owned() };
        fs::write(pages.lab.join(NOTE), count.to_string()).expect("the notes of the lab");
        fs::write(POOL, (before + count).to_string()).ok()?;
        if present()? < before + count {
            fs::write(pages.lab.join(NOTE), present()?.saturating_sub(before).to_string())
                .expect("the notes");
            return None;
        }
        let directory = pages.directory();
        fs::create_dir(&directory).expect("a directory to mount at");
        run(&["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none", &directory.display().to_string()]);
        Some(pages)
    }

    /// Where they are mounted.
    pub fn directory(&self) -> PathBuf {
        self.lab.join(MOUNT)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        give_back(&self.lab);
    }
}

/// Unmounts what a lab has mounted, and gives its pages back; what is still in use goes when it is not any more.
pub(super) fn give_back(lab: &Path) {
    let Ok(note) = fs::read_to_string(lab.join(NOTE)) else { return };
    try_run(&["umount", "--lazy", &lab.join(MOUNT).display().to_string()]);
    if let (Ok(added), Some(present)) = (note.trim().parse::<u64>(), present()) {
        let _ = fs::write(POOL, present.saturating_sub(added).to_string());
    }
    let _ = fs::remove_file(lab.join(NOTE));
}

fn present() -> Option<u64> {
    fs::read_to_string(POOL).ok()?.trim().parse().ok()
}
