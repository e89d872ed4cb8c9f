use cim::{Instance, ObjectPath, Value};
use site::{FieldValue, NewPackage, PackageChange, SiteError};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_DriverPackage`: the package and `RefreshPkgSource`, the main job.
pub(crate) struct DriverPackage;

/// A write, split into what the site stores and what it does.
#[derive(Debug, Default, PartialEq)]
struct Write {
    change: PackageChange,
    refresh: bool,
}

impl ClassHandler for DriverPackage {
    fn put_changes(&self) -> bool {
        true
    }

    fn derived(&self) -> &'static [&'static str] {
        &["StoredPkgVersion"]
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            // The first snapshot is queued by the creation itself, so a refresh asked for with it is done.
            let write = split(instance)?;
            let made = call.site.create_package(call.actor, new_package(write.change)).await?;
            Ok(ObjectPath::new(&call.class.name, [("PackageID".to_owned(), Value::String(made.package_id))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let write = split(change)?;
            let id = package_id(path);
            // The version that was read is compared before; the site compares it once more only with a change.
            let nothing = PackageChange {
                sedo_object_version: write.change.sedo_object_version.clone(),
                ..PackageChange::default()
            };
            if !write.refresh || write.change != nothing {
                if write.refresh {
                    require_source_after(call, id, &write.change).await?;
                }
                call.site.update_package(call.actor, id, write.change).await?;
            }
            if write.refresh {
                call.site.refresh_package(call.actor, id).await?;
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_package(call.actor, package_id(path)).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match invocation.path {
                Some(path) => of_package(call, package_id(path), &invocation).await,
                None => of_class(call, &invocation).await,
            }
        })
    }
}

async fn of_package(call: Call<'_>, id: &str, invocation: &Invocation<'_>) -> Result<Outcome, Fault> {
    let Call { site, actor, .. } = call;
    match invocation.method {
        "AddChangeNotification" => site.add_change_notification(actor, id).await?,
        "AddDistributionPoints" => site.add_distribution_points(actor, id, &pairs(invocation)?).await?,
        "AddDriverContent" => {
            let paths: Vec<String> =
                invocation.texts("ContentSourcePath").into_iter().map(str::to_owned).collect();
            let (ids, refresh) = (content_ids(invocation)?, invocation.truth("bRefreshDPs"));
            site.add_driver_content(actor, id, &ids, &paths, refresh).await?;
        }
        "RebuildPackage" => {
            let path = Some(invocation.text("ContentSourcePath")).filter(|path| !path.is_empty());
            site.rebuild_package(actor, id, path).await?;
        }
        "RefreshPkgSource" => site.refresh_package(actor, id).await?,
        "RemoveDriverContent" => {
            let (ids, refresh) = (content_ids(invocation)?, invocation.truth("bRefreshDPs"));
            site.remove_driver_content(actor, id, &ids, refresh).await?;
        }
        "SetSourceSite" => site.set_source_site(actor, id, invocation.text("SourceSite")).await?,
        "Unlock" => site.unlock(actor, id).await?,
        "ValidateNewPackageSource" => {
            site.validate_new_package_source(actor, id, invocation.text("PackageSource")).await?;
        }
        method => return Err(not_implemented(call, method)),
    }
    Ok(Outcome::success())
}

async fn of_class(call: Call<'_>, invocation: &Invocation<'_>) -> Result<Outcome, Fault> {
    match invocation.method {
        "CheckSourceFolder" => {
            let flags = call.site.check_source_folder(call.actor, invocation.text("SourceFolder")).await?;
            Ok(Outcome { out: vec![("Result".to_owned(), Value::from(flags))], ..Outcome::success() })
        }
        method => Err(not_implemented(call, method)),
    }
}

fn content_ids(invocation: &Invocation<'_>) -> Result<Vec<i64>, Fault> {
    let ids = invocation.numbers("ContentIDs");
    if ids.is_empty() {
        let reason = "ContentIDs names no content; SMS_CIToContent shows those of a driver".to_owned();
        return Err(Fault::InvalidParameters { method: invocation.method.to_owned(), reason });
    }
    Ok(ids)
}

/// Refuses a refresh that could not follow a change, before the change is made: the two are two steps of the
/// site. Whoever may change packages may also refresh them.
async fn require_source_after(call: Call<'_>, package_id: &str, change: &PackageChange) -> Result<(), Fault> {
    let mut fields = call.site.package(package_id).await?.fields;
    fields.apply(change.clone());
    if fields.has_source() {
        return Ok(());
    }
    Err(Fault::Site(SiteError::NoSource { package_id: package_id.to_owned() }))
}

fn package_id(path: &ObjectPath) -> &str {
    path.key("PackageID").and_then(Value::as_str).unwrap_or("")
}

/// The parallel arrays of AddDistributionPoints, in pairs.
fn pairs(invocation: &Invocation<'_>) -> Result<Vec<(String, String)>, Fault> {
    let (codes, paths) = (invocation.texts("SiteCode"), invocation.texts("NALPath"));
    if codes.len() != paths.len() || codes.is_empty() {
        let reason = format!(
            "SiteCode has {} elements and NALPath {}; one pair for each distribution point is needed",
            codes.len(),
            paths.len()
        );
        return Err(Fault::InvalidParameters { method: invocation.method.to_owned(), reason });
    }
    Ok(codes.into_iter().zip(paths).map(|(code, path)| (code.to_owned(), path.to_owned())).collect())
}

fn split(instance: Instance) -> Result<Write, Fault> {
    let mut write = Write::default();
    for (name, value) in instance.properties {
        match (name.as_str(), value) {
            ("RefreshPkgSourceFlag", value) => write.refresh = value == Value::Boolean(true),
            ("SedoObjectVersion", Value::String(version)) => write.change.sedo_object_version = Some(version),
            ("RefreshSchedule", Value::Null) => {}
            ("RefreshSchedule", Value::Array(tokens)) if tokens.is_empty() => {}
            ("RefreshSchedule", _) => {
                let reason = "this version refreshes on no schedule; leave it empty".to_owned();
                return Err(Fault::OutOfRange { property: name, reason });
            }
            ("PackageType", value) => {
                let reason = format!("{value:?} is not allowed; a driver package has type 3");
                return Err(Fault::OutOfRange { property: name, reason });
            }
            (_, value) => write.change.set(&name, field(&name, value)?)?,
        }
    }
    Ok(write)
}

/// Null means the empty text, as the original's columns have no null.
fn field(name: &str, value: Value) -> Result<FieldValue, Fault> {
    Ok(match value {
        Value::Null => FieldValue::Text(String::new()),
        Value::String(text) => FieldValue::Text(text),
        Value::Boolean(truth) => FieldValue::Flag(truth),
        Value::Integer(number) if u32::try_from(number).is_ok() => {
            FieldValue::Number(u32::try_from(number).expect("checked by the guard"))
        }
        _ => return Err(Fault::ReadOnly { property: name.to_owned() }),
    })
}

/// A new package: the site's defaults with a change on top.
fn new_package(change: PackageChange) -> NewPackage {
    let mut new = NewPackage::default();
    new.apply(change);
    new
}
