//! The commands that do something: check, capture, ping, traceroute, and what is set on an interface.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use isthmus_mgmt_api::model::{
    Interface, InterfacePatch, PingLine, PingOutcome, PingReply, PingRequest, PingSummary, TracerouteHop,
    TracerouteLine, TracerouteRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::args::{CaptureArgs, CheckArgs, Format, InterfaceAction, PingArgs, TracerouteArgs};
use super::client::{Client, escaped};
use super::error::{CliError, Exit};
use super::output::Output;
use super::show::with_query;
use super::text::or_dash;
use crate::config::report::ReportFormat;

pub(super) fn check(options: &CheckArgs, output: &mut Output) -> Result<Exit, CliError> {
    let format = if output.is_table() { ReportFormat::Text } else { ReportFormat::Json };
    let mut report = Vec::new();
    let taken = crate::config::check_file(&options.file, format, &mut report)
        .map_err(|cause| CliError::Local { what: "the report".to_owned(), cause })?;
    match output.format() {
        Format::Yaml => output.document(&serde_json::from_slice(&report).unwrap_or(Value::Null))?,
        _ => output.text(&String::from_utf8_lossy(&report))?,
    }
    Ok(if taken { Exit::Success } else { Exit::Negative })
}

/// The schema is JSON whatever form is asked for, unless that is YAML: editors read it.
pub(super) fn schema(output: &mut Output) -> Result<Exit, CliError> {
    let schema = crate::config::schema::schema();
    match output.format() {
        Format::Yaml => output.document(&schema)?,
        _ => output.text(&format!("{schema:#}\n"))?,
    }
    Ok(Exit::Success)
}

pub(super) fn version(output: &mut Output) -> Result<Exit, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    if output.is_table() {
        output.text(&format!("isthmus {version}\n"))?;
    } else {
        output.document(&json!({ "version": version }))?;
    }
    Ok(Exit::Success)
}

pub(super) fn interface(
    client: &Client,
    what: &InterfaceAction,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let (name, enabled) = match what {
        InterfaceAction::Enable { name } => (name, true),
        InterfaceAction::Disable { name } => (name, false),
    };
    let path = format!("/api/v1/interfaces/{}", escaped(name));
    client.patch(&path, &document(client, &path, &InterfacePatch { enabled })?)?;
    output.resource::<Interface>(client, &path, client.get(&path)?)?;
    Ok(Exit::Success)
}

pub(super) fn ping(client: &Client, options: &PingArgs, output: &mut Output) -> Result<Exit, CliError> {
    let path = "/api/v1/tools/ping";
    let request = PingRequest {
        destination: options.destination,
        count: options.count,
        interval: options.interval,
        timeout: options.timeout,
        size: options.size,
        ttl: options.ttl,
        source: options.source,
    };
    let mut received = 0;
    client.post_each_line(path, &document(client, path, &request)?, |line| {
        let text = match parse(client, path, &line)? {
            PingLine::Reply(reply) => reply_text(&reply),
            PingLine::Summary(summary) => {
                received = summary.received;
                summary_text(&summary)
            }
        };
        if output.is_table() { output.text(&text) } else { output.line_document(&line) }
    })?;
    Ok(if received > 0 { Exit::Success } else { Exit::Negative })
}

fn reply_text(reply: &PingReply) -> String {
    let (sequence, from) = (reply.sequence, or_dash(reply.from));
    match reply.outcome {
        PingOutcome::Reply => format!(
            "{} octets from {from}: seq={sequence} ttl={} time={} ms\n",
            or_dash(reply.size),
            or_dash(reply.ttl),
            milliseconds(reply.time)
        ),
        PingOutcome::Timeout => format!("no answer: seq={sequence}\n"),
        PingOutcome::Unreachable => format!("from {from}: seq={sequence} unreachable\n"),
        PingOutcome::TimeExceeded => format!("from {from}: seq={sequence} time exceeded\n"),
        PingOutcome::NotSent => format!("not sent: seq={sequence}\n"),
    }
}

fn summary_text(summary: &PingSummary) -> String {
    let times = summary.average.map(|average| {
        format!(
            "round trip min/avg/max = {}/{}/{} ms\n",
            milliseconds(summary.minimum),
            milliseconds(Some(average)),
            milliseconds(summary.maximum)
        )
    });
    format!(
        "\n{} sent, {} received, {:.1} % loss\n{}",
        summary.transmitted,
        summary.received,
        summary.loss * 100.0,
        times.unwrap_or_default()
    )
}

pub(super) fn traceroute(
    client: &Client,
    options: &TracerouteArgs,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let path = "/api/v1/tools/traceroute";
    let request = TracerouteRequest {
        destination: options.destination,
        max_hops: options.max_hops,
        probes: options.probes,
        timeout: options.timeout,
        source: options.source,
    };
    let mut reached = false;
    client.post_each_line(path, &document(client, path, &request)?, |line| {
        let text = match parse(client, path, &line)? {
            TracerouteLine::Hop(hop) => hop_text(&hop),
            TracerouteLine::Summary(summary) => {
                reached = summary.reached;
                if reached { String::new() } else { format!("not reached within {} hops\n", summary.hops) }
            }
        };
        if output.is_table() { output.text(&text) } else { output.line_document(&line) }
    })?;
    Ok(if reached { Exit::Success } else { Exit::Negative })
}

