//! The reference page of the command line, made from the help of each command.

use clap::{Command, CommandFactory};

use super::args::Args;

/// The page `docs/reference/cli.md`.
pub fn reference() -> String {
    let mut root = Args::command().term_width(WIDTH).disable_help_subcommand(true);
    root.build();
    let mut page = String::from(INTRODUCTION);
    section(&root, &mut page);
    for command in root.get_subcommands() {
        tree(command, &mut page);
    }
    page
}

/// A command and those below it, without the options that all of them have: the page has shown them already.
fn tree(command: &Command, page: &mut String) {
    let shared = |argument: &clap::Arg| argument.is_global_set() || argument.get_id() == "help";
    let own = command.clone().mut_args(|argument| {
        let hide = shared(&argument);
        argument.hide(hide)
    });
    section(&own, page);
    for subcommand in command.get_subcommands() {
        tree(subcommand, page);
    }
}

fn section(command: &Command, page: &mut String) {
    let mut command = command.clone();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n")));
}

const INTRODUCTION: &str = "\
# Command line

<!-- Made from router/src/cli/args.rs: UPDATE_DOCS=1 cargo test -p isthmus --lib cli::reference -->

`isthmus` is one program. Some commands need no node; all others ask a running one over its [REST API](rest.md), so that
whatever they can do, a program can do. With `-o json` they print the body of the answer.

The node is found by itself where only one runs on the host: its socket is in `/run/isthmus/` if it runs as root, else in
`$XDG_RUNTIME_DIR/isthmus/`. Where several run, `-n ID` chooses one; `--api`, or the variable `ISTHMUS_API`, names any API.
Commands may be shortened as long as they are unambiguous: `isthmus sh os nei`. Colour is used on terminals only, and not
at all if `NO_COLOR` is set.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | done, and the answer is no: a check has failed, a file is refused, nothing answered, the packet would be dropped |
| 2 | the command was not understood |
| 3 | no node could be asked |
| 4 | the node refused, or answered as no node does |
| 5 | something on this side failed, a file that could not be written |

Errors go to standard error: what failed and why, then what to do about it.

`isthmus run` logs to standard error. `ISTHMUS_LOG` says what (`info` by default; `info,isthmus_ospf=debug`), and
`ISTHMUS_LOG_FORMAT` how (`text` or `json`).
";

/// Columns of the help.
const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// With `UPDATE_DOCS=1` the page is written instead of compared.
    #[test]
    fn the_reference_is_the_help_of_the_program() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cli.md");
        let expected = reference();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, expected, "run UPDATE_DOCS=1 cargo test -p isthmus --lib cli::reference");
    }
}
