//! Lists, counts, and one instance by its key.

use axum::response::{IntoResponse, Response};
use cim::query::Query;
use cim::{Instance, ObjectPath};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Map, json};

use super::{Exchange, Service};
use crate::entity::{self, Purpose, Shape};
use crate::error::ApiError;
use crate::options::{Options, is_made};
use crate::reply::version;
use crate::{headers, list};

impl Service {
    pub(super) async fn list(
        &self,
        exchange: &Exchange,
        class: String,
        options: Options,
    ) -> Result<Response, ApiError> {
        exchange.refuse_options_in_body()?;
        let select = options.select.clone();
        let mut query = options.into_query(class);
        let only_head = exchange.parts.method == Method::HEAD;
        if only_head {
            // The names are checked and no row is read.
            query.top = Some(0);
        }
        let class = query.class().to_owned();
        let mut head = Map::new();
        head.insert("@odata.context".to_owned(), json!(exchange.links.context(self.schema(), &class)));
        let instances = self.provider.query_stream(&exchange.caller, query).await?;
        if only_head {
            return Ok(list::head());
        }
        if let Some(count) = instances.count {
            head.insert("@odata.count".to_owned(), json!(count));
        }
        let shape = Shape { provider: self.provider.clone(), class, select, purpose: Purpose::Read };
        list::answer(head, instances, shape).await
    }

    pub(super) async fn count(
        &self,
        exchange: &Exchange,
        class: String,
        options: Options,
    ) -> Result<Response, ApiError> {
        exchange.refuse_options_in_body()?;
        let query =
            Query { count: true, top: Some(0), skip: None, order: Vec::new(), ..options.into_query(class) };
        let count = self.provider.query(&exchange.caller, query).await?.count.unwrap_or(0);
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")), version()];
        Ok((headers, count.to_string()).into_response())
    }

    /// One instance, in an array: clients of this route read `value[0]`.
    pub(super) async fn get(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        options: &Options,
    ) -> Result<Response, ApiError> {
        exchange.refuse_options_in_body()?;
        let instance = self.provider.get(&exchange.caller, path).await?;
        if let Some(unknown) = self.unknown_name(&instance, options) {
            return Err(ApiError::InvalidOption {
                option: "$select".to_owned(),
                reason: format!("there is no property {unknown}"),
            });
        }
        let context = exchange.links.context(self.schema(), &path.class);
        let (class, select) = (path.class.clone(), options.select.clone());
        let shape = Shape { provider: self.provider.clone(), class, select, purpose: Purpose::Read };
        let head = Map::from_iter([("@odata.context".to_owned(), json!(context))]);
        Ok(list::of_one(head, &instance, shape))
    }

    fn unknown_name<'a>(&self, instance: &Instance, options: &'a Options) -> Option<&'a String> {
        let class = self.schema().class(&instance.class)?;
        let known = |name: &String| is_made(name) || class.property(name).is_some();
        options.select.iter().flatten().find(|name| !known(name))
    }

    /// Holds a write against the header `If-Match`, where one was sent.
    pub(super) async fn precondition(&self, exchange: &Exchange, path: &ObjectPath) -> Result<(), ApiError> {
        let Some(wanted) = headers::if_match(&exchange.parts.headers) else { return Ok(()) };
        let instance = self.provider.get(&exchange.caller, path).await?;
        let class = self.schema().class(&instance.class).expect("the provider returns its own classes");
        if headers::is_matched(wanted, &entity::etag(class, &instance)) {
            Ok(())
        } else {
            Err(ApiError::PreconditionFailed)
        }
    }
}

impl Exchange {
    /// PowerShell's `-Body` of a GET lands here where it could not be moved into the URL. To pass it over would
    /// answer with everything where little was asked for.
    fn refuse_options_in_body(&self) -> Result<(), ApiError> {
        let reads = matches!(self.parts.method, Method::GET | Method::HEAD);
        let options = self.body.contains(&b'$') || self.body.windows(3).any(|three| three == b"%24");
        if reads && options { Err(ApiError::OptionsInBody) } else { Ok(()) }
    }
}
