//! The parameters of operations and methods.

use cim::class::Method;
use cim::{Instance, ObjectPath, Value};
use provider::Schema;
use xml::{Element, Node};

use super::value;
use crate::path::{self, attribute};
use crate::status::OperationError;

/// The most parameters of an operation; none has half as many.
const PARAMETERS_MAX: usize = 32;
/// The most names in a list of properties.
const NAMES_MAX: usize = 4 * 1024;

/// Booleans that some operations take without anything to choose by them: instances are whole and have no qualifiers.
const WITHOUT_EFFECT: [&str; 2] = ["LocalOnly", "IncludeQualifiers"];

/// What a parameter of an operation holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    /// Nothing.
    Null,
    /// VALUE
    Text(String),
    /// VALUE.ARRAY, without its nulls.
    Texts(Vec<String>),
    /// CLASSNAME, INSTANCENAME and longer forms.
    Path(ObjectPath),
    /// INSTANCE
    Instance(Instance),
    /// VALUE.NAMEDINSTANCE
    Named(ObjectPath, Instance),
    /// What only operations take that are not served: classes, declarations of qualifiers.
    Other,
}

/// The parameters of an operation. Names have no case and no order.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, Given)>);

impl Parameters {
    pub(super) fn read<'a, 'b: 'a>(
        nodes: impl Iterator<Item = Node<'a, 'b>>,
        schema: &Schema,
    ) -> Result<Self, OperationError> {
        let mut parameters = Self::default();
        for node in nodes {
            if !node.is("", "IPARAMVALUE") {
                return Err(OperationError::parameter("the parameters of an operation are IPARAMVALUE"));
            }
            let name = attribute(node, "NAME")?;
            if parameters.0.len() == PARAMETERS_MAX {
                let reason = format!("no operation has more than {PARAMETERS_MAX} parameters");
                return Err(OperationError::parameter(reason));
            }
            if parameters.get(name).is_some() {
                return Err(OperationError::parameter(format!("{name} is given twice")));
            }
            parameters.0.push((name.to_owned(), given(node.elements().next(), schema)?));
        }
        Ok(parameters)
    }

    /// Refuses what the operation does not know: passed over, it would be taken for done.
    pub(crate) fn check(&self, known: &[&str]) -> Result<(), OperationError> {
        let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        // Those that change nothing here are looked at by nobody else.
        WITHOUT_EFFECT.iter().try_for_each(|name| self.flag(name, false).map(drop))?;
        match self.0.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => Err(OperationError::parameter(format!("there is no parameter {name}"))),
            None => Ok(()),
        }
    }

    fn get(&self, name: &str) -> Option<&Given> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, given)| given)
    }

    /// A parameter that has a value.
    pub(crate) fn value(&self, name: &str) -> Option<&Given> {
        self.get(name).filter(|given| **given != Given::Null)
    }

    /// A boolean, or what it means when it is left out.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, OperationError> {
        match self.text(name)? {
            None => Ok(default),
            Some(text) => Ok(value::boolean(text)?.as_bool().unwrap_or(default)),
        }
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, OperationError> {
        match self.value(name) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(name, "VALUE")),
        }
    }

    /// A number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, OperationError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = value::number(text)?.as_integer().and_then(|number| u32::try_from(number).ok());
        number.map(Some).ok_or_else(|| wrong(name, "a number of 32 bits"))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<&[String]>, OperationError> {
        match self.value(name) {
            None => Ok(None),
            Some(Given::Texts(texts)) if texts.len() <= NAMES_MAX => Ok(Some(texts)),
            Some(_) => Err(wrong(name, "VALUE.ARRAY with fewer values")),
        }
    }

    /// The name of a class.
    pub(crate) fn class(&self, name: &str) -> Result<Option<&str>, OperationError> {
        match self.value(name) {
            None => Ok(None),
            Some(Given::Path(path)) if path.keys.is_empty() => Ok(Some(&path.class)),
            Some(_) => Err(wrong(name, "CLASSNAME")),
        }
    }

    /// The name of a class, which must be there.
    pub(crate) fn needed_class(&self, name: &str) -> Result<&str, OperationError> {
        self.class(name)?.ok_or_else(|| missing(name))
    }

    /// The path of an instance or a class, which must be there.
    pub(crate) fn object(&self, name: &str) -> Result<&ObjectPath, OperationError> {
        match self.value(name) {
            None => Err(missing(name)),
            Some(Given::Path(path)) => Ok(path),
            Some(_) => Err(wrong(name, "INSTANCENAME")),
        }
    }

    /// The path of an instance, which must be there.
    pub(crate) fn instance_name(&self, name: &str) -> Result<&ObjectPath, OperationError> {
        let path = self.object(name)?;
        if path.keys.is_empty() { Err(wrong(name, "INSTANCENAME")) } else { Ok(path) }
    }
}

fn missing(name: &str) -> OperationError {
    OperationError::parameter(format!("the parameter {name} is missing"))
}

