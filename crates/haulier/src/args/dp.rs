//! `haulier dp`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `haulier dp`.
#[derive(Debug, Subcommand)]
pub(crate) enum DpCommand {
    /// Print a one-time enrolment token for a new distribution point, and nothing else.
    #[command(after_help = "Example: haulier dp token --data ps1 dp1.example.test")]
    Token {
        /// The site's data folder.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
        /// The distribution point's name; clients and NAL paths use it.
        name: String,
    },
    /// Run a distribution point in the foreground until SIGTERM.
    Run(DpRun),
    /// Take a prestaged file of `haulier package export` in, whether the distribution point runs or not. The version
    /// is served as soon as the site wants it there, without a transfer.
    #[command(after_help = "Example: haulier dp import PS100001-3.hcp --data dp1")]
    Import {
        /// The prestaged file.
        file: PathBuf,
        /// The distribution point's data folder.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
    },
    /// List the site's distribution points.
    #[command(after_help = "Example: haulier dp list")]
    List,
    /// Show one distribution point and what it holds.
    #[command(after_help = "Example: haulier dp show dp1.example.test")]
    Show {
        /// Its name.
        name: String,
    },
    /// Hash a package again on a distribution point (all of its packages without `--package`); what is
    /// damaged is fetched again.
    #[command(after_help = "Example: haulier dp validate dp1.example.test --package PS100001")]
    Validate {
        /// The distribution point.
        name: String,
        /// Only this package: its ID or exact name.
        #[arg(long)]
        package: Option<String>,
    },
    /// End a distribution point's identity at once; what is assigned to it stays, and it enrols again with a new token.
    #[command(after_help = "Example: haulier dp revoke dp1.example.test")]
    Revoke {
        /// The site's data folder, to do it there without signing in.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Its name.
        name: String,
    },
    /// Begin or end maintenance mode: nothing is sent to the distribution point and nobody is sent there; what changes
    /// meanwhile comes when it ends.
    #[command(after_help = "Example: haulier dp maintenance dp1.example.test on")]
    Maintenance {
        /// The distribution point.
        name: String,
        /// `on` or `off`.
        mode: Switch,
    },
    /// Let a distribution point fetch content from others instead of its site.
    #[command(after_help = "Example: haulier dp pull dp3.example.test --source dp1.example.test=1 \
                            --source dp2.example.test=2")]
    Pull {
        /// The distribution point.
        name: String,
        /// From whom, and the rank from 1 to 99: the lowest is asked first, equals at random. May be repeated.
        #[arg(long = "source", value_name = "NAME=RANK", value_parser = ranked, required_unless_present = "off")]
        sources: Vec<(String, u32)>,
        /// Never fetch content from the site, even if no source has it.
        #[arg(long, conflicts_with = "off")]
        no_fallback: bool,
        /// Fetch from the site again.
        #[arg(long, conflicts_with = "sources")]
        off: bool,
    },
    /// Set when all packages of a distribution point are validated: hashed again, and repaired where that is needed.
    #[command(after_help = "Example: haulier dp validation dp1.example.test --schedule 00011700001F2000")]
    Validation {
        /// The distribution point.
        name: String,
        /// Interval strings; see `haulier schedule`. 00011700001F2000 is every Saturday at midnight.
        #[arg(long, value_name = "TOKEN", required_unless_present = "off")]
        schedule: Option<String>,
        /// Validate only when asked to.
        #[arg(long, conflicts_with = "schedule")]
        off: bool,
    },
    /// Forget a distribution point that will not come back.
    #[command(after_help = "Example: haulier dp remove dp3.example.test")]
    Remove {
        /// Its name.
        name: String,
    },
}

/// A mode that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    /// It begins.
    On,
    /// It ends.
    Off,
}

/// `dp2.example.test=1`.
fn ranked(text: &str) -> Result<(String, u32), String> {
    let (name, rank) =
        text.rsplit_once('=').ok_or("a name and a rank are needed, as in dp2.example.test=1")?;
    let rank = rank.parse().map_err(|_| format!("{rank:?} is no rank from 1 to 99"))?;
    Ok((name.to_owned(), rank))
}

/// `haulier dp run`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier dp run --data dp1 --site http://127.0.0.1:8530 --token TOKEN \
                        --name dp1.example.test --listen 127.0.0.1:8541")]
pub(crate) struct DpRun {
    /// The folder for content and identity.
    #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// The one-time token of `haulier dp token`; needed only the first time. A new one enrols anew.
    #[arg(long, env = "HAULIER_DP_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,

    /// The name that the token was made for; needed only the first time.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Where to serve content; port 0 picks a free one.
    #[arg(long, env = "HAULIER_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// The address that clients reach it by, where it is not the one that it listens on: behind a proxy or another name.
    #[arg(long, env = "HAULIER_CONTENT_URL", value_name = "URL")]
    pub(crate) content_url: Option<String>,
}
