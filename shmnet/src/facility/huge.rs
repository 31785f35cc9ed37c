//! Memory in huge pages (hugetlbfs): how much of it there is.
//!
//! The kernel keeps a pool of each size of huge pages, which an administrator fills (`vm.nr_hugepages`); a mount may have a limit
//! of its own (its option `size`). A mapping takes nothing from the pool here, since all of them are made without a
//! reservation: what counts is `fallocate`, which gives whole pages, and says so when there are none. Without that a store
//! to a page that the pool cannot give would be a SIGBUS.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::fstatvfs;

use crate::config::HugePageSize;
use crate::error::JoinError;
use crate::memory::huge_page_of;

/// The huge pages that are behind a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HugePages {
    /// Bytes of one.
    pub(crate) page: u64,
}

/// What the pool and the mount have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(super) page: u64,
    /// Pages that were asked for.
    pub(super) needed: u64,
    pub(super) free: u64,
    /// The mount has a limit of its own, and it is what is exhausted.
    pub(super) by_mount: bool,
}

impl HugePages {
    /// `None` for what lies on another file system.
    pub(crate) fn of(file: impl AsFd) -> Option<Self> {
        huge_page_of(file).map(|page| Self { page })
    }

    /// Of one size, before there is a file; `None` if this kernel has no pages of it.
    pub(crate) fn of_size(size: HugePageSize) -> Option<Self> {
        let pages = Self { page: size.bytes() };
        pages.folder(Path::new(POOLS)).is_dir().then_some(pages)
    }

    /// The length in whole pages.
    pub(crate) fn round(self, len: u64) -> u64 {
        len.checked_next_multiple_of(self.page).unwrap_or(len)
    }

    /// Bytes that the pool and the mount can still give.
    pub(crate) fn free(self, file: impl AsFd) -> io::Result<u64> {
        let (pool, mount) = (self.pool(Path::new(POOLS)), self.mount(file));
        let free = match (pool, mount) {
            (Ok(pool), Some(mount)) => pool.min(mount),
            (Ok(pool), None) => pool,
            (Err(_), Some(mount)) => mount,
            (Err(error), None) => return Err(error),
        };
        Ok(free.saturating_mul(self.page))
    }

    /// Bytes that the pool can still give to a file which is on no mount.
    pub(crate) fn free_of_mounts(self) -> io::Result<u64> {
        Ok(self.pool(Path::new(POOLS))?.saturating_mul(self.page))
    }

    /// What to say of a range, if it is not given: to be asked before it is asked for.
    pub(crate) fn shortage(self, file: impl AsFd, offset: u64, len: u64) -> Shortage {
        let (pool, mount) = (self.pool(Path::new(POOLS)).unwrap_or(0), self.mount(file));
        let (first, end) = (offset / self.page, offset.saturating_add(len).div_ceil(self.page));
        Shortage {
            page: self.page,
            needed: end - first,
            free: mount.map_or(pool, |mount| mount.min(pool)),
            by_mount: mount.is_some_and(|mount| mount < pool),
        }
    }

    /// Pages free in the pool: nobody has them, and nobody has been promised them. What the kernel may add by itself counts.
    fn pool(self, pools: &Path) -> io::Result<u64> {
        let folder = self.folder(pools);
        let number = |name: &str| -> io::Result<u64> {
            let text = std::fs::read_to_string(folder.join(name))?;
            text.trim().parse().map_err(io::Error::other)
        };
        let promised = number("resv_hugepages")?;
        let more = number("nr_overcommit_hugepages")?.saturating_sub(number("surplus_hugepages")?);
        Ok(number("free_hugepages")?.saturating_sub(promised).saturating_add(more))
    }

    fn folder(self, pools: &Path) -> PathBuf {
        pools.join(format!("hugepages-{}kB", self.page >> 10))
    }

    /// Pages left of the mount's limit, if it has one.
    #[allow(clippy::unused_self, reason = "beside `pool`")]
    fn mount(self, file: impl AsFd) -> Option<u64> {
        // Without a limit the kernel says 0 of 0; with only a minimum, as many as a number can be.
        let stat = fstatvfs(file).ok()?;
        (stat.f_blocks > 0 && stat.f_blocks < u64::MAX >> 1).then_some(stat.f_bavail)
    }
}

/// What to say of huge pages that this kernel does not have.
pub(super) fn unknown_size(size: HugePageSize, needed: u64, place: String) -> JoinError {
    JoinError::NoHugePages {
        place,
        needed: needed.div_ceil(size.bytes()),
        free: 0,
        page: shown(size.bytes()),
        remedy: "choose a size that /sys/kernel/mm/hugepages has",
    }
}

impl Shortage {
    pub(crate) fn into_join_error(self, place: String) -> JoinError {
        let Self { page, needed, free, by_mount } = self;
        JoinError::NoHugePages {
            place,
            needed,
            free,
            page: shown(page),
            remedy: if by_mount {
                "mount it with a larger `size`"
            } else {
                "raise vm.nr_hugepages (or nr_hugepages of that size in /sys/kernel/mm/hugepages), or use a directory on tmpfs"
            },
        }
    }
}

/// `2 MiB`, `1 GiB`, `64 KiB`.
fn shown(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| bytes >> shift > 0);
    unit.map_or_else(|| format!("{bytes} bytes"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

const POOLS: &str = "/sys/kernel/mm/hugepages";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_counts_what_is_free_and_not_promised() {
        let pools = std::env::temp_dir().join(format!("isthmus-pool-{}", std::process::id()));
        let folder = pools.join("hugepages-2048kB");
        std::fs::create_dir_all(&folder).unwrap();
        let say = |name: &str, number: u64| std::fs::write(folder.join(name), format!("{number}\n")).unwrap();
        say("free_hugepages", 9);
        say("resv_hugepages", 4);
        say("nr_overcommit_hugepages", 3);
        say("surplus_hugepages", 1);
        let pages = HugePages { page: 2 << 20 };
        assert_eq!(pages.pool(&pools).unwrap(), 7);
        // Reserved beyond what is free: nothing is left, and not less.
        say("resv_hugepages", 40);
        assert_eq!(pages.pool(&pools).unwrap(), 2);
        assert!(HugePages { page: 1 << 30 }.pool(&pools).is_err());
        std::fs::remove_dir_all(&pools).unwrap();
    }

    #[test]
    fn a_shortage_names_numbers_and_what_to_raise() {
        let shortage = Shortage { page: 2 << 20, needed: 3, free: 1, by_mount: false };
        let text = shortage.into_join_error("/mnt/huge".into()).to_string();
        assert_eq!(
            text,
            "/mnt/huge has 1 huge pages of 2 MiB free and 3 are needed; raise vm.nr_hugepages (or nr_hugepages \
             of that size in /sys/kernel/mm/hugepages), or use a directory on tmpfs"
        );
        let text = Shortage { by_mount: true, ..shortage }.into_join_error("/mnt/huge".into()).to_string();
        assert!(text.ends_with("mount it with a larger `size`"), "{text}");
        assert_eq!(
            (shown(1 << 30), shown(64 << 10), shown(100)),
            ("1 GiB".into(), "64 KiB".into(), "100 bytes".into())
        );
    }

    #[test]
    fn ordinary_files_have_none() {
        assert_eq!(HugePages::of(std::fs::File::open("/dev/shm").unwrap()), None);
        let pages = HugePages { page: 2 << 20 };
        assert_eq!((pages.round(1), pages.round(2 << 20), pages.round(0)), (2 << 20, 2 << 20, 0));
    }
}
