//! The command line's side of a site: its AdminService, and nothing else.

mod events;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use net::Endpoint;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::args::SiteAddress;

pub(crate) use events::{Event, Events};

/// How long to wait for a connection and for each answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a method call or a download may take in all: some copy gigabytes before they answer.
const WORK_TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);
/// The provider's ErrorCode for content that the package has already; scripts take it for success.
const CONTENT_IN_PACKAGE: u64 = 1_078_462_229;

/// What OData leaves alone in a query value or key.
const QUERY_ESCAPE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'\'').remove(b'*');

/// A site's AdminService, signed in.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    http: reqwest::Client,
    base: String,
    sign_in: SignIn,
    /// The id of everything that this command asks for.
    call: String,
}

#[derive(Debug, Clone)]
enum SignIn {
    Password { user: String, password: String },
    Token(String),
}

/// Why a command could not be done by the site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("no password: set HAULIER_PASSWORD (or HAULIER_API_TOKEN)")]
    NoCredentials,
    #[error(
        "{url} is plain HTTP to another machine, where everybody on the way could read the password; say https:// in \
         HAULIER_SITE, and --ca with the site's CA certificate"
    )]
    PlainNotLoopback { url: String },
    #[error("{url} is no address of a site; say for example https://ps1.example.test:8530")]
    NoAddress { url: String },
    #[error("cannot read the CA certificate {file}: {reason}")]
    UnusableCa { file: String, reason: String },
    #[error("cannot write {file}: {reason}")]
    UnusableFile { file: String, reason: String },
    #[error(
        "the site at {url} does not answer: {reason}; is `haulier site run` running, and is HAULIER_SITE right?"
    )]
    Unreachable { url: String, reason: String },
    #[error(
        "the certificate of the site at {url} is not trusted: {reason}; give its CA certificate with --ca or HAULIER_CA \
         (`haulier site ca` prints it at the site), or, if {url} is a name that is not in the certificate, add the name to \
         `names` in haulier.toml at the site and start it again"
    )]
    Untrusted { url: String, reason: String },
    #[error(
        "the site at {url} has not answered yet; it may still be working on it: `haulier status --messages` shows what was done"
    )]
    Unanswered { url: String },
    #[error("the site does not accept user or password (HAULIER_USER, HAULIER_PASSWORD)")]
    NotSignedIn,
    #[error("the site refuses: {message}")]
    Forbidden { message: String },
    #[error("{message}")]
    NotFound { message: String },
    #[error("the site says: {message}")]
    Refused { message: String },
    #[error("{message}")]
    Ambiguous { message: String },
    #[error("{message}")]
    AlreadyThere { message: String },
    #[error("the site's answer makes no sense to this version of haulier: {what}")]
    Garbled { what: String },
}

