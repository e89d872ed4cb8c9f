//! `haulier site token`, `list`, `show`, `revoke`, `remove`, and the join of `haulier site init --parent`.

use std::path::Path;

use agent::join::{JoinReply, JoinRequest};
use agent::token::SiteToken;
use anyhow::{Context, Result, bail, ensure};
use clock::SystemClock;
use membership::{Identity, Joining, Membership};
use serde_json::{Value, json};
use site::{Actor, Site, SiteType};

use super::{load_ca, open_site, site_type};
use crate::args::{SiteAddress, SiteInit};
use crate::commands::rows;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, literal};

/// A token for a child site.
pub(super) async fn token(data: &Path, code: &str, format: Format) -> Result<()> {
    let site = open_site(data).await?;
    let authority = load_ca(data)?.fingerprint();
    let token = site.create_site_token(&Actor::local(), code, Some(&authority)).await?;
    match format {
        Format::Json => output::json(&json!({ "token": token.to_string(), "site_code": code })),
        Format::Text => output::line(token),
    }
    Ok(())
}

/// Ends a child site's identity.
pub(super) async fn revoke(
    data: Option<&Path>,
    code: &str,
    address: &SiteAddress,
    format: Format,
) -> Result<()> {
    match data {
        Some(data) => open_site(data).await?.revoke_site(&Actor::local(), code).await?,
        None => {
            let key = Key::one("Haulier_Site", "SiteCode", &code.to_ascii_uppercase());
            Remote::new(address)?.invoke(&key, "Revoke", &json!({})).await?;
        }
    }
    output::done(format, &json!({ "Revoked": code }));
    Ok(())
}

/// Takes a child site out of the hierarchy.
pub(super) async fn remove(
    data: Option<&Path>,
    code: &str,
    address: &SiteAddress,
    format: Format,
) -> Result<()> {
    match data {
        Some(data) => open_site(data).await?.remove_site(&Actor::local(), code).await?,
        None => {
            let key = Key::one("Haulier_Site", "SiteCode", &code.to_ascii_uppercase());
            Remote::new(address)?.delete(&key).await?;
        }
    }
    output::done(format, &json!({ "Removed": code }));
    Ok(())
}

/// Puts the site in `args.data` below its parent: the token is traded, the identity is durable, then the site knows.
/// Returns its code.
pub(super) async fn join(args: &SiteInit, parent: &str, token: &str) -> Result<String> {
    let token: SiteToken = token.parse()?;
    ensure!(args.data.is_dir(), "there is no site in {}; --site-code makes one", args.data.display());
    let site = open_site(&args.data).await?;
    // A running site reads once, at its start, who it is at its parent.
    let held = site.hold_folder().context("the site runs; stop it first")?;
    let own = site.identity().site_code.clone();
    let told = args.site_code.as_ref().is_none_or(|code| own.eq_ignore_ascii_case(code));
    ensure!(told, "{} holds site {own}; leave --site-code out, or name that", args.data.display());
    let stored = site.site_type().await?;
    let told = args.kind.is_none_or(|kind| site_type(kind) == stored);
    let type_name = type_name(stored.number().into());
    ensure!(told, "{} holds a {type_name} site; leave --type out, or say so", args.data.display());
    let (identity, reply) = trade(&site, stored, parent, &token).await?;
    identity.save(&args.data)?;
    site.join_parent(&Actor::local(), &reply).await?;
    site.close().await;
    drop(held);
    tracing::info!(parent = %reply.site_code, "Joined");
    Ok(own)
}

/// The site's membership of its parent, where it joined one.
/// `moved_to` is the parent's new address.
pub(super) fn parent(data: &Path, moved_to: Option<&str>) -> Result<Option<Membership>> {
    let Some(mut identity) = Identity::load(data)? else {
        ensure!(moved_to.is_none(), "this site is below no other; `haulier site init --parent` joins one");
        return Ok(None);
    };
    if let Some(url) = moved_to
        && identity.moved_to(url)?
    {
        tracing::info!(to = %identity.site_url, "The parent has another address now");
        identity.save(data)?;
    }
    Ok(Some(Membership::new(data.to_owned(), identity, SystemClock::shared())?))
}

async fn trade(
    site: &Site,
    own_type: SiteType,
    parent: &str,
    token: &SiteToken,
) -> Result<(Identity, JoinReply)> {
    let own = site.identity();
    let keys = site.keys().await?.keys;
    let signing_key = keys.first().context("the site has no signing key")?.key.clone();
    let request = |csr_pem| JoinRequest {
        token: token.to_string(),
        site_code: own.site_code.clone(),
        site_name: own.site_name.clone(),
        site_type: own_type.number(),
        server_name: own.server_name.clone(),
        csr_pem,
        signing_key: signing_key.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let joining = Joining { site_url: parent, token, name: &own.site_code, call: "/site/join" };
    Ok(membership::join(joining, request, &SystemClock::shared()).await?)
}

/// What `SMS_Site.Type` means.
fn type_name(number: u64) -> &'static str {
    match number {
        1 => "secondary",
        2 => "primary",
        4 => "central",
        _ => "",
    }
}

/// The sites of the hierarchy.
pub(super) async fn list(remote: &Remote, format: Format) -> Result<()> {
    let mut sites = remote.list("SMS_Site", &[("$orderby", "SiteCode")]).await?;
    let links = remote.list(LINK, &[("$orderby", "SiteCode")]).await?;
    for site in &mut sites {
        let code = rows::text(site, "SiteCode");
        add_link(site, links.iter().find(|link| rows::text(link, "SiteCode") == code));
    }
    if format == Format::Json {
        output::json(&sites);
        return Ok(());
    }
    let mut table = Table::new(&["SITE", "NAME", "TYPE", "PARENT", "JOINED", "LAST HEARD", "SERVER"]);
    for site in &sites {
        table.row([
            rows::text(site, "SiteCode"),
            rows::text(site, "SiteName"),
            type_name(rows::number(site, "Type")).to_owned(),
            rows::text(site, "ReportingSiteCode"),
            rows::text(site, "Joined"),
            rows::text(site, "LastHeard"),
            rows::text(site, "ServerName"),
        ]);
    }
    table.print();
    Ok(())
}

/// What this site knows of its connection to each.
const LINK: &str = "Haulier_Site";

fn add_link(site: &mut Value, link: Option<&Value>) {
    for property in ["Joined", "LastHeard"] {
        site[property] = link.map_or(Value::Null, |link| link[property].clone());
    }
}

/// One site of the hierarchy.
pub(super) async fn show(remote: &Remote, code: &str, format: Format) -> Result<()> {
    let filter = format!("SiteCode eq {}", literal(&code.to_ascii_uppercase()));
    let mut sites = remote.list("SMS_Site", &[("$filter", &filter)]).await?;
    let links = remote.list(LINK, &[("$filter", &filter)]).await?;
    let Some(site) = sites.first_mut() else { bail!("there is no site {code} in the hierarchy") };
    add_link(site, links.first());
    if format == Format::Json {
        output::json(site);
        return Ok(());
    }
    for property in
        ["SiteCode", "SiteName", "ServerName", "ReportingSiteCode", "Version", "Joined", "LastHeard"]
    {
        output::line(format_args!("{property:<17} {}", rows::text(site, property)));
    }
    output::line(format_args!("{:<17} {}", "Type", type_name(rows::number(site, "Type"))));
    Ok(())
}
