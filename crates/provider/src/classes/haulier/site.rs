use cim::{ObjectPath, Value};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_Site`: the hierarchy from here. Sites join by themselves; only ending a child's identity, and removing one that
/// is gone for good, are asked for here.
pub(crate) struct Site;

impl ClassHandler for Site {
    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.remove_site(call.actor, site_code(path)?).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let ("Revoke", Some(path)) = (invocation.method, invocation.path) else {
                return Err(not_implemented(call, invocation.method));
            };
            call.site.revoke_site(call.actor, site_code(path)?).await?;
            Ok(Outcome::success())
        })
    }
}

fn site_code(path: &ObjectPath) -> Result<&str, Fault> {
    let code = path.key("SiteCode").and_then(Value::as_str);
    code.ok_or_else(|| Fault::NotFound { what: path.relative() })
}
