//! WQL: one SELECT on one class, read into the query tree.
//!
//! Keywords and names are case-insensitive. Joins, subqueries, DISTINCT, COUNT and functions are refused by
//! name, so that a client learns what is missing instead of what is misspelled.

mod lexer;
mod parser;

use crate::Position;
use crate::query::Query;

/// The longest query that is read, in bytes.
pub const QUERY_BYTES_MAX: usize = 64 * 1024;
/// How deep conditions may nest.
pub const DEPTH_MAX: usize = 64;
/// The most comparisons, list values, selected and sorted properties in one query, all together.
pub const TERMS_MAX: usize = 4_096;

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ({position})")]
pub struct WqlError {
    /// Where.
    pub position: Position,
    /// Why.
    pub kind: WqlErrorKind,
}

/// What is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WqlErrorKind {
    /// It is no WQL.
    #[error("{0}")]
    Syntax(String),
    /// It is WQL that is not served.
    #[error("{0} is not supported in queries; query one class with SELECT, WHERE and ORDER BY")]
    Unsupported(String),
    /// It is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes; split it")]
    TooLong,
    /// It nests deeper than [`DEPTH_MAX`].
    #[error("the conditions nest deeper than {DEPTH_MAX} levels; write fewer parentheses")]
    TooDeep,
    /// It has more terms than [`TERMS_MAX`].
    #[error("the query has more than {TERMS_MAX} terms; split it")]
    TooManyTerms,
}

/// Reads one query.
pub fn parse(text: &str) -> Result<Query, WqlError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(WqlError { position: Position { line: 1, column: 1 }, kind: WqlErrorKind::TooLong });
    }
    parser::Parser::new(text)?.query()
}
