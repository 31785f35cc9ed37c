//! The page of compliance (`docs/rfc/compliance.md`), made from the requirements in `docs/rfc/compliance.txt`. Every item and
//! every test that is named there must exist. `UPDATE_DOCS=1` writes the page.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const DATA: &str = "docs/rfc/compliance.txt";
const PAGE: &str = "docs/rfc/compliance.md";
const CHECKS: &str = "docs/rfc/conformance.txt";
const CHECKS_PAGE: &str = "docs/rfc/conformance.md";

/// A requirement of a standard.
struct Row<'a> {
    section: &'a str,
    requirement: &'a str,
    status: &'a str,
    /// File below `ospf/src`, and an item in it.
    code: Vec<(&'a str, &'a str)>,
    /// File, and the test in it; without a name all of the file.
    tests: Vec<(&'a str, &'a str)>,
    why: &'a str,
}

enum Entry<'a> {
    Chapter(&'a str),
    Row(Row<'a>),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn parse(text: &str) -> Vec<Entry<'_>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.strip_prefix("= ").map_or_else(|| Entry::Row(row(line)), Entry::Chapter)).collect()
}

fn row(line: &str) -> Row<'_> {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [section, requirement, status, code, tests, why] = columns[..] else {
        panic!("not six columns: {line}")
    };
    let names = |column| list(column).unwrap_or_else(|| panic!("not FILE:NAME: {line}"));
    Row { section, requirement, status, code: names(code), tests: names(tests), why }
}

/// `FILE:NAME, FILE:NAME`, or `-` for none.
fn list(column: &str) -> Option<Vec<(&str, &str)>> {
    match column {
        "-" => Some(Vec::new()),
        names => names.split(", ").map(|name| name.split_once(':')).collect(),
    }
}

/// Where a test's file is: below `ospf/src`, `ospf/tests` or `tests`.
fn test_file(name: &str) -> String {
    let file = if name.ends_with(".rs") { name.to_owned() } else { format!("{name}.rs") };
    match file.split('/').next() {
        Some("src") => format!("ospf/{file}"),
        Some("lab") => format!("tests/{file}"),
        _ => format!("ospf/tests/{file}"),
    }
}

#[derive(Default)]
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn read(&mut self, file: &str) -> &str {
        let read = || std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        self.0.entry(file.to_owned()).or_insert_with(read)
    }

    fn has_item(&mut self, file: &str, name: &str) -> bool {
        let defines = |line: &str| {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let kinds = ["fn", "struct", "enum", "const", "trait", "mod"];
            words.windows(2).any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
        };
        self.read(file).lines().any(defines)
    }

    fn has_test(&mut self, file: &str, name: &str) -> bool {
        let lines: Vec<&str> = self.read(file).lines().map(str::trim).collect();
        let is_test = |line: &str| line.starts_with("#[test]");
        match name {
            "-" => lines.iter().any(|line| is_test(line)),
            name => {
                let function = format!("fn {name}(");
                lines.windows(2).any(|pair| is_test(pair[0]) && pair[1].starts_with(&function))
            }
        }
    }
}

/// What is wrong with the data.
fn mistakes(entries: &[Entry<'_>]) -> Vec<String> {
    let mut sources = Sources::default();
    let mut wrong = Vec::new();
    for entry in entries {
        let Entry::Row(row) = entry else { continue };
        let mut say = |what: String| wrong.push(format!("{} {}: {what}", row.section, row.requirement));
        let is_built = match row.status {
            "done" | "deviation" => true,
            "not done" => false,
            other => {
                say(format!("`{other}` is no status"));
                continue;
            }
        };
        if is_built && (row.code.is_empty() || row.tests.is_empty()) {
            say("neither code nor test may be missing".to_owned());
        }
        let has_any = !row.code.is_empty() || !row.tests.is_empty();
        if !is_built && has_any {
            say("has code or tests".to_owned());
        }
        if row.status == "deviation" && row.why.is_empty() {
            say("a deviation has a reason".to_owned());
        }
        for (file, name) in &row.code {
            if !sources.has_item(&format!("ospf/src/{file}"), name) {
                say(format!("{file} has no {name}"));
            }
        }
        for (file, name) in &row.tests {
            if !sources.has_test(&test_file(file), name) {
                say(format!("{file} has no test {name}"));
            }
        }
    }
    wrong
}

fn page(entries: &[Entry<'_>]) -> String {
    let mut page = String::from(
        "<!-- Made from compliance.txt by UPDATE_DOCS=1 cargo test -p isthmus-ospf --test compliance -->\n\n\
         # What of the standards is met\n\n\
         The requirements of RFC 2328 by section, in our words, then the further standards. A row that is done or deviates\n\
         names the code that does it and the tests that show it; that both exist is tested. What deviates says why; the\n\
         [deviations](deviations.md) are also told at length.\n\n",
    );
    let count = |status: &str| {
        entries.iter().filter(|entry| matches!(entry, Entry::Row(row) if row.status == status)).count()
    };
    let (done, deviation, open) = (count("done"), count("deviation"), count("not done"));
    let _ =
        writeln!(page, "{done} requirements are met, {deviation} met in another way, {open} not met as yet.");
    for entry in entries {
        match entry {
            Entry::Chapter(title) => {
                let _ = writeln!(
                    page,
                    "\n## {title}\n\n| section | requirement | status | code | tests |\n|---|---|---|---|---|"
                );
            }
            Entry::Row(row) => write_row(&mut page, row),
        }
    }
    page
}

fn write_row(page: &mut String, row: &Row<'_>) {
    let item = |(file, name): &(&str, &str)| format!("`{name}` in [{file}](../../ospf/src/{file})");
    let code: Vec<_> = row.code.iter().map(item).collect();
    let test = |(file, name): &(&str, &str)| match *name {
        "-" => format!("[{file}](../../{})", test_file(file)),
        name => format!("[`{name}`](../../{})", test_file(file)),
    };
    let tests: Vec<_> = row.tests.iter().map(test).collect();
    let why = if row.why.is_empty() { String::new() } else { format!(": {}", row.why) };
    let Row { section, requirement, status, .. } = row;
    let (code, tests) = (code.join(", "), tests.join("; "));
    let _ = writeln!(page, "| {section} | {requirement} | {status}{why} | {code} | {tests} |");
}

#[test]
fn the_page_says_what_the_code_and_the_tests_are() {
    let text = std::fs::read_to_string(root().join(DATA)).expect("the requirements");
    let entries = parse(&text);
    let wrong = mistakes(&entries);
    assert!(wrong.is_empty(), "{DATA}:\n{}", wrong.join("\n"));
    let page = page(&entries);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(PAGE), &page).expect("the page");
    }
    let written = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    assert!(written == page, "{PAGE} is not what {DATA} says: run this test with UPDATE_DOCS=1");
}

