//! File systems on disks, known by their superblocks, and the one that has the configuration: its label is `isthmus`.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

/// The label, in any case: FAT has capitals only.
pub const LABEL: &str = "isthmus";

/// A type of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext2, ext3 or ext4.
    Ext4,
    /// FAT16 or FAT32.
    Vfat,
    /// ISO 9660, which cannot be written.
    Iso9660,
}

impl FileSystem {
    /// The kernel's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Vfat => "vfat",
            Self::Iso9660 => "iso9660",
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "errors=remount-ro",
            // There are no owners on it: all of it is for root alone, as a configuration may contain keys.
            Self::Vfat => "umask=0077,quiet",
            Self::Iso9660 => "mode=0400,dmode=0500",
        }
    }
}

/// The file system in the first bytes of a disk or partition, and its label without padding.
pub fn identify(start: &[u8]) -> Option<(FileSystem, String)> {
    let at = |offset: usize, length: usize| start.get(offset..offset.checked_add(length)?);
    let label = |offset, length| {
        let bytes = at(offset, length)?;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(length);
        Some(String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned())
    };
    if at(0x438, 2) == Some(&[0x53, 0xef]) {
        return Some((FileSystem::Ext4, label(0x478, 16)?));
    }
    if at(0x8001, 5) == Some(b"CD001") {
        return Some((FileSystem::Iso9660, label(0x8028, 32)?));
    }
    if at(0x1fe, 2) == Some(&[0x55, 0xaa]) {
        // The extended boot signature precedes serial number, label and type.
        for (kind, signature) in [(&b"FAT32   "[..], 0x42), (b"FAT16   ", 0x26), (b"FAT12   ", 0x26)] {
            if at(signature + 0x10, 8) == Some(kind) {
                return Some((FileSystem::Vfat, label(signature + 5, 11)?));
            }
        }
    }
    None
}

/// The block device with the configuration, and its file system.
pub fn find() -> Option<(PathBuf, FileSystem)> {
    let mut names: Vec<_> =
        fs::read_dir("/sys/class/block").ok()?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names.iter().find_map(|name| {
        let device = Path::new("/dev").join(name);
        let start = read_start(&device).ok()?;
        let (file_system, label) = identify(&start)?;
        label.eq_ignore_ascii_case(LABEL).then_some((device, file_system))
    })
}

/// As much as any of the superblocks needs; less on a smaller disk.
fn read_start(device: &Path) -> io::Result<Vec<u8>> {
    const LONGEST: u64 = 0x8800;
    let mut start = Vec::new();
    File::open(device)?.take(LONGEST).read_to_end(&mut start)?;
    Ok(start)
}

/// Mounts it: for writing, so that what management changes stays, unless it cannot be written.
///
/// # Errors
/// The kernel does not take it.
pub fn mount_at(device: &Path, file_system: FileSystem, place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    let options = CString::new(file_system.options())?;
    let with = |flags| mount(device, place, file_system.name(), flags, options.as_c_str());
    let result = match with(flags) {
        Err(Errno::ROFS | Errno::ACCESS) => with(flags | MountFlags::RDONLY),
        result => result,
    };
    result.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with these bytes at these places.
    fn disk(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut disk = vec![0; 0x8800];
        for (at, bytes) in parts {
            disk[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        disk
    }

    #[test]
    fn labels_are_found_where_each_file_system_has_them() {
        let ext4 = disk(&[(0x438, &[0x53, 0xef]), (0x478, b"isthmus")]);
        assert_eq!(identify(&ext4), Some((FileSystem::Ext4, "isthmus".to_owned())));
        let iso = disk(&[(0x8001, b"CD001"), (0x8028, b"ISTHMUS                         ")]);
        assert_eq!(identify(&iso), Some((FileSystem::Iso9660, "ISTHMUS".to_owned())));
        let fat32 = disk(&[(0x1fe, &[0x55, 0xaa]), (0x52, b"FAT32   "), (0x47, b"ISTHMUS    ")]);
        assert_eq!(identify(&fat32), Some((FileSystem::Vfat, "ISTHMUS".to_owned())));
        let fat16 = disk(&[(0x1fe, &[0x55, 0xaa]), (0x36, b"FAT16   "), (0x2b, b"ISTHMUS    ")]);
        assert_eq!(identify(&fat16), Some((FileSystem::Vfat, "ISTHMUS".to_owned())));
    }

    #[test]
    fn a_disk_without_a_known_file_system_is_none() {
        assert_eq!(identify(&[]), None);
        assert_eq!(identify(&[0xff; 512]), None);
        assert_eq!(identify(&disk(&[(0x1fe, &[0x55, 0xaa])])), None);
        assert_eq!(identify(&disk(&[(0x438, &[0x53, 0xef])])[..0x440]), None, "cut off before the label");
    }
}
