//! The page about the fabric's speed: Markdown, the document, and two pictures.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::probe::State;
use super::{Failure, Outcome, plot};

/// What the page says about how it was measured. The figures follow.
const METHOD: &str = "\
Every contestant is two processes on two cores that poll, each bound to its core. They are asked in turn, in an order that changes from \
round to round, a quarter of a second each. A hypervisor moves virtual cores between physical ones every few seconds, and \
every figure with them; so an 8-byte ping-pong between the two cores is measured before, between and after the samples. Two samples are compared \
only within a round whose probes agree from the first of the two to the last; others are dropped and counted. *near*: the \
ping-pong takes less than 400 ns, the cores share a cache. *far*: it takes longer. Figures are medians, ratios are those of the medians.

*isthmus* is the whole path with every check: `Endpoint::transmit` and `Endpoint::receive`, with a `flush` for each burst of 32; *isthmus-reserve* the same with frames that are made in the ring (`Endpoint::reserve`). *memif* is \
DPDK's testpmd, one that only transmits (`txonly`) and one that only receives (`rxonly`); *memif-zero-copy* the same with the \
transmitter's buffers in the ring; *memif-loops* the shortest loops that DPDK's interface allows (`tests/perf/peers/memif.c`), which also serve for its round trip. *bare* is a ring of Isthmus's \
design without any check (`tests/perf/peers/bare.c`), *bare-nt* the same with non-temporal stores, *bare-flush* with the lines of \
32 frames written back and dropped together, *bare-each-line* with each line of each frame by itself. *iceoryx2* publishes and subscribes samples of 64 bytes, \
one at a time. *veth-udp* and *veth-iperf3* are the kernel between two namespaces. *isthmus-activity* has no doorbells, as between kernels that have only memory in common. \"64 B\" are the bytes of a frame.
";

const MESH: &str = "\
All nodes are members of one segment, in nine processes that take turns on one core. A packet is 64 bytes, sent \
and received, 32 to each peer in a turn; with few nodes the change of processes weighs on it. An idle poll is one `receive` that finds nothing. With two cores, nodes that all run at once would measure the scheduler; this \
shows what grows with the number of nodes on any machine. A receiver looks at one line of each peer, so the idle poll grows with the peers, and by more once their lines \
no longer fit the nearest cache; a packet costs more as the slots that are written and read next are spread over more rings than the caches hold. \
The memory is that of the whole segment divided by its rings, one for each ordered pair of nodes and network, with headers and groups in it.
";

const PROFILE: &str = "\
`valgrind --tool=callgrind` on one thread that sends 32 frames of 64 bytes and receives them, with every check: the functions whose own instructions are the most. Inlined ones count \
for their caller.
";

/// Writes `shm.md`, `shm.json` and the pictures.
pub(crate) fn write(directory: &Path, outcome: &Outcome, document: &Value) -> Result<(), Failure> {
    fs::create_dir_all(directory)?;
    let mut page = head(document);
    results(&mut page, document);
    samples(&mut page, directory, outcome)?;
    mesh(&mut page, directory, outcome)?;
    limit(&mut page, outcome, document);
    fs::write(directory.join("shm.md"), page)?;
    fs::write(directory.join("shm.json"), format!("{document:#}\n"))?;
    Ok(())
}

fn head(document: &Value) -> String {
    let machine = &document["machine"];
    let word = |name: &str| machine[name].as_str().map_or_else(|| machine[name].to_string(), str::to_owned);
    let versions = &machine["versions"];
    let version = |name: &str| versions[name].as_str().unwrap_or("none").to_owned();
    let probe = &machine["ping-pong-ns"];
    format!(
        "# The fabric beside its peers\n\nWritten by `tests/perf/run.sh shm --report`; the same figures for programs: [shm.json](shm.json).\n\n\
         Measured on {} at commit {}: {}, {} cores, Linux {}, load {} at the beginning. DPDK {}, iceoryx2 {}, {}. The ping-pong took {} ns in the median, {} to {}: {} probes near, {} far.\n\n{METHOD}\n",
        of_command(&["date", "--utc", "+%-d %B %Y, %H:%M UTC"]),
        of_command(&["git", "rev-parse", "--short", "HEAD"]),
        word("processor"),
        word("cores"),
        word("kernel"),
        word("load"),
        version("dpdk"),
        version("iceoryx2"),
        version("iperf3"),
        probe["median"],
        probe["least"],
        probe["most"],
        probe["near"],
        probe["far"],
    )
}

