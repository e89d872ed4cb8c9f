//! Methods of classes and instances.

use cim::{ObjectPath, Value};

use super::{Answer, Exchange, Service};
use crate::status::{CimStatus, OperationError};

impl Service {
    pub(super) async fn invoke(
        &self,
        exchange: &Exchange<'_>,
        name: &str,
        target: ObjectPath,
        given: Vec<(String, Value)>,
    ) -> Result<Answer, OperationError> {
        let class = exchange.class(&target.class)?;
        let missing = || {
            let reason = format!("the class {} has no method {name}", class.name);
            OperationError::new(CimStatus::MethodNotFound, reason)
        };
        let method = class.method(name).ok_or_else(missing)?;
        // A static method may be called on an instance as well.
        let path = (!target.keys.is_empty() && !method.qualifiers.has("static")).then_some(&target);
        let outcome = self.provider.invoke(&exchange.caller, &class.name, path, name, given).await?;
        let mut writer = exchange.frame.open();
        exchange.encoder.result(&mut writer, None, &method.returns, false, &outcome.return_value);
        for (name, value) in &outcome.out {
            let declared = method.parameters.iter().find(|one| one.name == *name);
            if let Some(one) = declared {
                exchange.encoder.result(&mut writer, Some(name), &one.kind, one.array, value);
            }
        }
        Ok(Answer::Whole(writer))
    }
}
