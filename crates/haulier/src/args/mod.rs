//! The command line: what can be typed. What happens then is in `commands`.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

mod access;
mod dp;
mod driver;
mod group;
mod package;
mod route;
mod schedule;
mod site;

pub(crate) use access::{RoleCommand, ScopeCommand, ScopeMove, TokenCommand, TokenCreate, UserCommand};
pub(crate) use dp::{DpCommand, DpRun, Switch};
pub(crate) use driver::{
    DriverCommand, DriverImport, DriverList, DriverMatch, Duplicates, ImportOptions, PacksCommand,
    PacksImport, PacksList,
};
pub(crate) use group::GroupCommand;
pub(crate) use package::{
    PackageChanges, PackageChoose, PackageCommand, PackageCreate, PackageExport, PackageKind, PackageSet,
    Priority,
};
pub(crate) use route::{RouteArgs, RouteCommand, RouteSet};
pub(crate) use schedule::{ScheduleCommand, ScheduleEncode, ScheduleNext};
pub(crate) use site::{ListenerArgs, SiteCommand, SiteInit, SiteKeyCommand, SiteKind, SiteRun};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the message says why and what to do
  2  the command line is wrong
  3  the site did not answer, or its certificate is not trusted
  4  the site refused: sign-in, role or security scopes
  5  no such package, driver, import, distribution point, group, user, role or scope, or no package that fits";

/// A self-hosted server for Windows driver packages: every distribution point holds the current version,
/// only what changed travels.
#[derive(Debug, Parser)]
#[command(name = "haulier", version, after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print JSON for scripts instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Log detail on stderr: error, warn, info, debug, trace, or a filter such as `dp=debug,info`.
    #[arg(long, global = true, env = "HAULIER_LOG", default_value = "info")]
    pub(crate) log: String,

    /// How the log is written: for people, or one JSON object in a line.
    #[arg(long, global = true, env = "HAULIER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    #[command(flatten)]
    pub(crate) site: SiteAddress,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What was typed; ends the process with help or an error where that is the answer.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.site.is_typed = matches.value_source("url") == Some(ValueSource::CommandLine);
        cli
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object in a line.
    Json,
}

/// Which site to talk to, and as whom.
#[derive(Debug, Clone, Args)]
pub(crate) struct SiteAddress {
    /// The site's address [default: http://127.0.0.1:8530].
    #[arg(long = "site", global = true, env = "HAULIER_SITE", value_name = "URL", help_heading = "Site")]
    pub(crate) url: Option<String>,

    /// Whether it stands on the command line, not in the environment.
    #[arg(skip)]
    pub(crate) is_typed: bool,

    /// The user to sign in as.
    #[arg(long, global = true, env = "HAULIER_USER", default_value = "admin", help_heading = "Site")]
    pub(crate) user: String,

    /// The password. Prefer the environment: a command line is visible to others on the machine.
    #[arg(long, global = true, env = "HAULIER_PASSWORD", hide_env_values = true, help_heading = "Site")]
    pub(crate) password: Option<String>,

    /// A bearer token instead of user and password.
    #[arg(long, global = true, env = "HAULIER_API_TOKEN", hide_env_values = true, help_heading = "Site")]
    pub(crate) api_token: Option<String>,

    /// The site's CA certificate (PEM), for https addresses; `haulier site ca` prints it.
    #[arg(long, global = true, env = "HAULIER_CA", value_name = "FILE", help_heading = "Site")]
    pub(crate) ca: Option<PathBuf>,
}

impl SiteAddress {
    /// The address that was given, or the one where a site listens unless told otherwise.
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or("http://127.0.0.1:8530")
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole hierarchy on this machine: a site, its child site, three distribution points, a refresh, the proof.
    Demo(DemoArgs),
    /// Make a site, run it; the sites of the hierarchy.
    #[command(subcommand)]
    Site(SiteCommand),
    /// Run a distribution point; list, validate and remove them.
    #[command(subcommand)]
    Dp(DpCommand),
    /// Groups of distribution points: what is sent to a group goes to every member.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Driver packages: create, distribute, refresh, remove.
    #[command(subcommand)]
    Package(PackageCommand),
    /// Drivers: import, find, match to machines; vendors' driver packs.
    #[command(subcommand)]
    Driver(DriverCommand),
    /// Where every package stands on every distribution point.
    Status(StatusArgs),
    /// Ask the provider in WQL.
    #[command(after_help = "Example: haulier query \"SELECT Name FROM SMS_DriverPackage\" --json")]
    Query {
        /// One SELECT over one class.
        wql: String,
    },
    /// What schedules mean: strings to words and back, and when they are due.
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// The site's content library.
    #[command(subcommand)]
    Content(ContentCommand),
    /// Who may sign in, as what, and where.
    #[command(subcommand)]
    User(UserCommand),
    /// What each role may do.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Security scopes: parts of the site that only some users find.
    #[command(subcommand)]
    Scope(ScopeCommand),
    /// Bearer tokens for scripts, instead of passwords.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Look for what is wrong here and say what to do.
    #[command(after_help = "Example: haulier doctor")]
    Doctor,
    /// Print completions for a shell.
    #[command(after_help = "Example: haulier completions bash > /etc/bash_completion.d/haulier")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether the command serves until it is told to stop.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Command::Site(SiteCommand::Run(_)) | Command::Dp(DpCommand::Run(_)))
    }
}