fn wrong(name: &str, needed: &str) -> OperationError {
    OperationError::parameter(format!("the parameter {name} needs {needed}"))
}

fn given(node: Option<Node<'_, '_>>, schema: &Schema) -> Result<Given, OperationError> {
    let Some(node) = node else { return Ok(Given::Null) };
    Ok(match node.tag_name().name() {
        "VALUE" => Given::Text(node.text_of().into_owned()),
        "VALUE.ARRAY" => {
            Given::Texts(node.elements_named("", "VALUE").map(|one| one.text_of().into_owned()).collect())
        }
        "INSTANCE" => Given::Instance(value::instance(node, schema)?),
        "VALUE.NAMEDINSTANCE" => {
            let missing = || OperationError::parameter("VALUE.NAMEDINSTANCE holds INSTANCENAME and INSTANCE");
            let name = node.child("", "INSTANCENAME").ok_or_else(missing)?;
            let instance = node.child("", "INSTANCE").ok_or_else(missing)?;
            Given::Named(path::read(name)?, value::instance(instance, schema)?)
        }
        "CLASS" | "QUALIFIER.DECLARATION" => Given::Other,
        _ => Given::Path(path::read(node)?),
    })
}

/// The parameters of a method, typed by themselves or by its declaration.
pub(super) fn of_method<'a, 'b: 'a>(
    nodes: impl Iterator<Item = Node<'a, 'b>>,
    schema: &Schema,
    method: Option<&Method>,
) -> Result<Vec<(String, Value)>, OperationError> {
    let mut parameters: Vec<(String, Value)> = Vec::new();
    for node in nodes {
        // EXPPARAMVALUE and the like are for indications.
        if !node.is("", "PARAMVALUE") {
            return Err(OperationError::parameter("the parameters of a method are PARAMVALUE"));
        }
        let name = attribute(node, "NAME")?;
        if parameters.len() == value::PROPERTIES_MAX
            || parameters.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            return Err(OperationError::parameter(format!("{name} is given twice, or there are too many")));
        }
        let declared = method
            .and_then(|method| method.parameters.iter().find(|one| one.name.eq_ignore_ascii_case(name)));
        let stated = node.attr("PARAMTYPE");
        let declared = declared.map(|one| &one.kind);
        parameters.push((name.to_owned(), value::read(node, stated, declared, schema)?));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parameters, OperationError> {
        let text = format!("<a>{text}</a>");
        let document = xml::parse(&text).unwrap();
        Parameters::read(document.root_element().elements(), Schema::shipped())
    }

    fn parameter(name: &str, content: &str) -> String {
        format!("<IPARAMVALUE NAME=\"{name}\">{content}</IPARAMVALUE>")
    }

    #[test]
    fn parameters_have_no_case_and_no_order() {
        let text = [
            parameter("LocalOnly", "<VALUE>true</VALUE>"),
            parameter("ClassName", "<CLASSNAME NAME=\"A\"/>"),
            parameter("PropertyList", "<VALUE.ARRAY><VALUE>a</VALUE><VALUE>b</VALUE></VALUE.ARRAY>"),
            parameter("MaxObjectCount", "<VALUE>10</VALUE>"),
            parameter("FilterQuery", ""),
        ];
        let given = read(&text.concat()).unwrap();
        assert!(given.flag("localonly", false).unwrap());
        assert!(given.flag("DeepInheritance", true).unwrap());
        assert_eq!(given.needed_class("CLASSNAME").unwrap(), "A");
        assert_eq!(given.texts("PropertyList").unwrap(), Some(&["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(given.number("MaxObjectCount").unwrap(), Some(10));
        assert_eq!(given.text("FilterQuery").unwrap(), None);
        assert!(
            given.check(&["LocalOnly", "ClassName", "PropertyList", "MaxObjectCount", "FilterQuery"]).is_ok()
        );
        assert!(given.check(&["LocalOnly"]).is_err());
    }

    #[test]
    fn only_so_many_parameters_are_looked_at() {
        let many =
            |count: usize| (0..count).map(|number| parameter(&format!("A{number}"), "")).collect::<String>();
        assert!(read(&many(PARAMETERS_MAX)).is_ok());
        assert!(read(&many(PARAMETERS_MAX + 1)).is_err());
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for text in [
            parameter("A", "<VALUE>1</VALUE>").repeat(2),
            "<PARAMVALUE NAME=\"A\"/>".to_owned(),
            "<IPARAMVALUE/>".to_owned(),
            parameter("A", "<NOTHING/>"),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
        let given = read(
            &[parameter("A", "<VALUE>perhaps</VALUE>"), parameter("B", "<CLASSNAME NAME=\"x\"/>")].concat(),
        )
        .unwrap();
        assert!(given.flag("A", true).is_err());
        assert!(given.number("A").is_err());
        assert!(given.texts("A").is_err());
        assert!(given.class("A").is_err());
        assert!(given.text("B").is_err());
        assert!(given.instance_name("B").is_err());
        assert!(given.instance_name("C").is_err());
        assert!(given.needed_class("C").is_err());
    }
}
