//! The replacement cut at every step and every byte, on a model of a disk that has only what was brought to it, and on
//! the real one.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

const OLD: &[u8] = b"hostname: old\n";
const NEW: &[u8] = b"# a longer one\nhostname: new\n";

/// A disk that loses its power after a number of steps; a byte written is a step.
///
/// What survives: of a file, the content that was synced, and any first part of what was written after; of the names, what
/// was synced, and any first part of the renames after.
#[derive(Clone, Default)]
struct Model {
    /// By inode: what was synced, and what was written.
    contents: Vec<(Vec<u8>, Vec<u8>)>,
    names: BTreeMap<PathBuf, usize>,
    /// Every state of the names since they were synced.
    since_sync: Vec<BTreeMap<PathBuf, usize>>,
    steps: usize,
}

impl Model {
    fn new(path: &Path, steps: usize) -> Self {
        let names = BTreeMap::from([(path.to_owned(), 0)]);
        Self { contents: vec![(OLD.to_vec(), OLD.to_vec())], since_sync: vec![names.clone()], names, steps }
    }

    fn step(&mut self) -> io::Result<()> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        Ok(())
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn renamed(&mut self) {
        self.since_sync.push(self.names.clone());
    }

    /// Every content that the file may have after the power has come back.
    fn after_power_failure(&self, path: &Path) -> Vec<Option<Vec<u8>>> {
        let mut possible = Vec::new();
        for names in &self.since_sync {
            match names.get(path) {
                None => possible.push(None),
                Some(&inode) => {
                    let (synced, written) = &self.contents[inode];
                    possible.extend((synced.len()..=written.len()).map(|end| Some(written[..end].to_vec())));
                }
            }
        }
        possible
    }
}

impl Disk for Model {
    fn create(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.contents.push(Default::default());
        self.names.insert(path.to_owned(), self.contents.len() - 1);
        self.renamed();
        Ok(())
    }

    fn take_after(&mut self, _: &Path, _: &Path) -> io::Result<()> {
        self.step()
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let inode = self.inode(path)?;
        for byte in bytes {
            self.step()?;
            self.contents[inode].1.push(*byte);
        }
        Ok(())
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        let inode = self.inode(path)?;
        self.contents[inode].0 = self.contents[inode].1.clone();
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let inode = self.inode(from)?;
        self.names.remove(from);
        self.names.insert(to.to_owned(), inode);
        self.renamed();
        Ok(())
    }

    fn sync_directory(&mut self, _: &Path) -> io::Result<()> {
        self.step()?;
        self.since_sync = vec![self.names.clone()];
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.inode(path)?;
        self.names.remove(path);
        self.renamed();
        Ok(())
    }
}

fn replace(disk: &mut impl Disk, path: &Path) -> io::Result<()> {
    stage(disk, path, NEW)?.commit(disk)
}

#[test]
fn a_power_failure_at_any_step_leaves_the_old_or_the_new_file() {
    let path = Path::new("/nowhere/node.yaml");
    let (mut old, mut new) = (0, 0);
    for steps in 0.. {
        let mut disk = Model::new(path, steps);
        let result = replace(&mut disk, path);
        for content in disk.after_power_failure(path) {
            match content.as_deref() {
                Some(OLD) => old += 1,
                Some(NEW) => new += 1,
                other => panic!("after {steps} steps: {other:?}"),
            }
        }
        if result.is_ok() && disk.steps > 0 {
            let left: Vec<_> = disk.names.keys().cloned().collect();
            assert_eq!(left, [path.to_owned()], "nothing is left beside it");
            assert_eq!(
                disk.after_power_failure(path),
                [Some(NEW.to_vec())],
                "what was said to be done is done"
            );
            break;
        }
    }
    assert!(old > NEW.len() && new >= 2, "both were seen: {old} {new}");
}

#[test]
fn the_model_would_notice_a_file_that_was_not_brought_to_the_disk() {
    let (path, beside) = (Path::new("/nowhere/node.yaml"), Path::new("/nowhere/.new"));
    let mut disk = Model::new(path, 1000);
    disk.create(beside).unwrap();
    disk.write(beside, NEW).unwrap();
    disk.rename(beside, path).unwrap();
    assert!(disk.after_power_failure(path).contains(&Some(Vec::new())));
}

/// The real disk, until its power goes.
struct Cut {
    steps: usize,
}

impl Cut {
    fn step(&mut self) -> io::Result<RealDisk> {
        self.steps = self.steps.checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        Ok(RealDisk)
    }
}

impl Disk for Cut {
    fn create(&mut self, path: &Path) -> io::Result<()> {
        self.step()?.create(path)
    }

    fn take_after(&mut self, path: &Path, like: &Path) -> io::Result<()> {
        self.step()?.take_after(path, like)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        bytes.iter().try_for_each(|byte| self.step()?.write(path, &[*byte]))
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.step()?.sync(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?.rename(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        self.step()?.sync_directory(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?.remove(path)
    }
}

/// A directory of a test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("isthmus-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_process_that_dies_at_any_step_leaves_the_old_or_the_new_file_and_the_next_one_goes_on() {
    let scratch = Scratch::new("cut");
    let path = scratch.0.join("node.yaml");
    for steps in 0..NEW.len() + 6 {
        fs::write(&path, OLD).unwrap();
        let done = replace(&mut Cut { steps }, &path).is_ok();
        let content = fs::read(&path).unwrap();
        assert_eq!(content, if done { NEW } else { OLD }, "after {steps} steps");
        replace(&mut RealDisk, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), NEW, "whatever was left of the one before");
    }
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn mode_and_link_stay() {
    let scratch = Scratch::new("link");
    let (target, link) = (scratch.0.join("real.yaml"), scratch.0.join("link.yaml"));
    fs::write(&target, OLD).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.yaml", &link).unwrap();
    replace(&mut RealDisk, &link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), NEW);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_directory_that_takes_no_file_refuses_before_anything_has_changed() {
    let missing = Path::new("/nonexistent-directory/node.yaml");
    assert_eq!(replace(&mut RealDisk, missing).unwrap_err().kind(), io::ErrorKind::NotFound);
}
