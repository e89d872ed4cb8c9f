use cim::{ObjectPath, Value};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_PackageToContent`: one driver content in one package.
pub(crate) struct PackageContent;

impl ClassHandler for PackageContent {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match (invocation.method, invocation.path) {
                ("IsContentValid", Some(path)) => {
                    let package_id = path.key("PackageID").and_then(Value::as_str).unwrap_or("");
                    let valid = call.site.is_content_valid(package_id, content_id(path)?).await?;
                    Ok(Outcome { return_value: Value::Boolean(valid), out: Vec::new() })
                }
                (method, _) => Err(not_implemented(call, method)),
            }
        })
    }
}

fn content_id(path: &ObjectPath) -> Result<i64, Fault> {
    let id = path.key("ContentID").and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok());
    id.ok_or_else(|| Fault::NotFound { what: path.relative() })
}