/// `haulier demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier demo --drivers /srv/drivers/latitude-7440")]
pub(crate) struct DemoArgs {
    /// Use this folder of drivers (it is copied, not changed) instead of generated samples.
    #[arg(long, value_name = "DIR")]
    pub(crate) drivers: Option<PathBuf>,

    /// Keep everything running afterwards, until Ctrl-C.
    #[arg(long)]
    pub(crate) serve: bool,
}

/// `haulier status`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier status PS100001 --watch\n\
                        Example: haulier status --faults --dp dp1.example.test\n\
                        Example: haulier status --messages --severity warning")]
pub(crate) struct StatusArgs {
    /// Only this package: its ID or exact name.
    pub(crate) package: Option<String>,

    /// Show progress until every distribution point holds the current version.
    #[arg(long)]
    pub(crate) watch: bool,

    /// Show what happened instead, newest first: status messages, audit messages among them.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) messages: bool,

    /// Only distributions with a fault.
    #[arg(long, conflicts_with_all = ["watch", "messages"])]
    pub(crate) faults: bool,

    /// Only this distribution point: its name, NAME@CODE where several sites have it.
    #[arg(long, value_name = "NAME", conflicts_with = "watch")]
    pub(crate) dp: Option<String>,

    /// Of the messages, only those that are at least so bad.
    #[arg(long, value_name = "SEVERITY", requires = "messages")]
    pub(crate) severity: Option<Severity>,
}

/// How bad what a message tells is.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Severity {
    /// Warnings and errors.
    Warning,
    /// Errors alone.
    Error,
}

impl Severity {
    /// The least `Severity` of a message that is so bad.
    pub(crate) fn number(self) -> u32 {
        match self {
            Severity::Warning => 0x8000_0000,
            Severity::Error => 0xC000_0000,
        }
    }
}

/// `haulier content`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContentCommand {
    /// Sizes and savings.
    #[command(after_help = "Example: haulier content stats")]
    Stats,
    /// Check every stored byte against its hash; repair from unchanged source folders.
    #[command(after_help = "Example: haulier content verify --json")]
    Verify,
    /// Delete what no kept version needs and no transfer may still read.
    #[command(after_help = "Example: haulier content collect")]
    Collect,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
        let path = format!("{path} {}", command.get_name());
        for inner in command.get_subcommands() {
            leaves(inner, &path, found);
        }
        if !command.has_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let expected = format!("Example:{} ", path.trim_end());
            found.push((path.clone(), format!("{help} ").contains(&expected)));
        }
    }

    #[test]
    fn every_command_has_an_example_of_itself() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        let without: Vec<_> = found.iter().filter(|(_, has)| !has).map(|(path, _)| path).collect();
        assert!(found.len() > 25 && without.is_empty(), "no example: {without:?}");
    }

    /// clap keeps arguments by name: one of a command's own with a global's name would take its place.
    fn shadowed(command: &clap::Command, globals: &[String], found: &mut Vec<String>) {
        for argument in command.get_arguments() {
            let id = argument.get_id().to_string();
            if !argument.is_global_set() && globals.contains(&id) {
                found.push(format!("{} {id}", command.get_name()));
            }
        }
        command.get_subcommands().for_each(|inner| shadowed(inner, globals, found));
    }

    #[test]
    fn the_command_line_is_consistent() {
        let command = Cli::command();
        let globals = command.get_arguments().filter(|argument| argument.is_global_set());
        let globals: Vec<String> = globals.map(|argument| argument.get_id().to_string()).collect();
        let mut found = Vec::new();
        shadowed(&command, &globals, &mut found);
        assert!(globals.len() > 5 && found.is_empty(), "{found:?}");
        command.debug_assert();
    }
}
