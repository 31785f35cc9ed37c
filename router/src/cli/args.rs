//! The commands, their options and their help.

mod config;
mod memory;
mod ospf;
mod token;

pub use config::{ApplyArgs, ConfigAction};
pub use memory::{BenchAction, BenchShmArgs, DumpArgs, FormatArgs, ShmAction, ShowShm};
pub use ospf::{OspfAction, ShowOspf, Switch, WhatIfArgs};
pub use token::TokenAction;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// A software router for clusters whose nodes share memory.
#[derive(Debug, Parser)]
#[command(
    name = "isthmus",
    version,
    infer_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Commands may be shortened as long as they are unambiguous: isthmus sh os nei

Examples:
  isthmus check node.yaml              is the configuration right?
  isthmus status                       is the node well?
  isthmus show ospf neighbor           the neighbors, in the columns of other routers
  isthmus route get 192.0.2.1 --explain
                                       what becomes of a packet, and why

Exit codes: 0 done; 1 done, and the answer is no; 2 usage; 3 no node could be asked;
4 the node refused; 5 something on this side failed."
)]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, ClapArgs)]
pub struct GlobalArgs {
    /// Form of the output. JSON is the body of the API's answer.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, help_heading = "Global options")]
    pub output: Format,
    /// API of the node: https://HOST:PORT, http://HOST:PORT or unix:PATH. The default is the only node that runs here.
    #[arg(
        long,
        global = true,
        env = "ISTHMUS_API",
        hide_env_values = true,
        value_name = "API",
        help_heading = "Global options"
    )]
    pub api: Option<String>,
    /// Who asks, and whom.
    #[command(flatten)]
    pub access: AccessArgs,
    /// Id of the node, where several run here.
    #[arg(short, long, global = true, value_name = "ID", help_heading = "Global options")]
    pub node: Option<u16>,
}

/// Who asks, and whom.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct AccessArgs {
    /// File with the token for the node; without it the variable ISTHMUS_TOKEN.
    #[arg(
        long,
        global = true,
        env = "ISTHMUS_TOKEN_FILE",
        hide_env = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub token_file: Option<PathBuf>,
    /// File with the certificates, in PEM, that the node's is signed with; without it those that the system trusts.
    #[arg(
        long,
        global = true,
        env = "ISTHMUS_CA_FILE",
        hide_env = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub ca_file: Option<PathBuf>,
    /// Refused: every user of this host could read it.
    #[arg(long, global = true, hide = true, value_parser = no_token)]
    pub token: Option<String>,
}

/// The list of processes shows every command line to everybody.
fn no_token(_: &str) -> Result<String, String> {
    Err("everybody on this host can read the command line: use --token-file FILE, or the variable ISTHMUS_TOKEN".to_owned())
}

/// The form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns, for people.
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum Command {
    /// Run a cluster of three nodes, an outside router and an outside host on this machine, and show what it does.
    #[command(after_help = "\
Examples:
  isthmus demo                         the tour, then up until Ctrl-C
  isthmus demo --once --json           the tour alone, and its results as JSON

Needs no root and nothing installed. Exit code 1 if a step did not hold.")]
    Demo(DemoArgs),
    /// Run a node.
    #[command(after_help = "\
Examples:
  isthmus run -c node.yaml
  isthmus run -c node.yaml --wait-interfaces 60
  isthmus run -c node.yaml --record-ospf ospf.jsonl
  ISTHMUS_LOG=info,isthmus_ospf=debug isthmus run -c node.yaml

It logs to standard error, and ends in order on SIGTERM or Ctrl-C.")]
    Run(RunArgs),
    /// Look at shared memory, or prepare it, without a node.
    #[command(infer_subcommands = true)]
    Shm {
        /// What to do.
        #[command(subcommand)]
        action: ShmAction,
    },
    /// Measure this machine, without a node.
    #[command(infer_subcommands = true)]
    Bench {
        /// What to measure.
        #[command(subcommand)]
        action: BenchAction,
    },
    /// All that is asked of a node, or of a file of its configuration.
    #[command(flatten)]
    Ask(Question),
}

