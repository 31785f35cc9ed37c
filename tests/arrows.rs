//! Which crate, and which module of the router, may know which. An arrow that is not here is an error.
//!
//! ```text
//!             tests  (dev only, sees all)
//!               |
//!             router  (tokio, wiring; the only crate that knows everybody)
//!            /   |    \
//!    mgmt-api   ospf   shmnet
//!           \____^        no tokio, no ospf
//!    view and config types only      ospf: no tokio, no sockets, no clock, no rand
//! ```

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crates of the workspace, and those of it that each may know.
const CRATES: &[(&str, &[&str])] = &[
    ("isthmus", &["isthmus-mgmt-api", "isthmus-ospf", "isthmus-shmnet"]),
    ("isthmus-mgmt-api", &["isthmus-ospf"]),
    ("isthmus-ospf", &[]),
    ("isthmus-shmnet", &[]),
    ("isthmus-tests", &["isthmus", "isthmus-mgmt-api", "isthmus-ospf", "isthmus-shmnet"]),
];

/// What must not be below a crate, however deep: I/O, time and chance below the engine, the runtime below the fabric.
const NEVER_BELOW: &[(&str, &[&str])] = &[
    (
        "isthmus-ospf",
        &[
            "tokio",
            "mio",
            "rustix",
            "libc",
            "nix",
            "socket2",
            "rand",
            "rand_core",
            "getrandom",
            "time",
            "chrono",
        ],
    ),
    ("isthmus-shmnet", &["tokio", "mio", "rand", "axum", "hyper"]),
    ("isthmus-mgmt-api", &["isthmus-shmnet", "smoltcp", "rtnetlink", "pnet_datalink"]),
];

/// Crates whose own dependencies do not count. The hashes ask `cpufeatures` what the processor can do, which asks `libc` on
/// ARM and for nothing else.
const NOT_DESCENDED: &[&str] = &["cpufeatures"];

/// Modules of the router, and those of it that each may know. A module that is not here may know all: it is wiring.
const MODULES: &[(&str, &[&str])] = &[
    // Checking a file needs no node; everything else goes over REST (I10).
    ("cli", &["config"]),
    ("config", &[]),
    ("logging", &[]),
    ("transaction", &["config"]),
    ("packet", &["forward"]),
    ("port", &["forward", "packet"]),
    ("forward", &["packet", "port"]),
    ("rib", &["forward"]),
    ("host", &["forward", "packet"]),
    ("kernel", &["port"]),
    ("ospf_driver", &["config", "forward", "packet", "port", "rib"]),
    ("service", &[]),
    ("bench", &[]),
    // Commands too, which work on memory in this process and ask nobody.
    ("segment", &["bench", "cli"]),
    // The node is a process of its own to it.
    ("init", &["config", "kernel"]),
];

/// Single files that know more than their module may, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The control side's end of the rings. The packet path itself never enters tokio (I4).
    ("forward/link.rs", "tokio"),
    // What the API shows in place of a secret must not become one.
    ("config/check/authentication.rs", "isthmus_mgmt_api::model::MASK"),
    // A token and a certificate are checked by the code that will use them, so that the two cannot disagree.
    ("config/model.rs", "isthmus_mgmt_api::access"),
    ("config/check/management.rs", "isthmus_mgmt_api::access"),
    // A time is read as it is shown.
    ("config/check/key_chains.rs", "isthmus_mgmt_api::model::DateTime"),
    ("config/check/management.rs", "isthmus_mgmt_api::tls"),
    // Where a segment's memory is, is said in the fabric's own types, which the fabric itself checks again.
    ("config/model.rs", "isthmus_shmnet"),
    ("config/tests.rs", "isthmus_shmnet"),
    ("config/check/segment.rs", "isthmus_shmnet"),
    ("config/check/fabric.rs", "isthmus_shmnet"),
    ("config/check/mod.rs", "isthmus_shmnet"),
    ("config/check/room.rs", "isthmus_shmnet"),
    ("config/report.rs", "isthmus_shmnet"),
];

