use cim::Value;

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_DistributionPointInfo`: the server, with the two methods that are about it.
pub(crate) struct PointInfo;

impl ClassHandler for PointInfo {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match invocation.method {
                "SetDPMaintenanceMode" => {
                    let on = mode(invocation.number("Mode"))?;
                    call.site.set_maintenance(call.actor, invocation.text("NALPath"), on).await?;
                    Ok(Outcome::success())
                }
                "GetChainedPullDPs" => {
                    let paths = call.site.chained_pull_points(invocation.text("SourceDPNALPath")).await?;
                    let paths = Value::Array(paths.into_iter().map(Value::String).collect());
                    Ok(Outcome { out: vec![("ChainedDPs".to_owned(), paths)], ..Outcome::success() })
                }
                _ => Err(not_implemented(call, invocation.method)),
            }
        })
    }
}

fn mode(given: i128) -> Result<bool, Fault> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::OutOfRange {
            property: "Mode".to_owned(),
            reason: "it is 1 for on, 0 for off".to_owned(),
        }),
    }
}
