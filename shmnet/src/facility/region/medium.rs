//! Where a region's memory is: a file, the BAR of an ivshmem device, a DAX device.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, fallocate, fstat, fstatvfs, ftruncate};
use rustix::io::{Errno, retry_on_intr};

use super::super::HugePages;
use super::{directory, duplicate};
use crate::config::{CoherenceMode, Region as Config};
use crate::error::JoinError;
use crate::inspect;
use crate::layout::PAGE;

/// The open memory.
#[derive(Debug)]
pub(super) struct Medium {
    /// In words.
    pub(super) place: String,
    pub(super) len: u64,
    /// Offsets and lengths of mappings are multiples of it.
    pub(super) alignment: u64,
    path: PathBuf,
    writable: OwnedFd,
    readable: OwnedFd,
    /// A file whose memory the file system gives when it is asked for it.
    allocates: bool,
}

impl Medium {
    pub(super) fn open(config: &Config, coherence: CoherenceMode) -> Result<Self, JoinError> {
        match config {
            Config::File { path, size, .. } => file(path, *size, 1),
            Config::Pci { address } => pci(Path::new(PCI_DEVICES), address.as_deref(), coherence),
            Config::Dax { path, size } => dax(path, *size),
        }
    }

    pub(super) fn writable(&self) -> io::Result<OwnedFd> {
        duplicate(&self.writable)
    }

    pub(super) fn readable(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// The file to ask for memory, if it has to be asked.
    pub(super) fn allocates(&self) -> Option<io::Result<OwnedFd>> {
        self.allocates.then(|| self.writable())
    }

    /// Bytes free in the file system; `None` for memory that is all there.
    pub(super) fn free(&self) -> Option<u64> {
        let stat = self.allocates.then(|| fstatvfs(&self.writable).ok()).flatten()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// The directory beside the file that the doorbell sockets are in.
    pub(super) fn socket_directory(&self) -> Result<OwnedFd, JoinError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".doorbells");
        let path = PathBuf::from(path);
        directory(&path).map_err(|error| JoinError::Directory { path, error })
    }
}

/// The length of the memory, as far as it is configured or can be found on this machine. Nothing is made or changed.
pub(crate) fn bytes(config: &Config) -> Option<u64> {
    let of_file = |path: &Path| Some(fs::metadata(path).ok()?.len()).filter(|len| *len > 0);
    match config {
        Config::File { size: Some(size), .. } | Config::Dax { size: Some(size), .. } => Some(*size),
        Config::File { path, .. } => of_file(path),
        Config::Dax { path, .. } => inspect::device_bytes(path).ok().or_else(|| of_file(path)),
        Config::Pci { address } => {
            of_file(&find(Path::new(PCI_DEVICES), address.as_deref()).ok()?.join("resource2"))
        }
    }
}

/// What the arenas' lengths are multiples of, unless the device or the file's pages say more.
pub(crate) fn unit(config: &Config) -> u64 {
    if matches!(config, Config::Dax { .. }) { HUGE_PAGE } else { PAGE as u64 }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, JoinError> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
    rustix::fs::open(path, flags | OFlags::CLOEXEC, mode).map_err(|errno| JoinError::Region {
        place: path.display().to_string(),
        reason: errno.to_string(),
        remedy: OPEN,
    })
}

const OPEN: &str = "it must exist, or have a size to be made with, and be writable by this user";

