use cim::{ObjectPath, Value};
use site::PlatformKey;

use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_SupportedPlatforms`: the Windows releases that drivers can be for.
pub(crate) struct SupportedPlatforms;

impl ClassHandler for SupportedPlatforms {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match (invocation.method, invocation.path) {
                ("Enable", Some(path)) => {
                    let is_supported = invocation.truth("IsSupported");
                    call.site.set_platform_supported(call.actor, &key(path), is_supported).await?;
                    Ok(Outcome::success())
                }
                _ => Err(not_implemented(call, invocation.method)),
            }
        })
    }
}

fn key(path: &ObjectPath) -> PlatformKey {
    let text = |name: &str| path.key(name).and_then(Value::as_str).unwrap_or("").to_owned();
    PlatformKey {
        name: text("OSName"),
        platform: text("OSPlatform"),
        min_version: text("OSMinVersion"),
        max_version: text("OSMaxVersion"),
    }
}
