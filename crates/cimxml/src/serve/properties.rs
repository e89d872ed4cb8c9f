//! One property of an instance.

use cim::{Instance, Value};

use super::{Answer, Exchange, Service};
use crate::message::{Given, Parameters};
use crate::status::{CimStatus, OperationError};

impl Service {
    pub(super) async fn get_property(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let path = given.instance_name("InstanceName")?;
        let class = exchange.class(&path.class)?;
        let property = class.property(needed(given)?).ok_or_else(|| no_property(given))?;
        let instance = self.read(exchange, path).await?;
        let mut writer = exchange.returning();
        exchange.encoder.value(
            &mut writer,
            &property.kind,
            instance.get(&property.name).unwrap_or(&Value::Null),
        );
        Ok(Answer::Whole(writer))
    }

    pub(super) async fn set_property(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let path = given.instance_name("InstanceName")?;
        let class = exchange.class(&path.class)?;
        let property = class.property(needed(given)?).ok_or_else(|| no_property(given))?;
        exchange.check_writable()?;
        let value = match given.value("NewValue") {
            None => Value::Null,
            Some(Given::Text(text)) => Value::text(text),
            Some(Given::Texts(texts)) => Value::Array(texts.iter().map(Value::text).collect()),
            Some(Given::Path(path)) => Value::Reference(path.clone()),
            Some(_) => {
                return Err(OperationError::parameter("the parameter NewValue needs VALUE or VALUE.ARRAY"));
            }
        };
        let mut change = Instance::new(&class.name);
        change.set(&property.name, value);
        self.provider.modify(&exchange.caller, path, change).await?;
        Ok(exchange.void())
    }
}

fn needed(given: &Parameters) -> Result<&str, OperationError> {
    given
        .text("PropertyName")?
        .ok_or_else(|| OperationError::parameter("the parameter PropertyName is missing"))
}

fn no_property(given: &Parameters) -> OperationError {
    let name = needed(given).unwrap_or_default();
    OperationError::new(CimStatus::NoSuchProperty, format!("the class has no property {name}"))
}
