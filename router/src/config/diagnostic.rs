//! What is wrong with a configuration: where, why, and what to do about it.

use std::fmt;

use serde::Serialize;

/// One finding about a configuration, from the file alone or from the machine at start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diagnostic {
    /// Whether the configuration is refused for it.
    pub severity: Severity,
    /// A stable name for programs.
    pub code: Code,
    /// The key, as in `interfaces[0].ospf.cost`; empty for the file as a whole.
    pub path: String,
    /// Line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Diagnostic {
    /// An error at a key, without a position; [`locate::place`](super::locate::place) adds it.
    pub fn error(
        code: Code,
        path: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code,
            path: path.into(),
            line: None,
            column: None,
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// A warning at a key, without a position.
    pub fn warning(
        code: Code,
        path: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, reason, remedy) }
    }

    /// The same finding at a position, lines and columns from 1.
    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `line:column: error[code]: path: reason`, and the remedy on a second line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        write!(f, "{}[{}]: ", self.severity, self.code)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}\n  remedy: {}", self.reason, self.remedy)
    }
}

impl std::error::Error for Diagnostic {}

/// Whether a finding refuses the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken; something in it is likely not meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Declares the codes once: variant, its name for programs, its line in the reference.
macro_rules! codes {
    ($($variant:ident = $name:literal: $meaning:literal,)*) => {
        /// The stable name of a kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum Code {
            $(
                #[doc = $meaning]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name that programs see.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What the code means.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    UnreadableFile = "unreadable-file": "The file cannot be opened or read.",
    FileTooLarge = "file-too-large": "The file, or what its aliases expand to, is larger than a configuration can be.",
    NotText = "not-text": "The file is not UTF-8.",
    NotYaml = "not-yaml": "The file is not one YAML document.",
    WrongType = "wrong-type": "A value has another type than its key takes.",
    UnknownKey = "unknown-key": "There is no such key here.",
    UnknownValue = "unknown-value": "The key takes one of a few words, and this is none of them.",
    DuplicateKey = "duplicate-key": "A key stands twice in one mapping.",
    MissingKey = "missing-key": "A key without a default is not given.",
    ConflictingKeys = "conflicting-keys": "Keys that exclude or need each other.",
    OutOfRange = "out-of-range": "A number is outside its range.",
    BadName = "bad-name": "A name that an interface, a device or a host cannot have.",
    DuplicateName = "duplicate-name": "Two interfaces or devices have one name.",
    BadPath = "bad-path": "A path is not absolute, or too long for a socket.",
    DuplicatePath = "duplicate-path": "Two sockets have one path.",
    BadAddress = "bad-address": "Not an IPv4 address, or not one that a router can have.",
    BadPrefix = "bad-prefix": "Not an IPv4 prefix, or one with host bits set.",
    AddressOutsidePrefix = "address-outside-prefix": "An address lies outside the network that it must be in.",
    DuplicateAddress = "duplicate-address": "Two interfaces or nodes have one address.",
    OverlappingPrefixes = "overlapping-prefixes": "Two networks of the router have addresses in common.",
    BadArea = "bad-area": "Not an area id.",
    UnsupportedArea = "unsupported-area": "A NIC in an area in which this router cannot be.",
    SplitBackbone = "split-backbone": "A NIC in the backbone, which the cluster is told not to keep together.",
    DuplicateArea = "duplicate-area": "An area is set twice.",
    UnusedArea = "unused-area": "An area is set that no interface is in.",
    DuplicateRange = "duplicate-range": "An area has a range twice.",
    BadRouterId = "bad-router-id": "A router id that OSPF or the cluster cannot use.",
    BadSecret = "bad-secret": "A password or key that packets cannot carry.",
    BadLifetime = "bad-lifetime": "A lifetime of a key that is no time, or ends before it begins.",
    UnknownKeyChain = "unknown-key-chain": "An interface names a key chain that there is not.",
    BadTimers = "bad-timers": "Timers that contradict each other.",
    BadCosts = "bad-costs": "Costs that would send traffic a way that is not meant.",
    BadListen = "bad-listen": "An address on which the management plane does not listen.",
    Unprotected = "unprotected": "An address that other hosts can reach, without tokens or without TLS.",
    BadToken = "bad-token": "A token without a proper name, or without a hash.",
    DuplicateToken = "duplicate-token": "Two tokens have one name, or one secret.",
    BadCertificate = "bad-certificate": "A certificate or its key is missing, broken, or belongs to another one.",
    OpenKey = "open-key": "A private key that every user of the machine can read.",
    DuplicateRoute = "duplicate-route": "A static route stands twice.",
    UnreachableNextHop = "unreachable-next-hop": "A next hop in no network of the router.",
    UnknownInterface = "unknown-interface": "The machine has no such interface.",
    DuplicateNodeId = "duplicate-node-id": "A live node of the segment has this id.",
    IncompatibleSegment = "incompatible-segment": "The segment, or a node in it, has another version or geometry.",
    NoRoom = "no-room": "The segment's file system or memory has no room left.",
    NotPermitted = "not-permitted": "The process lacks the permission that the configuration needs.",
    DeviceFailure = "device-failure": "A device or socket could not be set up.",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
