//! What each command does: talk to the site or run a server, then print through `output`.

use std::ffi::OsString;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Cli, Command, DriverCommand, PackageCommand, PacksCommand, SiteCommand, UserCommand};
use crate::output::Format;
use crate::remote::Remote;

mod content;
mod doctor;
mod dp;
pub(crate) mod driver;
mod group;
mod package;
mod package_drivers;
mod package_schedule;
mod prestage;
mod query;
mod role;
pub(crate) mod rows;
mod schedule;
mod scope;
mod site;
mod site_path;
pub(crate) mod status;
mod token;
mod user;

/// What must stand in the environment of the process that does it.
pub(crate) fn environment(command: &Command) -> Result<Option<(&'static str, OsString)>> {
    match command {
        Command::Site(SiteCommand::Run(args)) => site::kerberos::environment(args),
        _ => Ok(None),
    }
}

/// Does what the command line says.
pub(crate) async fn run(cli: &Cli) -> Result<()> {
    let format = Format::from_flag(cli.json);
    let remote = || Remote::new(&cli.site);
    match &cli.command {
        Command::Demo(args) => crate::demo::run(args, format).await,
        Command::Site(command) => site::run(command, &cli.site, format).await,
        Command::Dp(command) => dp::run(command, &cli.site, format).await,
        Command::Group(command) => group::run(command, &remote()?, format).await,
        // Read from the data folder, so nobody signs in for it.
        Command::Package(PackageCommand::Export(args)) => prestage::export(args, format).await,
        Command::Package(command) => package::run(command, &remote()?, format).await,
        // Read from a file alone, so nobody signs in for it.
        Command::Driver(DriverCommand::Packs(PacksCommand::List(args))) => driver::list_packs(args, format),
        Command::Driver(command) => driver::run(command, &remote()?, format).await,
        Command::Status(args) => status::run(args, &remote()?, format).await,
        Command::Query { wql } => query::run(wql, &remote()?, format).await,
        Command::Schedule(command) => schedule::run(command, format),
        Command::Content(command) => content::run(command, &remote()?, format).await,
        Command::User(UserCommand::Unlock { name, address, data: Some(data) }) => {
            user::unlock_here(data, name.as_deref(), *address, format).await
        }
        Command::User(command) => user::run(command, &remote()?, format).await,
        Command::Role(command) => role::run(command, &remote()?, format).await,
        Command::Scope(command) => scope::run(command, &remote()?, format).await,
        Command::Token(command) => token::run(command, &remote()?, format).await,
        Command::Doctor => doctor::run(&cli.site, format).await,
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "haulier", &mut std::io::stdout());
            Ok(())
        }
    }
}