impl RemoteError {
    /// The exit code for scripts; the command line's help lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            RemoteError::Unreachable { .. }
            | RemoteError::Untrusted { .. }
            | RemoteError::Unanswered { .. } => 3,
            RemoteError::NoCredentials | RemoteError::NotSignedIn | RemoteError::Forbidden { .. } => 4,
            RemoteError::NotFound { .. } => 5,
            RemoteError::PlainNotLoopback { .. }
            | RemoteError::NoAddress { .. }
            | RemoteError::UnusableCa { .. }
            | RemoteError::UnusableFile { .. }
            | RemoteError::Refused { .. }
            | RemoteError::AlreadyThere { .. }
            | RemoteError::Ambiguous { .. }
            | RemoteError::Garbled { .. } => 1,
        }
    }
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Remote {
    /// A client for the site at `address`; nothing is sent yet.
    pub(crate) fn new(address: &SiteAddress) -> Result<Self> {
        let sign_in = match (&address.api_token, &address.password) {
            (Some(token), _) => SignIn::Token(token.clone()),
            (None, Some(password)) => {
                SignIn::Password { user: address.user.clone(), password: password.clone() }
            }
            (None, None) => return Err(RemoteError::NoCredentials),
        };
        let base = address.url().trim_end_matches('/').to_owned();
        let endpoint: Endpoint = base.parse().map_err(|_| RemoteError::NoAddress { url: base.clone() })?;
        if !endpoint.is_secure() && !endpoint.is_loopback() {
            return Err(RemoteError::PlainNotLoopback { url: base });
        }
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT).no_proxy();
        if let Some(file) = &address.ca {
            let unusable =
                |reason: String| RemoteError::UnusableCa { file: file.display().to_string(), reason };
            let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
            let certificate =
                reqwest::Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
            builder = builder.tls_certs_only([certificate]);
        }
        let http = builder
            .build()
            .map_err(|error| RemoteError::Unreachable { url: base.clone(), reason: error.to_string() })?;
        Ok(Self { http, base, sign_in, call: site::call::new_id() })
    }

    /// By what everything that this command asks for is found in logs and status messages.
    pub(crate) fn call_id(&self) -> &str {
        &self.call
    }

    /// The password that the commands sign in with; none if it is a token.
    pub(crate) fn password(&self) -> Option<&str> {
        match &self.sign_in {
            SignIn::Password { password, .. } => Some(password),
            SignIn::Token(_) => None,
        }
    }

    /// The instances of a class that pass an OData filter, in the order of its key unless told otherwise.
    pub(crate) async fn list(&self, class: &str, options: &[(&str, &str)]) -> Result<Vec<Value>> {
        let query: Vec<String> = options
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY_ESCAPE)))
            .collect();
        let path = if query.is_empty() { class.to_owned() } else { format!("{class}?{}", query.join("&")) };
        let mut rows = Vec::new();
        let mut page = self.send(Method::GET, &path, None).await?;
        loop {
            match page["value"].take() {
                Value::Array(instances) => rows.extend(instances),
                _ => return Err(RemoteError::Garbled { what: format!("a list of {class} without `value`") }),
            }
            let Some(next) = page["@odata.nextLink"].as_str() else { return Ok(rows) };
            let path = self.path_of(next)?;
            page = self.send(Method::GET, &path, None).await?;
        }
    }

    /// The first instances that pass an OData filter, in this order, and how many pass it in all.
    pub(crate) async fn first(
        &self,
        most: usize,
        class: &str,
        filter: &str,
        order: &str,
    ) -> Result<(Vec<Value>, u64)> {
        let [filter, order] = [filter, order].map(|value| utf8_percent_encode(value, QUERY_ESCAPE));
        let path = format!("{class}?$filter={filter}&$orderby={order}&$top={most}&$count=true");
        let mut page = self.send(Method::GET, &path, None).await?;
        let garbled =
            || RemoteError::Garbled { what: format!("a list of {class} without `value` or its count") };
        match (page["value"].take(), page["@odata.count"].as_u64()) {
            (Value::Array(instances), Some(count)) => Ok((instances, count)),
            _ => Err(garbled()),
        }
    }

    /// The part of a link that `send` takes; a link to elsewhere would carry the password there.
    fn path_of(&self, link: &str) -> Result<String> {
        let garbled = || RemoteError::Garbled { what: format!("a next page at {link}") };
        let (_, path) = link.split_once("/AdminService/wmi/").ok_or_else(garbled)?;
        Ok(path.to_owned())
    }

    /// One instance, lazy properties included.
    pub(crate) async fn get(&self, key: &Key) -> Result<Value> {
        let mut reply = self.send(Method::GET, &key.path(), None).await?;
        match reply["value"].get_mut(0) {
            Some(instance) => Ok(instance.take()),
            None => Err(RemoteError::Garbled { what: format!("{} without an instance", key.class) }),
        }
    }

    /// Creates an instance and returns it as stored.
    pub(crate) async fn create(&self, class: &str, properties: &Value) -> Result<Value> {
        self.send(Method::POST, class, Some(properties)).await
    }

    /// Changes some properties of an instance.
    pub(crate) async fn change(&self, key: &Key, properties: &Value) -> Result<Value> {
        self.send(Method::PATCH, &key.path(), Some(properties)).await
    }

    /// Deletes an instance.
    pub(crate) async fn delete(&self, key: &Key) -> Result<()> {
        self.send(Method::DELETE, &key.path(), None).await.map(drop)
    }

    /// Calls an instance method; a return value other than 0 is an error.
    pub(crate) async fn invoke(&self, key: &Key, method: &str, parameters: &Value) -> Result<Value> {
        self.call(&format!("{}/AdminService.{method}", key.path()), method, parameters).await
    }

    /// Calls a static method; a return value other than 0 is an error.
    pub(crate) async fn invoke_static(&self, class: &str, method: &str, parameters: &Value) -> Result<Value> {
        self.call(&format!("{class}.{method}"), method, parameters).await
    }

    async fn call(&self, path: &str, method: &str, parameters: &Value) -> Result<Value> {
        let request = self.signed(Method::POST, &format!("AdminService/wmi/{path}")).json(parameters);
        let reply = self.answered(request.timeout(WORK_TIMEOUT)).await?;
        match reply["ReturnValue"].as_i64() {
            Some(0) => Ok(reply),
            Some(code) => Err(RemoteError::Refused { message: format!("{method} returned {code}") }),
            None => Err(RemoteError::Garbled { what: format!("{method} without a return value") }),
        }
    }

    /// Asks the service for machines that look for drivers.
    pub(crate) async fn drivers(&self, question: &str, body: &Value) -> Result<Value> {
        let request = self.signed(Method::POST, &format!("drivers/v1/{question}")).json(body);
        self.answered(request).await
    }

    /// The same, with an answer that is a file; gives its size in bytes.
    pub(crate) async fn download_drivers(&self, question: &str, body: &Value, to: &Path) -> Result<u64> {
        let request = self.signed(Method::POST, &format!("drivers/v1/{question}")).json(body);
        // The whole answer may take long; silence may not.
        let request = request.timeout(WORK_TIMEOUT);
        let mut reply = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = reply.status();
        if !status.is_success() {
            let text = reply.text().await.map_err(|error| self.unreachable(&error))?;
            return Err(refusal(status, &text));
        }
        let failed = |reason: String| RemoteError::UnusableFile { file: to.display().to_string(), reason };
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A download that breaks off leaves neither half a file nor the loss of an older whole one.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(error.to_string()))?;
        let mut bytes = 0;
        while let Some(part) = reply.chunk().await.map_err(|error| self.unreachable(&error))? {
            file.write_all(&part).map_err(|error| failed(error.to_string()))?;
            bytes += part.len() as u64;
        }
        file.persist(to).map_err(|error| failed(error.to_string()))?;
        Ok(bytes)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.signed(method, &format!("AdminService/wmi/{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        self.answered(request).await
    }

    fn signed(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.base));
        let request = request.header("x-request-id", &self.call);
        match &self.sign_in {
            SignIn::Password { user, password } => request.basic_auth(user, Some(password)),
            SignIn::Token(token) => request.bearer_auth(token),
        }
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Value> {
        let reply = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = reply.status();
        let text = reply.text().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return if text.is_empty() { Ok(Value::Null) } else { parse(&text) };
        }
        Err(refusal(status, &text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> RemoteError {
        if error.is_timeout() && !error.is_connect() {
            return RemoteError::Unanswered { url: self.base.clone() };
        }
        // reqwest's own text stops at "error sending request"; the cause says what to do.
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let (url, reason) = (self.base.clone(), cause.to_string());
        match net::is_untrusted(error) {
            true => RemoteError::Untrusted { url, reason },
            false => RemoteError::Unreachable { url, reason },
        }
    }
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| RemoteError::Garbled { what: error.to_string() })
}