/// What to ask of a node, or of a file.
#[derive(Debug, Subcommand)]
#[command(infer_subcommands = true)]
pub enum Question {
    /// Check a configuration file, without touching anything.
    #[command(after_help = "\
Examples:
  isthmus check node.yaml
  isthmus check node.yaml -o json      the findings, for editors and pipelines

Exit code 1 if the file is refused.")]
    Check(CheckArgs),
    /// Give a recording of OSPF to the engine again, and compare what it says.
    #[command(after_help = "\
Examples:
  isthmus run -c node.yaml --record-ospf ospf.jsonl
  isthmus replay ospf.jsonl
  isthmus replay ospf.jsonl -o json    the counts, and the first difference in full

Needs no node. Exit code 1 if the engine says anything else than it did when it was recorded.")]
    Replay(ReplayArgs),
    /// Print the JSON schema of the configuration file.
    #[command(after_help = "\
Example:
  isthmus schema > isthmus.schema.json
  and in the file: # yaml-language-server: $schema=isthmus.schema.json")]
    Schema,
    /// Say whether the node is well.
    #[command(after_help = "\
Examples:
  isthmus status
  isthmus status --brief               one line
  isthmus status --wait 30             until it is ready, 30 s at most

Exit code 1 if a check has failed, or the node was not ready in time.")]
    Status(StatusArgs),
    /// Show what the node is, has and knows.
    #[command(infer_subcommands = true, alias = "sh")]
    Show {
        /// What to show.
        #[command(subcommand)]
        what: Show,
    },
    /// Ask the forwarding table.
    #[command(infer_subcommands = true)]
    Route {
        /// What to ask.
        #[command(subcommand)]
        what: Route,
    },
    /// Ask OSPF, or tell it.
    #[command(infer_subcommands = true)]
    Ospf {
        /// What to ask.
        #[command(subcommand)]
        what: OspfAction,
    },
    /// Set the administrative state of an interface.
    #[command(infer_subcommands = true)]
    Interface {
        /// What to set.
        #[command(subcommand)]
        what: InterfaceAction,
    },
    /// Change the configuration of the running node, as a transaction.
    #[command(infer_subcommands = true)]
    Config {
        /// What to do.
        #[command(subcommand)]
        what: ConfigAction,
    },
    /// Send echo requests from the node's own stack.
    #[command(after_help = "\
Examples:
  isthmus ping 192.0.2.1
  isthmus ping 192.0.2.1 -c 3 -i 0.2 -s 4000

Exit code 1 if nothing answered.")]
    Ping(PingArgs),
    /// Find the routers on the way to a destination, from the node's own stack.
    #[command(after_help = "\
Example:
  isthmus traceroute 192.0.2.1

Exit code 1 if the destination did not answer.")]
    Traceroute(TracerouteArgs),
    /// Write the frames of an interface to a pcapng file.
    #[command(after_help = "\
Examples:
  isthmus capture lsm0 -w lsm0.pcapng --duration 10
  isthmus capture eth1 -w - | tshark -r -")]
    Capture(CaptureArgs),
    /// Follow what happens on the node, until Ctrl-C.
    #[command(after_help = "\
Examples:
  isthmus monitor
  isthmus monitor --type nbr-state-change --type role-change
  isthmus monitor -o json              a line of JSON for each event

Connects again when the connection breaks, and goes on where it ended.")]
    Monitor(MonitorArgs),
    /// Make tokens for the management plane, without a node.
    #[command(infer_subcommands = true)]
    Token {
        /// What to do.
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Print the version of this program; `show system` has that of the node.
    #[command(after_help = "\
Example:
  isthmus version -o json")]
    Version,
}

/// Options of `demo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ClapArgs)]
pub struct DemoArgs {
    /// End after the tour.
    #[arg(long)]
    pub once: bool,
    /// Print one JSON document when the tour is done; progress goes to standard error.
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Wait so long for the configuration's interfaces to appear, where something else plugs them in after the start.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds)]
    pub wait_interfaces: f64,
    /// Record everything that OSPF is given and says, from the start, for `isthmus replay`. The file is made anew, readable for
    /// its owner alone: the keys of authentication are in it.
    #[arg(long, value_name = "FILE", env = "ISTHMUS_RECORD_OSPF", hide_env_values = true)]
    pub record_ospf: Option<PathBuf>,
    /// Octets after which the recording ends: 64M, 1G, or a number.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = memory::size)]
    pub record_limit: u64,
}

/// Options of `replay`.
#[derive(Debug, ClapArgs)]
pub struct ReplayArgs {
    /// The recording.
    pub file: PathBuf,
}

/// Options of `check`.
#[derive(Debug, ClapArgs)]
pub struct CheckArgs {
    /// The configuration file.
    pub file: PathBuf,
}

/// Options of `monitor`.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct MonitorArgs {
    /// Only events of this type; may be repeated. docs/reference/events.md lists the types.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
}

