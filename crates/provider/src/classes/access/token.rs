use std::time::Duration;

use cim::{DateTime, ObjectPath, Value};
use site::{NewToken, Role};

use super::scopes;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_Token`: bearer tokens. The secret leaves once, from `Create`. Whose tokens a caller sees is the site's rule.
pub(crate) struct Token;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl ClassHandler for Token {
    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move {
            let missing = || Fault::NotFound { what: path.relative() };
            let token = self.get(call, path).await?;
            let owner = token.get("UserName").and_then(Value::as_str).ok_or_else(missing)?;
            let id = token.get("TokenID").and_then(Value::as_integer);
            let id = id.and_then(|id| i64::try_from(id).ok()).ok_or_else(missing)?;
            Ok(call.site.revoke_token(call.actor, owner, id).await?)
        })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            if invocation.method != "Create" {
                return Err(not_implemented(call, invocation.method));
            }
            let owner = match invocation.text("UserName") {
                "" => call.actor.name.as_str(),
                name => name,
            };
            let whole = |name: &str| u32::try_from(invocation.number(name)).unwrap_or(u32::MAX);
            let life = match whole("LifeSeconds") {
                0 => DAY.saturating_mul(whole("LifeDays")),
                seconds => Duration::from_secs(u64::from(seconds)),
            };
            let role = Some(invocation.text("Role")).filter(|role| !role.is_empty());
            let said = scopes::named(invocation.value("AllScopes"), invocation.value("ScopeNames"))?;
            let scopes = said.unwrap_or_default();
            let new = NewToken {
                user: owner,
                label: invocation.text("Label"),
                life,
                role: role.map(str::parse::<Role>).transpose()?,
                scopes: &scopes,
            };
            let made = call.site.make_token(call.actor, new).await?;
            let out = [
                ("TokenID", Value::from(made.id)),
                ("Token", Value::String(made.secret)),
                ("Expires", Value::DateTime(DateTime::from_timestamp(made.expires_at))),
            ];
            let out = out.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}
