use std::net::IpAddr;

use cim::{Instance, ObjectPath, Value};
use site::{NewUser, Role, UserChange};

use super::scopes;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_User`: somebody who may sign in.
pub(crate) struct User;

impl ClassHandler for User {
    fn create<'a>(&'a self, call: Call<'a>, instance: Instance) -> Work<'a, ObjectPath> {
        Box::pin(async move {
            let name = required(&instance, "Name")?;
            let (password, role) = (required(&instance, "Password")?, required(&instance, "Role")?);
            if instance.get("IsEnabled").and_then(Value::as_bool) == Some(false) {
                let reason = "a new user is enabled; disable the user afterwards".to_owned();
                return Err(Fault::OutOfRange { property: "IsEnabled".to_owned(), reason });
            }
            let said = scopes::named(instance.get("AllScopes"), instance.get("ScopeNames"))?;
            let scopes =
                said.ok_or_else(|| Fault::IllegalNull { property: "AllScopes or ScopeNames".to_owned() })?;
            let allow_ntlm = instance.get("AllowNtlm").and_then(Value::as_bool).unwrap_or(false);
            let new = NewUser { name, password, role: role.parse()?, scopes: &scopes, allow_ntlm };
            call.site.add_user(call.actor, new).await?;
            Ok(ObjectPath::new(&call.class.name, [("Name".to_owned(), Value::text(name))]))
        })
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            let text = |name: &str| change.get(name).and_then(Value::as_str);
            let change = UserChange {
                password: text("Password").map(str::to_owned),
                role: text("Role").map(str::parse::<Role>).transpose()?,
                scopes: scopes::named(change.get("AllScopes"), change.get("ScopeNames"))?,
                disabled: change.get("IsEnabled").and_then(Value::as_bool).map(|enabled| !enabled),
                allow_ntlm: change.get("AllowNtlm").and_then(Value::as_bool),
            };
            Ok(call.site.change_user(call.actor, name(path), change).await?)
        })
    }

    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.delete_user(call.actor, name(path)).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let text = |name: &str| invocation.text(name);
            match (invocation.method, invocation.path) {
                ("ChangeOwnPassword", _) => {
                    call.site.change_own_password(call.actor, text("Present"), text("New")).await?;
                }
                ("Unlock", Some(path)) => call.site.unlock_user(call.actor, name(path)).await?,
                ("UnlockAddress", _) => {
                    let address: IpAddr = text("Address").parse().map_err(|_| Fault::InvalidParameters {
                        method: invocation.method.to_owned(),
                        reason: "Address must be an IP address, for example 192.0.2.7".to_owned(),
                    })?;
                    call.site.unlock_address(call.actor, address).await?;
                }
                (other, _) => return Err(not_implemented(call, other)),
            }
            Ok(Outcome::success())
        })
    }
}

fn required<'a>(instance: &'a Instance, property: &str) -> Result<&'a str, Fault> {
    let value = instance.get(property).and_then(Value::as_str);
    value.ok_or_else(|| Fault::IllegalNull { property: property.to_owned() })
}

fn name(path: &ObjectPath) -> &str {
    path.key("Name").and_then(Value::as_str).unwrap_or("")
}
