//! `config`: the configuration of a running node.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum ConfigAction {
    /// Print the running configuration as it was written, or one of the history.
    #[command(after_help = "\
Examples:
  isthmus config show > node.yaml      to edit and apply
  isthmus config show 3                number 3 of the history

Secrets are shown as ********; sent back so, they stay as they are.")]
    Show {
        /// A number of the history.
        number: Option<u64>,
    },
    /// Ask the node whether it would take a file, without changing anything.
    #[command(after_help = "\
Examples:
  isthmus config check node.yaml
  isthmus config check node.yaml -o json

Exit code 1 if the node would refuse the file. `isthmus check` needs no node, and knows nothing of one.")]
    Check {
        /// The file; `-` is standard input.
        file: String,
    },
    /// Print in what a file differs from the running configuration, and what applying it would lead to.
    #[command(after_help = "\
Example:
  isthmus config diff node.yaml

Exit code 1 if it differs.")]
    Diff {
        /// The file; `-` is standard input.
        file: String,
    },
    /// Apply a file: whole, or not at all.
    #[command(after_help = "\
Examples:
  isthmus config apply node.yaml --dry-run
  isthmus config apply node.yaml --confirm 60s
                                       taken back after a minute, unless confirmed
  isthmus config show | sed s/eth1/eth2/ | isthmus config apply - --comment 'other NIC'

The file that the node was started with is replaced by it. With --confirm that is done by `isthmus config confirm`.")]
    Apply(ApplyArgs),
    /// Keep the configuration that waits to be confirmed.
    #[command(after_help = "Example:\n  isthmus config confirm")]
    Confirm,
    /// Apply a configuration of the history again.
    #[command(after_help = "\
Examples:
  isthmus config rollback              undo the last change, or the one that waits to be confirmed
  isthmus config rollback 3 --dry-run  what number 3 would change")]
    Rollback {
        /// Its number. Without: the one before the last change.
        number: Option<u64>,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the configurations that were committed.
    #[command(after_help = "Example:\n  isthmus config history")]
    History,
}

/// Options of `config apply`.
#[derive(Debug, ClapArgs)]
pub struct ApplyArgs {
    /// The file; `-` is standard input.
    pub file: String,
    /// Take the change back after this time, unless it is confirmed: 60s, 5m.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub confirm: Option<Duration>,
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite the node's file even if it was edited since the node read it.
    #[arg(long)]
    pub force: bool,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
}

/// Whole seconds with a unit: `60s`, `5m`, `1h`; without one seconds.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "m" => 60,
        "h" => 3600,
        _ => 1,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "write whole seconds, minutes or hours: 60s, 5m, 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        for (text, seconds) in [("60", 60), ("60s", 60), ("5m", 300), ("1h", 3600)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0", "-1s", "1.5s", "5d", "99999999999999999999s", "9999999999999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
