//! `haulier site`: makes a site; `serve` runs one.

mod hierarchy;
pub(crate) mod kerberos;
mod key;
mod metrics;
mod route;
mod serve;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clock::SystemClock;
use jiff::tz::TimeZone;
use net::ca::SiteCa;
use serde_json::json;
use site::{Site, SiteError, SiteOptions, SiteType};

use crate::args::{SiteAddress, SiteCommand, SiteInit, SiteKind};
use crate::config::{self, SiteConfig};
use crate::output::{self, Format};
use crate::process::keep_private;
use crate::remote::Remote;

/// The site CA's folder in the data folder.
const CA_FOLDER: &str = "ca";
/// The length of a made password, in random bytes; written as hex.
const PASSWORD_BYTES: usize = 12;

/// Does what the command line says.
pub(crate) async fn run(command: &SiteCommand, address: &SiteAddress, format: Format) -> Result<()> {
    match command {
        SiteCommand::Token { data, code } => hierarchy::token(data, code, format).await,
        SiteCommand::List => hierarchy::list(&Remote::new(address)?, format).await,
        SiteCommand::Show { code } => hierarchy::show(&Remote::new(address)?, code, format).await,
        SiteCommand::Key(command) => key::run(command, format).await,
        SiteCommand::Revoke { data, code } => hierarchy::revoke(data.as_deref(), code, address, format).await,
        SiteCommand::Remove { data, code } => hierarchy::remove(data.as_deref(), code, address, format).await,
        SiteCommand::Init(args) => init(args, format).await,
        SiteCommand::Run(args) => serve::run(args).await,
        SiteCommand::Import { file, data } => super::prestage::import_at_site(file, data, format).await,
        SiteCommand::Route(args) => route::run(args, &Remote::new(address)?, format).await,
        SiteCommand::Ca { data } => {
            output::line(load_ca(data)?.certificate_pem().trim_end());
            Ok(())
        }
    }
}

async fn init(args: &SiteInit, format: Format) -> Result<()> {
    let password = match &args.site_code {
        Some(site_code) => match make(args, site_code).await {
            Ok(password) => password,
            // It was made, and the join did not come to its end, or is to be made again.
            Err(error) if args.parent.is_some() && is_made(&error) => None,
            Err(error) => return Err(error),
        },
        None => None,
    };
    let mut site_code = args.site_code.clone();
    if let (Some(parent), Some(token)) = (&args.parent, &args.token) {
        let joined = hierarchy::join(args, parent, token).await.context(
            "the site did not join its parent; run the same command again, with a new token if it says so",
        )?;
        site_code = Some(joined);
    }
    match format {
        Format::Json => {
            output::json(&json!({ "site_code": site_code, "user": "admin", "password": password }))
        }
        Format::Text => {
            let code = site_code.unwrap_or_default();
            output::line(format_args!("Site {code} is ready in {}.", args.data.display()));
            if let Some(password) = password {
                output::line(format_args!("First administrator: admin, password {password}"));
            }
            output::line(format_args!("Start it with: haulier site run --data {}", args.data.display()));
        }
    }
    Ok(())
}

fn is_made(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(SiteError::AlreadyInitialized))
}

/// Makes the site. Returns the first administrator's password if nobody knows it yet.
async fn make(args: &SiteInit, site_code: &str) -> Result<Option<String>> {
    keep_private();
    std::fs::create_dir_all(&args.data).with_context(|| format!("cannot create {}", args.data.display()))?;
    let mut config: SiteConfig = config::load(&args.data)?;
    if args.database.is_some() {
        config.database = args.database.clone();
    }
    let given = args.password_file.as_deref().map(read_password).transpose()?;
    let password = match &given {
        Some(password) => password.clone(),
        None => made_password()?,
    };
    let options = SiteOptions {
        site_code: site_code.to_owned(),
        site_name: args.site_name.clone(),
        site_type: args.kind.map(site_type).unwrap_or_default(),
        ..site_options(&args.data, &config)?
    };
    // The database comes last: what it holds is what makes the folder a site.
    config::save(&args.data, &config)?;
    let authority = args.data.join(CA_FOLDER);
    let had_authority = SiteCa::exists(&authority);
    if !had_authority {
        SiteCa::create(&authority, site_code, SystemClock::shared())?;
    }
    if let Err(error) = Site::init(&options, &password, SystemClock::shared()).await {
        if !had_authority {
            std::fs::remove_dir_all(&authority).context("cannot take back the certificate authority")?;
        }
        return Err(error.into());
    }
    Ok(given.is_none().then_some(password))
}

fn site_type(kind: SiteKind) -> SiteType {
    match kind {
        SiteKind::Secondary => SiteType::Secondary,
        SiteKind::Primary => SiteType::Primary,
        SiteKind::Cas => SiteType::Central,
    }
}

/// The first line of a password file.
pub(crate) fn read_password(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let password = text.lines().next().unwrap_or_default();
    anyhow::ensure!(
        !password.is_empty(),
        "the first line of {} is empty; it should be the password",
        file.display()
    );
    Ok(password.to_owned())
}

fn made_password() -> Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
    Ok(hex::encode(bytes))
}

fn site_options(data: &Path, config: &SiteConfig) -> Result<SiteOptions> {
    let zone = |name: &String| TimeZone::get(name).with_context(|| format!("{name} is no time zone"));
    Ok(SiteOptions {
        data_dir: data.to_owned(),
        database_url: config.database.clone(),
        shares: config.shares.clone(),
        trust_roots: config.trust.roots.clone(),
        failed_message_state: config.compatibility.failed_message_state,
        status_kept_days: config.status.keep_days,
        library_verify_days: config.content.verify_days,
        time_zone: config.time_zone.as_ref().map(zone).transpose()?,
        ..SiteOptions::default()
    })
}

/// Opens a site in its data folder, for commands that work beside a running one.
pub(crate) async fn open_site(data: &Path) -> Result<Site> {
    let config = config::load(data)?;
    Ok(Site::open(&site_options(data, &config)?, SystemClock::shared()).await?)
}

/// The site's own certificate authority.
pub(crate) fn load_ca(data: &Path) -> Result<SiteCa> {
    let config: SiteConfig = config::load(data)?;
    let ca = SiteCa::load(&data.join(CA_FOLDER), SystemClock::shared())?;
    Ok(match config.certificates.agent_hours {
        Some(hours) => ca.with_agent_life(Duration::from_secs(hours.max(1) * 3600)),
        None => ca,
    })
}
