//! The configuration file, replaced so that a crash at any moment leaves the old one or the new one.
//!
//! The new text is written beside the file under a name of its own and brought to the disk, then renamed over the file,
//! then the directory is brought to the disk. Mode and owner stay; a symbolic link stays one, and what it leads to is
//! replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The steps of a replacement, so that a test can cut it at each of them.
pub trait Disk {
    /// Makes a new file with an owner's mode; an old one of that name goes.
    ///
    /// # Errors
    /// What the system says.
    fn create(&mut self, path: &Path) -> io::Result<()>;
    /// Gives it the mode and, where permitted, the owner of `like`; for a file that is not there its own stay.
    ///
    /// # Errors
    /// What the system says.
    fn take_after(&mut self, path: &Path, like: &Path) -> io::Result<()>;
    /// Appends to it.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Brings its content to the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Renames it over another.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Brings a directory's names to the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;
    /// Removes a file that is not needed after all.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// A text that is on the disk beside its file, and replaces it by [`Staged::commit`] or goes by [`Staged::abandon`].
#[derive(Debug)]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
}

/// Writes a text beside the file that it shall replace.
///
/// # Errors
/// What the system says; then nothing has changed.
pub fn stage(disk: &mut impl Disk, path: &Path, text: &[u8]) -> io::Result<Staged> {
    // What a link leads to is replaced, not the link. A file that does not exist yet is its own target.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".new");
    let temporary = target.with_file_name(name);
    let staged = Staged { temporary, target };
    match staged.fill(disk, text) {
        Ok(()) => Ok(staged),
        Err(error) => {
            staged.abandon(disk);
            Err(error)
        }
    }
}

impl Staged {
    fn fill(&self, disk: &mut impl Disk, text: &[u8]) -> io::Result<()> {
        disk.create(&self.temporary)?;
        disk.write(&self.temporary, text)?;
        disk.take_after(&self.temporary, &self.target)?;
        disk.sync(&self.temporary)
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// What the system says; then the file is the old one.
    pub fn commit(self, disk: &mut impl Disk) -> io::Result<()> {
        if let Err(error) = disk.rename(&self.temporary, &self.target) {
            self.abandon(disk);
            return Err(error);
        }
        let directory = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Err(error) = disk.sync_directory(directory.unwrap_or(Path::new("."))) {
            // The file is the new one for everybody; only a power failure right now could still bring the old one back.
            tracing::warn!(%error, path = %self.target.display(), "the directory was not brought to the disk");
        }
        Ok(())
    }

    /// Leaves the file as it is.
    pub fn abandon(self, disk: &mut impl Disk) {
        if let Err(error) = disk.remove(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%error, path = %self.temporary.display(), "a temporary file stays");
        }
    }
}

/// Names the content of a file, to see whether somebody else has changed it.
pub fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&mut self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else may put a link there.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
    }

    fn take_after(&mut self, path: &Path, like: &Path) -> io::Result<()> {
        let Ok(like) = fs::metadata(like) else { return Ok(()) };
        let own = fs::metadata(path)?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid())
            && let Err(error) = chown(path, Some(like.uid()), Some(like.gid()))
        {
            tracing::warn!(%error, path = %path.display(), "the file's owner could not be kept");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(like.mode() & 0o7777))
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).open(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests;
