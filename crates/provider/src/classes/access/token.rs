use std::time::Duration;

use cim::query::{Expr, Operator, Query};
use cim::{DateTime, ObjectPath, Value};
use site::Role;

use crate::error::Fault;
use crate::handler::{Answer, Call, ClassHandler, Invocation, Outcome, Work, not_implemented};
use crate::rows;

/// `Haulier_Token`: bearer tokens. The secret leaves once, from `Create`.
pub(crate) struct Token;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl ClassHandler for Token {
    /// Users see their own, full administrators all: as the site lets them manage tokens.
    fn query<'a>(&'a self, call: Call<'a>, query: &'a Query) -> Work<'a, Answer> {
        Box::pin(async move {
            let mut query = query.clone();
            if call.actor.role != Role::FullAdministrator {
                let own = Expr::compare("UserName", Operator::Eq, call.actor.name.as_str());
                query.filter = Some(Expr::And(std::iter::once(own).chain(query.filter).collect()));
            }
            rows::query(call, &query).await
        })
    }

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
            let days = invocation.number("LifeDays");
            let life = DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
            let made = call.site.create_token(call.actor, owner, invocation.text("Label"), life).await?;
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
