use cim::{Instance, ObjectPath, Value};
use site::{DpGroupChange, NewDpGroup};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_DistributionPointGroup`: distribution points that are sent the same packages.
pub(crate) struct Group;

impl ClassHandler for Group {
    fn put_changes(&self) -> bool {
        true
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let change = change(instance)?;
            let missing = || Fault::IllegalNull { property: "Name".to_owned() };
            let name = change.name.ok_or_else(missing)?;
            let new = NewDpGroup { name, description: change.description.unwrap_or_default() };
            let made = call.site.create_dp_group(call.actor, new).await?;
            Ok(ObjectPath::new(&call.class.name, [("GroupID".to_owned(), Value::String(made.group_id))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            call.site.update_dp_group(call.actor, group_id(path), self::change(change)?).await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_dp_group(call.actor, group_id(path)).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let Call { site, actor, .. } = call;
            let Some(path) = invocation.path else { return Err(not_implemented(call, invocation.method)) };
            let (id, texts) = (group_id(path), |name: &str| texts(&invocation, name));
            match invocation.method {
                "AddDistributionPoints" => {
                    let packages = invocation.truth("AddTargetedPackages");
                    site.add_dp_group_members(actor, id, &texts("DPNALPath"), packages).await?;
                }
                "RemoveDistributionPoints" => {
                    let packages = invocation.truth("RemoveTargetedPackages");
                    site.remove_dp_group_members(actor, id, &texts("DPNALPath"), packages).await?;
                }
                "AddPackages" => site.add_dp_group_packages(actor, id, &texts("PackageIDs")).await?,
                "RemovePackages" => {
                    let from_points = from_points(&invocation)?;
                    site.remove_dp_group_packages(actor, id, &texts("PackageIDs"), from_points).await?;
                }
                "ReDistributePackage" => {
                    let package = invocation.text("PackageID").to_owned();
                    site.redistribute_dp_group_packages(actor, id, &[package]).await?;
                }
                "RefreshDPGroup" => site.refresh_dp_group(actor, id).await?,
                method => return Err(not_implemented(call, method)),
            }
            Ok(Outcome::success())
        })
    }
}

fn group_id(path: &ObjectPath) -> &str {
    path.key("GroupID").and_then(Value::as_str).unwrap_or("")
}

fn texts(invocation: &Invocation<'_>, name: &str) -> Vec<String> {
    invocation.texts(name).into_iter().map(str::to_owned).collect()
}

/// Whether removed packages also leave the members: true unless one of the parameter's two names says otherwise.
fn from_points(invocation: &Invocation<'_>) -> Result<bool, Fault> {
    let names = ["RemovePackageFromDPs", "RemoveTargetedPackages"];
    let given = names.map(|name| invocation.value(name).and_then(Value::as_bool));
    match given {
        [Some(one), Some(other)] if one != other => {
            let reason = format!("{} and {} are two names of one parameter", names[0], names[1]);
            Err(Fault::InvalidParameters { method: invocation.method.to_owned(), reason })
        }
        [one, other] => Ok(one.or(other).unwrap_or(true)),
    }
}

fn change(instance: Instance) -> Result<DpGroupChange, Fault> {
    let mut change = DpGroupChange::default();
    for (name, value) in instance.properties {
        match (name.as_str(), value) {
            ("Name", Value::String(text)) => change.name = Some(text),
            ("Name", _) => return Err(Fault::IllegalNull { property: name }),
            ("Description", value) => change.description = Some(value.as_str().unwrap_or("").to_owned()),
            _ => return Err(Fault::ReadOnly { property: name }),
        }
    }
    Ok(change)
}
