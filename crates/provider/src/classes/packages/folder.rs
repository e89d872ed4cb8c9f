use cim::{Instance, ObjectPath, Value};
use site::{FolderChange, NewFolder};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work};

/// `SMS_ObjectContainerNode`: a console folder.
pub(crate) struct Folder;

impl ClassHandler for Folder {
    fn put_changes(&self) -> bool {
        true
    }

    /// Scripts write SourceSite.
    fn derives_read_only(&self) -> bool {
        true
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let default =
                |name: &str| call.class.property(name).map_or(Value::Null, |known| known.default.clone());
            let value = |name: &str| instance.get(name).cloned().unwrap_or_else(|| default(name));
            let text = |name: &str| value(name).as_str().unwrap_or("").to_owned();
            let new = NewFolder {
                name: text("Name"),
                object_type: unsigned("ObjectType", &value("ObjectType"))?,
                parent_id: integer(&value("ParentContainerNodeID")).unwrap_or(0),
                folder_flags: unsigned("FolderFlags", &value("FolderFlags"))?,
                search_folder: value("SearchFolder").as_bool().unwrap_or(false),
                search_string: text("SearchString"),
            };
            let made = call.site.create_folder(call.actor, new).await?;
            let key = ("ContainerNodeID".to_owned(), Value::from(made.folder_id));
            Ok(ObjectPath::new(&call.class.name, [key]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let mut folder = FolderChange::default();
            for (name, value) in &change.properties {
                match name.as_str() {
                    "Name" => folder.name = Some(value.as_str().unwrap_or("").to_owned()),
                    "ParentContainerNodeID" => folder.parent_id = Some(integer(value).unwrap_or(0)),
                    "FolderFlags" => folder.folder_flags = Some(unsigned(name, value)?),
                    "SearchFolder" => folder.search_folder = Some(value.as_bool().unwrap_or(false)),
                    "SearchString" => folder.search_string = Some(value.as_str().unwrap_or("").to_owned()),
                    _ => return Err(Fault::ReadOnly { property: name.clone() }),
                }
            }
            call.site.update_folder(call.actor, id(path)?, folder).await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_folder(call.actor, id(path)?).await?) })
    }
}

fn id(path: &ObjectPath) -> Result<i64, Fault> {
    let id = path.key("ContainerNodeID").and_then(integer);
    id.ok_or_else(|| Fault::NotFound { what: path.relative() })
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_integer().and_then(|number| i64::try_from(number).ok())
}

/// The number of a property that must have one.
pub(super) fn unsigned(property: &str, value: &Value) -> Result<u32, Fault> {
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Fault::IllegalNull { property: property.to_owned() })
}
