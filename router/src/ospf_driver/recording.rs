//! A recording of the engine in a file. The control thread makes the lines; another thread waits for the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use isthmus_ospf::record::{JsonLines, Recorder};

/// Lines that wait for the disk. A recording whose disk is slower than that ends there.
const WAITING: usize = 65_536;

/// Where to record, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The file: made anew, readable for its owner alone, because keys of authentication are in it.
    pub file: PathBuf,
    /// Octets after which it ends.
    pub limit: u64,
}

impl Recording {
    /// A recorder to this file.
    ///
    /// # Errors
    /// The file cannot be made, or the system refuses a thread.
    pub fn start(&self) -> io::Result<Box<dyn Recorder>> {
        Ok(Box::new(JsonLines::new(Lines::new(&self.file)?, self.limit)))
    }
}

/// The near end of the thread that writes: each call of `write` is a line.
struct Lines {
    lines: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    fn new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let (lines, inbox) = sync_channel(WAITING);
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("recording".into()).spawn(move || {
            if let Err(error) = write_all(file, &inbox) {
                tracing::warn!(file = %path.display(), %error, "the recording of OSPF ends");
            }
        })?;
        Ok(Self { lines: Some(lines), thread: Some(thread) })
    }
}

/// Writes what comes; what has come is in the file when nothing more waits.
fn write_all(file: File, inbox: &Receiver<Vec<u8>>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Ok(line) = inbox.recv() {
        file.write_all(&line)?;
        for line in inbox.try_iter() {
            file.write_all(&line)?;
        }
        file.flush()?;
    }
    Ok(())
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = self.lines.as_ref().is_some_and(|lines| lines.try_send(line.to_vec()).is_ok());
        if sent {
            return Ok(line.len());
        }
        tracing::warn!("the recording of OSPF ends: the disk does not keep up, or failed");
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    /// Waits until everything is in the file.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use isthmus_ospf::Instance;
    use isthmus_ospf::config::InstanceConfig;
    use isthmus_ospf::record::replay;
    use isthmus_ospf::types::Instant;

    use super::*;

    #[test]
    fn a_recording_is_in_its_file_when_it_has_ended() {
        let file = std::env::temp_dir().join(format!("isthmus-recording-{}", std::process::id()));
        let recording = Recording { file: file.clone(), limit: 1 << 20 };
        let recorder = recording.start().unwrap();
        let mut engine = Instance::recorded(Instant(0), InstanceConfig::default(), 1, recorder);
        for time in 1..=1000 {
            engine.handle_timeout(Instant(time));
        }
        engine.stop_recording();
        let summary = replay(io::BufReader::new(File::open(&file).unwrap())).unwrap();
        assert_eq!((summary.inputs, summary.difference), (1001, None));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_made_is_an_error() {
        let recording = Recording { file: "/proc/no/such/file".into(), limit: 1 };
        assert!(recording.start().is_err());
    }
}
