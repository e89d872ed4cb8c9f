use cim::{Instance, ObjectPath, Value};
use site::Role;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work};

/// `Haulier_User`: somebody who may sign in.
pub(crate) struct User;

impl ClassHandler for User {
    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let name = required(&instance, "Name")?;
            let (password, role) = (required(&instance, "Password")?, required(&instance, "Role")?);
            call.site.create_user(call.actor, name, password, role.parse()?).await?;
            Ok(ObjectPath::new(&call.class.name, [("Name".to_owned(), Value::text(name))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let name = name(path);
            let role = change.get("Role").and_then(Value::as_str).map(str::parse::<Role>).transpose()?;
            // The password first: it is the one that is refused more often, and then the role must not be new.
            if let Some(password) = change.get("Password").and_then(Value::as_str) {
                call.site.set_password(call.actor, name, password).await?;
            }
            if let Some(role) = role {
                call.site.set_role(call.actor, name, role).await?;
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_user(call.actor, name(path)).await?) })
    }
}

fn required<'a>(instance: &'a Instance, property: &str) -> Result<&'a str, Fault> {
    let value = instance.get(property).and_then(Value::as_str);
    value.ok_or_else(|| Fault::IllegalNull { property: property.to_owned() })
}

fn name(path: &ObjectPath) -> &str {
    path.key("Name").and_then(Value::as_str).unwrap_or("")
}
