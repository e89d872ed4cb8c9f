use cim::{Instance, ObjectPath, Value};
use site::{ImportRequest, ImportSource, PackHashes};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `Haulier_DriverImport`: all drivers of folders and archives, imported by the site.
pub(crate) struct DriverImport;

impl ClassHandler for DriverImport {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            match (invocation.method, invocation.path) {
                ("Start", _) => {
                    let id = call.site.start_import(call.actor, request(&invocation)?).await?;
                    let out = vec![("ImportID".to_owned(), Value::from(id))];
                    Ok(Outcome { out, ..Outcome::success() })
                }
                ("Cancel", Some(path)) => {
                    call.site.cancel_import(call.actor, import_id(path)?).await?;
                    Ok(Outcome::success())
                }
                (method, _) => Err(not_implemented(call, method)),
            }
        })
    }
}

fn request(invocation: &Invocation<'_>) -> Result<ImportRequest, Fault> {
    let owned = |name: &str| invocation.texts(name).into_iter().map(str::to_owned);
    let mut sources: Vec<_> = owned("Sources").map(ImportSource::Path).collect();
    sources.extend(invocation.objects("Packs").into_iter().map(pack));
    Ok(ImportRequest {
        sources,
        categories: owned("Categories").collect(),
        enable: invocation.truth("Enable"),
        duplicates: invocation.text("Duplicates").parse()?,
    })
}

/// `Haulier_PackSource`
fn pack(object: &Instance) -> ImportSource {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or("");
    let hash = |name: &str| Some(text(name).to_ascii_lowercase()).filter(|hash| !hash.is_empty());
    let size = object.get("SizeBytes").and_then(Value::as_integer);
    ImportSource::Pack {
        location: text("Location").to_owned(),
        size_bytes: size.and_then(|size| u64::try_from(size).ok()),
        hashes: PackHashes { sha256: hash("SHA256"), sha1: hash("SHA1"), md5: hash("MD5") },
    }
}

fn import_id(path: &ObjectPath) -> Result<i64, Fault> {
    let id = path.key("ImportID").and_then(Value::as_integer).and_then(|id| i64::try_from(id).ok());
    id.ok_or_else(|| Fault::NotFound { what: path.relative() })
}
