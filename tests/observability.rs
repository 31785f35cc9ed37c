//! The alert rules and the dashboards are right in themselves: they parse, they name metrics that exist, every alert has
//! its tests and its page. That they say something about running nodes is shown in the lab.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, whose way to fail it is"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use isthmus_tests::dashboards::{
    Query, alert_names, dashboards, hastened, known_metrics, metrics, root, rules, text,
};
use serde_json::Value;

/// Runs promtool, which is of the package prometheus. Without it the test says so and does nothing, unless the lab is
/// required, whose packages contain it.
fn promtool(words: &[&str], directory: &Path) -> bool {
    match Command::new("promtool").args(words).current_dir(directory).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "promtool {words:?}: {text}");
            true
        }
        Err(error) => {
            let required = std::env::var_os("ISTHMUS_LAB").is_some_and(|value| value == "required");
            assert!(!required, "promtool: {error}: install the package prometheus (./tests/run.sh does)");
            eprintln!("SKIPPED: promtool: {error}");
            false
        }
    }
}

#[test]
fn the_alert_rules_pass_their_unit_tests() {
    let folder = root().join("deploy/prometheus");
    promtool(&["check", "rules", "rules.yml"], &folder);
    promtool(&["test", "rules", "rules_test.yml"], &folder);
}

#[test]
fn every_alert_has_a_unit_test_a_lab_test_and_a_section_of_its_page() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let rules = fs::read_to_string(rules()).unwrap();
    let (unit_tests, lab_tests) = (read("deploy/prometheus/rules_test.yml"), read("tests/lab/alerts.rs"));
    let page = read("docs/alerts.md");
    let names = alert_names(&rules);
    assert!(names.len() >= 20, "{names:?}");
    for name in &names {
        assert!(unit_tests.contains(name.as_str()), "no unit test of {name}");
        assert!(
            lab_tests.contains(&format!("\"{name}\"")),
            "the lab's tests do not say what becomes of {name}"
        );
        assert!(page.contains(&format!("\n## {name}\n")), "docs/alerts.md has no section {name}");
        let link = format!("docs/alerts.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&link), "no runbook_url of {name}");
    }
    let sections = page.lines().filter_map(|line| line.strip_prefix("## Isthmus"));
    assert_eq!(sections.count(), names.len(), "docs/alerts.md has sections of no alert");
    assert_eq!(rules.matches("runbook_url:").count(), names.len());
}

/// What the tests in the lab run differs from the shipped rules in lengths of time alone, which all are in minutes or hours.
#[test]
fn hastened_rules_have_nothing_longer_than_a_minute() {
    let rules = fs::read_to_string(rules()).unwrap();
    let hastened = hastened(&rules);
    assert_eq!(rules.lines().count(), hastened.lines().count());
    for line in hastened.lines().filter(|line| line.trim_start().starts_with("for: ")) {
        assert!(line.ends_with('s'), "{line}");
    }
    let ranges = rules.matches("m]").count() + rules.matches("h]").count();
    assert_eq!(hastened.matches("s]").count() + hastened.matches("m]").count(), ranges);
    assert!(!hastened.contains("h]") && rules.contains("1h]"));
}

#[test]
fn dashboards_are_whole() {
    let dashboards = dashboards();
    assert_eq!(dashboards.len(), 3);
    let mut uids = BTreeSet::new();
    for dashboard in &dashboards {
        let file = &dashboard.file;
        assert!(uids.insert(text(&dashboard.json, "uid").to_owned()), "{file}: its uid is another's");
        assert!(dashboard.json["schemaVersion"].as_u64() >= Some(38), "{file}: older than Grafana 10");
        for key in ["title", "description"] {
            assert!(!text(&dashboard.json, key).is_empty(), "{file}: no {key}");
        }
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let title = text(panel, "title");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {title}: its id is another's");
            let place = &panel["gridPos"];
            let end = place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap();
            assert!(end <= 24, "{file}: {title} is beyond the right edge");
            if text(panel, "type") != "row" {
                assert!(text(panel, "description").ends_with('.'), "{file}: {title} is not described");
                assert!(panel["options"].is_object(), "{file}: {title} has no options");
            }
        }
        assert_no_overlap(file, dashboard.panels());
        let pretty = serde_json::to_string_pretty(&dashboard.json).unwrap() + "\n";
        assert!(same_layout(&pretty, &dashboard.text), "{file}: indent by two spaces");
    }
}

/// The keys of an object may have another order in memory than in the file: as many lines, indented as much.
fn same_layout(pretty: &str, text: &str) -> bool {
    let indents = |text: &str| {
        let mut indents: Vec<usize> = text.lines().map(|line| line.len() - line.trim_start().len()).collect();
        indents.sort_unstable();
        indents
    };
    indents(pretty) == indents(text)
}

fn assert_no_overlap(file: &str, panels: &[Value]) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(taken.insert((x, y)), "{file}: {} lies on another panel", text(panel, "title"));
            }
        }
    }
}

#[test]
fn dashboards_and_rules_name_metrics_that_exist() {
    let known = known_metrics();
    assert!(known.len() > 80, "{known:?}");
    let mut used = BTreeSet::new();
    for dashboard in dashboards() {
        for query in dashboard.queries().into_iter().chain(dashboard.variables()) {
            for metric in metrics(&query.expression) {
                assert!(known.contains(&metric), "{}: there is no {metric}", query.name);
                used.insert(metric);
            }
        }
    }
    let rules = fs::read_to_string(rules()).unwrap();
    let expressions =
        rules.lines().filter(|line| !line.contains("://") && !line.trim_start().starts_with('#'));
    for metric in expressions.flat_map(metrics) {
        assert!(known.contains(&metric), "rules.yml: there is no {metric}");
    }
    let share = used.len() as f64 / known.len() as f64;
    assert!(share > 0.75, "the dashboards show {} of {} metrics", used.len(), known.len());
}

#[test]
fn every_query_of_the_dashboards_parses() {
    let all = |dashboard: &isthmus_tests::dashboards::Dashboard| -> Vec<Query> {
        [dashboard.queries(), dashboard.variables(), dashboard.annotations()].concat()
    };
    let queries: Vec<Query> = dashboards().iter().flat_map(all).collect();
    assert!(queries.len() > 60);
    let mut file = String::from("groups:\n  - name: queries\n    rules:\n");
    for (number, query) in queries.iter().enumerate() {
        let expression = query.with_everything("5m");
        assert!(!expression.contains('$') || expression.contains("\"$1\""), "{}: {expression}", query.name);
        let quoted = Value::String(expression);
        file.push_str(&format!("      # {}\n      - {{record: 'q{number}', expr: {quoted}}}\n", query.name));
    }
    let folder = std::env::temp_dir().join(format!("isthmus-observability-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("queries.yml"), file).unwrap();
    promtool(&["check", "rules", "queries.yml"], &folder);
    fs::remove_dir_all(&folder).unwrap();
}
