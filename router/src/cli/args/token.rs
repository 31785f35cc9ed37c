//! `token`: tokens for the management plane.

use clap::Subcommand;
use isthmus_mgmt_api::access::Role;

/// What to do about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// Make a token: print its secret, once, and the lines for the configuration.
    #[command(after_help = "\
Examples:
  isthmus token create --name grafana --role viewer
  isthmus token create --name ci --role admin -o json")]
    Create {
        /// Whose it is, or what for.
        #[arg(long)]
        name: String,
        /// What its holder may do: viewer reads, operator also uses tools, admin also changes the configuration.
        #[arg(long, value_parser = role)]
        role: Role,
    },
    /// Print the hash of the secret that comes on standard input.
    #[command(after_help = "\
Example:
  isthmus token hash < token-file")]
    Hash,
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: isthmus_mgmt_api::access::caller::UnknownRole| error.to_string())
}
