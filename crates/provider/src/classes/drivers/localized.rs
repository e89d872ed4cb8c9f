//! Names in several languages: the embedded objects of the schema, and what the site keeps of them. Objects leave
//! with all properties in the order of the schema, so that one that comes back unchanged is seen to be the same.

use cim::{Instance, Value};
use site::{LocalizedName, LocalizedProperties};

/// `SMS_CI_LocalizedProperties[]`
pub(super) fn properties_out(all: &[LocalizedProperties]) -> Value {
    let object = |one: &LocalizedProperties| {
        let mut object = Instance::new("SMS_CI_LocalizedProperties");
        object.set("Description", one.description.as_str());
        object.set("DisplayName", one.display_name.as_str());
        object.set("InformativeURL", one.informative_url.as_str());
        object.set("LocaleID", one.locale_id);
        Value::Instance(Box::new(object))
    };
    Value::Array(all.iter().map(object).collect())
}

/// Of a checked value; null means none.
pub(super) fn properties_in(value: &Value) -> Vec<LocalizedProperties> {
    let read = |object: &Instance| LocalizedProperties {
        locale_id: locale(object),
        display_name: text(object, "DisplayName"),
        description: text(object, "Description"),
        informative_url: text(object, "InformativeURL"),
    };
    objects(value).map(read).collect()
}

/// `SMS_Category_LocalizedProperties[]`
pub(super) fn names_out(all: &[LocalizedName]) -> Value {
    let object = |one: &LocalizedName| {
        let mut object = Instance::new("SMS_Category_LocalizedProperties");
        object.set("CategoryInstanceName", one.name.as_str());
        object.set("LocaleID", one.locale_id);
        Value::Instance(Box::new(object))
    };
    Value::Array(all.iter().map(object).collect())
}

/// Of a checked value; null means none.
pub(super) fn names_in(value: &Value) -> Vec<LocalizedName> {
    let read = |object: &Instance| LocalizedName {
        locale_id: locale(object),
        name: text(object, "CategoryInstanceName"),
    };
    objects(value).map(read).collect()
}

fn objects(value: &Value) -> impl Iterator<Item = &Instance> {
    let elements = match value {
        Value::Array(elements) => elements.as_slice(),
        _ => &[],
    };
    elements.iter().filter_map(|element| match element {
        Value::Instance(object) => Some(&**object),
        _ => None,
    })
}

fn text(object: &Instance, name: &str) -> String {
    object.get(name).and_then(Value::as_str).unwrap_or("").to_owned()
}

fn locale(object: &Instance) -> u32 {
    let id = object.get("LocaleID").and_then(Value::as_integer);
    id.and_then(|id| u32::try_from(id).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::schema::Schema;

    /// What leaves is what the schema's check makes of it when it comes back.
    #[test]
    fn objects_come_back_the_same() {
        let schema = Schema::shipped();
        let check = |class: &str, value: Value| {
            let mut instance = Instance::new(class);
            instance.set("LocalizedInformation", value.clone());
            let checked = check::instance(schema, schema.class(class).unwrap(), instance).unwrap();
            assert_eq!(checked.get("LocalizedInformation"), Some(&value), "{class}");
        };
        let property = LocalizedProperties {
            locale_id: 1033,
            display_name: "Net".to_owned(),
            description: "A card".to_owned(),
            informative_url: "http://example.test".to_owned(),
        };
        let name = LocalizedName { locale_id: 1031, name: "Netz".to_owned() };
        check("SMS_Driver", properties_out(std::slice::from_ref(&property)));
        check("SMS_CategoryInstance", names_out(std::slice::from_ref(&name)));
        assert_eq!(properties_in(&properties_out(std::slice::from_ref(&property))), [property]);
        assert_eq!(names_in(&names_out(std::slice::from_ref(&name))), [name]);
        assert_eq!(names_in(&Value::Null), []);
    }
}
