//! From an HTTP request to the provider and back.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use cim::query::Query;
use cim::{Instance, ObjectPath, Value};
use clock::SharedClock;
use http::header::{CONTENT_TYPE, HOST, HeaderName, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use net::Peer;
use provider::{Caller, ClassInfo, Fault, Operation, Provider, ProviderError};
use serde_json::{Map, Value as Json, json};
use site::{Role, Site};

use crate::entity::{self, Purpose};
use crate::error::ApiError;
use crate::list::{ListLimits, Turns};
use crate::options::{self, Options};
use crate::request::Request;
use crate::{body, list, metadata};

/// The longest body that is read, in bytes: an icon in base64 with room to spare.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest URL behind the host, in bytes.
pub const URL_BYTES_MAX: usize = 16 * 1024;
/// The longest body of a reader, in bytes: the only thing that readers write is a token's name.
const READER_BODY_BYTES_MAX: usize = 16 * 1024;
/// The longest body of a question, in bytes: a machine with a thousand devices names them all.
const QUESTION_BYTES_MAX: usize = 1024 * 1024;

const JSON: &str = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";

/// What the handlers share.
#[derive(Debug)]
struct Service {
    provider: Provider,
    site: Site,
    clock: SharedClock,
    turns: Turns,
}

/// Everything about one request that an answer needs.
struct Exchange {
    caller: Caller,
    /// `https://host/AdminService/wmi`
    root: String,
    /// The query as sent.
    query: String,
}

/// The service, for `/AdminService/...` in any case; every other path answers 404 in the service's form.
///
/// Requests must carry the [`Peer`] extension that `net` sets, or no credentials are accepted.
pub fn router(provider: Provider, site: Site, clock: SharedClock) -> Router {
    router_with(provider, site, clock, ListLimits::default())
}

/// The service with other limits than those of [`ListLimits::default`].
pub fn router_with(provider: Provider, site: Site, clock: SharedClock, limits: ListLimits) -> Router {
    // axum's routes regard case, the service does not; the rest of the path is parsed by `url`.
    let service = Arc::new(Service { provider, site, clock, turns: Turns::new(limits) });
    Router::new().fallback(any(handle)).with_state(service)
}

async fn handle(State(service): State<Arc<Service>>, request: axum::extract::Request) -> Response {
    let started = service.clock.monotonic();
    let (parts, body) = request.into_parts();
    let response = service.answer(&parts, body).await.unwrap_or_else(IntoResponse::into_response);
    let took_ms = service.clock.monotonic().saturating_sub(started).as_millis();
    tracing::debug!(method = %parts.method, path = parts.uri.path(), status = response.status().as_u16(), took_ms, "answered");
    response
}

impl Service {
    async fn answer(&self, parts: &Parts, body: Body) -> Result<Response, ApiError> {
        let actor = signin::authenticate(&self.site, parts.extensions.get::<Peer>(), &parts.headers).await?;
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
        if path.len() + query.len() > URL_BYTES_MAX {
            return Err(ApiError::UrlTooLong { limit: URL_BYTES_MAX });
        }
        let exchange =
            Exchange { caller: Caller::from(actor), root: self.root(parts), query: query.to_owned() };
        let request = Request::parse(&parts.method, path, query)?;
        let limit = body_limit(exchange.caller.actor.role, self.only_asks(&request));
        let body = to_bytes(body, limit).await.map_err(|_| ApiError::BodyTooLong { limit })?;
        self.dispatch(&exchange, request, parts, body).await
    }

    async fn dispatch(
        &self,
        exchange: &Exchange,
        request: Request,
        parts: &Parts,
        body: Bytes,
    ) -> Result<Response, ApiError> {
        match request {
            Request::ServiceDocument => {
                Ok(reply(StatusCode::OK, &metadata::service_document(self.provider.schema(), &exchange.root)))
            }
            Request::Metadata => Ok(xml(metadata::document(self.provider.schema()))),
            Request::List { class, options } => self.list(exchange, class, options).await,
            Request::Count { class, options } => self.count(exchange, class, options).await,
            Request::Get { path, options } => self.get(exchange, &path, &options).await,
            Request::Create { class } => self.create(exchange, &class, &body).await,
            Request::Modify { path } => {
                self.modify(exchange, &path, &body).await?;
                let minimal = parts.headers.get("prefer").is_some_and(|value| value == "return=minimal");
                if minimal {
                    Ok(StatusCode::NO_CONTENT.into_response())
                } else {
                    self.one(exchange, &path, Purpose::Read).await
                }
            }
            Request::Delete { path } => {
                self.provider.delete(&exchange.caller, &path).await?;
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            Request::Invoke { class, path, method } => {
                self.check_verb(&parts.method, &class, &method)?;
                self.invoke(exchange, &class, path.as_ref(), &method, &body).await
            }
        }
    }

    async fn list(&self, exchange: &Exchange, class: String, options: Options) -> Result<Response, ApiError> {
        let select = options.select.clone();
        let mut query = options.into_query(class);
        let (asked, skip) = (query.top, query.skip.unwrap_or(0));
        let page = self.turns.page(select.as_deref());
        // One more than fits tells whether something follows.
        let most = asked.unwrap_or(u64::MAX).min(page + 1);
        query.top = Some(most);
        let (context, name) = (self.context(exchange, query.class()), query.class().to_owned());
        let _turn = self.turns.take(most).await?;
        let mut answer = self.provider.query(&exchange.caller, query).await?;
        let next = (answer.instances.len() as u64 > page).then(|| {
            let rest = options::rest(&exchange.query, skip.saturating_add(page), asked.map(|top| top - page));
            format!("{}/{name}?{rest}", exchange.root)
        });
        answer.instances.truncate(usize::try_from(page).unwrap_or(usize::MAX));
        let mut head = Map::new();
        head.insert("@odata.context".to_owned(), json!(context));
        if let Some(count) = answer.count {
            head.insert("@odata.count".to_owned(), json!(count));
        }
        let entity = |instance: &Instance| self.entity(instance, select.as_deref(), Purpose::Read);
        Ok(reply_text(StatusCode::OK, list::write(head, answer.instances, entity, next)))
    }

    async fn count(
        &self,
        exchange: &Exchange,
        class: String,
        options: Options,
    ) -> Result<Response, ApiError> {
        let query =
            Query { count: true, top: Some(0), skip: None, order: Vec::new(), ..options.into_query(class) };
        let count = self.provider.query(&exchange.caller, query).await?.count.unwrap_or(0);
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")), version()];
        Ok((headers, count.to_string()).into_response())
    }

    /// One instance, in an array: clients of this route read `value[0]`.
    async fn get(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        options: &Options,
    ) -> Result<Response, ApiError> {
        let instance = self.provider.get(&exchange.caller, path).await?;
        if let Some(unknown) = self.unknown_name(&instance, options) {
            return Err(ApiError::InvalidOption {
                option: "$select".to_owned(),
                reason: format!("there is no property {unknown}"),
            });
        }
        let context = self.context(exchange, &instance.class);
        let entity = self.entity(&instance, options.select.as_deref(), Purpose::Read);
        Ok(reply(StatusCode::OK, &json!({ "@odata.context": context, "value": [entity] })))
    }

    fn unknown_name<'a>(&self, instance: &Instance, options: &'a Options) -> Option<&'a String> {
        let class = self.provider.schema().class(&instance.class)?;
        let known = |name: &String| name.starts_with("__") || class.property(name).is_some();
        options.select.iter().flatten().find(|name| !known(name))
    }

    /// Makes an instance; of some classes a POST also changes one that exists.
    async fn create(&self, exchange: &Exchange, class: &str, body: &[u8]) -> Result<Response, ApiError> {
        let class = self.class(class, Operation::PutInstance)?;
        let instance = body::instance(self.provider.schema(), class, body)?;
        let path = self.provider.put(&exchange.caller, instance).await?;
        self.one(exchange, &path, Purpose::Created).await
    }

    async fn modify(&self, exchange: &Exchange, path: &ObjectPath, body: &[u8]) -> Result<(), ApiError> {
        let class = self.class(&path.class, Operation::PutInstance)?;
        let change = body::instance(self.provider.schema(), class, body)?;
        Ok(self.provider.modify(&exchange.caller, path, change).await?)
    }

    /// The bare entity, after a write.
    async fn one(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        purpose: Purpose,
    ) -> Result<Response, ApiError> {
        let instance = self.provider.get(&exchange.caller, path).await?;
        let mut entity = Map::new();
        let context = format!("{}/$entity", self.context(exchange, &instance.class));
        entity.insert("@odata.context".to_owned(), json!(context));
        entity.extend(self.entity(&instance, None, purpose));
        let status = if purpose == Purpose::Created { StatusCode::CREATED } else { StatusCode::OK };
        let mut response = reply(status, &Json::Object(entity));
        if let (Purpose::Created, Ok(location)) =
            (purpose, HeaderValue::try_from(self.location(exchange, &instance)))
        {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    /// Whether a request calls a method that changes nothing.
    fn only_asks(&self, request: &Request) -> bool {
        let Request::Invoke { class, method, .. } = request else { return false };
        let declared = self.provider.schema().class(class).and_then(|class| class.method(method));
        declared.is_some_and(|called| called.qualifiers.has("reads"))
    }

    /// GET is sent by what nobody means to act: browsers, proxies, pictures in a page. So it only reads.
    fn check_verb(&self, verb: &Method, class: &str, method: &str) -> Result<(), ApiError> {
        let declared = self.provider.schema().class(class).and_then(|class| class.method(method));
        match declared {
            Some(called) if verb != Method::POST && !called.qualifiers.has("reads") => {
                Err(ApiError::MethodNotAllowed { allow: "POST" })
            }
            _ => Ok(()),
        }
    }

    async fn invoke(
        &self,
        exchange: &Exchange,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
        body: &[u8],
    ) -> Result<Response, ApiError> {
        let declared = self.provider.schema().class(class).and_then(|class| class.method(method));
        let given = body::parameters(self.provider.schema(), declared, body)?;
        let outcome = self.provider.invoke(&exchange.caller, class, path, method, given).await?;
        let mut answer = Map::new();
        answer.insert("@odata.context".to_owned(), json!(self.context(exchange, "__PARAMETERS")));
        answer.insert("ReturnValue".to_owned(), entity::plain(&outcome.return_value));
        answer.extend(outcome.out.iter().map(|(name, value)| (name.clone(), entity::plain(value))));
        Ok(reply(StatusCode::CREATED, &Json::Object(answer)))
    }

    fn entity(&self, instance: &Instance, select: Option<&[String]>, purpose: Purpose) -> Map<String, Json> {
        let class =
            self.provider.schema().class(&instance.class).expect("the provider returns its own classes");
        match select {
            Some(names) => entity::selected(&self.provider, class, instance, names),
            None => entity::whole(&self.provider, class, instance, purpose),
        }
    }

    fn class(&self, name: &str, operation: Operation) -> Result<&'static ClassInfo, ApiError> {
        let fault = || Fault::InvalidClass { class: name.to_owned() };
        let invalid = || ProviderError { operation, object: name.to_owned(), fault: fault() };
        Ok(self.provider.schema().class(name).ok_or_else(invalid)?)
    }

    /// `.../$metadata#Class`, the class spelled as declared.
    fn context(&self, exchange: &Exchange, class: &str) -> String {
        let declared = self.provider.schema().class(class).map_or(class, |class| class.name.as_str());
        format!("{}/$metadata#{declared}", exchange.root)
    }

    /// The URL of an instance.
    fn location(&self, exchange: &Exchange, instance: &Instance) -> String {
        let class =
            self.provider.schema().class(&instance.class).expect("the provider returns its own classes");
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
        format!("{}/{}({inside})", exchange.root, instance.class)
    }

    fn root(&self, parts: &Parts) -> String {
        let secure = parts.extensions.get::<Peer>().is_some_and(|peer| peer.secure);
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = named.or(parts.uri.authority().map(http::uri::Authority::as_str));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        // A host that is none is the client's own mistake; links then name the server.
        let host =
            host.filter(|host| !host.is_empty() && host.chars().all(plain)).unwrap_or(self.provider.server());
        format!("{}://{host}/AdminService/wmi", if secure { "https" } else { "http" })
    }
}

/// A key as it stands in a URL.
fn key_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => {
            let quoted = text.replace('\'', "''");
            format!(
                "'{}'",
                percent_encoding::utf8_percent_encode(&quoted, percent_encoding::NON_ALPHANUMERIC)
            )
        }
        Some(value) => entity::plain(value).to_string(),
        None => String::new(),
    }
}

fn reply(status: StatusCode, json: &Json) -> Response {
    reply_text(status, json.to_string())
}

fn reply_text(status: StatusCode, json: String) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(JSON)), version()];
    (status, headers, json).into_response()
}

/// Who may change nothing of weight need not be heard out before the provider says so.
fn body_limit(role: Role, only_asks: bool) -> usize {
    match role {
        _ if only_asks => QUESTION_BYTES_MAX,
        Role::Reader => READER_BODY_BYTES_MAX,
        Role::FullAdministrator | Role::Operator | Role::Author => BODY_BYTES_MAX,
    }
}

fn xml(document: String) -> Response {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8")), version()];
    (headers, document).into_response()
}

fn version() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("odata-version"), HeaderValue::from_static("4.0"))
}
