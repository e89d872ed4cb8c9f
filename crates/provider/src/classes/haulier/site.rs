use cim::Value;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_Site`: the hierarchy from here. Sites join by themselves; only ending a child's identity is asked for here.
pub(crate) struct Site;

impl ClassHandler for Site {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let ("Revoke", Some(path)) = (invocation.method, invocation.path) else {
                return Err(not_implemented(call, invocation.method));
            };
            let code = path.key("SiteCode").and_then(Value::as_str);
            let code = code.ok_or_else(|| Fault::NotFound { what: path.relative() })?;
            call.site.revoke_site(call.actor, code).await?;
            Ok(Outcome::success())
        })
    }
}
