//! The segment's directory, which is gone when the measurement is over, however it ends.

use std::io;
use std::path::{Path, PathBuf};
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::BenchError;

const MEMORY: &str = "/dev/shm";
const PREFIX: &str = "isthmus-bench-";

/// See the module.
pub(super) struct Place {
    path: PathBuf,
    made: bool,
}

impl Place {
    /// The directory that was given, made if it is not there, or a new one on `/dev/shm`. Those that killed processes have left there go.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn make(given: Option<&Path>) -> Result<Self, BenchError> {
        sweep(Path::new(MEMORY));
        let new = || Path::new(MEMORY).join(format!("{PREFIX}{}", std::process::id()));
        let path = given.map_or_else(new, Path::to_path_buf);
        let made = !path.is_dir();
        if made {
            let failed = |cause| BenchError::Place { place: path.clone(), cause };
            std::fs::create_dir(&path).map_err(failed)?;
            remove_on_signal(path.clone()).map_err(failed)?;
        }
        Ok(Self { path, made })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.made {
            remove(&self.path);
        }
    }
}

/// Locks and sockets are all that is left; the directory is ours.
fn remove(path: &Path) {
    // The other process may be making a file in it at this moment; once it is gone nothing can be made.
    while let Err(error) = std::fs::remove_dir_all(path) {
        if error.kind() != io::ErrorKind::DirectoryNotEmpty {
            return;
        }
    }
}

/// Who asks the process to end finds nothing left of it. The other process ends with its standard input.
fn remove_on_signal(path: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let hear = |kind| -> io::Result<Signal> {
        let _entered = runtime.enter();
        signal(kind)
    };
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (mut interrupted, mut terminated) = (hear(interrupt)?, hear(terminate)?);
    std::thread::spawn(move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupted.recv() => interrupt,
                _ = terminated.recv() => terminate,
            }
        });
        remove(&path);
        // As a shell shows the end by a signal.
        exit(128 + kind.as_raw_value());
    });
    Ok(())
}

/// Removes the directories of processes that are no more.
fn sweep(memory: &Path) {
    for entry in std::fs::read_dir(memory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX);
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
