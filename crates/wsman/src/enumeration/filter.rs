//! What is enumerated: a class, or what a filter says (DSP0226 chapter 8.2, DSP0227 chapter 9).

use cim::query::{Expr, Operator, Query};
use cim::{CimType, Value, wql};
use provider::{ClassInfo, Provider};
use xml::{Element, Node};

use crate::envelope::Headers;
use crate::fault::{SelectorMistake, WsmanFault};
use crate::names::{ENUMERATION, WSMAN};
use crate::resource::{Selector, SelectorValue};

/// WQL.
const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
/// Properties and what they are to be equal to.
const SELECTORS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
/// What is meant where a filter does not say its dialect.
const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";

/// The query that an Enumerate asks.
pub(super) fn query(
    enumerate: Node<'_, '_>,
    headers: &Headers,
    provider: &Provider,
) -> Result<Query, WsmanFault> {
    let filter = [WSMAN, ENUMERATION].into_iter().find_map(|namespace| enumerate.child(namespace, "Filter"));
    let Some(filter) = filter else {
        refuse_keys(headers)?;
        return Ok(Query::all(&headers.resource.class(&headers.selectors, provider)?.name));
    };
    match filter.attr("Dialect").map_or(XPATH, str::trim) {
        dialect if dialect.eq_ignore_ascii_case(WQL) => {
            // The URI's class says nothing beside a query; its namespace must be there.
            headers.resource.namespace(&headers.selectors, provider)?;
            parse(&filter.text_of())
        }
        dialect if dialect.eq_ignore_ascii_case(SELECTORS) => {
            let class = headers.resource.class(&headers.selectors, provider)?;
            let set = filter.child(WSMAN, "SelectorSet");
            let set = set.ok_or_else(|| unusable("a w:SelectorSet is needed".to_owned()))?;
            by_selectors(class, &Selector::read_set(set)?)
        }
        dialect => Err(WsmanFault::FilterDialect { dialect: dialect.to_owned() }),
    }
}

fn parse(text: &str) -> Result<Query, WsmanFault> {
    wql::parse(text.trim()).map_err(|error| unusable(error.to_string()))
}

/// All of the properties must be equal.
fn by_selectors(class: &ClassInfo, selectors: &[Selector]) -> Result<Query, WsmanFault> {
    Selector::only_once(selectors)?;
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
