//! Reading rows of the provider: packages and distribution points by the names that people type.

use serde_json::Value;

use crate::args::PackageKind;
use crate::remote::{Remote, RemoteError, literal};

/// A property as text; empty when it is null or missing.
pub(crate) fn text(row: &Value, property: &str) -> String {
    match &row[property] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The texts of an array property; none when it is null or missing.
pub(crate) fn texts<'a>(row: &'a Value, property: &str) -> Vec<&'a str> {
    row[property].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A property as a number; 0 when it is null or missing.
pub(crate) fn number(row: &Value, property: &str) -> u64 {
    row[property].as_u64().unwrap_or(0)
}

/// The one package, of any kind, with this ID or, failing that, this exact name.
pub(crate) async fn package(remote: &Remote, wanted: &str) -> Result<Value, RemoteError> {
    one_package(remote, BASE, wanted, "package").await
}

/// The one driver package with this ID or, failing that, this exact name.
pub(crate) async fn driver_package(remote: &Remote, wanted: &str) -> Result<Value, RemoteError> {
    one_package(remote, PackageKind::Driver.class(), wanted, "driver package").await
}

/// The kind of a package that was read.
pub(crate) fn kind(package: &Value) -> PackageKind {
    PackageKind::of_number(number(package, "PackageType"))
}

/// The class of packages of every kind.
pub(crate) const BASE: &str = "SMS_PackageBaseclass";

async fn one_package(
    remote: &Remote,
    class: &'static str,
    wanted: &str,
    what: &str,
) -> Result<Value, RemoteError> {
    let wanted_literal = literal(wanted);
    for property in ["PackageID", "Name"] {
        let filter = format!("{property} eq {wanted_literal}");
        let mut rows = remote.list(class, &[("$filter", &filter)]).await?;
        match rows.len() {
            0 => {}
            1 => return Ok(rows.remove(0)),
            several => {
                let message = format!("{several} {what}s have the name {wanted}; use a PackageID");
                return Err(RemoteError::Ambiguous { message });
            }
        }
    }
    let message = format!("no {what} has the ID or name {wanted}; see `haulier package list`");
    Err(RemoteError::NotFound { message })
}

/// The code of the site that is asked.
pub(crate) async fn own_site(remote: &Remote) -> Result<String, RemoteError> {
    let rows = remote.list("SMS_Identification", &[]).await?;
    Ok(rows.first().map(|row| text(row, "ThisSiteCode")).unwrap_or_default())
}

/// The distribution point with this name, `NAME@CODE` where several sites have one.
pub(crate) async fn distribution_point(remote: &Remote, name: &str) -> Result<Value, RemoteError> {
    let (server, site_code) = name.split_once('@').map_or((name, None), |(name, code)| (name, Some(code)));
    let mut filter = format!("ServerName eq {}", literal(server));
    if let Some(code) = site_code {
        filter.push_str(&format!(" and SiteCode eq {}", literal(code)));
    }
    let mut rows = remote.list("SMS_DistributionPointInfo", &[("$filter", &filter)]).await?;
    match rows.len() {
        0 => Err(RemoteError::NotFound {
            message: format!("no distribution point has the name {name}; see `haulier dp list`"),
        }),
        1 => Ok(rows.remove(0)),
        _ => {
            let full: Vec<_> = rows.iter().map(|row| format!("{server}@{}", text(row, "SiteCode"))).collect();
            let message =
                format!("several sites have a distribution point {server}; say {}", full.join(" or "));
            Err(RemoteError::Ambiguous { message })
        }
    }
}
