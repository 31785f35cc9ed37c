//! Files that are not mapped in ordinary pages: huge ones, and those of DAX devices.

use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat, fstatfs, major, minor};

/// The size of the pages of a file on hugetlbfs; `None` for any other file.
pub(crate) fn huge_page_of(file: impl AsFd) -> Option<u64> {
    let stat = fstatfs(file).ok()?;
    // The kernel's word may be signed and 32 bits long.
    let is_huge = stat.f_type as u64 & 0xffff_ffff == HUGETLBFS;
    u64::try_from(stat.f_bsize).ok().filter(|page| is_huge && page.is_power_of_two())
}

/// What the mappings of a DAX device are aligned to, as the kernel tells it: no part of one can be given back. `None` for what is no
/// such device.
pub(crate) fn dax_page_of(file: impl AsFd) -> Option<u64> {
    let stat = fstat(file).ok()?;
    if !FileType::from_raw_mode(stat.st_mode).is_char_device() {
        return None;
    }
    let device = format!("/sys/dev/char/{}:{}/align", major(stat.st_rdev), minor(stat.st_rdev));
    let text = std::fs::read_to_string(device).ok()?;
    text.trim().parse().ok().filter(|page: &u64| page.is_power_of_two())
}

/// The magic number of the file system.
const HUGETLBFS: u64 = 0x9584_58f6;