/// Options of `status`.
#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    /// Wait until the node is ready, so many seconds at most.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub wait: Option<f64>,
    /// One line.
    #[arg(long)]
    pub brief: bool,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub enum Show {
    /// The node: its role and why, its addresses, its checks.
    #[command(after_help = "Example:\n  isthmus show system -o yaml")]
    System,
    /// Interfaces with their counters.
    #[command(
        visible_alias = "interfaces",
        after_help = "\
Examples:
  isthmus show interface
  isthmus show interface lsm0          one of them, with all its counters"
    )]
    Interface {
        /// One of them.
        name: Option<String>,
    },
    /// Routes of all sources, chosen or not.
    #[command(visible_alias = "routes", after_help = "Example:\n  isthmus show route -o wide")]
    Route,
    /// The forwarding table.
    #[command(after_help = "Example:\n  isthmus show fib")]
    Fib,
    /// Stations known on the interfaces.
    #[command(visible_alias = "neighbor", after_help = "Example:\n  isthmus show arp eth1")]
    Arp {
        /// Those of one interface.
        interface: Option<String>,
    },
    /// The shared memory: arenas, nodes, links, rings.
    #[command(
        infer_subcommands = true,
        after_help = "\
Examples:
  isthmus show shm
  isthmus show shm rings               pointers, occupancy, and the broadcast and multicast rings
  isthmus show shm events              who came, went, failed and was refused"
    )]
    Shm {
        /// A part of it.
        #[command(subcommand)]
        part: Option<ShowShm>,
    },
    /// Who serves the common address.
    #[command(after_help = "Example:\n  isthmus show steering")]
    Steering,
    /// Counters of the node.
    #[command(after_help = "Example:\n  isthmus show counters")]
    Counters,
    /// Dropped packets by interface and reason.
    #[command(after_help = "Example:\n  isthmus show drops")]
    Drops,
    /// What happened lately.
    #[command(after_help = "\
Examples:
  isthmus show events --limit 20 --type nbr-state-change
  isthmus show events -f               and what happens from now on")]
    Events {
        /// Only the last ones.
        #[arg(long)]
        limit: Option<usize>,
        /// Only those of one type.
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Go on with what happens, until Ctrl-C.
        #[arg(short, long)]
        follow: bool,
    },
    /// The running configuration.
    #[command(after_help = "Example:\n  isthmus show config -o yaml")]
    Config,
    /// OSPF.
    #[command(
        infer_subcommands = true,
        after_help = "\
Examples:
  isthmus show ospf
  isthmus show ospf neighbor
  isthmus show ospf database router --adv-router 10.71.0.3"
    )]
    Ospf {
        /// A part of it.
        #[command(subcommand)]
        part: Option<ShowOspf>,
    },
}

