//! `ospf`: questions to OSPF.

use isthmus_mgmt_api::model::{OspfWhatIf, OspfWhatIfRequest};
use serde_json::json;

use super::args::OspfAction;
use super::client::Client;
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn ospf(client: &Client, what: &OspfAction, output: &mut Output) -> Result<Exit, CliError> {
    let OspfAction::WhatIf(options) = what;
    let path = "/api/v1/ospf/what-if";
    let request = OspfWhatIfRequest { change: options.changes() };
    let answer = client.post_json(path, &json!(request))?;
    drop(output.resource::<OspfWhatIf>(client, path, answer)?);
    Ok(Exit::Success)
}
