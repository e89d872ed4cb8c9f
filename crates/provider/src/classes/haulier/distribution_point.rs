use cim::{ObjectPath, Value};
use site::NalPath;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_DistributionPoint`: the server. It enrols by itself; only ending its identity, and forgetting it, are asked for
/// here.
pub(crate) struct Server;

impl ClassHandler for Server {
    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move { Ok(call.site.remove_dp_of(call.actor, &nal_path(path)?).await?) })
    }

    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let ("Revoke", Some(path)) = (invocation.method, invocation.path) else {
                return Err(not_implemented(call, invocation.method));
            };
            call.site.revoke_dp_of(call.actor, &nal_path(path)?).await?;
            Ok(Outcome::success())
        })
    }
}

fn nal_path(path: &ObjectPath) -> Result<NalPath, Fault> {
    let text = path.key("NALPath").and_then(Value::as_str).unwrap_or("");
    text.parse().map_err(|_| Fault::NotFound { what: path.relative() })
}
