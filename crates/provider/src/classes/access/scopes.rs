//! Security scopes as clients name them. All of them is something to say in so many words: a list that a script has put
//! together and that came out empty must not open the whole site.

use cim::Value;

use crate::error::Fault;

/// The names that are meant, none of them for all scopes; `None` where nothing is said.
///
/// Errors: an empty list without `AllScopes`, names beside it, and elements that are no names.
pub(super) fn named(all: Option<&Value>, names: Option<&Value>) -> Result<Option<Vec<String>>, Fault> {
    let refused = |property: &str, reason: &str| {
        Err(Fault::OutOfRange { property: property.to_owned(), reason: reason.to_owned() })
    };
    let all = all.and_then(Value::as_bool);
    let names = match names {
        None | Some(Value::Null) => None,
        Some(Value::Array(elements)) => {
            let texts: Option<Vec<_>> =
                elements.iter().map(|element| element.as_str().map(str::to_owned)).collect();
            let Some(texts) = texts else { return refused("ScopeNames", "every element must be a name") };
            Some(texts)
        }
        Some(_) => return refused("ScopeNames", "a list of names is needed"),
    };
    match (all, names) {
        (Some(true), None) => Ok(Some(Vec::new())),
        (Some(true), Some(names)) if names.is_empty() => Ok(Some(names)),
        (Some(true), Some(_)) => refused("AllScopes", "scopes are named as well; say one or the other"),
        (_, Some(names)) if !names.is_empty() => Ok(Some(names)),
        (Some(false), None) | (_, Some(_)) => {
            refused("ScopeNames", "name at least one security scope, or set AllScopes to true")
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scopes_are_said_in_so_many_words() {
        let list = |names: &[&str]| Value::Array(names.iter().map(|name| Value::text(*name)).collect());
        let (yes, no) = (Value::Boolean(true), Value::Boolean(false));
        let lab = || Some(vec!["Lab".to_owned()]);
        for (all, names, expect) in [
            (None, None, Some(None)),
            (None, Some(Value::Null), Some(None)),
            (Some(&yes), None, Some(Some(vec![]))),
            (Some(&yes), Some(list(&[])), Some(Some(vec![]))),
            (Some(&yes), Some(list(&["Lab"])), None),
            (Some(&no), Some(list(&["Lab"])), Some(lab())),
            (None, Some(list(&["Lab"])), Some(lab())),
            (None, Some(list(&[])), None),
            (Some(&no), Some(list(&[])), None),
            (Some(&no), None, None),
            (None, Some(Value::Array(vec![Value::text("Lab"), Value::Null])), None),
        ] {
            assert_eq!(named(all, names.as_ref()).ok(), expect, "{all:?} {names:?}");
        }
    }
}
