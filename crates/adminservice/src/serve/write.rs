//! Making, changing and deleting instances.

use axum::response::{IntoResponse, Response};
use cim::ObjectPath;
use http::header::{HeaderName, LOCATION};
use http::{HeaderValue, StatusCode};
use provider::Operation;
use serde_json::{Map, json};

use super::{Exchange, Service};
use crate::entity::{Purpose, Shape};
use crate::error::ApiError;
use crate::reply::{reply_text, version};
use crate::{body, headers};

impl Service {
    /// Makes an instance; of some classes a POST also changes one that exists.
    pub(super) async fn create(&self, exchange: &Exchange, class: &str) -> Result<Response, ApiError> {
        let class = self.class(class, Operation::PutInstance)?;
        let instance = body::instance(self.schema(), class, &exchange.body)?;
        let path = self.provider.put(&exchange.caller, instance).await?;
        self.written(exchange, &path, Purpose::Created).await
    }

    /// PATCH and PUT alike: sets the given properties, the others stay.
    pub(super) async fn modify(&self, exchange: &Exchange, path: &ObjectPath) -> Result<Response, ApiError> {
        let class = self.class(&path.class, Operation::PutInstance)?;
        let change = body::instance(self.schema(), class, &exchange.body)?;
        self.precondition(exchange, path).await?;
        self.provider.modify(&exchange.caller, path, change).await?;
        self.written(exchange, path, Purpose::Read).await
    }

    pub(super) async fn delete(&self, exchange: &Exchange, path: &ObjectPath) -> Result<Response, ApiError> {
        self.precondition(exchange, path).await?;
        self.provider.delete(&exchange.caller, path).await?;
        Ok((StatusCode::NO_CONTENT, [version()]).into_response())
    }

    /// The bare entity after a write, or nothing where the client wants nothing.
    async fn written(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        purpose: Purpose,
    ) -> Result<Response, ApiError> {
        let instance = self.provider.get(&exchange.caller, path).await?;
        let minimal = headers::prefers_minimal(&exchange.parts.headers);
        let mut response = if minimal {
            (
                StatusCode::NO_CONTENT,
                [version(), (PREFERENCE_APPLIED, HeaderValue::from_static("return=minimal"))],
            )
                .into_response()
        } else {
            let context = format!("{}/$entity", exchange.links.context(self.schema(), &instance.class));
            let head = Map::from_iter([("@odata.context".to_owned(), json!(context))]);
            let (provider, class) = (self.provider.clone(), instance.class.clone());
            let mut entity = Vec::new();
            Shape { provider, class, select: None, purpose }.writer().write(&mut entity, &head, &instance);
            let status = if purpose == Purpose::Created { StatusCode::CREATED } else { StatusCode::OK };
            reply_text(status, entity)
        };
        if purpose == Purpose::Created
            && let Ok(link) = HeaderValue::try_from(exchange.links.instance(self.schema(), &instance))
        {
            let headers = response.headers_mut();
            if minimal {
                headers.insert(ENTITY_ID, link.clone());
            }
            headers.insert(LOCATION, link);
        }
        Ok(response)
    }
}

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Where the entity is, when an answer has no body to say it.
const ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");
