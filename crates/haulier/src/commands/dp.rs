//! `haulier dp`.

use std::path::Path;

use anyhow::{Result, bail};
use clock::SystemClock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::rows;
use super::site::{load_ca, open_site};
use crate::args::{DpCommand, DpRun, SiteAddress, Switch};
use crate::config::{self, DpConfig};
use crate::output::{self, Format, Table};
use crate::process::shutdown_on_signal;
use crate::remote::{Key, Remote, RemoteError, literal};

/// Where a distribution point serves when nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8540";

/// Does what the command line says.
pub(crate) async fn run(command: &DpCommand, address: &SiteAddress, format: Format) -> Result<()> {
    let remote = || Remote::new(address);
    match command {
        DpCommand::Token { data, name } => token(data, name, format).await,
        DpCommand::Revoke { data: Some(data), name } => {
            open_site(data).await?.revoke_dp(&site::Actor::local(), name).await?;
            output::done(format, &json!({ "Revoked": name }));
            Ok(())
        }
        DpCommand::Revoke { data: None, name } => {
            let remote = remote()?;
            let dp = rows::distribution_point(&remote, name).await?;
            let key = Key::one("Haulier_DistributionPoint", "NALPath", &rows::text(&dp, "NALPath"));
            remote.invoke(&key, "Revoke", &json!({})).await?;
            output::done(format, &json!({ "Revoked": name }));
            Ok(())
        }
        DpCommand::Run(args) => serve(args, address).await,
        DpCommand::Import { file, data } => super::prestage::import_at_dp(file, data, format).await,
        DpCommand::List => list(&remote()?, format).await,
        DpCommand::Show { name } => show(&remote()?, name, format).await,
        DpCommand::Validate { name, package } => validate(&remote()?, name, package.as_deref(), format).await,
        DpCommand::Maintenance { name, mode } => maintenance(&remote()?, name, *mode, format).await,
        DpCommand::Pull { name, sources, no_fallback, off } => {
            let remote = remote()?;
            let change = if *off { pull_off() } else { pull_from(&remote, sources, !no_fallback).await? };
            change_role(&remote, name, &change).await?;
            output::done(format, &json!({ "DistributionPoint": name, "Pull": !off }));
            Ok(())
        }
        DpCommand::Validation { name, schedule, off } => {
            let mut props = vec![property("DPMonEnabled", u32::from(!off), "")];
            props.extend(schedule.as_ref().map(|token| property("DPMonSchedule", 0, token)));
            change_role(&remote()?, name, &json!({ "Props": props })).await?;
            output::done(format, &json!({ "DistributionPoint": name, "ValidatedBySchedule": !off }));
            Ok(())
        }
        DpCommand::Remove { name } => {
            let remote = remote()?;
            let dp = rows::distribution_point(&remote, name).await?;
            let nal_path = rows::text(&dp, "NALPath");
            remote.delete(&Key::one("Haulier_DistributionPoint", "NALPath", &nal_path)).await?;
            output::done(format, &json!({ "Removed": name }));
            Ok(())
        }
    }
}

async fn token(data: &Path, name: &str, format: Format) -> Result<()> {
    let site = open_site(data).await?;
    let authority = load_ca(data)?.fingerprint();
    let token = site.create_dp_token(&site::Actor::local(), name, Some(&authority)).await?;
    match format {
        Format::Json => output::json(&json!({ "token": token.to_string(), "name": name })),
        Format::Text => output::line(token),
    }
    Ok(())
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let points = remote.list("Haulier_DistributionPoint", &[("$orderby", "ServerName")]).await?;
    if format == Format::Json {
        output::json(&points);
        return Ok(());
    }
    let mut table =
        Table::new(&["DISTRIBUTION POINT", "SITE", ">PACKAGES", ">CURRENT", "MODE", "LAST HEARD", "ADDRESS"]);
    for point in &points {
        table.row([
            rows::text(point, "ServerName"),
            rows::text(point, "SiteCode"),
            rows::text(point, "Packages"),
            rows::text(point, "PackagesCurrent"),
            mode(point).to_owned(),
            rows::text(point, "LastHeard"),
            rows::text(point, "ContentUrl"),
        ]);
    }
    table.print();
    Ok(())
}

/// What is shown of one distribution point.
const SHOWN: [&str; 15] = [
    "ServerName",
    "SiteCode",
    "NALPath",
    "ContentUrl",
    "AgentVersion",
    "IsEnrolled",
    "LastHeard",
    "IsInMaintenance",
    "IsPullDP",
    "PullSources",
    "PullFallback",
    "ValidationEnabled",
    "ValidationSchedule",
    "NextValidation",
    "LastValidation",
];

async fn show(remote: &Remote, name: &str, format: Format) -> Result<()> {
    let dp = rows::distribution_point(remote, name).await?;
    let filter = format!("NALPath eq {}", literal(&rows::text(&dp, "NALPath")));
    let points = remote.list("Haulier_DistributionPoint", &[("$filter", &filter)]).await?;
    let states =
        remote.list("Haulier_DistributionState", &[("$filter", &filter), ("$orderby", "PackageID")]).await?;
    if format == Format::Json {
        output::json(&json!({ "distribution_point": points.first(), "packages": states }));
        return Ok(());
    }
    for point in &points {
        for property in SHOWN {
            output::line(format_args!("{property:<18} {}", rows::text(point, property)));
        }
    }
    output::line("");
    super::status::print(&states);
    Ok(())
}

