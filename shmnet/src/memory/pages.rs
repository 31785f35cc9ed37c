//! Files that are made of huge pages: what has to be known of them before they are mapped.

use std::os::fd::AsFd;

use rustix::fs::fstatfs;

/// The size of the pages of a file on hugetlbfs; `None` for any other file.
pub(crate) fn huge_page_of(file: impl AsFd) -> Option<u64> {
    let stat = fstatfs(file).ok()?;
    // The kernel's word may be signed and 32 bits long.
    let is_huge = stat.f_type as u64 & 0xffff_ffff == HUGETLBFS;
    u64::try_from(stat.f_bsize).ok().filter(|page| is_huge && page.is_power_of_two())
}

/// The magic number of the file system.
const HUGETLBFS: u64 = 0x9584_58f6;
