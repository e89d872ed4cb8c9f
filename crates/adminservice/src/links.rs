//! The addresses that answers name: of the service, of a class in `$metadata`, of one instance.

use cim::{Instance, Value};
use http::header::HOST;
use http::request::Parts;
use net::Peer;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use provider::Schema;

use crate::entity;

/// Addresses as the client of one request sees them.
#[derive(Debug)]
pub(crate) struct Links {
    /// `https://host/AdminService/wmi`
    root: String,
}

impl Links {
    /// The addresses for a request; `server` is named where the request names no usable host.
    pub(crate) fn of(parts: &Parts, server: &str) -> Self {
        let secure = parts.extensions.get::<Peer>().is_some_and(|peer| peer.secure);
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = named.or(parts.uri.authority().map(http::uri::Authority::as_str));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        // A host that is none is the client's own mistake; links then name the server.
        let host = host.filter(|host| !host.is_empty() && host.chars().all(plain)).unwrap_or(server);
        Self { root: format!("{}://{host}/AdminService/wmi", if secure { "https" } else { "http" }) }
    }

    /// `https://host/AdminService/wmi`
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// `.../$metadata#Class`, the class spelled as declared.
    pub(crate) fn context(&self, schema: &Schema, class: &str) -> String {
        let declared = schema.class(class).map_or(class, |class| class.name.as_str());
        format!("{}/$metadata#{declared}", self.root)
    }

    /// The URL of an instance.
    pub(crate) fn instance(&self, schema: &Schema, instance: &Instance) -> String {
        let class = schema.class(&instance.class).expect("the provider returns its own classes");
        let keys: Vec<_> = class
            .keys()
            .into_iter()
            .map(|key| (key.name.as_str(), key_text(instance.get(&key.name))))
            .collect();
        let inside = match keys.as_slice() {
            [(_, only)] => only.clone(),
            several => {
                several.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
            }
        };
        format!("{}/{}({inside})", self.root, instance.class)
    }
}

/// A key as it stands in a URL.
fn key_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => {
            format!("'{}'", utf8_percent_encode(&text.replace('\'', "''"), NON_ALPHANUMERIC))
        }
        Some(value) => entity::plain(value).to_string(),
        None => String::new(),
    }
}
