//! Get, Put, Create and Delete of instances (DSP0226 chapter 7, DSP0227 chapter 7).

use cim::{Instance, ObjectPath, Value};
use provider::{ClassInfo, EDITION, Schema};
use xml::{Element, Node, Writer};

use crate::envelope::{Fragment, Headers};
use crate::fault::{BodyMistake, SizeLimit, WsmanFault};
use crate::fragment::Part;
use crate::instance::{self, Shape};
use crate::names::{WSMAN, action};
use crate::reply::Reply;
use crate::resource::ResourceUri;
use crate::serve::{Exchange, Service};
use crate::{epr, options};

impl Service {
    /// One instance, lazy properties included.
    pub(crate) async fn get(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        fragment: Option<&Fragment>,
    ) -> Result<Reply, WsmanFault> {
        let found = self.provider.get(&exchange.caller, path).await?;
        self.shown(exchange, action::GET, &found, fragment)
    }

    /// Sets the properties that are given, and shows the instance as it is stored.
    pub(crate) async fn put(
        &self,
        exchange: &Exchange,
        path: &ObjectPath,
        change: Change,
        fragment: Option<&Fragment>,
    ) -> Result<Reply, WsmanFault> {
        match change {
            Change::Given(change) => self.provider.modify(&exchange.caller, path, change).await?,
            Change::Listed(change) => self.provider.modify_listed(&exchange.caller, path, change).await?,
        }
        let stored =
            self.provider.get(&exchange.caller, path).await.map_err(|error| unseen(&error.into()))?;
        self.shown(exchange, action::PUT, &stored, fragment)
    }

    /// Makes an instance. One that is there already is left as it is: Put changes it.
    pub(crate) async fn create(&self, exchange: &Exchange, new: Instance) -> Result<Reply, WsmanFault> {
        let path = self.provider.create(&exchange.caller, new).await?;
        let mut body = Writer::new();
        epr::write(&mut body, "x:ResourceCreated", &exchange.headers.resource.style, &self.provider, &path);
        Ok(Reply::to_action(action::CREATE, body))
    }

    /// Deletes an instance.
    pub(crate) async fn delete(&self, exchange: &Exchange, path: &ObjectPath) -> Result<Reply, WsmanFault> {
        self.provider.delete(&exchange.caller, path).await?;
        Ok(Reply::to_action(action::DELETE, Writer::new()))
    }

    fn shown(
        &self,
        exchange: &Exchange,
        action: &str,
        found: &Instance,
        fragment: Option<&Fragment>,
    ) -> Result<Reply, WsmanFault> {
        let mut body = Writer::new();
        let shape = Shape::of(&exchange.headers, &self.provider);
        let Some(fragment) = fragment else {
            shape.write(&mut body, found);
            return Ok(Reply::to_action(action, body));
        };
        let class = self.provider.schema().class(&found.class).expect("the provider returns its own classes");
        Part::read(fragment, class)?.write(&mut body, &shape, class, found)?;
        Ok(Reply::to_action(action, body).fragment(fragment))
    }
}

/// What a Put sets.
#[derive(Debug)]
pub(crate) enum Change {
    /// What its body has.
    Given(Instance),
    /// What the client says it has changed, and the edition that it has read.
    Listed(Instance),
}

/// What became of the look at a change says nothing of the change: who saw it fail would make it again.
fn unseen(fault: &WsmanFault) -> WsmanFault {
    if fault.is_ours() {
        tracing::error!(error = fault as &dyn std::error::Error, "a change was made and cannot be shown");
    }
    let reason = format!("the operation was done, but what is stored now cannot be shown: {fault}");
    WsmanFault::EncodingLimit { kind: SizeLimit::UnreportableSuccess, reason }
}

/// The instance in a body, of the class or of one below or above it.
pub(crate) fn instance(
    body: Option<Node<'_, '_>>,
    schema: &Schema,
    class: &'static ClassInfo,
) -> Result<Instance, WsmanFault> {
    let body =
        body.ok_or_else(|| wrong(BodyMistake::Missing, format!("an instance of {} is needed", class.name)))?;
    let named = schema
        .class(body.tag_name().name())
        .filter(|named| named.is_a(&class.name) || class.is_a(&named.name));
    let is_its = |named: &ClassInfo| {
        // A class URI names the class once more; no namespace, or another one, says nothing.
        let uri = body.tag_name().namespace().and_then(|uri| ResourceUri::parse(uri).ok());
        let told = uri.and_then(|(uri, _)| uri.class);
        told.is_none_or(|told| named.is_a(&told))
    };
    let named = named.filter(|named| is_its(named)).ok_or_else(|| {
        let found = body.tag_name().name();
        wrong(BodyMistake::Namespace, format!("{found} is no instance of {}", class.name))
    })?;
    instance::read(body, schema, named)
}

/// What a Put sets: what is in its body, of that what the client says it has changed, or the one property that it names.
pub(crate) fn change(
    body: Option<Node<'_, '_>>,
    headers: &Headers,
    schema: &Schema,
    class: &'static ClassInfo,
) -> Result<Change, WsmanFault> {
    let Some(fragment) = &headers.fragment else {
        let given = instance(body, schema, class)?;
        return Ok(match options::modified_properties(headers) {
            Some(modified) => Change::Listed(listed(given, &modified, schema)),
            None => Change::Given(given),
        });
    };
    let part = Part::read(fragment, class)?;
    let holder = body.filter(|body| body.is(WSMAN, "XmlFragment"));
    let holder = holder.ok_or_else(|| wrong(BodyMistake::Fragment, "w:XmlFragment is needed".to_owned()))?;
    let given = instance::read(holder, schema, class)?;
    part.change(given).map(Change::Given)
}

/// What is listed of what is given. An array without an element is empty (MS-WSMV 2.2.4.1): listed, it was emptied. The
/// edition is kept, as it says what was changed.
fn listed(mut given: Instance, modified: &[&str], schema: &Schema) -> Instance {
    let is_listed = |name: &str| modified.iter().any(|listed| listed.eq_ignore_ascii_case(name));
    given.properties.retain(|(name, _)| is_listed(name) || name.eq_ignore_ascii_case(EDITION));
    let class = schema.class(&given.class);
    let arrays = modified.iter().filter_map(|name| class?.property(name)).filter(|property| property.array);
    for emptied in arrays {
        if given.get(&emptied.name).is_none() {
            given.set(&emptied.name, Value::Array(Vec::new()));
        }
    }
    given
}

fn wrong(kind: BodyMistake, reason: String) -> WsmanFault {
    WsmanFault::InvalidRepresentation { kind, reason }
}

#[cfg(test)]
mod tests {
    use provider::{Fault, Operation, ProviderError};

    use super::*;

    #[test]
    fn a_change_that_cannot_be_shown_was_made_nevertheless() {
        let fault = Fault::NotFound { what: "SMS_X.Y=1".to_owned() };
        let error = ProviderError { operation: Operation::GetObject, object: String::new(), fault };
        let told = unseen(&error.into());
        assert_eq!(told.line().detail, Some("UnreportableSuccess"));
        assert!(told.to_string().contains("SMS_X.Y=1 does not exist"), "{told}");
    }
}
