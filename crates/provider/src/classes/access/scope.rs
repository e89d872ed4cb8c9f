use cim::{Instance, ObjectPath, Value};
use site::SecuredType;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_SecurityScope`: a part of the site's objects.
pub(crate) struct Scope;

impl ClassHandler for Scope {
    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let text = |name: &str| instance.get(name).and_then(Value::as_str).unwrap_or_default();
            let made = call.site.create_security_scope(call.actor, text("Name"), text("Description")).await?;
            Ok(ObjectPath::new(&call.class.name, [("Name".to_owned(), Value::text(made.name))]))
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move {
            let name = path.key("Name").and_then(Value::as_str).unwrap_or_default();
            Ok(call.site.delete_security_scope(call.actor, name).await?)
        })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let scope = invocation.text("ScopeName");
            let objects = || -> Result<Vec<(SecuredType, String)>, Fault> {
                let number = u32::try_from(invocation.number("ObjectTypeID")).unwrap_or_default();
                let object = SecuredType::from_object_type(number).ok_or_else(|| Fault::OutOfRange {
                    property: "ObjectTypeID".to_owned(),
                    reason: "security scopes hold packages (2 or 23), drivers (25) and groups (43)"
                        .to_owned(),
                })?;
                Ok(invocation.texts("ObjectKeys").into_iter().map(|key| (object, key.to_owned())).collect())
            };
            match invocation.method {
                "Assign" => call.site.assign_scope(call.actor, scope, &objects()?).await?,
                "Unassign" => call.site.unassign_scope(call.actor, scope, &objects()?).await?,
                other => return Err(not_implemented(call, other)),
            }
            Ok(Outcome::success())
        })
    }
}
