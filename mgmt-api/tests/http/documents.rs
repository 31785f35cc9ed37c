//! The reference pages say what the code does.

use std::fmt::Write;
use std::path::PathBuf;

use isthmus_mgmt_api::ProblemKind;
use isthmus_mgmt_api::metrics::names::{self, Kind};
use isthmus_mgmt_api::model::EventType;
use serde_json::Value;

use crate::get;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name)
}

/// With `UPDATE_DOCS=1` the tables of the page are written instead of compared.
#[tokio::test]
async fn the_reference_of_the_api_has_the_tables_of_the_code() {
    let mut text = std::fs::read_to_string(page("rest.md")).unwrap();
    let committed = text.clone();
    replace_section(&mut text, "resources", &resources_table(&get("/openapi.json").await.json()));
    replace_section(&mut text, "problems", &problems_table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page("rest.md"), &text).unwrap();
    } else {
        assert_eq!(committed, text, "run UPDATE_DOCS=1 cargo test -p isthmus-mgmt-api documents");
    }
}

/// Puts `table` between `<!-- begin NAME -->` and `<!-- end NAME -->`.
fn replace_section(text: &mut String, name: &str, table: &str) {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let from = text.find(&begin).expect("a beginning") + begin.len();
    let to = from + text[from..].find(&end).expect("an end");
    text.replace_range(from..to, table);
}

/// Every operation, by what it belongs to, with the parameters of its query.
fn resources_table(document: &Value) -> String {
    let mut text = String::new();
    for tag in document["tags"].as_array().unwrap() {
        let (name, description) = (tag["name"].as_str().unwrap(), tag["description"].as_str().unwrap());
        writeln!(text, "\n### {name}\n\n{description}\n\n| operation | content |\n|---|---|").unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                if operation["tags"][0] == name {
                    let query = query_of(operation);
                    let summary = operation["summary"].as_str().unwrap();
                    let method = method.to_uppercase();
                    writeln!(text, "| `{method} {path}{query}` | {summary} |").unwrap();
                }
            }
        }
    }
    text.push('\n');
    text
}

/// `?dst=&explain=`.
fn query_of(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names: Vec<String> = parameters
        .filter(|parameter| parameter["in"] == "query")
        .map(|parameter| format!("{}=", parameter["name"].as_str().unwrap()))
        .collect();
    let of_changes = ["dry-run=", "confirm=", "comment=", "force="];
    if names.is_empty() || names == of_changes { String::new() } else { format!("?{}", names.join("&")) }
}

fn problems_table() -> String {
    let mut text = String::from("\n| type | status | meaning |\n|---|---|---|\n");
    for kind in ProblemKind::ALL {
        writeln!(text, "| `{}` | {} | {} |", kind.uri(), kind.status().as_u16(), kind.title()).unwrap();
    }
    text.push('\n');
    text
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

/// With `UPDATE_DOCS=1` the page is written instead of compared.
#[test]
fn the_reference_of_events_is_the_table_in_the_code() {
    let expected = events_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page("events.md"), &expected).unwrap();
    }
    let committed = std::fs::read_to_string(page("events.md")).unwrap_or_default();
    assert_eq!(committed, expected, "run UPDATE_DOCS=1 cargo test -p isthmus-mgmt-api documents");
}

fn events_page() -> String {
    let mut text = String::from(EVENTS_INTRODUCTION);
    for event_type in EventType::ALL {
        write!(text, "\n## {event_type}\n\n{}\n\n| member | meaning |\n|---|---|\n", event_type.meaning())
            .unwrap();
        for member in event_type.members() {
            writeln!(text, "| `{}` | {} |", member.name, member.meaning).unwrap();
        }
    }
    text
}

const EVENTS_INTRODUCTION: &str = "\
# Events

<!-- Made from mgmt-api/src/model/event_types.rs: UPDATE_DOCS=1 cargo test -p isthmus-mgmt-api documents -->

A node remembers the last 1024 things that have happened to it, and tells whoever follows: `isthmus show events`,
`isthmus show events -f`, `isthmus monitor`, and over the [API](rest.md) `GET /api/v1/events/recent` and `GET /api/v1/events`.

```json
{\"sequence\": 12, \"time\": \"2026-11-22T09:30:00.000001Z\", \"type\": \"nbr-state-change\",
 \"message\": \"OSPF neighbor 10.77.0.2 on lsm0 is full\",
 \"detail\": {\"interface\": \"lsm0\", \"neighbor-router-id\": \"10.77.0.2\", \"address\": \"10.77.0.2\", \"state\": \"full\"}}
```

`sequence` counts from 1 since the start of the node, without a gap. `message` is for people and may change; `type` and the members of
`detail`, listed below, are for programs. New types and members may appear in any version.

## The stream

`GET /api/v1/events` answers with server-sent events (`text/event-stream`): `id`, `event` (the type) and `data` (the document
above), and a comment every 15 s while nothing happens. The first block has an `id` and no data: where the stream begins.

* `?after=ID` begins after an event, `?after=0` with all that is remembered; without it the stream begins now. The header
  `Last-Event-ID`, which browsers send when they connect again, counts more than the query. Both take an id as it came
  (`12.1795340000000`: the number, and the life of the node) or a bare number.
* `?type=TYPE` leaves all others out; it may be repeated.
* Each surface carries 32 streams at a time; another one is refused with status 429.
* A client that does not read costs the node nothing: it finds a `gap` when the log has forgotten what it missed.
* The stream ends with the node.

```
curl -N --unix-socket /run/isthmus/node-1.sock 'http://localhost/api/v1/events?type=nbr-state-change'
```
";

fn metrics_page() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in the text format of Prometheus, on every surface of the [API](rest.md). The values are \
         taken when the scraper asks. A metric of a part that the node does not have is absent. What is drawn and alarmed by \
         them is in [Alerts and dashboards](../alerts.md).\n\n\
         Counters go on over every change of the configuration that leaves their subject. Those of an interface begin anew with \
         a new port, those of a ring with the ring that replaces it, and those of OSPF on an interface with the interface; \
         the sums of the data plane never go back.\n\n\
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
