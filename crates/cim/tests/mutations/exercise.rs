//! What must hold for any text whatever. The fuzz targets call these too.

#![allow(dead_code, reason = "each fuzz target calls one of them")]

use std::fmt::Display;

use cim::mof::{DIAGNOSTICS_MAX, Declaration};
use cim::nal::NalPath;
use cim::query::{Expr, Query};
use cim::{DateTime, ObjectPath, mof, odata, schedule, wql};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A query that is read prints as one that reads the same, and is refused only with a place inside the text.
pub(crate) fn wql(text: &str) {
    match wql::parse(text) {
        Ok(query) => {
            same(&query, &query.to_string(), wql::parse);
            assert!(sources(&query) <= text.len());
        }
        Err(error) => assert!(error.position.line > 0 && error.position.column > 0, "{error}"),
    }
}

/// The same for everything that WQL has; what is a query is the same query.
pub(crate) fn statements(text: &str) {
    match wql::parse_statement(text) {
        Ok(statement) => {
            same(&statement, &statement.to_string(), wql::parse_statement);
            assert_eq!(matches!(statement, wql::Statement::Select(_)), wql::parse(text).is_ok(), "{text}");
        }
        Err(error) => {
            assert!(error.position.line > 0 && error.position.column > 0, "{error}");
            assert!(wql::parse(text).is_err(), "{text}");
        }
    }
}

fn sources(query: &Query) -> usize {
    fn inner(condition: &Expr) -> usize {
        match condition {
            Expr::And(terms) | Expr::Or(terms) => terms.iter().map(inner).sum(),
            Expr::Not(term) => inner(term),
            Expr::InQuery { query, .. } | Expr::Exists(query) => sources(query),
            _ => 0,
        }
    }
    let own = query.sources().count();
    assert!(own <= wql::SOURCES_MAX);
    own + query.filter.as_ref().map_or(0, inner)
}

/// The same for the options of OData, where the tree can be printed.
pub(crate) fn odata(text: &str) {
    match odata::filter(text) {
        Ok(filter) => {
            if let Ok(printed) = odata::print_filter(&filter) {
                same(&filter, &printed, odata::filter);
            }
        }
        Err(error) => assert!(error.column > 0 && error.column <= text.chars().count() + 1, "{error}"),
    }
    if let Ok(order) = odata::order(text)
        && let Ok(printed) = odata::print_order(&order)
    {
        same(&order, &printed, odata::order);
    }
    if let Ok(Some(names)) = odata::select(text) {
        assert!(names.len() <= odata::NAMES_MAX);
    }
}

/// What is understood of a text prints as one that is understood whole.
pub(crate) fn mof(text: &str) {
    let parsed = mof::parse(text);
    assert!(parsed.diagnostics.len() <= DIAGNOSTICS_MAX);
    assert!(parsed.diagnostics.iter().all(|found| found.position.line > 0 && found.position.column > 0));
    let printed: String = parsed.declarations.iter().map(Declaration::to_string).collect();
    let again = mof::parse(&printed);
    assert_eq!(again.diagnostics, [], "{printed}");
    assert_eq!(again.declarations, parsed.declarations, "{printed}");
}

/// Datetimes, object paths, NAL paths and schedules print as they were read.
pub(crate) fn values(text: &str) {
    if let Ok(at) = DateTime::parse_any(text) {
        same(&at, &at.to_string(), DateTime::parse_any);
        if let Some(iso) = at.iso8601() {
            let again = DateTime::parse_any(&iso).expect("what was printed is read");
            assert_eq!(again.iso8601(), Some(iso));
        }
    }
    if let Ok(path) = ObjectPath::parse(text) {
        same(&path, &path.to_string(), ObjectPath::parse);
    }
    if let Ok(path) = text.parse::<NalPath>() {
        same(&path, &path.to_string(), str::parse::<NalPath>);
    }
    if let Ok(tokens) = schedule::parse(text) {
        let printed = schedule::print(&tokens).expect("what was read has every field in range");
        assert_eq!(printed, text.to_ascii_uppercase());
        let now = Timestamp::UNIX_EPOCH;
        if let Some(next) = schedule::next_after(&tokens, now, &TimeZone::UTC) {
            assert!(next > now);
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug, E: Display>(
    read: &T,
    printed: &str,
    reader: impl Fn(&str) -> Result<T, E>,
) {
    match reader(printed) {
        Ok(again) => assert_eq!(again, *read, "{printed}"),
        Err(error) => panic!("{printed}: {error}"),
    }
}