/// Crates that a module of the router must not name.
const FOREIGN: &[(&str, &[&str])] = &[
    ("cli", &["isthmus_shmnet", "smoltcp"]),
    ("config", &["isthmus_shmnet", "isthmus_mgmt_api", "tokio", "smoltcp"]),
    ("transaction", &["isthmus_ospf", "isthmus_shmnet", "tokio", "smoltcp"]),
    ("forward", &["isthmus_ospf", "isthmus_mgmt_api", "tokio"]),
    ("port", &["isthmus_ospf", "isthmus_mgmt_api", "tokio"]),
    ("packet", &["isthmus_ospf", "isthmus_mgmt_api", "tokio"]),
    ("rib", &["isthmus_mgmt_api", "tokio"]),
    ("kernel", &["isthmus_ospf", "isthmus_mgmt_api"]),
    ("ospf_driver", &["isthmus_mgmt_api"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn crates_know_only_those_below_them() {
    let metadata = metadata();
    let members: BTreeSet<String> =
        metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let expected: BTreeSet<String> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, expected);
    for package in metadata.workspace_packages() {
        let (_, allowed) = CRATES.iter().find(|(name, _)| *name == package.name.as_str()).unwrap();
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            assert!(
                !members.contains(name) || allowed.contains(&name),
                "{} must not know {name}",
                package.name
            );
        }
    }
}

#[test]
fn nothing_forbidden_is_below_a_crate() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let below = |name: &str| -> BTreeSet<&str> {
        let start = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
        let (mut open, mut seen) = (vec![&start.id], BTreeSet::new());
        while let Some(id) = open.pop() {
            let node = resolve.nodes.iter().find(|node| node.id == *id).unwrap();
            for dependency in &node.deps {
                // What only tests and build scripts use does not run in the product.
                let runs = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                let descends = !names.get(id).is_some_and(|name| NOT_DESCENDED.contains(name));
                if runs && descends && seen.insert(&dependency.pkg) {
                    open.push(&dependency.pkg);
                }
            }
        }
        seen.iter().filter_map(|id| names.get(*id).copied()).collect()
    };
    for (name, forbidden) in NEVER_BELOW {
        let below = below(name);
        assert!(!below.is_empty(), "{name} has dependencies");
        for other in *forbidden {
            assert!(!below.contains(other), "{other} is below {name}");
        }
    }
}

#[test]
fn modules_of_the_router_know_only_those_below_them() {
    let source = root().join("router/src");
    for (module, allowed) in MODULES {
        for (file, text) in sources(&source, module) {
            for other in crate_paths(&text) {
                assert!(
                    other == *module
                        || allowed.contains(&other.as_str())
                        || !is_module(&source, &other)
                        || exceptions(&file).any(|name| name == other),
                    "{}: `{module}` must not know `{other}`",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn modules_of_the_router_name_no_crate_that_is_not_theirs() {
    let source = root().join("router/src");
    for (module, forbidden) in FOREIGN {
        for (file, text) in sources(&source, module) {
            // What is excepted is taken out, so that the rest of the file is still looked at.
            let text = exceptions(&file).fold(text, |text, name| match name.contains("::") {
                true => text.replace(name, ""),
                false => text,
            });
            for name in *forbidden {
                let excepted = exceptions(&file).any(|exception| exception == *name);
                assert!(
                    excepted || !names_crate(&text, name),
                    "{}: `{module}` must not name `{name}`",
                    file.display()
                );
            }
        }
    }
}

fn exceptions(file: &Path) -> impl Iterator<Item = &'static str> {
    EXCEPTIONS.iter().filter(|(name, _)| file.ends_with(name)).map(|(_, what)| *what)
}

/// The files of a module without their comments and tests. None if the module does not exist.
fn sources(source: &Path, module: &str) -> Vec<(PathBuf, String)> {
    let mut files = vec![source.join(format!("{module}.rs"))];
    collect(&source.join(module), &mut files);
    files
        .into_iter()
        .filter(|file| {
            !file.components().any(|part| ["tests", "tests.rs"].iter().any(|name| part.as_os_str() == *name))
        })
        .filter_map(|file| {
            let text = fs::read_to_string(&file).ok()?;
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            Some((file, code.collect::<Vec<_>>().join("\n")))
        })
        .collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The first names of all paths that begin with `crate::`, those in braces too.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(first_name(&name));
                        name.clear();
                    }
                    c => name.push(c),
                }
            }
            found.insert(first_name(&name));
        } else {
            found.insert(first_name(rest));
        }
    }
    found.remove("");
    found
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn is_module(source: &Path, name: &str) -> bool {
    source.join(name).is_dir() || source.join(format!("{name}.rs")).is_file()
}

fn names_crate(code: &str, name: &str) -> bool {
    code.split(&format!("{name}::"))
        .zip(code.split(&format!("{name}::")).skip(1))
        .any(|(before, _)| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn the_scanner_sees_paths_as_the_compiler_does() {
    let code = "use crate::{a::{b, c}, d::e,\n f};\nlet x = crate::g::h();\nuse crate::i;";
    let expected: BTreeSet<String> = ["a", "d", "f", "g", "i"].map(str::to_owned).into();
    assert_eq!(crate_paths(code), expected);
    assert!(names_crate("use tokio::net;", "tokio") && !names_crate("use my_tokio::net;", "tokio"));
}
