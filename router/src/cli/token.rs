//! `token`: makes tokens, without a node.

use std::io::{self, Read};

use isthmus_mgmt_api::access::{Secret, TokenHash};
use serde_json::json;

use super::args::TokenAction;
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn token(action: &TokenAction, output: &mut Output) -> Result<Exit, CliError> {
    match action {
        TokenAction::Create { name, role } => {
            let local = |error: getrandom::Error| CliError::Local {
                what: "a token: the system has no random numbers".to_owned(),
                cause: io::Error::other(error.to_string()),
            };
            let secret = Secret::generate().map_err(local)?;
            let (role, hash) = (role.name(), secret.hash());
            if output.is_table() {
                output.text(&format!(
                    "# The secret, for its holder. It is shown this once, and the node never has it:\n\
                     #   {}\n\
                     # For the configuration of the node:\n\
                     management:\n  tokens:\n    - name: {name}\n      role: {role}\n      sha256: {hash}\n",
                    secret.expose()
                ))?;
            } else {
                output.document(&json!({
                    "name": name, "role": role, "secret": secret.expose(), "sha256": hash.to_string(),
                }))?;
            }
        }
        TokenAction::Hash => {
            let mut secret = String::new();
            io::stdin()
                .take(4096)
                .read_to_string(&mut secret)
                .map_err(|cause| CliError::Local { what: "the hash of standard input".to_owned(), cause })?;
            let hash = TokenHash::of(secret.trim()).to_string();
            if output.is_table() {
                output.text(&format!("{hash}\n"))?;
            } else {
                output.document(&json!({ "sha256": hash }))?;
            }
        }
    }
    Ok(Exit::Success)
}