fn refusal(status: StatusCode, body: &str) -> RemoteError {
    let error = parse(body).map_or(Value::Null, |mut value| value["error"].take());
    let message = error["message"].as_str().map_or_else(|| format!("HTTP status {status}"), str::to_owned);
    if error["innererror"]["SMS_ExtendedStatus"]["ErrorCode"].as_u64() == Some(CONTENT_IN_PACKAGE) {
        return RemoteError::AlreadyThere { message };
    }
    match status {
        StatusCode::UNAUTHORIZED => RemoteError::NotSignedIn,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => RemoteError::Forbidden { message },
        StatusCode::NOT_FOUND => RemoteError::NotFound { message },
        _ => RemoteError::Refused { message },
    }
}

/// The address of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    class: &'static str,
    /// Names and OData literals.
    keys: Vec<(&'static str, String)>,
}

impl Key {
    /// An instance with one key, a string.
    pub(crate) fn one(class: &'static str, name: &'static str, value: &str) -> Self {
        Self { class, keys: vec![(name, literal(value))] }
    }

    /// An instance with one key, a number.
    pub(crate) fn number(class: &'static str, name: &'static str, value: u64) -> Self {
        Self { class, keys: vec![(name, value.to_string())] }
    }

    /// An instance with several keys, all strings.
    pub(crate) fn several(class: &'static str, keys: &[(&'static str, &str)]) -> Self {
        Self { class, keys: keys.iter().map(|&(name, value)| (name, literal(value))).collect() }
    }

    /// An instance with these keys, as OData literals.
    pub(crate) fn of(class: &'static str, keys: &[(&'static str, String)]) -> Self {
        Self { class, keys: keys.to_vec() }
    }

    /// The same with one key more, a number.
    pub(crate) fn and_number(mut self, name: &'static str, value: u64) -> Self {
        self.keys.push((name, value.to_string()));
        self
    }

    fn path(&self) -> String {
        let escaped = |value: &str| utf8_percent_encode(value, QUERY_ESCAPE).to_string();
        let keys = match self.keys.as_slice() {
            [(_, value)] => escaped(value),
            several => {
                let pairs = several.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
                pairs.collect::<Vec<_>>().join(",")
            }
        };
        format!("{}({keys})", self.class)
    }
}

