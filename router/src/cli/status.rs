//! `status`: whether the node is well, now or soon.

use std::time::{Duration, Instant};

use isthmus_mgmt_api::model::{CheckStatus, Health, Readiness, System};

use super::args::StatusArgs;
use super::client::Client;
use super::error::{CliError, Exit};
use super::output::{Output, Style};
use super::render::checks;
use super::text::{duration, status as status_word, word};

/// Looks once, or until the node is ready. A node that is waited for may not even run yet, so the target is looked for
/// again each time.
pub(super) fn status(
    connect: impl Fn() -> Result<Client, CliError>,
    options: &StatusArgs,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let client = match options.wait {
        None => connect()?,
        Some(seconds) => wait(&connect, seconds)?,
    };
    let document = client.get(PATH)?;
    let system: System = if output.is_table() {
        let system = serde_json::from_value(document).map_err(|error| client.bad_answer(PATH, error))?;
        output.text(&text(&system, options.brief, output.style()))?;
        system
    } else {
        output.resource(&client, PATH, document)?
    };
    let failed = system.check.iter().any(|check| check.status == CheckStatus::Failed);
    Ok(if failed { Exit::Negative } else { Exit::Success })
}

fn wait(connect: &impl Fn() -> Result<Client, CliError>, seconds: f64) -> Result<Client, CliError> {
    let started = Instant::now();
    let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    loop {
        let waiting_for = match look(connect) {
            Ok((client, Readiness { ready: true, .. })) => return Ok(client),
            Ok((_, readiness)) => readiness.waiting_for.join(", "),
            Err(error @ (CliError::NoNode(_) | CliError::Unreachable { .. })) => error.to_string(),
            Err(error) => return Err(error),
        };
        if started.elapsed() >= limit {
            return Err(CliError::NotReady { seconds, waiting_for });
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn look(connect: &impl Fn() -> Result<Client, CliError>) -> Result<(Client, Readiness), CliError> {
    let client = connect()?;
    let path = "/api/v1/system/ready";
    let readiness =
        serde_json::from_value(client.get(path)?).map_err(|error| client.bad_answer(path, error))?;
    Ok((client, readiness))
}

fn text(system: &System, brief: bool, style: Style) -> String {
    let worst = status_word(Health::of(system.check.clone()).status, style);
    let name = system.node_id.map_or_else(|| system.hostname.clone(), |id| format!("node {id}"));
    let line = format!(
        "{name}: {worst}, {} ({}), up {}\n",
        word(system.role),
        system.role_reason,
        duration(system.uptime)
    );
    if brief { line } else { format!("{line}\n{}", checks(&system.check, style)) }
}

const PATH: &str = "/api/v1/system";
/// From one look to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
