//! One instance: read, made, changed, deleted.

use cim::{Instance, ObjectPath};
use provider::{ClassInfo, EDITION};

use super::{Answer, Exchange, Service};
use crate::encode::{PropertyList, Shape};
use crate::message::{Given, Parameters};
use crate::status::{CimStatus, OperationError};
use crate::{interop, path};

impl Service {
    pub(super) async fn get_instance(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let instance = self.read(exchange, given.instance_name("InstanceName")?).await?;
        let shape = Shape {
            class_origin: given.flag("IncludeClassOrigin", false)?,
            properties: given.texts("PropertyList")?.map(PropertyList::new),
            only_of: None,
        };
        let mut writer = exchange.returning();
        exchange.encoder.instance(&mut writer, &instance, &shape);
        Ok(Answer::Whole(writer))
    }

    /// Reads the instance that a path names.
    pub(super) async fn read(
        &self,
        exchange: &Exchange<'_>,
        path: &ObjectPath,
    ) -> Result<Instance, OperationError> {
        let class = exchange.class(&path.class)?;
        if exchange.space.is_interop {
            let missing =
                || OperationError::new(CimStatus::NotFound, format!("{} does not exist", path.relative()));
            return interop::get(&self.provider, &self.spaces, class, path).ok_or_else(missing);
        }
        Ok(self.provider.get(&exchange.caller, path).await?)
    }

    pub(super) async fn create_instance(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let Some(Given::Instance(instance)) = given.value("NewInstance") else {
            return Err(OperationError::parameter("the parameter NewInstance needs INSTANCE"));
        };
        let class = exchange.class(&instance.class)?;
        exchange.check_writable()?;
        let made = self.provider.create(&exchange.caller, instance.clone()).await?;
        let mut writer = exchange.returning();
        path::write_name(&mut writer, class, &made);
        Ok(Answer::Whole(writer))
    }

    pub(super) async fn modify_instance(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let Some(Given::Named(path, change)) = given.value("ModifiedInstance") else {
            return Err(OperationError::parameter(
                "the parameter ModifiedInstance needs VALUE.NAMEDINSTANCE",
            ));
        };
        let class = exchange.class(&path.class)?;
        if !change.class.eq_ignore_ascii_case(&path.class) {
            return Err(OperationError::parameter("the instance and its name are of different classes"));
        }
        exchange.check_writable()?;
        match given.texts("PropertyList")? {
            None => self.provider.modify(&exchange.caller, path, change.clone()).await?,
            Some(list) => {
                self.provider.modify_listed(&exchange.caller, path, listed(class, change, list)?).await?;
            }
        }
        Ok(exchange.void())
    }

    pub(super) async fn delete_instance(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
    ) -> Result<Answer, OperationError> {
        let path = given.instance_name("InstanceName")?;
        exchange.class(&path.class)?;
        exchange.check_writable()?;
        self.provider.delete(&exchange.caller, path).await?;
        Ok(exchange.void())
    }
}

/// What a change says once a list of properties is regarded: listed properties that the instance does not have get
/// their defaults, those that are not listed stay (DSP0200, 5.4.2.8). The edition is kept, as it says what was changed.
fn listed(class: &ClassInfo, change: &Instance, list: &[String]) -> Result<Instance, OperationError> {
    let mut listed = Instance::new(&change.class);
    for name in list {
        let missing = || {
            let reason = format!("the class {} has no property {name}", class.name);
            OperationError::new(CimStatus::NoSuchProperty, reason)
        };
        let property = class.property(name).ok_or_else(missing)?;
        let value = change.get(name).unwrap_or(&property.default);
        listed.set(&property.name, value.clone());
    }
    if let Some(edition) = change.get(EDITION) {
        listed.set(EDITION, edition.clone());
    }
    Ok(listed)
}