/// A string as an OData literal: quoted, with inner quotes doubled.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The parameters of a method that takes none.
pub(crate) fn no_parameters() -> Value {
    json!({})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_and_escaped() {
        let one = Key::one("SMS_DriverPackage", "PackageID", "PS100001");
        assert_eq!(one.path(), "SMS_DriverPackage('PS100001')");
        let nal = r#"["Display=\\dp1\"]MSWNET:["SMS_SITE=PS1"]\\dp1\"#;
        let several =
            Key::several("SMS_DistributionPoint", &[("PackageID", "PS100001"), ("ServerNALPath", nal)]);
        assert_eq!(
            several.path(),
            "SMS_DistributionPoint(PackageID='PS100001',ServerNALPath=\
             '%5B%22Display%3D%5C%5Cdp1%5C%22%5DMSWNET%3A%5B%22SMS_SITE%3DPS1%22%5D%5C%5Cdp1%5C')"
        );
        assert_eq!(Key::one("C", "K", "O'Neil").path(), "C('O''Neil')");
        assert_eq!(Key::number("C", "K", 7).path(), "C(7)");
    }

    #[test]
    fn refusals_become_exit_codes_that_scripts_can_tell_apart() {
        let body = r#"{"error":{"code":"x","message":"Because."}}"#;
        for (status, code, text) in [
            (401, 4, "the site does not accept user or password (HAULIER_USER, HAULIER_PASSWORD)"),
            (403, 4, "the site refuses: Because."),
            (429, 4, "the site refuses: Because."),
            (404, 5, "Because."),
            (400, 1, "the site says: Because."),
        ] {
            let error = refusal(StatusCode::from_u16(status).unwrap(), body);
            assert_eq!((error.exit_code(), error.to_string().as_str()), (code, text));
        }
        let held =
            r#"{"error":{"message":"Held.","innererror":{"SMS_ExtendedStatus":{"ErrorCode":1078462229}}}}"#;
        assert!(matches!(refusal(StatusCode::CONFLICT, held), RemoteError::AlreadyThere { .. }));
        assert_eq!(
            refusal(StatusCode::BAD_GATEWAY, "<html>").to_string(),
            "the site says: HTTP status 502 Bad Gateway"
        );
    }
}
