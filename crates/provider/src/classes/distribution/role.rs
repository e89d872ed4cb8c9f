use cim::{Instance, ObjectPath, Value};

use super::role_change;
use crate::error::Fault;
use crate::handler::{Call, ClassHandler, Completed, Work};
use crate::schema::ClassInfo;

/// `SMS_SCI_SysResUse`: one role of one server. What scripts look for is in its embedded properties, made here of what
/// the site's view says of the server; a put says what of them is to be otherwise.
pub(crate) struct Role;

impl ClassHandler for Role {
    fn completes(&self, _class: &ClassInfo) -> Vec<Completed> {
        vec![
            Completed { property: "PropLists", of: vec!["PropLists"] },
            Completed { property: "Props", of: vec!["Props"] },
        ]
    }

    fn put_changes(&self) -> bool {
        true
    }

    fn complete(&self, role: &mut Instance) -> Result<(), Fault> {
        embed(role);
        Ok(())
    }

    fn modify<'a>(&'a self, call: Call<'a>, path: &'a ObjectPath, change: Instance) -> Work<'a, ()> {
        Box::pin(async move {
            call.site.may_change_points(call.actor)?;
            let current = self.get(call, path).await?;
            let text = |property| current.get(property).and_then(Value::as_str).unwrap_or("");
            if text("RoleName") != "SMS Distribution Point" {
                let what = format!("changing the role {} of", text("RoleName"));
                return Err(Fault::NotSupported { what: format!("{what} {}", call.class.name) });
            }
            let wanted = role_change::read(&current, &change)?;
            Ok(call.site.change_point(call.actor, text("NALPath"), &wanted).await?)
        })
    }
}

/// Makes embedded objects of the properties and lists that a row names.
fn embed(role: &mut Instance) {
    for (name, value) in &mut role.properties {
        let make = match name.as_str() {
            "Props" => embedded,
            "PropLists" => embedded_list,
            _ => continue,
        };
        let listed = match &*value {
            Value::Array(listed) => listed.iter().filter_map(Value::as_str).map(make).collect(),
            _ => Vec::new(),
        };
        *value = Value::Array(listed);
    }
}

/// `SMS_EmbeddedProperty` of `name|number|text`.
pub(super) fn embedded(listed: &str) -> Value {
    let mut parts = listed.splitn(3, '|');
    let mut next = || parts.next().unwrap_or("");
    let mut property = Instance::new("SMS_EmbeddedProperty");
    property.set("PropertyName", next());
    property.set("Value", next().parse::<i64>().unwrap_or(0));
    property.set("Value1", next());
    property.set("Value2", "");
    Value::Instance(Box::new(property))
}

/// `SMS_EmbeddedPropertyList` of `name|value|value` and so on; a NAL path has no `|`.
fn embedded_list(listed: &str) -> Value {
    let mut parts = listed.split('|');
    let mut list = Instance::new("SMS_EmbeddedPropertyList");
    list.set("PropertyListName", parts.next().unwrap_or(""));
    list.set("Values", Value::Array(parts.map(Value::text).collect()));
    Value::Instance(Box::new(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_properties_become_objects() {
        let check = |listed: &str, expect: (&str, i64, &str)| {
            let Value::Instance(made) = embedded(listed) else { panic!("{listed}") };
            let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap().to_owned();
            assert_eq!((text("PropertyName").as_str(), text("Value1").as_str()), (expect.0, expect.2));
            assert_eq!(made.get("Value"), Some(&Value::Integer(expect.1.into())), "{listed}");
        };
        check("DPMonPriority|4|", ("DPMonPriority", 4, ""));
        check("Version|0|0.1.0|odd", ("Version", 0, "0.1.0|odd"));
        check("Server Remote Name|0|dp1", ("Server Remote Name", 0, "dp1"));
    }

    #[test]
    fn lists_become_objects() {
        let Value::Instance(made) = embedded_list("SourceDPRanks|1|7") else { panic!("no object") };
        assert_eq!(made.get("PropertyListName"), Some(&Value::text("SourceDPRanks")));
        assert_eq!(made.get("Values"), Some(&Value::Array(vec![Value::text("1"), Value::text("7")])));
    }
}