fn of_command(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The rows, with what was reached.
fn results(page: &mut String, document: &Value) {
    let rows = document["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let met = rows.iter().filter(|row| row["met"] == true).count();
    let _ = writeln!(
        page,
        "## What was reached\n\n{met} of {} targets are met.\n\n\
         | row | state | ours | peer | the peer's | ratio | target | met | pairs | dropped |\n|---|---|---|---|---|---|---|---|---|---|",
        rows.len()
    );
    for row in rows {
        let word = |name: &str| row[name].as_str().unwrap_or("").to_owned();
        let _ = writeln!(
            page,
            "| {} | {} | {} {} | {} | {} | {} | {} {} | {} | {} | {} |",
            word("name"),
            word("state"),
            figure(&row["ours"]),
            word("unit"),
            word("peer"),
            figure(&row["theirs"]),
            figure(&row["ratio"]),
            word("op"),
            figure(&row["target"]),
            if row["met"] == true { "yes" } else { "no" },
            row["n"],
            row.get("dropped").unwrap_or(&Value::from(0)),
        );
    }
    let left_out = document["left-out"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !left_out.is_empty() {
        let _ = writeln!(page, "\nNot measured:\n");
        for line in left_out {
            let _ = writeln!(page, "- {}", line.as_str().unwrap_or_default());
        }
    }
    page.push('\n');
}

fn figure(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), digits)
}

/// Three significant digits.
fn digits(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Everybody's medians, and their picture.
fn samples(page: &mut String, directory: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let _ = writeln!(page, "## Everybody's figures\n\n![Medians of all contestants](shm-figures.svg)\n");
    let mut groups = Vec::new();
    for (title, (unit, scale), rounds) in &outcome.tables {
        let _ = writeln!(
            page,
            "{title}, in {unit}:\n\n| contestant | near | samples | far | samples |\n|---|---|---|---|---|"
        );
        let states = [State::Near, State::Far].map(|state| rounds.medians(state, 0));
        let mut names: Vec<&str> = Vec::new();
        for (name, ..) in states.iter().flatten() {
            if !names.contains(name) {
                names.push(name);
            }
        }
        for name in names {
            let cell = |state: &[(&str, f64, usize)]| {
                let found = state.iter().find(|(other, ..)| *other == name);
                found.map_or("- | 0".to_owned(), |(_, value, n)| format!("{} | {n}", digits(value * scale)))
            };
            let _ = writeln!(page, "| {name} | {} | {} |", cell(&states[0]), cell(&states[1]));
        }
        page.push('\n');
        for (state, medians) in [State::Near, State::Far].into_iter().zip(&states) {
            if !medians.is_empty() {
                let bars = medians.iter().map(|(name, value, _)| {
                    ((*name).to_owned(), value * scale, format!("{} {unit}", digits(value * scale)))
                });
                groups.push((format!("{title}, {}", state.name()), bars.collect()));
            }
        }
    }
    fs::write(directory.join("shm-figures.svg"), plot::bars("Medians of all contestants", &groups))?;
    Ok(())
}

fn mesh(page: &mut String, directory: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let Some(mesh) = &outcome.mesh else { return Ok(()) };
    let _ = writeln!(
        page,
        "## From 2 to 64 nodes\n\n{MESH}\n![Cost of a packet and of an idle poll](shm-nodes.svg)\n\n\
         | nodes | packet, ns | idle poll, ns | segment, MiB | memory of a ring, KiB |\n|---|---|---|---|---|"
    );
    for point in &mesh.points {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            point.nodes,
            digits(point.packet),
            digits(point.poll),
            digits(point.memory as f64 / f64::from(1 << 20)),
            digits(point.memory_per_ring / 1024.0)
        );
    }
    page.push('\n');
    let curve = |value: fn(&super::mesh::Point) -> f64| {
        mesh.points.iter().map(|point| (point.nodes, value(point))).collect::<Vec<_>>()
    };
    let curves = [
        ("a packet, sent and received", curve(|point| point.packet)),
        ("an idle poll", curve(|point| point.poll)),
    ];
    let picture = plot::curves("Cost as the number of nodes grows", "ns", &curves);
    fs::write(directory.join("shm-nodes.svg"), picture)?;
    Ok(())
}

/// What stands in the way of more.
fn limit(page: &mut String, outcome: &Outcome, document: &Value) {
    let Some(profile) = &outcome.profile else { return };
    let _ = writeln!(
        page,
        "## The next limit\n\n{PROFILE}\n{:.0} instructions for a frame, sent and received:\n\n| function | instructions | share |\n|---|---|---|",
        profile.total
    );
    for (function, count) in &profile.functions {
        let share = 100.0 * count / profile.total;
        let _ = writeln!(page, "| `{function}` | {} | {share:.0} % |", digits(*count));
    }
    let rows = document["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(row) = rows.iter().find(|row| row["name"] == "oneway-64" && row["ours"].as_f64() > Some(0.0))
    {
        let time = 1e3 / row["ours"].as_f64().unwrap_or(1.0);
        let _ = writeln!(
            page,
            "\nA frame takes {} ns of each core when both are {}; each core runs about half of these instructions in that time, and waits for lines of the other for the rest of it.",
            digits(time),
            row["state"].as_str().unwrap_or_default()
        );
    }
}
