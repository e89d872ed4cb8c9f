use cim::Value;

use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_Identification`: what the site is called.
pub(crate) struct Identification;

impl ClassHandler for Identification {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "GetSiteID" => ("SiteID", format!("{{{}}}", call.site.identity().site_guid)),
                "GetProviderVersion" => ("Version", env!("CARGO_PKG_VERSION").to_owned()),
                "GetCurrentUser" => ("UserName", call.actor.name.clone()),
                _ => return Err(not_implemented(call, invocation.method)),
            };
            Ok(Outcome { out: vec![(out.0.to_owned(), Value::String(out.1))], ..Outcome::success() })
        })
    }
}
