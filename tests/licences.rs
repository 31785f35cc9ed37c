//! Every dependency comes from crates.io and under a licence of the short list in `deny.toml`.
//!
//! `cargo deny` checks the same and the advisories, where it is installed; this needs nothing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::MetadataCommand;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The list `name = [ "..", ]` of a TOML file that has one element on each line.
fn list(toml: &str, name: &str) -> BTreeSet<String> {
    let start = toml.find(&format!("\n{name} = [")).unwrap_or_else(|| panic!("no list {name}"));
    let end = start + toml[start..].find(']').expect("an end of the list");
    toml[start..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression can be met with the allowed licences: one side of each OR, both sides of each AND.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Before SPDX, `/` was the OR of crates.io.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, allowed) && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let met = either(words, at, allowed);
        *at += 1;
        return met;
    }
    let mut licence = words.get(*at).copied().unwrap_or_default().to_owned();
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    allowed.contains(&licence)
}

#[test]
fn dependencies_are_licensed_as_allowed_and_come_from_crates_io() {
    let toml = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let allowed = list(&toml, "allow");
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap();
    let mut used = BTreeSet::new();
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or_default();
        assert!(
            is_met(licence, &allowed),
            "{} {}: `{licence}` is not allowed",
            package.name,
            package.version
        );
        used.extend(licence.split([' ', '/', '(', ')']).map(str::to_owned));
        if let Some(source) = &package.source {
            let crates_io = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(source.repr, crates_io, "{}", package.name);
        }
    }
    for licence in allowed {
        let first = licence.split(' ').next().unwrap_or_default().to_owned();
        assert!(used.contains(&first), "deny.toml allows {licence}, which nothing has");
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed: BTreeSet<String> = ["MIT", "Unicode-3.0"].map(str::to_owned).into();
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("Apache-2.0/MIT", true),
        ("Apache-2.0 AND MIT", false),
        ("(Apache-2.0 OR MIT) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT WITH LLVM-exception", false),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