/// The numbered checks: number, section, check, `done` or `open`, tests, why.
#[test]
fn every_numbered_check_names_tests_that_exist_or_says_what_is_open() {
    let text = std::fs::read_to_string(root().join(CHECKS)).expect("the checks");
    let mut sources = Sources::default();
    let (mut wrong, mut rows, mut done) = (Vec::new(), String::new(), 0);
    let mut expected = 1;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("= ") {
            let _ = writeln!(
                rows,
                "\n## {title}\n\n| | section | check | state | tests |\n|---|---|---|---|---|"
            );
            continue;
        }
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [number, section, check, state, tests, why] = columns[..] else {
            panic!("not six columns: {line}")
        };
        let tests = list(tests).unwrap_or_else(|| panic!("not FILE:NAME: {line}"));
        let is_right = number == expected.to_string()
            && match state {
                "done" => !tests.is_empty(),
                "open" => !why.is_empty(),
                _ => false,
            };
        if !is_right {
            wrong.push(format!("{line}: number {expected}, done with tests, or open with what is open"));
        }
        let missing = tests.iter().filter(|(file, name)| !sources.has_test(&test_file(file), name));
        wrong.extend(missing.map(|(file, name)| format!("{number}: {file} has no test {name}")));
        expected += 1;
        done += usize::from(state == "done");
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        let tests: Vec<_> =
            tests.iter().map(|(file, name)| format!("[`{name}`](../../{})", test_file(file))).collect();
        let _ = writeln!(rows, "| {number} | {section} | {check} | {state}{why} | {} |", tests.join("; "));
    }
    assert!(wrong.is_empty(), "{CHECKS}:\n{}", wrong.join("\n"));
    let page = format!(
        "<!-- Made from conformance.txt by UPDATE_DOCS=1 cargo test -p isthmus-ospf --test compliance -->\n\n\
         # Checks of conformance\n\n\
         What implementations of OSPF most often miss, one by one, with the tests that show it; that these exist is tested. All\n\
         requirements of the standards are in [compliance](compliance.md). {done} of {} checks are done; of the others the row\n\
         says what is open, and the tests show the rest.\n{rows}",
        expected - 1
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(CHECKS_PAGE), &page).expect("the page");
    }
    let written = std::fs::read_to_string(root().join(CHECKS_PAGE)).unwrap_or_default();
    assert!(written == page, "{CHECKS_PAGE} is not what {CHECKS} says: run this test with UPDATE_DOCS=1");
}

#[test]
fn what_does_not_exist_is_found() {
    let wrong = |line: &str| mistakes(&parse(line)).len();
    assert_eq!(wrong("8.1 | it | done | flood.rs:flood | sim/grid:flooding_sends_no_storm | "), 0);
    assert_eq!(wrong("8.1 | it | done | flood.rs:drought | sim/grid:flooding_sends_no_storm | "), 1);
    assert_eq!(wrong("8.1 | it | done | flood.rs:flood | sim/grid:nobody_has_written_this | "), 1);
    assert_eq!(wrong("8.1 | it | done | flood.rs:flood | - | "), 1);
    assert_eq!(wrong("8.1 | it | deviation | flood.rs:flood | sim/grid:flooding_sends_no_storm | "), 1);
    assert_eq!(wrong("8.1 | it | perhaps | - | - | "), 1);
    assert_eq!(wrong("8.1 | it | not done | - | - | "), 0);
}
