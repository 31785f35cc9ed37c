//! What the defaults of a configuration take from the machine: the user, the host's name, the runtime directory.

use std::path::PathBuf;

/// The machine as far as defaults depend on it. Given to the checks, so that they depend on nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The user that the process runs as; 0 is root.
    pub uid: u32,
    /// `XDG_RUNTIME_DIR`, if set and absolute.
    pub runtime_directory: Option<PathBuf>,
    /// The host's name.
    pub hostname: String,
}

impl Environment {
    /// That of this process.
    pub fn current() -> Self {
        // The kernel's own word on it, without a feature of another crate; a container may hide the file.
        let hostname =
            std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        Self {
            uid: rustix::process::geteuid().as_raw(),
            runtime_directory: std::env::var_os("XDG_RUNTIME_DIR")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute()),
            hostname,
        }
    }

    /// Where a router's management socket is unless its configuration says otherwise: `/run/isthmus/` for root,
    /// the user's runtime directory for others, a directory of the user's own in `/tmp` where there is none.
    /// `None` as the node id names the socket of a router without a fabric.
    pub fn management_socket(&self, node_id: Option<u8>) -> PathBuf {
        let directory = match (&self.runtime_directory, self.uid) {
            (_, 0) => PathBuf::from("/run/isthmus"),
            (Some(directory), _) => directory.join("isthmus"),
            (None, uid) => PathBuf::from(format!("/tmp/isthmus-{uid}")),
        };
        match node_id {
            Some(node_id) => directory.join(format!("node-{node_id}.sock")),
            None => directory.join("router.sock"),
        }
    }
}