/// A file, made and sized if there is none and a size is given.
fn file(path: &Path, size: Option<u64>, alignment: u64) -> Result<Medium, JoinError> {
    let create = if size.is_some() { OFlags::CREATE } else { OFlags::empty() };
    let writable = open(path, OFlags::RDWR | create)?;
    let refuse =
        |reason: String, remedy| Err(JoinError::Region { place: path.display().to_string(), reason, remedy });
    let stat = fstat(&writable).map_err(JoinError::system("the region's file"))?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return refuse("it is not a regular file".to_owned(), "name a file, or use another facility");
    }
    let huge = HugePages::of(&writable);
    let size = size.map(|size| huge.map_or(size, |pages| pages.round(size)));
    let len = match (u64::try_from(stat.st_size).unwrap_or(0), size) {
        (0, None) => return refuse("it is empty and no size is given".to_owned(), "give a size"),
        (0, Some(size)) => {
            // Two nodes that start at once both do this, and to the same length.
            ftruncate(&writable, size).map_err(JoinError::system("sizing the region's file"))?;
            size
        }
        (found, Some(size)) if found != size => {
            let reason = format!("it has {found} bytes, and the configured size is {size}");
            return refuse(reason, "give all nodes the size that it has, or remove it while no node runs");
        }
        (found, _) => found,
    };
    let readable = open(path, OFlags::RDONLY)?;
    let place = path.display().to_string();
    let path = path.to_owned();
    let Some(pages) = huge else {
        return Ok(Medium { place, len, alignment, path, writable, readable, allocates: true });
    };
    // All of it now: who looks for arenas would take a page from the pool by looking.
    let shortage = pages.shortage(&writable, 0, len);
    if let Err(errno) = retry_on_intr(|| fallocate(&writable, FallocateFlags::empty(), 0, len)) {
        return Err(match errno {
            Errno::NOSPC => shortage.into_join_error(place),
            errno => JoinError::System { what: "allocating the region's file", error: errno.into() },
        });
    }
    Ok(Medium {
        place,
        len,
        alignment: alignment.max(pages.page),
        path,
        writable,
        readable,
        allocates: false,
    })
}

/// A character device of a DAX region, or a file in its place.
fn dax(path: &Path, size: Option<u64>) -> Result<Medium, JoinError> {
    let kind = fs::metadata(path).map(|found| found.file_type());
    if !kind.is_ok_and(|kind| std::os::unix::fs::FileTypeExt::is_char_device(&kind)) {
        return file(path, size, HUGE_PAGE);
    }
    let writable = open(path, OFlags::RDWR)?;
    let readable = open(path, OFlags::RDONLY)?;
    let refuse = |reason: String| JoinError::Region {
        place: path.display().to_string(),
        reason,
        remedy: "name a device of `ndctl list` or `daxctl list` in mode devdax",
    };
    let stat = fstat(&writable).map_err(JoinError::system("the DAX device"))?;
    let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let name = path.file_name().unwrap_or_default();
    // The first leads to the device itself; the second is where its attributes are known to be.
    let folders = [
        PathBuf::from(format!("/sys/dev/char/{major}:{minor}")),
        Path::new("/sys/bus/dax/devices").join(name),
    ];
    let attribute = |word: &str| folders.iter().find_map(|folder| number(&folder.join(word)));
    let len =
        attribute("size").filter(|len| *len > 0).ok_or_else(|| refuse("it is no DAX device".to_owned()))?;
    let alignment = attribute("align").unwrap_or(HUGE_PAGE);
    if !alignment.is_power_of_two() {
        return Err(refuse(format!("its alignment is {alignment}")));
    }
    let place = path.display().to_string();
    Ok(Medium { place, len, alignment, path: path.to_owned(), writable, readable, allocates: false })
}

/// The memory of an ivshmem device.
///
/// `resource2` maps as the processor's tables say, which on real hardware is uncached and in order. `resource2_wc` combines
/// writes, out of order: it is of use where the writer orders them itself, as it does in the mode `flush`.
fn pci(devices: &Path, address: Option<&str>, coherence: CoherenceMode) -> Result<Medium, JoinError> {
    let device = find(devices, address)?;
    let place = format!("PCI device {}", device.file_name().unwrap_or_default().to_string_lossy());
    let refuse = |reason: String, remedy| JoinError::Region { place: place.clone(), reason, remedy };
    // Without a driver nobody has switched on the decoding of its memory.
    if number(&device.join("enable")) == Some(0) {
        fs::write(device.join("enable"), "1").map_err(|error| {
            refuse(format!("it cannot be enabled: {error}"), "run as root, or enable the device at boot")
        })?;
    }
    let combining = device.join("resource2_wc");
    let path = if coherence == CoherenceMode::Flush && combining.exists() {
        combining
    } else {
        device.join("resource2")
    };
    let writable = open(&path, OFlags::RDWR)?;
    let readable = open(&path, OFlags::RDONLY)?;
    let len = fs::metadata(&path).map_or(0, |found| found.len());
    if len == 0 {
        return Err(refuse(
            "it has no memory in BAR 2".to_owned(),
            "start QEMU with -device ivshmem-plain,memdev=...",
        ));
    }
    Ok(Medium { place, len, alignment: 1, path, writable, readable, allocates: false })
}

