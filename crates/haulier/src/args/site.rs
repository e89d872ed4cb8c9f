//! `haulier site`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `haulier site`.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteCommand {
    /// Make a new site in an empty folder.
    Init(SiteInit),
    /// Run the site in the foreground until SIGTERM.
    Run(SiteRun),
    /// Print a one-time token by which a child site joins below this one, and nothing else.
    #[command(after_help = "Example: haulier site token --data ps1 S01")]
    Token {
        /// The data folder of the site that is to be the parent.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
        /// The child's site code.
        code: String,
    },
    /// List the sites of the hierarchy.
    #[command(after_help = "Example: haulier site list")]
    List,
    /// Show one site of the hierarchy.
    #[command(after_help = "Example: haulier site show S01")]
    Show {
        /// Its site code.
        code: String,
    },
    /// End a child site's identity at once; it joins again with a new token.
    #[command(after_help = "Example: haulier site revoke S01")]
    Revoke {
        /// The data folder of its parent, to do it there without signing in.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The child's site code.
        code: String,
    },
    /// Take a child site that is gone for good out of the hierarchy, with the sites and distribution points below it. Revoke
    /// it first; its packages belong to its parent then.
    #[command(after_help = "Example: haulier site remove S01")]
    Remove {
        /// The data folder of its parent, to do it there without signing in.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The child's site code.
        code: String,
    },
    /// Replace the site's signing key, or believe another site's new one.
    #[command(subcommand)]
    Key(SiteKeyCommand),
    /// Take a prestaged file of `haulier package export` into the content library of a child site, whether the site runs
    /// or not. The version is there as soon as a distribution point shall have it, without a transfer.
    #[command(after_help = "Example: haulier site import PS100001-3.hcp --data s01")]
    Import {
        /// The prestaged file.
        file: PathBuf,
        /// The site's data folder.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
    },
    /// When and how fast content goes to a child site or a distribution point.
    Route(super::RouteArgs),
    /// Print the site's CA certificate, which clients of an https address need (HAULIER_CA).
    #[command(after_help = "Example: haulier site ca --data ps1 > ps1.pem")]
    Ca {
        /// The site's data folder.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
    },
}

/// `haulier site init`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier site init --data ps1 --site-code PS1 --password-file pw")]
pub(crate) struct SiteInit {
    /// The folder for the site's database, content library and certificates.
    #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// Three letters or digits, unique in the hierarchy; part of every PackageID. A site that joins again knows its own.
    #[arg(long, value_name = "CODE", required_unless_present = "parent")]
    pub(crate) site_code: Option<String>,

    /// The site's name for people.
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) site_name: String,

    /// A PostgreSQL URL; without it SQLite in the data folder.
    #[arg(long, env = "HAULIER_DATABASE", hide_env_values = true, value_name = "URL")]
    pub(crate) database: Option<String>,

    /// The first line of this file is the password of the first administrator, `admin`; without it one is
    /// made and printed.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// What the site is: `primary` unless said otherwise. A site that joins again knows it.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kind: Option<SiteKind>,

    /// The address of the parent that the site joins; it must answer now. A site that was made before joins, or joins again;
    /// stop it first.
    #[arg(long, value_name = "URL", requires = "token")]
    pub(crate) parent: Option<String>,

    /// The one-time token of `haulier site token` at the parent.
    #[arg(
        long,
        env = "HAULIER_SITE_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        requires = "parent"
    )]
    pub(crate) token: Option<String>,
}

/// The types of sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SiteKind {
    /// Below a primary site; makes no packages of its own.
    Secondary,
    /// Alone, or below a central administration site.
    Primary,
    /// A central administration site, above primaries.
    Cas,
}

/// `haulier site run`.
#[derive(Debug, Args)]
#[command(after_help = "Example: haulier site run --data ps1 --listen 127.0.0.1:8530")]
pub(crate) struct SiteRun {
    /// The site's data folder.
    #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
    pub(crate) data: PathBuf,

    /// Where to listen; port 0 picks a free one. TLS with the site's own CA unless this is loopback.
    #[arg(long, env = "HAULIER_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// The parent's new address, where the parent moved; it is remembered.
    #[arg(long, value_name = "URL")]
    pub(crate) parent: Option<String>,

    #[command(flatten)]
    pub(crate) listeners: ListenerArgs,
}

/// Listeners of single protocols; the main one answers all of them too.
#[derive(Debug, Args)]
pub(crate) struct ListenerArgs {
    /// Listen for WS-Management over plain HTTP too, usually at port 5985; messages from other machines must be sealed.
    #[arg(long, env = "HAULIER_WSMAN", value_name = "ADDRESS")]
    pub(crate) wsman: Option<SocketAddr>,

    /// Listen for WS-Management over TLS too, usually at port 5986.
    #[arg(long, env = "HAULIER_WSMAN_TLS", value_name = "ADDRESS")]
    pub(crate) wsman_tls: Option<SocketAddr>,

    /// Listen for CIM-XML over plain HTTP too, usually at port 5988; signing in works from this machine only.
    #[arg(long, env = "HAULIER_CIMXML", value_name = "ADDRESS")]
    pub(crate) cimxml: Option<SocketAddr>,

    /// Listen for CIM-XML over TLS too, usually at port 5989.
    #[arg(long, env = "HAULIER_CIMXML_TLS", value_name = "ADDRESS")]
    pub(crate) cimxml_tls: Option<SocketAddr>,
}

/// `haulier site key`.
#[derive(Debug, Subcommand)]
pub(crate) enum SiteKeyCommand {
    /// Give a site that does not run a new signing key; prints it. The old one vouches for it, so that everybody follows.
    #[command(after_help = "Example: haulier site key rotate --data ps1")]
    Rotate {
        /// The site's data folder.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
        /// The old key was lost or stolen: nobody vouches for the new one, and other sites must be told to believe it.
        #[arg(long)]
        lost: bool,
    },
    /// Believe the new key of another site that lost its own.
    #[command(after_help = "Example: haulier site key trust --data s01 PS1 KEY")]
    Trust {
        /// The data folder of the site that shall believe it.
        #[arg(long, env = "HAULIER_DATA", value_name = "DIR")]
        data: PathBuf,
        /// The code of the site whose key it is.
        code: String,
        /// The key, as `haulier site key rotate` printed it there.
        key: String,
    },
}
