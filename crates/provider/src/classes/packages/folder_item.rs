use cim::{Instance, ObjectPath, Value};

use super::folder::{integer, unsigned};
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_ObjectContainerItem`: an object in a console folder.
pub(crate) struct FolderItem;

impl ClassHandler for FolderItem {
    /// Scripts write SourceSite.
    fn derives_read_only(&self) -> bool {
        true
    }

    /// Puts an object of the root into a folder.
    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let value = |name: &str| instance.get(name).cloned().unwrap_or(Value::Null);
            let kind = unsigned("ObjectType", &value("ObjectType"))?;
            let folder = unsigned("ContainerNodeID", &value("ContainerNodeID"))?;
            let key = value("InstanceKey").as_str().unwrap_or("").to_owned();
            let keys = std::slice::from_ref(&key);
            call.site.move_members(call.actor, kind, keys, ROOT, folder.into()).await?;
            let item = call.site.folder_item_of(kind, &key).await?;
            let item = item.ok_or_else(|| Fault::OutOfRange {
                property: "ContainerNodeID".to_owned(),
                reason: "what is in the root has no item".to_owned(),
            })?;
            let key = ("MemberID".to_owned(), Value::from(item.member_id));
            Ok(ObjectPath::new(&call.class.name, [key]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            for (name, value) in &change.properties {
                if name != "ContainerNodeID" {
                    return Err(Fault::ReadOnly { property: name.clone() });
                }
                move_to(call, path, integer(value).unwrap_or(ROOT)).await?;
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(move_to(call, path, ROOT))
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            if invocation.method != "MoveMembers" {
                return Err(not_implemented(call, invocation.method));
            }
            let keys: Vec<String> = invocation.texts("InstanceKeys").into_iter().map(str::to_owned).collect();
            let number = |name: &str| i64::try_from(invocation.number(name)).unwrap_or(ROOT);
            let kind = u32::try_from(number("ObjectType")).unwrap_or(u32::MAX);
            let (from, to) = (number("ContainerNodeID"), number("TargetContainerNodeID"));
            call.site.move_members(call.actor, kind, &keys, from, to).await?;
            Ok(Outcome::success())
        })
    }
}

/// The root of a type.
const ROOT: i64 = 0;

async fn move_to(call: Call<'_>, path: &ObjectPath, folder: i64) -> Result<(), Fault> {
    let id = path.key("MemberID").and_then(integer);
    let id = id.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
    let item = call.site.folder_item(id).await?;
    let keys = std::slice::from_ref(&item.instance_key);
    Ok(call.site.move_members(call.actor, item.folder_type.number(), keys, item.folder_id, folder).await?)
}
