//! Where the configuration of a machine comes from: its kernel's command line, else a disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::command_line::CommandLine;
use super::{InitError, disk};

/// The directory of the configuration; a configuration disk is mounted here.
pub const DIRECTORY: &str = "/etc/isthmus";

/// Finds the configuration, and returns its file.
///
/// # Errors
/// There is none, or it cannot be read.
pub async fn find(command_line: &CommandLine) -> Result<PathBuf, InitError> {
    let file = Path::new(DIRECTORY).join("isthmus.yaml");
    if let Some(text) = of_command_line(command_line)? {
        tracing::info!(
            "the configuration is on the kernel's command line: changes are lost with the machine"
        );
        let write = || fs::create_dir_all(DIRECTORY).and_then(|()| fs::write(&file, text));
        write().map_err(InitError::system(format!("write {}", file.display())))?;
        return Ok(file);
    }
    let (device, file_system) = await_disk().await.ok_or_else(|| InitError::NoConfiguration {
        problem: format!("no configuration: nothing on the kernel's command line, no disk labelled `{}`", disk::LABEL),
        remedy: "attach a disk with that label (ext4, FAT or ISO 9660) and a file isthmus.yaml in it, or give the \
                 kernel isthmus.config=BASE64",
    })?;
    disk::mount_at(&device, file_system, Path::new(DIRECTORY)).map_err(InitError::system(format!(
        "mount {} ({})",
        device.display(),
        file_system.name()
    )))?;
    tracing::info!("the configuration is on {} ({})", device.display(), file_system.name());
    Ok(file)
}

/// The text on the command line, if there is one.
fn of_command_line(command_line: &CommandLine) -> Result<Option<Vec<u8>>, InitError> {
    if let Some(encoded) = command_line.value("isthmus.config") {
        let text = STANDARD.decode(encoded).map_err(|error| InitError::NoConfiguration {
            problem: format!("isthmus.config on the kernel's command line is not base64: {error}"),
            remedy: "make it with `base64 -w0 isthmus.yaml`; a command line has 2047 characters at most",
        })?;
        return Ok(Some(text));
    }
    Ok(command_line.value("isthmus.yaml").map(|text| text.as_bytes().to_vec()))
}

/// Disks may appear a little after their driver.
async fn await_disk() -> Option<(PathBuf, disk::FileSystem)> {
    let began = Instant::now();
    loop {
        let found = disk::find();
        if found.is_some() || began.elapsed() >= LONGEST_WAIT {
            return found;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_it_encoded_or_as_it_is() {
        let text = |line: &str| of_command_line(&CommandLine::parse(line)).unwrap();
        assert_eq!(text("isthmus.config=bm9kZS1pZDogMQo="), Some(b"node-id: 1\n".to_vec()));
        assert_eq!(text("isthmus.yaml=\"{node-id: 1}\""), Some(b"{node-id: 1}".to_vec()));
        assert_eq!(text("quiet"), None);
    }

    #[test]
    fn what_is_not_base64_is_refused_with_a_remedy() {
        let error = of_command_line(&CommandLine::parse("isthmus.config={}")).unwrap_err().to_string();
        assert!(error.contains("not base64") && error.contains("base64 -w0"), "{error}");
    }
}
