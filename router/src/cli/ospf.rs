//! `ospf`: questions to OSPF, and what it is told to do.

use isthmus_mgmt_api::model::{ConfigurationOutcome, OspfWhatIf, OspfWhatIfRequest};
use serde_json::json;

use super::args::{OspfAction, Switch, WhatIfArgs};
use super::client::Client;
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn ospf(client: &Client, what: &OspfAction, output: &mut Output) -> Result<Exit, CliError> {
    match what {
        OspfAction::WhatIf(options) => what_if(client, options, output)?,
        OspfAction::StubRouter { switch } => stub_router(client, *switch, output)?,
    }
    Ok(Exit::Success)
}

fn what_if(client: &Client, options: &WhatIfArgs, output: &mut Output) -> Result<(), CliError> {
    let path = "/api/v1/ospf/what-if";
    let request = OspfWhatIfRequest { change: options.changes() };
    let answer = client.post_json(path, &json!(request))?;
    output.resource::<OspfWhatIf>(client, path, answer)?;
    Ok(())
}

/// A transaction like any other: it is in the history, and rolled back as others are.
fn stub_router(client: &Client, switch: Switch, output: &mut Output) -> Result<(), CliError> {
    let path = "/api/v1/config";
    let patch = json!({ "ospf": { "stub-router": { "always": switch == Switch::On } } });
    let answer = client.patch(path, &patch)?;
    output.resource::<ConfigurationOutcome>(client, path, answer)?;
    Ok(())
}
