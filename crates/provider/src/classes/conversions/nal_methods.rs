use cim::Value;
use cim::nal::{NalError, NalPath};

use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Invocation, Outcome, Work, not_implemented};

/// `SMS_NAL_Methods`: NAL paths, put together and taken apart.
pub(crate) struct NalMethods;

impl ClassHandler for NalMethods {
    fn invoke<'a>(&'a self, call: Call<'a>, invocation: Invocation<'a>) -> Work<'a, Outcome> {
        Box::pin(async move {
            let out = match invocation.method {
                "PackNALPath" => pack(&invocation),
                "UnPackNALPath" => unpack(&invocation),
                _ => return Err(not_implemented(call, invocation.method)),
            };
            let out = out.map_err(|reason| Fault::InvalidParameters {
                method: invocation.method.to_owned(),
                reason: reason.to_string(),
            })?;
            let out = out.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Ok(Outcome { out, ..Outcome::success() })
        })
    }
}

fn pack(given: &Invocation<'_>) -> Result<Vec<(&'static str, Value)>, NalError> {
    let list = |name: &str| given.texts(name).into_iter().map(str::to_owned).collect();
    let display = list("DisplayQualifiers");
    let connection = list("NetworkConnectionQualifiers");
    let path = NalPath::new(display, given.text("NALType"), connection, given.text("NetworkOSPath"))?;
    Ok(vec![("NALPath", Value::String(path.to_string()))])
}

fn unpack(given: &Invocation<'_>) -> Result<Vec<(&'static str, Value)>, NalError> {
    let path: NalPath = given.text("NALPath").parse()?;
    let list = |texts: &[String]| Value::Array(texts.iter().map(Value::text).collect());
    Ok(vec![
        ("DisplayQualifiers", list(path.display())),
        ("NALType", Value::text(path.kind())),
        ("NetworkOSPath", Value::text(path.network_path())),
        ("NetworkConnectionQualifiers", list(path.connection())),
    ])
}
