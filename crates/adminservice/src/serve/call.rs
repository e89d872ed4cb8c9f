//! Method calls.

use axum::response::Response;
use cim::ObjectPath;
use http::{Method, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{Exchange, Service};
use crate::error::ApiError;
use crate::reply::reply;
use crate::{body, entity};

impl Service {
    pub(super) async fn invoke(
        &self,
        exchange: &Exchange,
        class: &str,
        path: Option<&ObjectPath>,
        method: &str,
    ) -> Result<Response, ApiError> {
        let schema = self.schema();
        let declared = schema.class(class).and_then(|class| class.method(method));
        // GET is sent by what nobody means to act: browsers, proxies, pictures in a page. So it only reads.
        let changes = declared.is_some() && !self.provider.only_asks(class, method);
        if changes && exchange.parts.method != Method::POST {
            return Err(ApiError::MethodNotAllowed { allow: "POST" });
        }
        let given = body::parameters(schema, declared, &exchange.body)?;
        if let Some(path) = path {
            self.precondition(exchange, path).await?;
        }
        let outcome = self.provider.invoke(&exchange.caller, class, path, method, given).await?;
        let mut answer = Map::new();
        let context = exchange.links.context(schema, "__PARAMETERS");
        answer.insert("@odata.context".to_owned(), json!(context));
        answer.insert("ReturnValue".to_owned(), entity::plain(&outcome.return_value));
        for (name, value) in &outcome.out {
            let parameter = declared.and_then(|method| method.parameters.iter().find(|p| p.name == *name));
            let json = parameter.map_or_else(
                || entity::plain(value),
                |parameter| entity::typed(schema, &parameter.kind, parameter.array, value),
            );
            answer.insert(name.clone(), json);
        }
        Ok(reply(StatusCode::CREATED, &Json::Object(answer)))
    }
}
