//! `haulier user`, `haulier role`, `haulier scope` and `haulier token`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// `haulier user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List users, their roles and security scopes.
    #[command(after_help = "Example: haulier user list")]
    List,
    /// Show one user.
    #[command(after_help = "Example: haulier user show reader1 --json")]
    Show {
        /// The user's name.
        name: String,
    },
    /// Add a user.
    #[command(after_help = "Example: haulier user create reader1 --role reader --password-file pw")]
    Create {
        /// The name to sign in with.
        name: String,
        /// administrator, operator (distribute, refresh), author (packages, drivers) or reader.
        #[arg(long)]
        role: String,
        /// The first line of this file is the password.
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
        /// Work in this security scope only; may be given several times. Without it in all.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Let the user sign in with NTLM; the site then keeps the NT hash of the password, which is as good as the password.
        #[arg(long)]
        ntlm: bool,
    },
    /// Change a user's role, password or leave to use NTLM; a new role or password ends the user's tokens.
    #[command(after_help = "Example: haulier user set reader1 --role operator")]
    Set {
        /// The user's name.
        name: String,
        /// administrator, operator (distribute, refresh), author (packages, drivers) or reader.
        #[arg(long, required_unless_present_any = ["password_file", "ntlm", "no_ntlm"])]
        role: Option<String>,
        /// The first line of this file is the new password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Let the user sign in with NTLM; the site then keeps the NT hash of the password, which is as good as the password.
        /// Needs the password with it.
        #[arg(long, requires = "password_file", conflicts_with = "no_ntlm")]
        ntlm: bool,
        /// Do not let the user sign in with NTLM any more, and forget the NT hash.
        #[arg(long)]
        no_ntlm: bool,
    },
    /// Change a user's role; ends the user's tokens.
    #[command(after_help = "Example: haulier user set-role reader1 operator")]
    SetRole {
        /// The user's name.
        name: String,
        /// administrator, operator (distribute, refresh), author (packages, drivers) or reader.
        role: String,
    },
    /// Change a user's password; ends the user's tokens.
    #[command(after_help = "Example: haulier user set-password reader1 --password-file pw")]
    SetPassword {
        /// The user's name.
        name: String,
        /// The first line of this file is the new password.
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
    /// Change the password of the user that this command signs in as, whatever its role.
    #[command(after_help = "Example: haulier user change-own-password --password-file new")]
    ChangeOwnPassword {
        /// The first line of this file is the new password.
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
    /// Say in which security scopes a user works.
    #[command(after_help = "Example: haulier user scopes author1 Lab Office")]
    Scopes {
        /// The user's name.
        name: String,
        /// The scopes, all of them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        scopes: Vec<String>,
        /// In every scope, those to come included.
        #[arg(long)]
        all: bool,
    },
    /// Keep a user from signing in; ends the user's tokens.
    #[command(after_help = "Example: haulier user disable reader1")]
    Disable {
        /// The user's name.
        name: String,
    },
    /// Let a disabled user sign in again.
    #[command(after_help = "Example: haulier user enable reader1")]
    Enable {
        /// The user's name.
        name: String,
    },
    /// Let a user sign in at once who was locked out after wrong passwords, or everybody at an address.
    #[command(after_help = "Example: haulier user unlock reader1")]
    Unlock {
        /// The user's name.
        #[arg(required_unless_present = "address")]
        name: Option<String>,
        /// An IP address whose failed sign-ins locked it out.
        #[arg(long, value_name = "IP", conflicts_with = "name")]
        address: Option<IpAddr>,
        /// The site's data folder on this machine; then nobody needs to sign in, and a running site hears of it.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Remove a user and the user's tokens.
    #[command(after_help = "Example: haulier user delete reader1")]
    Delete {
        /// The user's name.
        name: String,
    },
}

/// `haulier role`.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// List the roles.
    #[command(after_help = "Example: haulier role list")]
    List,
    /// Show what a role may do.
    #[command(after_help = "Example: haulier role show operator")]
    Show {
        /// administrator, operator, author or reader.
        name: String,
    },
}

/// `haulier scope`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScopeCommand {
    /// Add a scope.
    #[command(after_help = "Example: haulier scope create Lab --description 'Machines under test'")]
    Create {
        /// Its name.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List the scopes.
    #[command(after_help = "Example: haulier scope list")]
    List,
    /// Remove a scope that nobody works in and nothing is in.
    #[command(after_help = "Example: haulier scope delete Lab")]
    Delete {
        /// Its name.
        name: String,
    },
    /// Put packages, drivers or groups into a scope, beside those that they are in.
    #[command(after_help = "Example: haulier scope assign Lab --package PS100001 --driver 16777217")]
    Assign(ScopeMove),
    /// Take packages, drivers or groups out of a scope; each must be in another one.
    #[command(after_help = "Example: haulier scope unassign Default --package PS100001")]
    Unassign(ScopeMove),
}

/// What moves, and where.
#[derive(Debug, Args)]
pub(crate) struct ScopeMove {
    /// The scope's name.
    pub(crate) name: String,
    /// A package's ID or exact name; may be given several times.
    #[arg(long = "package", value_name = "PACKAGE", required_unless_present_any = ["drivers", "groups"])]
    pub(crate) packages: Vec<String>,
    /// A driver's CI_ID or CI_UniqueID; may be given several times.
    #[arg(long = "driver", value_name = "DRIVER")]
    pub(crate) drivers: Vec<String>,
    /// The GroupID of a group of distribution points; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
}

/// `haulier token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// List tokens; their secrets are not kept.
    #[command(after_help = "Example: haulier token list")]
    List,
    /// Make a token and print it, once: `HAULIER_API_TOKEN` takes it.
    #[command(after_help = "Example: haulier token create operator1 --label nightly --days 90 --role reader")]
    Create(TokenCreate),
    /// End a token.
    #[command(after_help = "Example: haulier token revoke 3")]
    Revoke {
        /// The token's number in `haulier token list`.
        id: u64,
    },
}

/// `haulier token create`.
#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// The user that the token signs in as.
    #[arg(value_name = "USER")]
    pub(crate) owner: String,
    /// What it is for.
    #[arg(long)]
    pub(crate) label: String,
    /// How many days it lasts.
    #[arg(long, default_value_t = 90)]
    pub(crate) days: u32,
    /// How long it lasts, for example 90d, 12h or 15m; instead of --days.
    #[arg(long, value_name = "TIME", value_parser = life, conflicts_with = "days")]
    pub(crate) expires: Option<Duration>,
    /// A lesser role than the user's.
    #[arg(long, id = "token_role", value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// One of the user's security scopes; may be given several times. Without it all of them.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
}

/// A whole number and its unit.
fn life(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with s, m, h or d is needed, for example 90d".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_have_a_unit() {
        for (text, seconds) in
            [("90d", Some(7_776_000)), ("12h", Some(43_200)), ("15m", Some(900)), ("1s", Some(1))]
        {
            assert_eq!(life(text).ok().map(|life| life.as_secs()), seconds, "{text}");
        }
        for text in ["", "90", "d", "1w", "1.5h", "-1d", "99999999999999999999d", "9999999999999999d"] {
            assert!(life(text).is_err(), "{text}");
        }
    }
}
