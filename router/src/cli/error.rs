//! What can go wrong for a command, each with its cause and its remedy; and the exit codes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use isthmus_mgmt_api::error::Problem;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; and what was asked about is well.
    Success = 0,
    /// Done; and the answer is no: a check has failed, nothing answered a ping, a file is refused.
    Negative = 1,
    /// The command was not understood. Also clap's own code.
    Usage = 2,
    /// No node could be asked.
    Unreachable = 3,
    /// The node was asked, and refused or answered nonsense.
    Refused = 4,
    /// Something on this side failed: a file could not be written.
    Local = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The value of `--api` makes no sense.
    #[error("`{0}` is not the address of an API")]
    BadApi(String),
    /// No node runs where nodes are looked for.
    #[error("no node runs here: there is no socket in {}", .0.display())]
    NoNode(PathBuf),
    /// Several do.
    #[error("several nodes run here: {}", list(.0))]
    SeveralNodes(Vec<PathBuf>),
    /// The node's API cannot be connected to.
    #[error("cannot connect to {target}: {cause}")]
    Unreachable {
        /// Where, as `--api` takes it.
        target: String,
        /// What the system says.
        cause: io::Error,
    },
    /// TLS does not come about.
    #[error("cannot trust {target}: {cause}")]
    Untrusted {
        /// Where, as `--api` takes it.
        target: String,
        /// What TLS has against it.
        cause: Box<rustls::Error>,
    },
    /// A token would travel in clear text.
    #[error("a token for {0} could be read on the way: it is not encrypted")]
    PlainToken(String),
    /// There is nothing to know a node by.
    #[error("this system has no list of the authorities that it trusts")]
    NoAuthorities,
    /// A file that was named cannot be used.
    #[error("{} cannot be used: {cause}", path.display())]
    BadFile {
        /// The file, or the variable.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// The connection broke, or what came was no answer of a node.
    #[error("{target} did not answer {path} as a node does: {cause}")]
    BadAnswer {
        /// Where, as `--api` takes it.
        target: String,
        /// What was asked for.
        path: String,
        /// What was wrong.
        cause: String,
    },
    /// The node refused.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// A file of this side cannot be read.
    #[error("cannot read {file}: {cause}")]
    Unreadable {
        /// Which one.
        file: String,
        /// What the system says.
        cause: io::Error,
    },
    /// There is nothing to go back to.
    #[error("the history has no configuration before the one that runs")]
    NothingBefore,
    /// The node was not well in time.
    #[error("the node is not ready after {seconds} s: {waiting_for}")]
    NotReady {
        /// How long was waited.
        seconds: f64,
        /// What is missing.
        waiting_for: String,
    },
    /// What was tried on this host, without a node, did not work.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        message: String,
        /// What to do about it.
        remedy: String,
        /// How the command ends.
        exit: Exit,
    },
    /// Something on this side failed.
    #[error("cannot write {what}: {cause}")]
    Local {
        /// What was to be written.
        what: String,
        /// What the system says.
        cause: io::Error,
    },
}

impl CliError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::BadApi(_) => {
                "write unix:/run/isthmus/node-1.sock, http://127.0.0.1:8080 or https://HOST:PORT".to_owned()
            }
            Self::NoNode(_) => {
                "start one with `isthmus run -c FILE`, or name the API of one with --api".to_owned()
            }
            Self::SeveralNodes(_) => "choose one with -n ID, or name its API with --api".to_owned(),
            Self::Unreachable { cause, .. } => match cause.kind() {
                io::ErrorKind::NotFound => "is the node running? `isthmus run -c FILE` starts it",
                io::ErrorKind::ConnectionRefused => {
                    "nothing listens there: is the node running? A socket outlives a node that was killed"
                }
                io::ErrorKind::PermissionDenied => "only the user that runs the node may connect: use sudo",
                io::ErrorKind::TimedOut => "is the node stopped, or its host overloaded?",
                _ => "is the node running, and is the address right?",
            }
            .to_owned(),
            Self::Untrusted { cause, .. } => untrusted(cause).to_owned(),
            Self::PlainToken(_) => {
                "use https://, or the unix socket by ssh; without a token unset ISTHMUS_TOKEN".to_owned()
            }
            Self::NoAuthorities => "name the certificate of the node's authority with --ca-file".to_owned(),
            Self::BadFile { .. } => "name another file, or correct this one".to_owned(),
            Self::BadAnswer { .. } => {
                "compare `isthmus version` here with the node's, and see the node's log".to_owned()
            }
            Self::Refused(problem) => problem.remedy.clone(),
            Self::NotReady { .. } => "see `isthmus status` and the node's log".to_owned(),
            Self::Unreadable { .. } => "name a text file that you may read, or `-`".to_owned(),
            Self::NothingBefore => "`isthmus config history` lists what there is".to_owned(),
            Self::Local { .. } => "check the path, its permissions and the free space".to_owned(),
            Self::Failed { remedy, .. } => remedy.clone(),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::BadApi(_) | Self::PlainToken(_) | Self::BadFile { .. } => Exit::Usage,
            Self::NoNode(_)
            | Self::SeveralNodes(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::NoAuthorities => Exit::Unreachable,
            Self::BadAnswer { .. } | Self::Refused(_) => Exit::Refused,
            Self::NotReady { .. } | Self::NothingBefore => Exit::Negative,
            Self::Failed { exit, .. } => *exit,
            Self::Unreadable { .. } => Exit::Local,
            Self::Local { cause, .. } if is_closed_pipe(cause) => Exit::Success,
            Self::Local { .. } => Exit::Local,
        }
    }

    /// Writes it to standard error. A reader that has seen enough, as `head` does, is no error.
    pub(crate) fn report(&self) {
        if matches!(self, Self::Local { cause, .. } if is_closed_pipe(cause)) {
            return;
        }
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(io::stderr(), "isthmus: {self}\n  {}", self.remedy());
        if let Self::Refused(problem) = self
            && problem.diagnostics.len() > 1
        {
            let _ = write!(io::stderr(), "{}", findings(problem));
        }
    }
}

/// What is wrong with a configuration, each with its place and its remedy; without details the refusal itself.
pub(super) fn findings(problem: &Problem) -> String {
    if problem.diagnostics.is_empty() {
        return format!("{}\n  {}\n", problem.detail, problem.remedy);
    }
    let lines = problem.diagnostics.iter().map(|finding| {
        let line = finding.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
        format!("{line}{}: {path}{}\n  {}\n", finding.severity, finding.message, finding.remedy)
    });
    lines.collect()
}

/// What to do about a node that TLS does not trust.
fn untrusted(cause: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Certificate;

    match cause {
        rustls::Error::InvalidCertificate(cause) => match cause {
            Certificate::UnknownIssuer | Certificate::BadSignature => {
                "name the certificate of its authority, or its own if it has signed itself, with --ca-file"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "use a name or address that stands in its certificate (subjectAltName), or make another certificate"
            }
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. } => {
                "give the node another certificate, or set the clock of this host"
            }
            _ => {
                "give the node another certificate; one that it has signed itself must say basicConstraints CA:FALSE"
            }
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there: try http://",
        _ => "is it a node, and does it speak TLS there?",
    }
}

fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}