/// The device that was named, or the only one there is.
fn find(devices: &Path, address: Option<&str>) -> Result<PathBuf, JoinError> {
    let refuse = |reason: String, remedy| JoinError::Region { place: "PCI".to_owned(), reason, remedy };
    let is_ours = |device: &Path| {
        number(&device.join("vendor")) == Some(IVSHMEM_VENDOR)
            && number(&device.join("device")) == Some(IVSHMEM_DEVICE)
    };
    if let Some(address) = address {
        let device = devices.join(address);
        return match is_ours(&device) {
            true => Ok(device),
            false => Err(refuse(
                format!("there is no ivshmem device (1af4:1110) at {address}"),
                "look for it with `lspci -d 1af4:1110`, or leave the address out",
            )),
        };
    }
    let entries = fs::read_dir(devices).map_err(JoinError::system("looking for PCI devices"))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|device| is_ours(device)).collect();
    found.sort();
    match found.len() {
        0 => Err(refuse(
            "there is no ivshmem device (1af4:1110)".to_owned(),
            "start the machine with -device ivshmem-plain,memdev=... and a memory backend with share=on",
        )),
        1 => Ok(found.remove(0)),
        _ => {
            let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            Err(refuse(
                format!("there are several ivshmem devices: {}", names.join(", ")),
                "give the address of one",
            ))
        }
    }
}

/// A number of sysfs, decimal or hexadecimal.
fn number(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const IVSHMEM_VENDOR: u64 = 0x1af4;
const IVSHMEM_DEVICE: u64 = 0x1110;

/// What DAX devices are aligned to unless they say otherwise.
const HUGE_PAGE: u64 = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("isthmus-medium-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn device(&self, address: &str, id: &str) {
            let device = self.0.join(address);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("vendor"), "0x1af4\n").unwrap();
            fs::write(device.join("device"), format!("{id}\n")).unwrap();
            fs::write(device.join("enable"), "0\n").unwrap();
            fs::write(device.join("resource2"), vec![0; 8192]).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The device itself is shown by the test with virtual machines; here is what is asked of sysfs.
    #[test]
    fn an_ivshmem_device_is_found_named_and_enabled() {
        let folder = Folder::new("pci");
        let refused = |address| pci(&folder.0, address, CoherenceMode::Flush).unwrap_err().to_string();
        assert!(refused(None).contains("no ivshmem device") && refused(None).contains("ivshmem-plain"));
        folder.device("0000:00:02.0", "0x1000");
        folder.device("0000:00:04.0", "0x1110");
        assert!(refused(Some("0000:00:02.0")).contains("0000:00:02.0"));
        let medium = pci(&folder.0, None, CoherenceMode::Hardware).unwrap();
        assert_eq!((medium.len, medium.alignment, medium.allocates), (8192, 1, false));
        assert_eq!(number(&folder.0.join("0000:00:04.0/enable")), Some(1));
        folder.device("0000:00:05.0", "0x1110");
        assert!(refused(None).contains("0000:00:04.0, 0000:00:05.0"));
        assert!(
            pci(&folder.0, Some("0000:00:05.0"), CoherenceMode::Flush)
                .unwrap()
                .place
                .contains("0000:00:05.0")
        );
    }

    #[test]
    fn a_file_is_made_once_and_its_size_is_not_changed() {
        let folder = Folder::new("file");
        let path = folder.0.join("region");
        assert!(file(&path, None, 1).unwrap_err().to_string().contains("size"));
        assert_eq!(file(&path, Some(1 << 20), 1).unwrap().len, 1 << 20);
        assert_eq!(file(&path, None, 1).unwrap().len, 1 << 20);
        let text = file(&path, Some(4096), 1).unwrap_err().to_string();
        assert!(text.contains("1048576") && text.contains("4096"), "{text}");
        assert!(file(&folder.0, None, 1).is_err());
        assert_eq!(dax(&path, None).unwrap().alignment, 2 << 20);
    }
}
