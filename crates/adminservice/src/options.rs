//! Query options: `$filter`, `$select`, `$orderby`, `$top`, `$skip`, `$count`, in any case and any encoding
//! that clients use.

use cim::odata;
use cim::query::{Direction, Expr, Query, Scalar, Select};
use percent_encoding::percent_decode_str;

use crate::error::ApiError;

/// The options of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Options {
    pub(crate) filter: Option<Expr>,
    /// The chosen names, system properties included; none means all.
    pub(crate) select: Option<Vec<String>>,
    pub(crate) order: Vec<(Scalar, Direction)>,
    pub(crate) top: Option<u64>,
    pub(crate) skip: Option<u64>,
    pub(crate) count: bool,
}

impl Options {
    /// Reads the part of a URL behind the question mark, as sent.
    pub(crate) fn parse(raw_query: &str) -> Result<Self, ApiError> {
        let mut options = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for part in split(raw_query).into_iter().filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name)?.trim().to_ascii_lowercase();
            // Without the dollar sign it is the client's own option, which a service leaves alone.
            if !name.starts_with('$') {
                continue;
            }
            if seen.contains(&name) {
                return Err(invalid(&name, "it is given twice"));
            }
            options.set(&name, decode(value)?.trim())?;
            seen.push(name);
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let refused = |error: odata::ODataError| invalid(name, error.to_string());
        match name {
            "$filter" => self.filter = Some(odata::filter(value).map_err(refused)?),
            // Clients that build URLs write the option and then choose nothing.
            "$select" if value.is_empty() => {}
            "$select" => self.select = odata::select(value).map_err(refused)?,
            "$orderby" => self.order = odata::order(value).map_err(refused)?,
            "$top" => self.top = Some(number(name, value)?),
            "$skip" => self.skip = Some(number(name, value)?),
            "$count" => self.count = boolean(name, value)?,
            "$format" if value.eq_ignore_ascii_case("json") || value.starts_with("application/json") => {}
            _ => return Err(invalid(name, "it is not supported")),
        }
        Ok(())
    }

    /// The query on a class.
    pub(crate) fn into_query(self, class: String) -> Query {
        let select = match self.select {
            None => Select::All,
            Some(names) => Select::properties(names.into_iter().filter(|name| !is_made(name))),
        };
        let Self { filter, order, top, skip, count, .. } = self;
        Query { select, filter, order, top, skip, count, ..Query::all(class) }
    }
}

/// Whether a name is of what answers make from the keys: system properties, and annotations such as `@odata.etag`.
pub(crate) fn is_made(name: &str) -> bool {
    name.starts_with("__") || name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("@odata."))
}

/// Cuts at ampersands outside of quotes; a quote may be encoded.
fn split(query: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in query.char_indices() {
        match c {
            '\'' => inside = !inside,
            '%' if query[at..].starts_with("%27") => inside = !inside,
            '&' if !inside => {
                parts.push(&query[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&query[start..]);
    parts
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded =
        percent_decode_str(&spaced).decode_utf8().map_err(|_| invalid("query", "it is not UTF-8"))?;
    Ok(decoded.into_owned())
}

fn number(option: &str, value: &str) -> Result<u64, ApiError> {
    // The database's numbers are signed.
    let number = value.parse().ok().filter(|number: &u64| i64::try_from(*number).is_ok());
    number.ok_or_else(|| invalid(option, "a whole number, 0 or more, is needed"))
}

fn boolean(option: &str, value: &str) -> Result<bool, ApiError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(option, "true or false is needed")),
    }
}

fn invalid(option: &str, reason: impl Into<String>) -> ApiError {
    ApiError::InvalidOption { option: option.to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use cim::query::Operator;

    use super::*;

    #[test]
    fn options_are_read_in_every_spelling() {
        let check =
            |query: &str, expect: Options| assert_eq!(Options::parse(query).unwrap(), expect, "{query}");
        let named = |name: &str, text: &str| Some(Expr::compare(name, Operator::Eq, text));
        check("", Options::default());
        for query in [
            "$filter=Name eq 'a b'",
            "$Filter=Name%20eq%20'a%20b'",
            "%24filter=Name+eq+%27a+b%27",
            "x=1&$filter=Name eq 'a b'&",
        ] {
            check(query, Options { filter: named("Name", "a b"), ..Options::default() });
        }
        check(
            "$filter=Name eq 'a&b'&$top=1",
            Options { filter: named("Name", "a&b"), top: Some(1), ..Options::default() },
        );
        check("$filter=Name eq %27a&b%27", Options { filter: named("Name", "a&b"), ..Options::default() });
        check("$filter=Name eq 'a%26b%2B'", Options { filter: named("Name", "a&b+"), ..Options::default() });
        let names = Some(vec!["Name".to_owned(), "PackageID".to_owned()]);
        check("$select=Name,%20PackageID", Options { select: names, ..Options::default() });
        check("$select=*", Options::default());
        check("$select=", Options::default());
        let order = vec![
            (Scalar::property("a"), Direction::Descending),
            (Scalar::property("b"), Direction::Ascending),
        ];
        check("$orderby=a+desc,b", Options { order, ..Options::default() });
        check("$skip=5&$COUNT=true", Options { skip: Some(5), count: true, ..Options::default() });
        check("$format=json", Options::default());
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        for (query, option) in [
            ("$filter=Name eq", "$filter"),
            ("$top=-1", "$top"),
            ("$top=x", "$top"),
            ("$skip=9223372036854775808", "$skip"),
            ("$count=maybe", "$count"),
            ("$select=a,,b", "$select"),
            ("$orderby=a b c", "$orderby"),
            ("$orderby=", "$orderby"),
            ("$expand=x", "$expand"),
            ("$apply=x", "$apply"),
            ("$format=xml", "$format"),
            ("$top=1&$TOP=2", "$top"),
            ("$filter=%ff", "query"),
        ] {
            match Options::parse(query) {
                Err(ApiError::InvalidOption { option: found, .. }) => assert_eq!(found, option, "{query}"),
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
