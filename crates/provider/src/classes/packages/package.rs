use cim::{Instance, ObjectPath, Value};
use site::{Duplicate, NewPackage, PackageChange, PackageType, SiteError};

use super::write;
use crate::bytes;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, by_keys, not_implemented};
use crate::rows;

/// `SMS_DriverPackage` and `SMS_Package`: the package and `RefreshPkgSource`, the main job.
pub(crate) struct Package(pub(crate) PackageType);

impl ClassHandler for Package {
    fn put_changes(&self) -> bool {
        true
    }

    fn derived(&self) -> &'static [&'static str] {
        &["StoredPkgVersion"]
    }

    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let found = rows::query(call, &by_keys(call.class, path)).await?.instances.into_iter().next();
            let mut instance = found.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
            let id = instance.get("PackageID").and_then(Value::as_str).unwrap_or("").to_owned();
            let data = call.site.package_data(&id).await?;
            for (name, bytes) in
                [("ExtendedData", data.extended_data), ("Icon", data.icon), ("ISVData", data.isv_data)]
            {
                instance.set(name, bytes.map_or(Value::Null, bytes::value));
            }
            let planned = call.site.refresh_schedule(&id).await?.tokens;
            let tokens = planned.iter().map(|token| Value::Instance(Box::new(token.to_instance())));
            instance.set("RefreshSchedule", Value::Array(tokens.collect()));
            Ok(instance)
        })
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            // The first snapshot is queued by the creation itself, so a refresh asked for with it is done.
            let mut write = write::split(self.0, instance)?;
            let data = std::mem::take(&mut write.change.data);
            let planned = write.change.refresh_schedule.take().unwrap_or_default();
            let new = new_package(write.change);
            let made = call.site.create_package_of(call.actor, self.0, new, data, &planned).await?;
            Ok(ObjectPath::new(&call.class.name, [("PackageID".to_owned(), Value::String(made.package_id))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let write = write::split(self.0, change)?;
            let id = package_id(path);
            let read = write.change.sedo_object_version.clone();
            let nothing = PackageChange { sedo_object_version: read.clone(), ..PackageChange::default() };
            if write.change == nothing && write.refresh {
                // Who may refresh only may put only this.
                return Ok(call.site.refresh_edited_package(call.actor, id, read.as_deref()).await?);
            }
            if write.refresh {
                require_source_after(call, id, &write.change).await?;
            }
            call.site.update_package(call.actor, id, write.change).await?;
            if write.refresh {
                call.site.refresh_edited_package(call.actor, id, None).await?;
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
        "CheckDuplicateShareName" => {
            let (name, except) = (invocation.text("ShareName"), invocation.text("PackageID"));
            Ok(duplicate(call.site.package_with_share(call.actor, name, except).await?.as_ref()))
        }
        "CheckDuplicateSourceName" => {
            let (path, except) = (invocation.text("SourceName"), invocation.text("SourceSite"));
            Ok(duplicate(call.site.package_with_source(call.actor, path, except).await?.as_ref()))
        }
        "CheckPackageShareForTaskSequenceDeployment" => {
            call.site.package_for(call.actor, &invocation.text("PackageID").to_ascii_uppercase()).await?;
            let none = || Value::Array(Vec::new());
            let out = vec![
                ("IsValid".to_owned(), Value::Boolean(true)),
                ("InvalidTaskSequenceDeploymentIDs".to_owned(), none()),
                ("InvalidTaskSequenceDeploymentNames".to_owned(), none()),
            ];
            Ok(Outcome { out, ..Outcome::success() })
        }
        method => Err(not_implemented(call, method)),
    }
}

/// DupPkgType where nothing is duplicated, or by what does not exist for the caller.
const TYPE_OF_NOTHING: u32 = 1;

fn duplicate(found: Option<&Duplicate>) -> Outcome {
    let (package_id, name, package_type) = match found {
        Some(Duplicate::Package { package_id, name, package_type }) => {
            (package_id.as_str(), name.as_str(), package_type.number())
        }
        Some(Duplicate::Hidden) | None => ("", "", TYPE_OF_NOTHING),
    };
    let out = vec![
        ("IsDuplicated".to_owned(), Value::Boolean(found.is_some())),
        ("DupPkgName".to_owned(), Value::text(name)),
        ("DupPkgID".to_owned(), Value::text(package_id)),
        ("DupPkgType".to_owned(), Value::from(package_type)),
    ];
    Outcome { out, ..Outcome::success() }
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

/// A new package: the site's defaults with a change on top.
fn new_package(change: PackageChange) -> NewPackage {
    let mut new = NewPackage::default();
    new.apply(change);
    new
}
