//! `haulier group`.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::rows;
use crate::args::GroupCommand;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote, RemoteError, literal, no_parameters};

const CLASS: &str = "SMS_DistributionPointGroup";

/// Does what the command line says.
pub(crate) async fn run(command: &GroupCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        GroupCommand::List => list(remote, format).await,
        GroupCommand::Show { group } => show(remote, group, format).await,
        GroupCommand::Create { name, description } => {
            let mut properties = properties(Some(name), description.as_deref());
            properties.entry("Description").or_insert_with(|| json!(""));
            let made = remote.create(CLASS, &Value::Object(properties)).await?;
            match format {
                Format::Json => output::json(&made),
                Format::Text => output::line(rows::text(&made, "GroupID")),
            }
            Ok(())
        }
        GroupCommand::Set { group, name, description } => {
            let group = found(remote, group).await?;
            let properties = properties(name.as_deref(), description.as_deref());
            remote.change(&key(&group), &Value::Object(properties.clone())).await?;
            output::done(format, &json!({ "Group": rows::text(&group, "Name"), "Changed": properties }));
            Ok(())
        }
        GroupCommand::Delete { group } => {
            let group = found(remote, group).await?;
            remote.delete(&key(&group)).await?;
            output::done(format, &json!({ "Group": rows::text(&group, "Name"), "Deleted": true }));
            Ok(())
        }
        GroupCommand::AddDp { group, distribution_points, no_packages } => {
            let parameters = json!({
                "DPNALPath": nal_paths(remote, distribution_points).await?,
                "AddTargetedPackages": !no_packages,
            });
            call(remote, group, "AddDistributionPoints", &parameters, distribution_points, format).await
        }
        GroupCommand::RemoveDp { group, distribution_points, with_packages } => {
            let parameters = json!({
                "DPNALPath": nal_paths(remote, distribution_points).await?,
                "RemoveTargetedPackages": with_packages,
            });
            call(remote, group, "RemoveDistributionPoints", &parameters, distribution_points, format).await
        }
        GroupCommand::AddPackage { group, packages } => {
            let ids = package_ids(remote, packages).await?;
            call(remote, group, "AddPackages", &json!({ "PackageIDs": ids }), &ids, format).await
        }
        GroupCommand::RemovePackage { group, packages, keep_on_dps } => {
            let ids = package_ids(remote, packages).await?;
            let parameters = json!({ "PackageIDs": ids, "RemovePackageFromDPs": !keep_on_dps });
            call(remote, group, "RemovePackages", &parameters, &ids, format).await
        }
        GroupCommand::Redistribute { group, packages } => {
            let ids = package_ids(remote, packages).await?;
            let group = found(remote, group).await?;
            let mut last = Value::Null;
            for id in &ids {
                let one = json!({ "PackageID": id });
                last = remote.invoke(&key(&group), "ReDistributePackage", &one).await?["ReturnValue"].take();
            }
            let said = json!({
                "Group": rows::text(&group, "Name"), "ReturnValue": last, "ReDistributePackage": ids,
            });
            output::done(format, &said);
            Ok(())
        }
        GroupCommand::Refresh { group } => {
            call(remote, group, "RefreshDPGroup", &no_parameters(), &[], format).await
        }
    }
}

/// The group with this GroupID or name.
async fn found(remote: &Remote, wanted: &str) -> Result<Value, RemoteError> {
    for property in ["GroupID", "Name"] {
        let filter = format!("{property} eq {}", literal(wanted));
        if let Some(group) = remote.list(CLASS, &[("$filter", &filter)]).await?.into_iter().next() {
            return Ok(group);
        }
    }
    let message =
        format!("no distribution point group has the name or ID {wanted}; see `haulier group list`");
    Err(RemoteError::NotFound { message })
}

fn key(group: &Value) -> Key {
    Key::one(CLASS, "GroupID", &rows::text(group, "GroupID"))
}

/// Calls a method of a group and says about what.
async fn call(
    remote: &Remote,
    group: &str,
    method: &str,
    parameters: &Value,
    about: &[String],
    format: Format,
) -> Result<()> {
    let group = found(remote, group).await?;
    let reply = remote.invoke(&key(&group), method, parameters).await?;
    let mut said = json!({ "Group": rows::text(&group, "Name"), "ReturnValue": reply["ReturnValue"] });
    if !about.is_empty() {
        said[method] = json!(about);
    }
    output::done(format, &said);
    Ok(())
}

fn properties(name: Option<&str>, description: Option<&str>) -> Map<String, Value> {
    let given = [("Name", name), ("Description", description)];
    given.into_iter().filter_map(|(name, text)| text.map(|text| (name.to_owned(), json!(text)))).collect()
}

async fn nal_paths(remote: &Remote, names: &[String]) -> Result<Vec<String>, RemoteError> {
    let mut paths = Vec::with_capacity(names.len());
    for name in names {
        paths.push(rows::text(&rows::distribution_point(remote, name).await?, "NALPath"));
    }
    Ok(paths)
}

async fn package_ids(remote: &Remote, packages: &[String]) -> Result<Vec<String>, RemoteError> {
    let mut ids = Vec::with_capacity(packages.len());
    for package in packages {
        ids.push(rows::text(&rows::package(remote, package).await?, "PackageID"));
    }
    Ok(ids)
}

async fn list(remote: &Remote, format: Format) -> Result<()> {
    let groups = remote.list(CLASS, &[("$orderby", "Name")]).await?;
    if format == Format::Json {
        output::json(&groups);
        return Ok(());
    }
    let mut table =
        Table::new(&["GROUP", ">MEMBERS", ">PACKAGES", ">NOT IN SYNC", "GROUP ID", "DESCRIPTION"]);
    for group in &groups {
        table.row(
            ["Name", "MemberCount", "ContentCount", "OutOfSyncContentCount", "GroupID", "Description"]
                .map(|property| rows::text(group, property)),
        );
    }
    table.print();
    Ok(())
}

async fn show(remote: &Remote, group: &str, format: Format) -> Result<()> {
    let group = found(remote, group).await?;
    let filter = format!("GroupID eq {}", literal(&rows::text(&group, "GroupID")));
    let members =
        remote.list("SMS_DPGroupMembers", &[("$filter", &filter), ("$orderby", "DPNALPath")]).await?;
    let packages = remote.list("SMS_DPGroupPackages", &[("$filter", &filter), ("$orderby", "PkgID")]).await?;
    if format == Format::Json {
        output::json(&json!({ "group": group, "members": members, "packages": packages }));
        return Ok(());
    }
    for property in ["Name", "Description", "GroupID", "ContentInSync", "OutOfSyncContentCount"] {
        output::line(format_args!("{property:<21} {}", rows::text(&group, property)));
    }
    output::line("");
    for member in &members {
        output::line(format_args!("distribution point  {}", server(&rows::text(member, "DPNALPath"))));
    }
    for package in &packages {
        output::line(format_args!("package             {}", rows::text(package, "PkgID")));
    }
    Ok(())
}

/// The server of a NAL path; the path itself where it has another form.
fn server(nal_path: &str) -> &str {
    let server = nal_path.rsplit(r"\\").next().unwrap_or(nal_path);
    server.strip_suffix('\\').unwrap_or(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_shown_by_name() {
        let nal_path = r#"["Display=\\dp1.example.test\"]MSWNET:["SMS_SITE=PS1"]\\dp1.example.test\"#;
        assert_eq!(server(nal_path), "dp1.example.test");
        assert_eq!(server("odd"), "odd");
    }
}