/// A hop as traceroute has always written it: the address once while it stays the same, then the times.
fn hop_text(hop: &TracerouteHop) -> String {
    let mut text = format!("{:2}", hop.ttl);
    let mut last = None;
    for probe in &hop.probe {
        let Some(from) = probe.from else {
            text.push_str("  *");
            continue;
        };
        if last != Some(from) {
            text.push_str(&format!("  {from}"));
            last = Some(from);
        }
        text.push_str(&format!("  {} ms", milliseconds(probe.time)));
        if probe.outcome == PingOutcome::Unreachable {
            text.push_str(" !U");
        }
    }
    text + "\n"
}

pub(super) fn capture(client: &Client, options: &CaptureArgs, output: &mut Output) -> Result<Exit, CliError> {
    let query = [
        Some(("interface", options.interface.clone())),
        options.count.map(|count| ("count", count.to_string())),
        options.duration.map(|duration| ("duration", duration.to_string())),
    ];
    let path = with_query("/api/v1/tools/capture", query);
    let mut frames = client.post_stream(&path)?;
    let to_stdout = options.write == Path::new("-");
    let name = if to_stdout { "to standard output".to_owned() } else { options.write.display().to_string() };
    let failed = |cause| CliError::Local { what: name.clone(), cause };
    let written = if to_stdout {
        copy(client, &path, &mut frames, &mut io::stdout().lock()).map_err(|error| error.or(failed))?
    } else {
        let mut file = File::create(&options.write).map_err(failed)?;
        copy(client, &path, &mut frames, &mut file).map_err(|error| error.or(failed))?
    };
    if !to_stdout && output.is_table() {
        output.text(&format!("{written} octets written to {name}\n"))?;
    }
    Ok(Exit::Success)
}

/// Which side of a copy failed.
enum CopyError {
    Reading(CliError),
    Writing(io::Error),
}

impl CopyError {
    fn or(self, writing: impl Fn(io::Error) -> CliError) -> CliError {
        match self {
            Self::Reading(error) => error,
            Self::Writing(cause) => writing(cause),
        }
    }
}

/// Copies each piece as soon as it comes, so that an interrupted capture ends with a whole block.
fn copy(
    client: &Client,
    path: &str,
    frames: &mut impl Read,
    file: &mut impl Write,
) -> Result<u64, CopyError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        let length = match frames.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(length) => length,
            Err(error) => return Err(CopyError::Reading(client.bad_answer(path, error))),
        };
        let piece = buffer.get(..length).unwrap_or_default();
        file.write_all(piece).and_then(|()| file.flush()).map_err(CopyError::Writing)?;
        written += length as u64;
    }
}

fn document(client: &Client, path: &str, request: &impl Serialize) -> Result<Value, CliError> {
    serde_json::to_value(request).map_err(|error| client.bad_answer(path, error))
}

fn parse<T: DeserializeOwned>(client: &Client, path: &str, line: &Value) -> Result<T, CliError> {
    T::deserialize(line).map_err(|error| client.bad_answer(path, error))
}

fn milliseconds(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| format!("{:.3}", seconds * 1000.0)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use isthmus_mgmt_api::model::TracerouteProbe;

    use super::*;

    const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    #[test]
    fn replies_and_their_summary_read_as_ping_does() {
        let reply = PingReply {
            sequence: 1,
            outcome: PingOutcome::Reply,
            from: Some(HOST),
            size: Some(56),
            ttl: Some(62),
            time: Some(0.000_25),
        };
        assert_eq!(reply_text(&reply), "56 octets from 192.0.2.1: seq=1 ttl=62 time=0.250 ms\n");
        let lost = PingReply {
            sequence: 2,
            outcome: PingOutcome::Timeout,
            from: None,
            size: None,
            ttl: None,
            time: None,
        };
        assert_eq!(reply_text(&lost), "no answer: seq=2\n");
        assert_eq!(
            summary_text(&PingSummary::of([&reply, &lost])),
            "\n2 sent, 1 received, 50.0 % loss\nround trip min/avg/max = 0.250/0.250/0.250 ms\n"
        );
        assert_eq!(summary_text(&PingSummary::of([&lost])), "\n1 sent, 0 received, 100.0 % loss\n");
    }

    #[test]
    fn a_hop_names_each_router_once() {
        let probe = |from, outcome, time| TracerouteProbe { outcome, from, time };
        let hop = TracerouteHop {
            ttl: 3,
            probe: vec![
                probe(Some(HOST), PingOutcome::TimeExceeded, Some(0.001)),
                probe(None, PingOutcome::Timeout, None),
                probe(Some(HOST), PingOutcome::Unreachable, Some(0.002)),
            ],
            reached: false,
        };
        assert_eq!(hop_text(&hop), " 3  192.0.2.1  1.000 ms  *  2.000 ms !U\n");
    }
}
