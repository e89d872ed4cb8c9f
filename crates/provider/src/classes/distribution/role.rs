use cim::{Instance, Value};

use crate::error::Fault;
use crate::handler::{ClassHandler, Completed};
use crate::schema::ClassInfo;

/// `SMS_SCI_SysResUse`: one role of one server. What scripts look for is in its embedded properties, made here of what
/// the site's view says of the server; nothing is stored for them, and nothing can be written.
pub(crate) struct Role;

impl ClassHandler for Role {
    fn completes(&self, _class: &ClassInfo) -> Vec<Completed> {
        vec![
            Completed { property: "PropLists", of: Vec::new() },
            Completed { property: "Props", of: vec!["Props"] },
        ]
    }

    fn complete(&self, role: &mut Instance) -> Result<(), Fault> {
        embed(role);
        Ok(())
    }
}

/// Makes embedded objects of the properties that a row lists.
fn embed(role: &mut Instance) {
    for (name, value) in &mut role.properties {
        match (name.as_str(), &value) {
            ("Props", Value::Array(listed)) => {
                *value = Value::Array(listed.iter().filter_map(Value::as_str).map(embedded).collect());
            }
            // The lists of the original belong to pull distribution points.
            ("PropLists", _) => *value = Value::Array(Vec::new()),
            _ => {}
        }
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
}
