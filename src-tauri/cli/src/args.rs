//! The words of the command line. What clap turns down leaves with code 2 and a hint.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use jiff::{Timestamp, ZonedDateTime};
use tinyforge_core::rules::container::{State, WorkloadKind};

use crate::moment;
use crate::notifications::Notifications;
use crate::stale::Stale;

/// The containers of the local Docker engine, exactly as they are and as they were.
///
/// With a daemon (`tinyforge serve`, or the window) this is its client. Without one, reading commands look at the
/// engine once and write nothing; commands that act do their work here.
#[derive(Debug, Parser)]
#[command(name = "tinyforge", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Asked,
}

#[derive(Debug, Subcommand)]
pub enum Asked {
    /// Keep the index exact until interrupted (Ctrl-C, SIGTERM)
    Serve(Serve),
    /// Engine, index, database and listeners at a glance
    Status(Format),
    /// Hold every row of the index against the engine; code 1 if they differ
    Verify(Format),
    /// Every part, its state and the cure; code 1 if one fails
    Doctor(Format),
    /// The containers of workloads, in any state
    Ps(Ps),
    /// What happened to a container, oldest first, also to one that is gone
    History(History),
    /// The containers as they were at a time
    At(At),
    /// The latest changes of all containers, oldest first
    Events(Events),
    /// The containers of workloads that nobody needs any more, and what is wished for them
    Stale(Stale),
    /// What was notified, and what is to be: pause, mute
    Notifications(Notifications),
    /// Start containers
    Start(Targets),
    /// Stop containers
    Stop(Targets),
    /// Restart containers
    Restart(Targets),
    /// Show or change settings
    Settings(Settings),
    /// Copies of the database
    Backup(Backup),
    /// Print the completion script of a shell
    Completions(Completions),
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Format {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Play on an engine that is only simulated, in a folder that is thrown away at the end
    #[arg(long)]
    pub demo: bool,
}

#[derive(Debug, Args)]
pub struct Ps {
    /// Foreign containers too: those that no workload owns
    #[arg(long, short)]
    pub all: bool,
    /// Only of this kind of workload
    #[arg(long, value_parser = kind())]
    pub kind: Option<WorkloadKind>,
    /// Only in this state
    #[arg(long, value_parser = state())]
    pub state: Option<State>,
    /// Only of this workload (name or id)
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct History {
    /// Name, id, or the beginning of an id
    #[arg(value_parser = named)]
    pub container: String,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct At {
    /// 14:30, "2h ago", 10m, "2026-05-01 14:30", or RFC 3339; of local time unless it says otherwise
    #[arg(required = true, num_args = 1..)]
    pub time: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

impl At {
    /// The moment that is meant, or what is wrong with it and what would do.
    pub fn moment(&self, now: &ZonedDateTime) -> Result<Timestamp, String> {
        moment::parse(&self.time.join(" "), now)
    }
}

#[derive(Debug, Args)]
pub struct Events {
    /// Go on printing changes as they happen; with --json one document a line
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the latest lines to show [default: 200; 10 to begin with when following]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub lines: Option<u32>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Targets {
    /// Names, ids, or the beginnings of ids
    #[arg(required = true, value_name = "CONTAINER", value_parser = named)]
    pub containers: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Settings {
    #[command(subcommand)]
    pub verb: Option<SettingsVerb>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum SettingsVerb {
    /// Show one setting
    Get { key: String },
    /// Change a setting
    Set {
        key: String,
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
}

#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Backup {
    #[command(subcommand)]
    pub verb: BackupVerb,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum BackupVerb {
    /// The copies there are, newest first
    List,
    /// Make a copy now
    Create,
    /// Put a copy in the database's place; the present one is copied first
    Restore { name: String },
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: Shell,
}

fn kind() -> impl TypedValueParser<Value = WorkloadKind> {
    PossibleValuesParser::new(WorkloadKind::ALL.iter().map(|kind| kind.as_str()))
        .try_map(|word| WorkloadKind::parse(&word).ok_or("not a kind of workload"))
}

fn state() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.iter().map(|state| state.as_str()))
        .try_map(|word| State::parse(&word).ok_or("not a state"))
}

/// An empty name would be the beginning of every id.
pub fn named(text: &str) -> Result<String, String> {
    let name = String::from_str(text.trim()).unwrap_or_default();
    if name.is_empty() { Err("a container's name or id is needed".to_owned()) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("tinyforge").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        for line in [
            "serve",
            "serve --demo",
            "status",
            "status --json",
            "verify --json",
            "doctor --json",
            "ps",
            "ps --all --kind project --state running --workload shop --json",
            "ps -a",
            "history web",
            "history web --json",
            "at 14:30",
            "at 2h ago --json",
            "events",
            "events --follow --json",
            "stale",
            "stale --days 0 --foreign --json",
            "stale why web",
            "stale why web --days 3 --json",
            "stale pin a b --json",
            "stale unpin a",
            "stale snooze a 14d",
            "stale snooze a 3 weeks --json",
            "stale threshold shop 30",
            "stale threshold shop default --json",
            "notifications",
            "notifications --json",
            "notifications list -n 5 --json",
            "notifications rules --json",
            "notifications pause 1h",
            "notifications pause 2 days --json",
            "notifications pause until 14:30",
            "notifications resume --json",
            "notifications mute",
            "notifications mute shop",
            "notifications mute shop --kind unhealthy --json",
            "notifications unmute --kind stale",
            "start a",
            "stop a b c --json",
            "restart a",
            "settings",
            "settings --json",
            "settings get stale_threshold_days --json",
            "settings set stale_threshold_days 9",
            "settings set stale_threshold_days -1",
            "notifications webhook",
            "notifications webhook --json",
            "notifications webhook set https://example.com/hook",
            "notifications webhook set - --secret-stdin --json",
            "notifications webhook set http://localhost:9 --unsigned",
            "notifications webhook test --json",
            "notifications webhook off",
            "notifications webhook deliveries -n 5 --json",
            "backup list --json",
            "backup create",
            "backup restore x.db",
            "completions bash",
            "completions zsh",
            "completions fish",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_leaves_with_code_2_and_a_hint() {
        let cases = [
            ("", "Usage:"),
            ("statsu", "'status'"),
            ("frobnicate", "--help"),
            ("status extra", "unexpected argument 'extra'"),
            ("ps --jsn", "'--json'"),
            ("ps --kind projekt", "'project'"),
            ("ps --kind castle", "[possible values: project, stack, site]"),
            ("ps --state runing", "'running'"),
            ("ps --state", "a value is required"),
            ("ps --workload", "a value is required"),
            ("ps extra", "unexpected argument 'extra'"),
            ("history", "<CONTAINER>"),
            ("history a b", "unexpected argument 'b'"),
            ("at", "<TIME>"),
            ("stale web", "unrecognized subcommand 'web'"),
            ("stale --days many", "'many'"),
            ("stale --days -1", "'-1'"),
            ("stale --days", "a value is required"),
            ("stale --foregin", "'--foreign'"),
            ("stale why", "<CONTAINER>"),
            ("stale pin", "<CONTAINER>"),
            ("stale snooze a", "<SPAN>"),
            ("stale threshold shop often", "`default`"),
            ("stale --days 3 pin a", "cannot be used"),
            ("notifications off", "unrecognized subcommand 'off'"),
            ("notifications pause", "<SPAN>"),
            ("notifications mute --kind crash", "'crashed'"),
            ("notifications mute a b", "unexpected argument 'b'"),
            ("start", "<CONTAINER>"),
            ("stop", "<CONTAINER>"),
            ("restart --json", "<CONTAINER>"),
            ("settings put", "unrecognized subcommand 'put'"),
            ("settings get", "<KEY>"),
            ("settings set key", "<VALUE>"),
            ("notifications webhook set", "<URL>"),
            ("notifications webhook set http://a --secret hush", "'--secret"),
            ("notifications webhook set http://a --unsigned --secret-stdin", "cannot be used"),
            ("notifications webhook deliveries -n 0", "'0'"),
            ("backup", "Usage:"),
            ("backup restore", "<NAME>"),
            ("completions", "<SHELL>"),
            ("completions basch", "'bash'"),
            ("serve --deamon", "unexpected argument '--deamon'"),
            ("events --folow", "'--follow'"),
        ];
        for (line, hint) in cases {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(hint), "{line}: no {hint:?} in:\n{error}");
        }
        let error = Arguments::try_parse_from(["tinyforge", "history", " "]).expect_err("an empty name");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for (line, kind) in [("--help", ErrorKind::DisplayHelp), ("--version", ErrorKind::DisplayVersion)] {
            let shown = parse(line).expect_err(line);
            assert_eq!((shown.kind(), shown.exit_code()), (kind, 0), "{line}");
        }
    }
}
