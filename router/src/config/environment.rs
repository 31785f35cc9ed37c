//! What the defaults of a configuration take from the machine: the user, the host's name, the runtime directory.

use std::path::PathBuf;

/// The machine as far as defaults depend on it. Given to the checks, so that they depend on nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The user that the process runs as; 0 is root.
    pub uid: u32,
    /// `XDG_RUNTIME_DIR`, if set and absolute.
    pub runtime_directory: Option<PathBuf>,
    /// `XDG_STATE_HOME`, if set and absolute, else `.local/state` in the user's home.
    pub state_home: Option<PathBuf>,
    /// The host's name.
    pub hostname: String,
}

impl Environment {
    /// That of this process.
    pub fn current() -> Self {
        // The kernel's own word on it, without a feature of another crate; a container may hide the file.
        let hostname =
            std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let directory =
            |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            uid: rustix::process::geteuid().as_raw(),
            runtime_directory: directory("XDG_RUNTIME_DIR"),
            state_home: directory("XDG_STATE_HOME")
                .or_else(|| directory("HOME").map(|home| home.join(".local/state"))),
            hostname,
        }
    }

    /// Where a router's management socket is unless its configuration says otherwise: `/run/isthmus/` for root,
    /// the user's runtime directory for others, a directory of the user's own in `/tmp` where there is none.
    /// `None` as the node id names the socket of a router without a fabric.
    pub fn management_socket(&self, node_id: Option<u16>) -> PathBuf {
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

    /// Where a router keeps what it remembers over restarts unless its configuration says otherwise: below
    /// `/var/lib/isthmus` for root, the user's state directory for others, a directory of the user's own in `/tmp` where
    /// there is none.
    pub fn state_directory(&self, node_id: Option<u16>) -> PathBuf {
        let directory = match (&self.state_home, self.uid) {
            (_, 0) => PathBuf::from("/var/lib/isthmus"),
            (Some(directory), _) => directory.join("isthmus"),
            (None, uid) => PathBuf::from(format!("/tmp/isthmus-{uid}/state")),
        };
        match node_id {
            Some(node_id) => directory.join(format!("node-{node_id}")),
            None => directory.join("router"),
        }
    }
}
