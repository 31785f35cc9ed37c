//! The Grafana dashboards of `deploy/grafana`, and the alert rules of `deploy/prometheus`, as far as tests look into them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A dashboard.
pub struct Dashboard {
    /// The name of its file.
    pub file: String,
    /// The whole of it.
    pub json: Value,
    /// The text of the file.
    pub text: String,
}

/// A query of a panel, an annotation or a variable.
#[derive(Clone, Debug)]
pub struct Query {
    /// The dashboard's file, the panel's title and the query's letter.
    pub name: String,
    /// The expression, with Grafana's variables in it.
    pub expression: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

/// All dashboards, by the names of their files.
///
/// # Panics
/// If one cannot be read, or is no JSON.
pub fn dashboards() -> Vec<Dashboard> {
    let folder = root().join("deploy/grafana/dashboards");
    let mut found: Vec<Dashboard> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.expect("an entry of the directory").path();
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let json =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Dashboard { file, json, text }
        })
        .collect();
    found.sort_by(|a, b| a.file.cmp(&b.file));
    found
}

impl Dashboard {
    /// The panels, rows included.
    pub fn panels(&self) -> &[Value] {
        list(&self.json, "/panels")
    }

    /// The queries of all panels.
    pub fn queries(&self) -> Vec<Query> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            for target in list(panel, "/targets") {
                queries.push(Query {
                    name: format!("{} / {} / {}", self.file, text(panel, "title"), text(target, "refId")),
                    expression: text(target, "expr").to_owned(),
                });
            }
        }
        queries
    }

    /// The queries that fill the variables: the metric and selectors in `label_values(SELECTOR, LABEL)`.
    ///
    /// # Panics
    /// If a variable is filled otherwise.
    pub fn variables(&self) -> Vec<Query> {
        let variables = list(&self.json, "/templating/list").iter();
        variables
            .filter(|variable| text(variable, "type") == "query")
            .map(|variable| {
                let definition = text(variable, "definition");
                let inner = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
                let (selector, _) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("label_values");
                Query {
                    name: format!("{} / ${}", self.file, text(variable, "name")),
                    expression: selector.to_owned(),
                }
            })
            .collect()
    }

    /// The queries of the annotations.
    pub fn annotations(&self) -> Vec<Query> {
        let annotations = list(&self.json, "/annotations/list").iter();
        annotations
            .filter_map(|annotation| {
                Some(Query {
                    name: format!("{} / {}", self.file, text(annotation, "name")),
                    expression: annotation.get("expr")?.as_str()?.to_owned(),
                })
            })
            .collect()
    }
}

impl Query {
    /// The expression as Grafana sends it with all values of all variables chosen, `rate_interval` being its interval.
    pub fn with_everything(&self, rate_interval: &str) -> String {
        let mut expression = self.expression.replace("$__rate_interval", rate_interval);
        for variable in ["instance", "area", "interface"] {
            expression = expression.replace(&format!("${variable}"), ".*");
        }
        expression
    }
}

/// A string of an object; empty where it has none.
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The names of the series that an expression mentions, as far as they are a node's: those of histograms without their
/// endings.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words
        .filter(|word| word.starts_with("isthmus_") || word.starts_with("process_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

/// The metrics of the reference, which is made from the table in the code.
///
/// # Panics
/// If the page cannot be read.
pub fn known_metrics() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/reference/metrics.md")).expect("the reference");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// The file of the alert rules.
pub fn rules() -> PathBuf {
    root().join("deploy/prometheus/rules.yml")
}

/// The names of the alerts in the text of rules, in their order.
pub fn alert_names(rules: &str) -> Vec<String> {
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(|name| name.trim().to_owned()).collect()
}

/// The rules with minutes made seconds and hours made minutes, in `for`, in ranges and in offsets, and in nothing else: a
/// test waits a sixtieth of the time for an alert.
pub fn hastened(rules: &str) -> String {
    let mut hastened = String::new();
    for line in rules.lines() {
        let trimmed = line.trim_start();
        let is_prose =
            trimmed.starts_with('#') || trimmed.starts_with("summary") || trimmed.starts_with("desc");
        let line = if is_prose { line.to_owned() } else { hasten_line(line) };
        hastened.push_str(&line);
        hastened.push('\n');
    }
    hastened
}

fn hasten_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = ["for: ", "offset ", "["]
        .iter()
        .filter_map(|before| rest.find(before).map(|found| found + before.len()))
        .min()
    {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = match (digits, rest.as_bytes().get(digits)) {
            (1.., Some(b'm')) => 's',
            (1.., Some(b'h')) => 'm',
            _ => continue,
        };
        out.push_str(&rest[..digits]);
        out.push(unit);
        rest = &rest[digits + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lengths_of_time_are_hastened() {
        let rules =
            "expr: rate(x_total[10m]) > 5 unless x offset 5m\n  for: 1h\n    # [5m]\nsummary: for: 5m\n";
        let expected =
            "expr: rate(x_total[10s]) > 5 unless x offset 5s\n  for: 1m\n    # [5m]\nsummary: for: 5m\n";
        assert_eq!(hastened(rules), expected);
        assert_eq!(hasten_line("a[1h:5m] @ {for: 30}"), "a[1m:5m] @ {for: 30}");
    }

    #[test]
    fn metrics_are_found_in_expressions() {
        let expression =
            "rate(isthmus_a_seconds_bucket{instance=~\".*\"}[5s]) / on (instance) process_max_fds";
        let expected = ["isthmus_a_seconds", "process_max_fds"].map(str::to_owned);
        assert_eq!(metrics(expression), expected.into());
    }
}
