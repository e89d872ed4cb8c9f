use cim::{ObjectPath, Value};
use site::NalPath;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Work};

/// `Haulier_DistributionPoint`: the server. It enrols by itself; only forgetting it is asked for here.
pub(crate) struct Server;

impl ClassHandler for Server {
    fn delete<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath) -> Work<'a, ()> {
        Box::pin(async move {
            let text = path.key("NALPath").and_then(Value::as_str).unwrap_or("");
            let nal: NalPath = text.parse().map_err(|_| Fault::NotFound { what: path.relative() })?;
            Ok(call.site.remove_dp(call.actor, nal.server()).await?)
        })
    }
}
