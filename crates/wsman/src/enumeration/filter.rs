//! What is enumerated: a class, or what a filter says (DSP0226 chapter 8.2, DSP0227 chapter 9).

use cim::query::{Expr, Operator, Query};
use cim::wql::{Associators, References, Statement};
use cim::{CimType, ObjectPath, Value, wql};
use provider::{ClassInfo, Provider};
use xml::{Element, Node};

use crate::envelope::Headers;
use crate::epr::Epr;
use crate::fault::{SelectorMistake, WsmanFault};
use crate::names::{ADDRESSING, CIM_BINDING, ENUMERATION, WSMAN};
use crate::resource::{Selector, SelectorValue, class_of};

/// WQL.
const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
/// Properties and what they are to be equal to.
const SELECTORS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
/// What is meant where a filter does not say its dialect.
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

/// What an object is associated with.
const ASSOCIATION: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter";

/// What an Enumerate asks.
pub(super) struct Filtered {
    pub(super) statement: Statement,
    /// The properties that are shown, where the filter names them.
    pub(super) properties: Option<Vec<String>>,
}

/// Reads what an Enumerate asks.
pub(super) fn read(
    enumerate: Node<'_, '_>,
    headers: &Headers,
    provider: &Provider,
) -> Result<Filtered, WsmanFault> {
    let whole = |statement| Ok(Filtered { statement, properties: None });
    let filter = [WSMAN, ENUMERATION].into_iter().find_map(|namespace| enumerate.child(namespace, "Filter"));
    let Some(filter) = filter else {
        refuse_keys(headers)?;
        if headers.resource.class.is_none() {
            return Err(WsmanFault::QueryNeeded { uri: headers.resource.as_str().to_owned() });
        }
        let class = headers.resource.class(&headers.selectors, provider)?;
        return whole(Statement::Select(Query::all(&class.name)));
    };
    let dialect = filter.attr("Dialect").map_or(XPATH, str::trim);
    let is = |known: &str| dialect.eq_ignore_ascii_case(known);
    if is(SELECTORS) {
        let class = headers.resource.class(&headers.selectors, provider)?;
        let set = filter.child(WSMAN, "SelectorSet");
        let set = set.ok_or_else(|| unusable("a w:SelectorSet is needed".to_owned()))?;
        return whole(Statement::Select(by_selectors(class, &Selector::read_set(set)?)?));
    }
    // The URI's class says nothing beside the others; its namespace must be there.
    let namespace = headers.resource.namespace(&headers.selectors, provider)?;
    let filtered = if is(WQL) {
        let text = filter.text_of();
        whole(wql::parse_statement(text.trim()).map_err(|error| unusable(error.to_string()))?)?
    } else if is(ASSOCIATION) {
        associations(filter, provider)?
    } else {
        return Err(WsmanFault::FilterDialect { dialect: dialect.to_owned() });
    };
    within(&filtered.statement, &namespace, provider)?;
    Ok(filtered)
}

/// Refuses classes of other namespaces: answers name what they show in the request's own, where nobody would find it.
fn within(statement: &Statement, namespace: &str, provider: &Provider) -> Result<(), WsmanFault> {
    let check = |name: &str| match class_of(provider, namespace, name) {
        Some(_) => Ok(()),
        None => Err(unusable(format!("there is no class {name} in {namespace}"))),
    };
    match statement {
        Statement::Select(query) => query.sources().try_for_each(|source| check(&source.class)),
        Statement::Associators(asked) => check(&asked.path.class),
        Statement::References(asked) => check(&asked.path.class),
    }
}

/// The objects that an object is associated with, or its associations (DSP0227 9.3).
fn associations(filter: Node<'_, '_>, provider: &Provider) -> Result<Filtered, WsmanFault> {
    let objects = filter.child(CIM_BINDING, "AssociatedInstances");
    let asked = objects.or_else(|| filter.child(CIM_BINDING, "AssociationInstances"));
    let needed = "b:AssociatedInstances or b:AssociationInstances is needed";
    let asked = asked.ok_or_else(|| unusable(needed.to_owned()))?;
    let object =
        asked.child(CIM_BINDING, "Object").ok_or_else(|| unusable("b:Object is missing".to_owned()))?;
    let path = path(object, provider)?;
    let text = |name: &str| {
        let found = asked.child(CIM_BINDING, name).map(|node| node.text_of().trim().to_owned());
        found.filter(|text| !text.is_empty())
    };
    let (result_class, role) = (text("ResultClassName"), text("Role"));
    let statement = match objects {
        Some(_) => Statement::Associators(Associators {
            assoc_class: text("AssociationClassName"),
            result_class,
            role,
            result_role: text("ResultRole"),
            ..Associators::of(path)
        }),
        None => Statement::References(References { result_class, role, ..References::of(path) }),
    };
    let shown: Vec<String> = asked
        .elements_named(CIM_BINDING, "IncludeResultProperty")
        .map(|node| node.text_of().trim().to_owned())
        .collect();
    Ok(Filtered { statement, properties: (!shown.is_empty()).then_some(shown) })
}

/// The object, whether its reference has an element of its own or not.
fn path(object: Node<'_, '_>, provider: &Provider) -> Result<ObjectPath, WsmanFault> {
    let reference = object.child(ADDRESSING, "EndpointReference").unwrap_or(object);
    Epr::read(reference)?.path(provider)
}

/// All of the properties must be equal.
fn by_selectors(class: &ClassInfo, selectors: &[Selector]) -> Result<Query, WsmanFault> {
    Selector::check(selectors)?;
    let term = |selector: &Selector| {
        let name = &selector.name;
        let missing = || unusable(format!("{} has no property {name}", class.name));
        let property = class.property(name).ok_or_else(missing)?;
        let of_other_kind =
            matches!(property.kind, CimType::DateTime | CimType::Reference(_) | CimType::Embedded(_));
        match &selector.value {
            SelectorValue::Text(text) if !property.array && !of_other_kind => {
                Ok(Expr::compare(property.name.as_str(), Operator::Eq, Value::text(text)))
            }
            _ => Err(unusable(format!("{name} cannot be filtered by a selector; use WQL"))),
        }
    };
    let terms = selectors.iter().filter(|selector| !selector.is_namespace()).map(term);
    let terms = terms.collect::<Result<Vec<_>, _>>()?;
    let filter = (!terms.is_empty()).then_some(Expr::And(terms));
    Ok(Query { filter, ..Query::all(&class.name) })
}

/// A class is enumerated whole: keys that were passed over would show more than was asked for.
fn refuse_keys(headers: &Headers) -> Result<(), WsmanFault> {
    match headers.selectors.iter().find(|selector| !selector.is_namespace()) {
        None => Ok(()),
        Some(key) => Err(WsmanFault::InvalidSelectors {
            kind: SelectorMistake::Unexpected,
            reason: format!("{} does not filter an enumeration; use a w:Filter", key.name),
        }),
    }
}

fn unusable(reason: String) -> WsmanFault {
    WsmanFault::CannotProcessFilter { reason }
}
