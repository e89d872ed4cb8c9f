use cim::{ObjectPath, Value};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_PackageVersion`: what was published, and the way back to it.
pub(crate) struct PackageVersion;

impl ClassHandler for PackageVersion {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match (invocation.method, invocation.path) {
                ("Rollback", Some(path)) => {
                    let (package_id, version) = key(path)?;
                    let new = call.site.roll_back_package(call.actor, package_id, version).await?;
                    let out = vec![("NewSourceVersion".to_owned(), Value::from(new))];
                    Ok(Outcome { out, ..Outcome::success() })
                }
                (method, _) => Err(not_implemented(call, method)),
            }
        })
    }
}

fn key(path: &ObjectPath) -> Result<(&str, u32), Fault> {
    let missing = || Fault::NotFound { what: path.relative() };
    let package_id = path.key("PackageID").and_then(Value::as_str).ok_or_else(missing)?;
    let version = path.key("SourceVersion").and_then(Value::as_integer);
    Ok((package_id, version.and_then(|version| u32::try_from(version).ok()).ok_or_else(missing)?))
}
