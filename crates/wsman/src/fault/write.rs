//! The envelope of a fault.

use cim::Value;
use provider::ProviderError;
use xml::Writer;

use super::{WsmanFault, line};
use crate::names::{FAULT, FAULT_DETAIL};
use crate::reply::{LANGUAGE, Reply};

/// What a client that comes at a busy time is told to wait, in milliseconds.
const BUSY_RETRY_MS: u32 = 2_000;

/// The dialects of filters that an answer offers to who asked for another.
const FILTER_DIALECTS: [&str; 3] = [
    "http://schemas.microsoft.com/wbem/wsman/1/WQL",
    "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter",
    "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter",
];

impl WsmanFault {
    /// The answer. `server` is the machine's name, `namespace` that of the provider's error objects, with slashes.
    pub(crate) fn reply(&self, server: &str, namespace: &str) -> Reply {
        let line = self.line();
        let mut body = Writer::new();
        body.open("s:Fault", &[]);
        body.open("s:Code", &[]);
        body.leaf("s:Value", &[], line.code);
        if let Some(subcode) = line.subcode {
            body.open("s:Subcode", &[]);
            body.leaf("s:Value", &[], subcode);
            body.close();
        }
        body.close();
        body.open("s:Reason", &[]);
        body.leaf("s:Text", &[("xml:lang", LANGUAGE)], &self.to_string());
        body.close();
        body.open("s:Detail", &[]);
        if let Some(detail) = line.detail {
            body.leaf("w:FaultDetail", &[], &format!("{FAULT_DETAIL}{detail}"));
        }
        self.more_detail(&mut body, line.subcode);
        let number = line.number.to_string();
        body.open("f:WSManFault", &[("xmlns:f", FAULT), ("Code", &number), ("Machine", server)]);
        self.message(&mut body, server, namespace);
        body.close();
        body.close();
        body.close();
        let reply = Reply::new(line.action, body);
        match self {
            Self::MustUnderstand { namespace, name } => reply.not_understood(namespace, name),
            _ => reply,
        }
    }

    /// What single lines of the table have of their own.
    fn more_detail(&self, body: &mut Writer, subcode: Option<&str>) {
        match self {
            Self::FilterDialect { .. } => {
                for dialect in FILTER_DIALECTS {
                    body.leaf("n:SupportedDialect", &[], dialect);
                }
            }
            Self::ActionNotSupported { action, .. } | Self::ActionMismatch { action, .. } => {
                body.leaf("a:Action", &[], action);
            }
            _ if subcode == Some("a:EndpointUnavailable") => {
                body.leaf("a:RetryAfter", &[], &BUSY_RETRY_MS.to_string());
            }
            _ => {}
        }
    }

    fn message(&self, body: &mut Writer, server: &str, namespace: &str) {
        let Self::Provider(error) = self else {
            body.leaf("f:Message", &[], &self.to_string());
            return;
        };
        body.open("f:Message", &[]);
        body.open("f:ProviderFault", &[("provider", "SMS Provider")]);
        let number = line::wmi_number(error).to_string();
        body.open("f:WSManFault", &[("Code", &number), ("Machine", server)]);
        body.leaf("f:Message", &[], &self.to_string());
        body.close();
        body.open("f:ExtendedError", &[]);
        extended_status(body, error, namespace);
        body.close();
        body.close();
        body.close();
    }
}

/// The error object, in the form that Windows gives it whatever the resource URI: Microsoft's. All that it has are texts
/// and numbers.
fn extended_status(body: &mut Writer, error: &ProviderError, namespace: &str) {
    let mut status = error.extended_status();
    status.properties.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    let class = &status.class;
    let uri = format!("http://schemas.microsoft.com/wbem/wsman/1/wmi/{namespace}/{class}");
    let kind = format!("p:{class}_Type");
    body.open(&format!("p:{class}"), &[("xmlns:p", &uri), ("xsi:type", &kind)]);
    for (name, value) in &status.properties {
        let name = format!("p:{name}");
        match value {
            Value::String(text) => body.leaf(&name, &[], text),
            Value::Integer(number) => body.leaf(&name, &[], &number.to_string()),
            _ => body.empty(&name, &[("xsi:nil", "true")]),
        }
    }
    body.close();
}
