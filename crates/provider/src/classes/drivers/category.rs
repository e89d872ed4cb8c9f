use cim::{Instance, ObjectPath, Value};
use site::{CategoryChange, NewCategory};

use super::localized;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work, by_keys};
use crate::rows;

/// `SMS_CategoryInstance`: a label for drivers.
pub(crate) struct Category;

impl ClassHandler for Category {
    fn put_changes(&self) -> bool {
        true
    }

    /// Scripts write SourceSite.
    fn derives_read_only(&self) -> bool {
        true
    }

    fn get<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, Instance> {
        Box::pin(async move {
            let found = rows::query(call, &by_keys(call.class, path)).await?.instances.into_iter().next();
            let mut instance = found.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
            let stored = call.site.category(id(path)?).await?;
            instance.set("LocalizedInformation", localized::names_out(&stored.localized));
            Ok(instance)
        })
    }

    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let text = |name: &str| instance.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
            let new = NewCategory {
                unique_id: text("CategoryInstance_UniqueID"),
                type_name: text("CategoryTypeName"),
                localized: instance.get("LocalizedInformation").map(localized::names_in).unwrap_or_default(),
            };
            let made = call.site.create_category(call.actor, new).await?;
            let key = ("CategoryInstanceID".to_owned(), Value::from(made.category_id));
            Ok(ObjectPath::new(&call.class.name, [key]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let mut names = CategoryChange::default();
            for (name, value) in &change.properties {
                match (name.as_str(), value) {
                    // What lists show; every category has a name.
                    ("LocalizedInformation", Value::Array(names)) if names.is_empty() => {}
                    ("LocalizedInformation", value) => names.localized = Some(localized::names_in(value)),
                    (name, _) => return Err(Fault::ReadOnly { property: name.to_owned() }),
                }
            }
            call.site.update_category(call.actor, id(path)?, names).await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_category(call.actor, id(path)?).await?) })
    }
}

fn id(path: &ObjectPath) -> Result<i64, Fault> {
    let id = path.key("CategoryInstanceID").and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok());
    id.ok_or_else(|| Fault::NotFound { what: path.relative() })
}
