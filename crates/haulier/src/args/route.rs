//! `haulier site route`.

use clap::{Args, Subcommand};

/// `haulier site route`: when and how fast content goes to a destination.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  haulier site route S01 show\n  haulier site route --dp dp1.example.test set \
                        --window 'mon-fri 08-18 high' --rate 20mbit --time-zone Europe/Berlin\n  \
                        haulier site route clear --dp dp1.example.test"
)]
pub(crate) struct RouteArgs {
    /// The child site, by its code.
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,

    /// A distribution point instead of a site.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) dp: Option<String>,

    #[command(subcommand)]
    pub(crate) command: RouteCommand,
}

/// What to do with the route.
#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Show the hours and the rate.
    #[command(after_help = "Example: haulier site route show --dp dp1.example.test")]
    Show,
    /// Set hours and rate; what is not given stays as it is. Transfers follow at once.
    #[command(
        after_help = "Example: haulier site route set --dp dp1.example.test --window 'mon-fri 08-18 high' \
                            --window 'sat,sun 00-24 closed' --rate 20mbit --time-zone Europe/Berlin\n\
                            Example: haulier site route S01 set --rate-by-hour \
                            '00-08=100%,08-18=10%,18-24=100%' --line 100mbit"
    )]
    Set(RouteSet),
    /// Take every limit away.
    #[command(after_help = "Example: haulier site route clear --dp dp1.example.test")]
    Clear,
}

/// What is set.
#[derive(Debug, Args)]
pub(crate) struct RouteSet {
    /// Days, hours and who may pass then: all, medium (and high), high, closed. May be given several times, the later counts;
    /// hours that none names are open to all.
    #[arg(long = "window", value_name = "'DAYS HOURS WHO'")]
    pub(crate) windows: Vec<String>,

    /// For all connections together: 20mbit, 512kbit, 9600bit, or unlimited.
    #[arg(long, value_name = "RATE", conflicts_with = "rate_by_hour")]
    pub(crate) rate: Option<String>,

    /// A rate for each hour of the day, as '00-08=100mbit,08-18=2mbit,18-24=100mbit', or percent of --line.
    #[arg(long, value_name = "HOURS=RATE,...")]
    pub(crate) rate_by_hour: Option<String>,

    /// The rate of the whole line, for percents.
    #[arg(long, value_name = "RATE", requires = "rate_by_hour")]
    pub(crate) line: Option<String>,

    /// The zone of the hours, for example Europe/Berlin; site for the site's own.
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
}
