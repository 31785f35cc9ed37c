//! The kernel's modules: the image has a list of them in an order in which each one's needs come before it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::system::finit_module;

use super::InitError;

/// The list: paths of modules, one on each line.
const ORDER: &str = "/lib/modules/isthmus.order";

/// Loads the modules of the list; what could not be. An image without a list has a kernel without modules.
pub fn load_all() -> Vec<InitError> {
    let order = match fs::read_to_string(ORDER) {
        Ok(order) => order,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(cause) => return vec![InitError::System { what: format!("read {ORDER}"), cause }],
    };
    let failed = |path: &str| load(Path::new(path)).err().map(InitError::system(format!("load {path}")));
    order.lines().filter(|line| !line.is_empty()).filter_map(failed).collect()
}

fn load(path: &Path) -> io::Result<()> {
    match finit_module(File::open(path)?, c"", 0) {
        // It is there, or built into this kernel; or this machine has nothing that it, or what it needs, would be for.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV | Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
