//! The documentation's links lead somewhere, and the tests that it names exist.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A link in a Markdown file.
#[derive(Debug)]
struct Link {
    text: String,
    target: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Markdown files of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The links of a document, outside of blocks of code.
fn links(document: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some(middle) = rest.find("](") {
            let (before, after) = (&rest[..middle], &rest[middle + 2..]);
            let Some(end) = after.find(')') else { break };
            if let Some(start) = before.rfind('[') {
                found.push(Link { text: before[start + 1..].to_owned(), target: after[..end].to_owned() });
            }
            rest = &after[end..];
        }
    }
    found
}

/// The anchors of a document's headings, as GitHub and mdBook make them.
fn anchors(document: &str) -> Vec<String> {
    let mut in_code = false;
    let headings = document.lines().filter(|line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        !in_code && line.starts_with('#')
    });
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Why a link of `document`, which is at `path`, is wrong.
fn fault(path: &Path, document: &str, link: &Link) -> Option<String> {
    let target = link.target.as_str();
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let aim = if file.is_empty() { path.to_owned() } else { path.parent().unwrap().join(file) };
    if !aim.exists() {
        return Some(format!("{target} does not exist"));
    }
    if let Some(anchor) = anchor {
        let text = if file.is_empty() { document.to_owned() } else { fs::read_to_string(&aim).unwrap() };
        if !anchors(&text).iter().any(|known| known == anchor) {
            return Some(format!("{target}: no heading has this anchor"));
        }
    }
    let name = link.text.strip_prefix('`').and_then(|text| text.strip_suffix('`'))?;
    let is_function = name.contains('_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_function && file.ends_with(".rs") && !has_test(&fs::read_to_string(&aim).unwrap(), name) {
        return Some(format!("{file} has no test {name}"));
    }
    None
}

/// Whether a source file has a test of this name: a function with an attribute that ends in `test]` above it, or
/// one that the model checker's or the property tests' macro runs.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_here = |line: &&str| {
        line.trim_start_matches("async ")
            .strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let Some(place) = lines.iter().position(is_here) else { return false };
    let above =
        lines[..place].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
    above.into_iter().any(|line| line.starts_with("#[") && line.contains("test"))
}

#[test]
fn every_relative_link_leads_to_something() {
    let mut faults = Vec::new();
    let mut count = 0;
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        for link in links(&document) {
            count += 1;
            if let Some(fault) = fault(&path, &document, &link) {
                faults.push(format!("{}: {fault}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count} links:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> = links(&summary).iter().map(|link| docs.join(&link.target)).collect();
    let is_page = |path: &PathBuf| path.starts_with(&docs) && !path.ends_with("SUMMARY.md");
    let missing: Vec<PathBuf> =
        documents().into_iter().filter(is_page).filter(|path| !listed.contains(path)).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

#[test]
fn every_claim_names_a_test() {
    let claims = fs::read_to_string(root().join("docs/claims.md")).unwrap();
    let rows: Vec<&str> =
        claims.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| claim")).collect();
    let mut numbers: Vec<u32> = Vec::new();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        numbers.extend(cells[0].split(',').map(|number| number.trim().parse::<u32>().expect(row)));
        assert!(!links(cells[2]).is_empty() && !links(cells[3]).is_empty(), "{row}");
        assert!(cells[4].starts_with("shown") || cells[4].starts_with("partly: "), "{row}");
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=38).collect::<Vec<_>>());
}

/// The sections in the first cells of a table, sorted.
fn sections(table: &str) -> Vec<String> {
    let rows = table.lines().filter_map(|line| line.trim_start_matches("//! ").strip_prefix("| "));
    let mut found: Vec<String> =
        rows.filter_map(|row| row.split(" |").next()).map(|cell| cell.trim().to_owned()).collect();
    found.retain(|cell| cell.starts_with(|first: char| first.is_ascii_digit()));
    found.sort();
    found
}

/// The engine's own list, and the page that gives each its code and its test.
#[test]
fn every_deviation_of_the_engine_is_in_the_documentation() {
    let engine = fs::read_to_string(root().join("ospf/src/lib.rs")).unwrap();
    let (_, engine) = engine.split_once("# Deviations from RFC 2328").expect("the engine's list");
    let page = fs::read_to_string(root().join("docs/rfc/deviations.md")).unwrap();
    let mut written = sections(&page);
    let mut missing = sections(engine);
    assert!(missing.len() > 10, "{missing:?}");
    missing.retain(|section| match written.iter().position(|known| known == section) {
        Some(place) => {
            written.remove(place);
            false
        }
        None => true,
    });
    assert!(missing.is_empty(), "not in docs/rfc/deviations.md: {missing:?}");
}

#[test]
fn links_and_tests_are_recognized() {
    let document = "a [b](c.md) and [`d_e`](f.rs#g), [h](https://i)\n```\n[no](link)\n```\n";
    let targets: Vec<String> = links(document).into_iter().map(|link| link.target).collect();
    assert_eq!(targets, ["c.md", "f.rs#g", "https://i"]);
    assert_eq!(anchors("# The end, byte by byte\n```\n# no\n```\n## `x`"), ["the-end-byte-by-byte", "x"]);
    let source = "#[test]\nfn a_b() {}\nfn a_c() {}\n#[tokio::test]\n/// Says.\nasync fn a_d() {}\n";
    assert!(has_test(source, "a_b") && has_test(source, "a_d"));
    assert!(!has_test(source, "a_c") && !has_test(source, "a") && !has_test(source, "a_e"));
}
