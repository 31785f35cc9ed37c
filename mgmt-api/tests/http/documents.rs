//! The reference pages say what the code does.

use std::fmt::Write;
use std::path::PathBuf;

use isthmus_mgmt_api::metrics::names::{self, Kind};
use isthmus_mgmt_api::{ProblemKind, RESOURCES};

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name)
}

#[test]
fn the_reference_of_the_api_has_every_resource_and_every_problem() {
    let text = std::fs::read_to_string(page("rest.md")).unwrap();
    for resource in RESOURCES {
        let patterns = [format!("`{}`", resource.path), format!(" {}`", resource.path)];
        assert!(patterns.iter().any(|pattern| text.contains(pattern)), "{} is missing", resource.path);
    }
    for kind in ProblemKind::ALL {
        let row = format!("| `{}` | {} |", kind.uri(), kind.status().as_u16());
        assert!(text.contains(&row), "{row} is missing");
    }
}

/// With `UPDATE_DOCS=1` the page is written instead of compared.
#[test]
fn the_reference_of_metrics_is_the_table_in_the_code() {
    let expected = metrics_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page("metrics.md"), &expected).unwrap();
    }
    let committed = std::fs::read_to_string(page("metrics.md")).unwrap_or_default();
    assert_eq!(committed, expected, "run UPDATE_DOCS=1 cargo test -p isthmus-mgmt-api documents");
}

fn metrics_page() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in the text format of Prometheus, on every surface of the [API](rest.md). The values are \
         taken when the scraper asks. A metric of a part that the node does not have is absent.\n\n\
         <!-- Made from mgmt-api/src/metrics/names.rs: UPDATE_DOCS=1 cargo test -p isthmus-mgmt-api documents -->\n\n\
         | metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for definition in names::ALL {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = definition.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(text, "| `{}` | {kind} | {} | {} |", definition.name, labels.join(" "), definition.help)
            .unwrap();
    }
    text
}
