//! `config`: the configuration of a running node, over its REST API.

use std::io::{self, Read};

use isthmus_mgmt_api::model::{ConfigurationHistory, ConfigurationOutcome, Effect};
use serde_json::Value;

use super::args::{ApplyArgs, ConfigAction};
use super::client::Client;
use super::error::{CliError, Exit};
use super::output::Output;
use super::show::with_query;

const CONFIG: &str = "/api/v1/config";
const HISTORY: &str = "/api/v1/config/history";

pub(super) fn config(client: &Client, what: &ConfigAction, output: &mut Output) -> Result<Exit, CliError> {
    match what {
        ConfigAction::Show { number: None } => output.document(&client.get(CONFIG)?)?,
        ConfigAction::Show { number: Some(number) } => {
            let entry = client.get(&format!("{HISTORY}/{number}"))?;
            output.document(if output.is_table() { &entry["document"] } else { &entry })?;
        }
        ConfigAction::Check { file } => return check(client, file, output),
        ConfigAction::Diff { file } => {
            let path = with_query(CONFIG, [Some(("dry-run", "true".to_owned()))]);
            let outcome = put(client, &path, &text(file)?, output)?;
            return Ok(if outcome.changes.is_empty() { Exit::Success } else { Exit::Negative });
        }
        ConfigAction::Apply(options) => {
            put(client, &apply_path(options), &text(&options.file)?, output)?;
        }
        ConfigAction::Confirm => {
            let path = "/api/v1/config/confirm";
            let answer = client.post(path)?;
            match output.is_table() {
                true => output.text("confirmed, and written to the file\n")?,
                false => output.document(&answer)?,
            }
        }
        ConfigAction::Rollback { number, dry_run } => {
            let number = match number {
                Some(number) => *number,
                None => last_before(client)?,
            };
            let dry_run = dry_run.then(|| ("dry-run", "true".to_owned()));
            let path = with_query(&format!("/api/v1/config/rollback/{number}"), [dry_run]);
            output.resource::<ConfigurationOutcome>(client, &path, client.post(&path)?)?;
        }
        ConfigAction::History => drop(output.show::<ConfigurationHistory>(client, HISTORY)?),
    }
    Ok(Exit::Success)
}

fn apply_path(options: &ApplyArgs) -> String {
    with_query(
        CONFIG,
        [
            options.dry_run.then(|| ("dry-run", "true".to_owned())),
            options.confirm.map(|time| ("confirm", time.as_secs().to_string())),
            options.force.then(|| ("force", "true".to_owned())),
            options.comment.clone().map(|comment| ("comment", comment)),
        ],
    )
}

/// Asks for a dry run. A refusal is the answer.
fn check(client: &Client, file: &str, output: &mut Output) -> Result<Exit, CliError> {
    let path = with_query(CONFIG, [Some(("dry-run", "true".to_owned()))]);
    match client.put_yaml(&path, &text(file)?) {
        Ok(document) => {
            let outcome: ConfigurationOutcome = output.resource(client, &path, document)?;
            let restart = outcome.effects.iter().any(|effect| effect.effect == Effect::NodeRestart);
            Ok(if restart { Exit::Negative } else { Exit::Success })
        }
        Err(CliError::Refused(problem)) if problem.status == 422 => {
            match output.is_table() {
                true => output.text(&super::error::findings(&problem))?,
                false => output.document(&serde_json::to_value(&problem).unwrap_or(Value::Null))?,
            }
            Ok(Exit::Negative)
        }
        Err(error) => Err(error),
    }
}

fn put(
    client: &Client,
    path: &str,
    text: &str,
    output: &mut Output,
) -> Result<ConfigurationOutcome, CliError> {
    output.resource(client, path, client.put_yaml(path, text)?)
}

/// The number to go back to: while a change waits to be confirmed the newest, which it was made on; else the one before
/// the one that runs.
fn last_before(client: &Client) -> Result<u64, CliError> {
    let bad = |error: serde_json::Error| client.bad_answer(HISTORY, error);
    let history: ConfigurationHistory = serde_json::from_value(client.get(HISTORY)?).map_err(bad)?;
    let running = history.entry.iter().position(|entry| entry.running);
    let wanted = running.map_or(0, |running| running + 1);
    history.entry.get(wanted).map(|entry| entry.number).ok_or(CliError::NothingBefore)
}

fn text(file: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let read = match file {
        "-" => io::stdin().lock().read_to_string(&mut text).map(drop),
        path => std::fs::read_to_string(path).map(|read| text = read),
    };
    read.map_err(|cause| CliError::Unreadable { file: file.to_owned(), cause })?;
    Ok(text)
}