/// What an administrator must know of a distribution point before wondering about its packages.
fn mode(point: &Value) -> &'static str {
    match (point["IsEnrolled"].as_bool(), point["IsInMaintenance"].as_bool(), point["IsPullDP"].as_bool()) {
        (Some(false), ..) => "not enrolled",
        (_, Some(true), _) => "maintenance",
        (.., Some(true)) => "pull",
        _ => "",
    }
}

/// States in which a package can be validated: installed, or being validated already.
const VALIDATED_STATES: [u64; 2] = [0, 8];

async fn validate(remote: &Remote, name: &str, package: Option<&str>, format: Format) -> Result<()> {
    let dp = rows::distribution_point(remote, name).await?;
    let nal_path = rows::text(&dp, "NALPath");
    let packages = match package {
        Some(package) => vec![rows::text(&rows::package(remote, package).await?, "PackageID")],
        None => {
            let filter = format!("NALPath eq {}", literal(&nal_path));
            let states = remote.list("Haulier_DistributionState", &[("$filter", &filter)]).await?;
            let ready = |state: &&Value| VALIDATED_STATES.contains(&rows::number(state, "State"));
            states.iter().filter(ready).map(|state| rows::text(state, "PackageID")).collect()
        }
    };
    let (mut validating, mut refused) = (Vec::new(), Vec::new());
    for package_id in packages {
        let parameters = json!({ "PackageId": package_id, "NALPath": nal_path });
        match remote.invoke_static("SMS_DistributionPoint", "VerifyPackage", &parameters).await {
            Ok(_) => validating.push(package_id),
            // It may have been refreshed or removed meanwhile; the others are validated all the same.
            Err(RemoteError::Refused { message }) => refused.push(format!("{package_id}: {message}")),
            Err(error) => return Err(error.into()),
        }
    }
    output::done(format, &json!({ "Validating": validating }));
    if !refused.is_empty() {
        bail!("not validated: {}", refused.join("; "));
    }
    Ok(())
}

async fn maintenance(remote: &Remote, name: &str, mode: Switch, format: Format) -> Result<()> {
    let dp = rows::distribution_point(remote, name).await?;
    let on = mode == Switch::On;
    let parameters = json!({ "NALPath": rows::text(&dp, "NALPath"), "Mode": u32::from(on) });
    remote.invoke_static("SMS_DistributionPointInfo", "SetDPMaintenanceMode", &parameters).await?;
    output::done(format, &json!({ "DistributionPoint": name, "Maintenance": on }));
    Ok(())
}

fn property(name: &str, number: u32, text: &str) -> Value {
    json!({ "PropertyName": name, "Value": number, "Value1": text, "Value2": "" })
}

fn pull_off() -> Value {
    json!({ "Props": [property("IsPullDP", 0, "")] })
}

/// The properties of a role that pulls from these.
async fn pull_from(remote: &Remote, sources: &[(String, u32)], fallback: bool) -> Result<Value> {
    let (mut paths, mut ranks) = (Vec::new(), Vec::new());
    for (source, rank) in sources {
        paths.push(rows::text(&rows::distribution_point(remote, source).await?, "NALPath"));
        ranks.push(rank.to_string());
    }
    let list = |name: &str, values: Vec<String>| json!({ "PropertyListName": name, "Values": values });
    Ok(json!({
        "Props": [property("IsPullDP", 1, ""), property("AllowFallback", u32::from(fallback), "")],
        "PropLists": [list("SourceDistributionPoints", paths), list("SourceDPRanks", ranks)],
    }))
}

/// Changes the role of a distribution point in site control, as scripts of the original do.
async fn change_role(remote: &Remote, name: &str, change: &Value) -> Result<()> {
    let dp = rows::distribution_point(remote, name).await?;
    let item = format!("{},SMS Distribution Point", rows::text(&dp, "NALPath"));
    let keys = [
        ("FileType", "2".to_owned()),
        ("ItemName", literal(&item)),
        ("ItemType", literal("System Resource Usage")),
        ("SiteCode", literal(&rows::text(&dp, "SiteCode"))),
    ];
    remote.change(&Key::of("SMS_SCI_SysResUse", &keys), change).await?;
    Ok(())
}

async fn serve(args: &DpRun, site: &SiteAddress) -> Result<()> {
    let config: DpConfig = config::load(&args.data)?;
    let token = args.token.as_deref().map(str::parse).transpose()?;
    if token.is_some() && args.name.is_none() {
        bail!("an enrolment needs --name, the name that `haulier dp token` was given");
    }
    let default_listen = || DEFAULT_LISTEN.parse().expect("the default address is valid");
    let options = dp::DpOptions {
        data_dir: args.data.clone(),
        // An enrolled distribution point knows its site; it moves only when told to.
        site_url: site.url.clone().or_else(|| token.is_some().then(|| site.url().to_owned())),
        moves: site.is_typed,
        token,
        name: args.name.clone().unwrap_or_default(),
        listen: args.listen.or(config.listen).unwrap_or_else(default_listen),
        content_url: args.content_url.clone().or(config.content_url),
        relay_cache_bytes: config.relay_cache_bytes.unwrap_or(dp::RELAY_CACHE_BYTES),
    };
    let dp = dp::Dp::start(options, SystemClock::shared()).await?;
    // Whoever reads the next line may send SIGTERM at once.
    let shutdown = CancellationToken::new();
    shutdown_on_signal(&shutdown)?;
    output::line(format_args!("listening on {}", dp.url()));
    dp.run(shutdown).await;
    Ok(())
}
