//! What one query may ask at most. With these a statement stays below SQLite's 32,766 variables and 64 joined tables,
//! whatever is asked.

use crate::error::{Result, SiteError};

/// How deep conditions nest, subqueries included.
const DEPTH_MAX: usize = 64;
/// Comparisons in one query, each value of an IN list counted.
const TERMS_MAX: usize = 1_000;
/// Classes in one query, those of its subqueries included. A view joins up to five tables.
const SOURCES_MAX: usize = 12;
/// Subqueries in one query.
const SUBQUERIES_MAX: usize = 16;
/// Function calls in one query.
const CALLS_MAX: usize = 64;
/// How deep function calls nest: a function of dates may need its argument several times.
const CALL_DEPTH_MAX: usize = 4;
/// What one query sorts by.
const ORDER_MAX: usize = 16;
/// Characters of one text value or pattern.
const TEXT_CHARS_MAX: usize = 4_096;

/// What a query has asked so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Spent {
    terms: usize,
    sources: usize,
    subqueries: usize,
    calls: usize,
}

impl Spent {
    pub(super) fn terms(&mut self, more: usize) -> Result<()> {
        spend(&mut self.terms, more, TERMS_MAX, "comparisons")
    }

    pub(super) fn source(&mut self) -> Result<()> {
        spend(&mut self.sources, 1, SOURCES_MAX, "classes")
    }

    pub(super) fn subquery(&mut self) -> Result<()> {
        spend(&mut self.subqueries, 1, SUBQUERIES_MAX, "subqueries")
    }

    pub(super) fn call(&mut self, depth: usize) -> Result<()> {
        if depth >= CALL_DEPTH_MAX {
            return Err(invalid(format!("functions nest more than {CALL_DEPTH_MAX} deep")));
        }
        spend(&mut self.calls, 1, CALLS_MAX, "functions")
    }
}

fn spend(spent: &mut usize, more: usize, most: usize, what: &str) -> Result<()> {
    *spent = spent.saturating_add(more);
    if *spent > most { Err(invalid(format!("a query has at most {most} {what}; split it"))) } else { Ok(()) }
}

pub(super) fn check_depth(depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("conditions nest more than {DEPTH_MAX} deep")));
    }
    Ok(())
}

pub(super) fn check_order(terms: usize) -> Result<()> {
    if terms > ORDER_MAX {
        return Err(invalid(format!("at most {ORDER_MAX} properties can be sorted by")));
    }
    Ok(())
}

pub(super) fn check_text(text: &str) -> Result<()> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(invalid(format!("a text has more than {TEXT_CHARS_MAX} characters")));
    }
    if text.contains('\0') {
        return Err(invalid("a text has a null character"));
    }
    Ok(())
}

pub(super) fn invalid(reason: impl Into<String>) -> SiteError {
    SiteError::InvalidQuery { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_queries_states_the_limits() {
        let page = include_str!("../../../../../docs/queries.md");
        for (what, limit) in [
            ("levels of conditions, subqueries included", DEPTH_MAX),
            ("comparisons, each value of an IN list counted", TERMS_MAX),
            ("classes, those of subqueries included", SOURCES_MAX),
            ("subqueries", SUBQUERIES_MAX),
            ("function calls", CALLS_MAX),
            ("levels of function calls", CALL_DEPTH_MAX),
            ("properties to sort by", ORDER_MAX),
            ("characters of one text", TEXT_CHARS_MAX),
        ] {
            let row = format!("| {what} | {limit} |").replace(',', "");
            assert!(page.lines().any(|line| line.replace(',', "") == row), "{row}");
        }
    }
}