/// What to ask the forwarding table.
#[derive(Debug, Subcommand)]
pub enum Route {
    /// What becomes of a packet to a destination.
    #[command(after_help = "\
Examples:
  isthmus route get 192.0.2.1
  isthmus route get 192.0.2.1 --explain

Exit code 1 if the packet would be dropped.")]
    Get {
        /// The destination.
        destination: Ipv4Addr,
        /// Each step that leads there.
        #[arg(long)]
        explain: bool,
    },
}

/// What to set on an interface.
#[derive(Debug, Subcommand)]
pub enum InterfaceAction {
    /// Let it pass packets.
    #[command(after_help = "Example:\n  isthmus interface enable lsm0")]
    Enable {
        /// The interface.
        name: String,
    },
    /// Let it pass none.
    #[command(after_help = "Example:\n  isthmus interface disable lsm0")]
    Disable {
        /// The interface.
        name: String,
    },
}

/// Options of `ping`.
#[derive(Debug, ClapArgs)]
pub struct PingArgs {
    /// Whom to ask.
    pub destination: Ipv4Addr,
    /// Echo requests to send.
    #[arg(short, long, default_value_t = 5)]
    pub count: u32,
    /// Seconds between two requests.
    #[arg(short, long, default_value_t = 1.0, value_parser = seconds)]
    pub interval: f64,
    /// Seconds to wait for an answer.
    #[arg(short = 'W', long, default_value_t = 2.0, value_parser = seconds)]
    pub timeout: f64,
    /// Octets of payload.
    #[arg(short, long, default_value_t = 56)]
    pub size: u32,
    /// Time to live.
    #[arg(short, long, default_value_t = 64)]
    pub ttl: u8,
    /// The address to ask from.
    #[arg(short = 'I', long)]
    pub source: Option<Ipv4Addr>,
}

/// Options of `traceroute`.
#[derive(Debug, ClapArgs)]
pub struct TracerouteArgs {
    /// Whither.
    pub destination: Ipv4Addr,
    /// The largest time to live tried.
    #[arg(short, long, default_value_t = 30)]
    pub max_hops: u8,
    /// Probes for each hop.
    #[arg(short = 'q', long, default_value_t = 3)]
    pub probes: u8,
    /// Seconds to wait for an answer.
    #[arg(short = 'W', long, default_value_t = 1.0, value_parser = seconds)]
    pub timeout: f64,
    /// The address to ask from.
    #[arg(short = 'I', long)]
    pub source: Option<Ipv4Addr>,
}

/// Options of `capture`.
#[derive(Debug, ClapArgs)]
pub struct CaptureArgs {
    /// The interface.
    pub interface: String,
    /// Where to write; - is standard output.
    #[arg(short, long = "write", value_name = "FILE")]
    pub write: PathBuf,
    /// End after so many frames.
    #[arg(short, long)]
    pub count: Option<u64>,
    /// End after so many seconds.
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<f64>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("not a number of seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_of_commands_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_without_subcommands_has_an_example() {
        fn visit(command: &clap::Command) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                command.has_subcommands() || after.contains("Example"),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(visit);
        }
        Args::command().get_subcommands().for_each(visit);
    }

    #[test]
    fn commands_may_be_shortened() {
        let args = Args::try_parse_from(["isthmus", "sh", "os", "nei", "-o", "json"]).unwrap();
        assert!(matches!(
            args.command,
            Command::Ask(Question::Show { what: Show::Ospf { part: Some(ShowOspf::Neighbor) } })
        ));
        assert_eq!(args.global.output, Format::Json);
        assert!(Args::try_parse_from(["isthmus", "s"]).is_err());
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for seconds in ["-1", "inf", "NaN", "soon"] {
            let arguments = ["isthmus", "status", &format!("--wait={seconds}")].map(str::to_owned);
            assert!(Args::try_parse_from(arguments).is_err(), "{seconds}");
        }
    }
}
