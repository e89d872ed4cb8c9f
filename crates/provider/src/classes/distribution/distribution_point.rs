use cim::{Instance, ObjectPath, Value};
use site::{NalPath, PartnerData};

use crate::bytes;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, by_keys, not_implemented};
use crate::rows;

/// `SMS_DistributionPoint`: one package on one distribution point.
pub(crate) struct DistributionPoint;

/// Writable in the schema, but facts of the server: what a client says of them when it assigns is not kept.
const DERIVED: [&str; 4] = ["LastRefreshTime", "SecureObjectID", "SiteName", "SourceSite"];

impl ClassHandler for DistributionPoint {
    fn put_changes(&self) -> bool {
        true
    }

    fn derived(&self) -> &'static [&'static str] {
        &DERIVED
    }

    fn passes_over_derived(&self) -> bool {
        true
    }

    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let path = canonical(path)?;
            let found = rows::query(call, &by_keys(call.class, &path)).await?.instances.into_iter().next();
            let mut found = found.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
            if found.get("ISVDataSize").and_then(Value::as_integer).is_some_and(|size| size > 0) {
                let (package, nal_path) = (text(&path, "PackageID"), text(&path, "ServerNALPath"));
                let data = call.site.partner_data(call.actor, package, nal_path).await?;
                found.set("ISVData", data.bytes.map_or(Value::Null, bytes::value));
            }
            Ok(found)
        })
    }

    fn create<'a>(&'a self, call: Call<'a>, mut instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let given = key_path(call, &instance)?;
            let partner = partner_data(&mut instance)?;
            let is_key = |name: &str| given.keys.iter().any(|(key, _)| key == name);
            // RefreshNow on a new assignment asks for what the assignment does anyway.
            let taken = |name: &str| is_key(name) || name == "RefreshNow";
            if let Some((name, _)) = instance.properties.iter().find(|(name, _)| !taken(name)) {
                return Err(Fault::ReadOnly { property: name.clone() });
            }
            let path = canonical(&given)?;
            let point = (text(&path, "SiteCode").to_owned(), text(&path, "ServerNALPath").to_owned());
            let package = text(&path, "PackageID");
            call.site.add_distribution_points_with(call.actor, package, &[point], &partner).await?;
            Ok(path)
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, mut change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let partner = partner_data(&mut change)?;
            if let Some((name, _)) = change.properties.iter().find(|(name, _)| name != "RefreshNow") {
                return Err(Fault::ReadOnly { property: name.clone() });
            }
            let (package, nal_path) = (text(path, "PackageID"), text(path, "ServerNALPath"));
            let Call { site, actor, .. } = call;
            if change.get("RefreshNow") == Some(&Value::Boolean(true)) {
                site.redistribute_with(actor, package, nal_path, &partner).await?;
            } else if partner != PartnerData::default() {
                site.set_partner_data(actor, package, nal_path, &partner).await?;
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move {
            let (package, nal_path) = (text(path, "PackageID"), text(path, "ServerNALPath"));
            Ok(call.site.remove_from_distribution_point(call.actor, package, nal_path).await?)
        })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let package = invocation.text("PackageId").to_ascii_uppercase();
            let nal_path = invocation.text("NALPath");
            match invocation.method {
                "CancelDistribution" => {
                    call.site.cancel_distribution(call.actor, &package, nal_path).await?;
                }
                "VerifyPackage" => call.site.validate(call.actor, &package, nal_path).await?,
                _ => return Err(not_implemented(call, invocation.method)),
            }
            Ok(Outcome::success())
        })
    }
}

/// Takes what partners keep out of a write.
fn partner_data(instance: &mut Instance) -> Result<PartnerData, Fault> {
    let at = instance.properties.iter().position(|(name, _)| name == "ISVString");
    let text = at.map(|at| instance.properties.remove(at).1.as_str().unwrap_or("").to_owned());
    Ok(PartnerData { text, bytes: bytes::taken(instance, "ISVData", "ISVDataSize")? })
}

/// The path that an instance to be created will have.
fn key_path(call: Call<'_>, instance: &Instance) -> Result<ObjectPath, Fault> {
    let mut keys = Vec::new();
    for key in call.class.keys() {
        let value =
            instance.get(&key.name).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
        let value = value.ok_or_else(|| Fault::IllegalNull { property: key.name.clone() })?;
        keys.push((key.name.clone(), value.clone()));
    }
    Ok(ObjectPath::new(&call.class.name, keys))
}

/// The path as the site writes it; clients change case and leave out display qualifiers.
fn canonical(path: &ObjectPath) -> Result<ObjectPath, Fault> {
    let mut path = path.clone();
    for (name, value) in &mut path.keys {
        let given = value.as_str().unwrap_or("");
        *value = Value::String(match name.as_str() {
            "ServerNALPath" => match given.parse::<NalPath>() {
                Ok(nal_path) => nal_path.to_string(),
                Err(error) => {
                    return Err(Fault::OutOfRange { property: name.clone(), reason: error.to_string() });
                }
            },
            _ => given.to_ascii_uppercase(),
        });
    }
    Ok(path)
}

fn text<'a>(path: &'a ObjectPath, key: &str) -> &'a str {
    path.key(key).and_then(Value::as_str).unwrap_or("")
}
