//! Where the API of a node is: named, or found.

use std::fmt;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::cli::error::CliError;
use crate::config::Environment;

/// Where the API of a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// At `http://HOST:PORT` or `https://HOST:PORT`.
    Http(String),
    /// On a unix socket.
    Unix(PathBuf),
}

impl Target {
    /// The API that was named; else the one of node `node`; else the only one that runs here.
    ///
    /// # Errors
    /// The name makes no sense, or none runs here, or several do.
    pub fn find(named: Option<&str>, node: Option<u16>) -> Result<Self, CliError> {
        let environment = Environment::current();
        match (named, node) {
            (Some(named), _) => named.parse(),
            (None, Some(node)) => Ok(Self::Unix(environment.management_socket(Some(node)))),
            (None, None) => {
                let socket = environment.management_socket(None);
                only_socket_in(socket.parent().unwrap_or(Path::new("/")))
            }
        }
    }
}

impl Target {
    /// Whether what is sent there stays on this host or is encrypted.
    pub(super) fn is_private(&self) -> bool {
        let Self::Http(base) = self else { return true };
        let uri = base.parse::<ureq::http::Uri>().ok();
        let host = uri.as_ref().and_then(ureq::http::Uri::host).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.is_tls()
            || host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether the node speaks TLS there.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Http(base) if base.starts_with("https://"))
    }
}

impl FromStr for Target {
    type Err = CliError;

    fn from_str(text: &str) -> Result<Self, CliError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let base = text.trim_end_matches('/');
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
        host.map(|_| Self::Http(base.to_owned())).ok_or_else(|| CliError::BadApi(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(base) => f.write_str(base),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn only_socket_in(directory: &Path) -> Result<Target, CliError> {
    let mut sockets = sockets_in(directory);
    match (sockets.pop(), sockets.is_empty()) {
        (None, _) => Err(CliError::NoNode(directory.to_owned())),
        (Some(only), true) => Ok(Target::Unix(only)),
        (Some(last), false) => {
            sockets.push(last);
            sockets.sort();
            Err(CliError::SeveralNodes(sockets))
        }
    }
}

/// The sockets of a directory; of one that cannot be read, none.
fn sockets_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| {
        entry.file_type().is_ok_and(|kind| kind.is_socket())
            && entry.path().extension().is_some_and(|extension| extension == "sock")
    });
    sockets.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn targets_are_read_and_written_alike() {
        for text in
            ["unix:/run/isthmus/node-1.sock", "http://127.0.0.1:8080", "http://[::1]:80", "https://h:1"]
        {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!(
            "http://127.0.0.1:80/".parse::<Target>().unwrap(),
            Target::Http("http://127.0.0.1:80".into())
        );
        for text in ["", "unix:", "http://", "https://", "127.0.0.1:80", "http://h/path"] {
            assert!(matches!(text.parse::<Target>(), Err(CliError::BadApi(_))), "{text}");
        }
    }

    #[test]
    fn the_only_socket_is_taken_and_of_several_none() {
        let directory = std::env::temp_dir().join(format!("isthmus-target-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("file.sock"), "").unwrap();
        let none = only_socket_in(&directory);
        let first = UnixListener::bind(directory.join("node-1.sock")).unwrap();
        let one = only_socket_in(&directory);
        let second = UnixListener::bind(directory.join("node-2.sock")).unwrap();
        let two = only_socket_in(&directory);
        drop((first, second));
        fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(none, Err(CliError::NoNode(_))));
        assert_eq!(one.unwrap(), Target::Unix(directory.join("node-1.sock")));
        let error = two.unwrap_err();
        assert!(error.to_string().contains("node-1.sock, "), "{error}");
        assert!(error.remedy().contains("-n ID"));
    }
}
