//! `monitor`, and `show events --follow`: events as they happen.

use std::io::{self, Write};
use std::time::Duration;

use isthmus_mgmt_api::model::{Event, Events};
use serde::Deserialize;
use serde_json::Value;

use super::args::MonitorArgs;
use super::client::{Client, escaped};
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn monitor(client: &Client, options: &MonitorArgs, output: &mut Output) -> Result<Exit, CliError> {
    end_on_signal()?;
    follow(client, &options.types, None, output)
}

/// What is remembered, then what happens.
pub(super) fn recent_and_on(
    client: &Client,
    limit: Option<usize>,
    event_type: Option<&str>,
    output: &mut Output,
) -> Result<Exit, CliError> {
    end_on_signal()?;
    // All types: the last event of any type is where the stream goes on.
    let path = "/api/v1/events/recent";
    let document = client.get(path)?;
    let mut events: Events = parse(client, path, &document)?;
    let last = events.event.last().map_or(events.forgotten, |event| event.sequence);
    events.event.retain(|event| event_type.is_none_or(|wanted| event.event_type == wanted));
    let surplus = events.event.len().saturating_sub(limit.unwrap_or(usize::MAX));
    for event in events.event.drain(..).skip(surplus) {
        write(&event, &serde_json::to_value(&event).unwrap_or_default(), output)?;
    }
    let types: Vec<String> = event_type.map(str::to_owned).into_iter().collect();
    follow(client, &types, Some(last.to_string()), output)
}

/// Writes what happens after the event `last`, until the node refuses.
fn follow(
    client: &Client,
    types: &[String],
    mut last: Option<String>,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let query = query(types);
    // With a last event the node has answered before: it may be gone for a moment.
    let mut stream = match last {
        None => client.events(&query, None)?,
        Some(_) => connect(client, &query, last.as_deref())?,
    };
    loop {
        let cause = loop {
            match stream.message() {
                Ok(Some(message)) => {
                    last = Some(message.id);
                    if message.data.is_empty() {
                        continue;
                    }
                    let document: Value = serde_json::from_str(&message.data)
                        .map_err(|error| client.bad_answer("/api/v1/events", error))?;
                    let event: Event = parse(client, "/api/v1/events", &document)?;
                    write(&event, &document, output)?;
                }
                Ok(None) => break "the node has ended the stream".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        notice(&format!("{cause}; connecting again to {}", client.target()));
        stream = connect(client, &query, last.as_deref())?;
        notice("connected again");
    }
}

/// Tries until the node answers. One that refuses will do so again, unless it was just too busy.
fn connect(client: &Client, query: &str, last: Option<&str>) -> Result<super::client::EventStream, CliError> {
    loop {
        match client.events(query, last) {
            Err(CliError::Unreachable { .. } | CliError::BadAnswer { .. }) => {}
            Err(CliError::Refused(problem)) if problem.status == 429 || problem.status >= 500 => {}
            result => return result,
        }
        std::thread::sleep(RECONNECT);
    }
}

fn query(types: &[String]) -> String {
    let pairs: Vec<String> = types.iter().map(|name| format!("type={}", escaped(name))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn write(event: &Event, document: &Value, output: &mut Output) -> Result<(), CliError> {
    if output.is_table() {
        output.text(&format!("{}  {:<22}  {}\n", event.time, event.event_type, event.message))
    } else {
        output.line_document(document)
    }
}

fn parse<T: for<'de> Deserialize<'de>>(client: &Client, path: &str, document: &Value) -> Result<T, CliError> {
    T::deserialize(document).map_err(|error| client.bad_answer(path, error))
}

/// Says on standard error what is not an event.
fn notice(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "isthmus: {text}");
}

/// Ctrl-C is how following ends: after a whole line, and well.
fn end_on_signal() -> Result<(), CliError> {
    use tokio::signal::unix::{SignalKind, signal};

    let failed = |cause| CliError::Local { what: "down that Ctrl-C shall end this".to_owned(), cause };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        // The lock is held while a line is written.
        let _whole_line = io::stdout().lock();
        std::process::exit(Exit::Success as i32);
    });
    Ok(())
}

/// A node that was started anew needs about so long to listen.
const RECONNECT: Duration = Duration::from_secs(1);
