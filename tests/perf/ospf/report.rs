//! The page about the engine's speed: Markdown and the document.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shm::Failure;

const METHOD: &str = "\
One scripted neighbor on a point-to-point link (MTU 1500, no authentication, hello 1 s) describes the same network to each router in turn: \
*routers*, a square grid of 10,000 routers with four links each and a host behind each, or *externals*, 100 routers and 100,000 AS-external-LSAs. \
Each router is alone in a network namespace. Processor time is the scheduler's account of all threads of all its processes (FRR: zebra and ospfd), \
from the change until 1.2 s after its acknowledgment (BIRD calculates once a second), less what the same router takes in \
that time when nothing happens. Memory is VmRSS of all processes when all routes are in place. BIRD has an unlimited stack: with the usual one it ends at some 87,300 routes. \
FRR and BIRD put their routes into the kernel; Isthmus puts them into the forwarding table of its own data plane.

*leaf-change*: another cost of one host. *full-calculation*: another cost of the first link, so that every distance changes. *link-change*: another cost of \
a link somewhere in the grid. *external-change*: another metric of one network outside. *synchronise*: from the first database description to the last advertisement that the router asked for. \
*routes-in-place*: from the first hello to the last route.
";

/// Writes `ospf.md` and `ospf.json`.
pub(super) fn write(directory: &Path, document: &Value) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    let machine = &document["machine"];
    let mut page = format!(
        "# The OSPF engine beside its peers\n\nWritten by `tests/perf/run.sh ospf --report`; the same figures for programs: [ospf.json](ospf.json).\n\n\
         Measured on {} at commit {}: {} cores, Linux {}, load {} at the beginning. FRR {}, BIRD {}.\n\n{METHOD}\n",
        of_command(&["date", "--utc", "+%-d %B %Y, %H:%M UTC"]),
        of_command(&["git", "rev-parse", "--short", "HEAD"]),
        word(&machine["cores"]),
        word(&machine["kernel"]),
        word(&machine["load"]),
        word(&document["versions"]["frr"]),
        word(&document["versions"]["bird"]),
    );
    rows(&mut page, document);
    sessions(&mut page, document);
    fs::write(directory.join("ospf.md"), page)?;
    fs::write(directory.join("ospf.json"), format!("{document:#}\n"))?;
    Ok(())
}

fn rows(page: &mut String, document: &Value) {
    let rows = document["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let met = rows.iter().filter(|row| row["met"] == true).count();
    let _ = writeln!(
        page,
        "## What was reached\n\n{met} of {} targets are met.\n\n\
         | row | ours | peer | the peer's | ratio | target | met | n |\n|---|---|---|---|---|---|---|---|",
        rows.len()
    );
    for row in rows {
        let _ = writeln!(
            page,
            "| {} | {} {} | {} | {} | {} | {} {} | {} | {} |",
            word(&row["name"]),
            word(&row["ours"]),
            word(&row["unit"]),
            word(&row["peer"]),
            word(&row["theirs"]),
            word(&row["ratio"]),
            word(&row["op"]),
            word(&row["target"]),
            if row["met"] == true { "yes" } else { "no" },
            word(&row["n"]),
        );
    }
}

fn sessions(page: &mut String, document: &Value) {
    page.push_str(
        "\n## Everybody's figures\n\n\
         | router | network | synchronised | Full | routes in place | CPU until then | resident | idle | changes, median |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for session in document["sessions"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let number = |name: &str| session[name].as_f64().unwrap_or(f64::NAN);
        let changes: Vec<String> = session["changes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, costs)| format!("{kind} {:.3} ms", costs["median-ms"].as_f64().unwrap_or(f64::NAN)))
            .collect();
        let _ = writeln!(
            page,
            "| {} | {} | {:.1} ms | {:.0} ms | {:.0} ms | {:.0} ms | {:.1} MiB | {:.2} ms/s | {} |",
            word(&session["router"]),
            word(&session["network"]),
            number("synchronised-ms"),
            number("full-ms"),
            number("forwarding-ms"),
            number("exchange-cpu-ms"),
            number("resident-mib"),
            number("idle-ms-per-s"),
            changes.join(", "),
        );
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn of_command(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
