//! WQL, the provider's extended dialect of it: one SELECT, read into the query tree, or a question about associations.
//!
//! Keywords and names are case-insensitive. Joins, subqueries, functions, `DISTINCT` and `COUNT` are read; what the
//! dialect has not is refused by name, so that a client learns what is missing instead of what is misspelled.

mod condition;
mod lexer;
mod parser;
mod source;
mod statement;

use crate::Position;
use crate::query::{Query, reading};

pub use statement::{Associators, Form, References, Statement, parse_statement};

/// The longest query that is read, in bytes.
pub const QUERY_BYTES_MAX: usize = 64 * 1024;
/// How deep conditions, functions and subqueries may nest, all together.
pub const DEPTH_MAX: usize = reading::DEPTH_MAX;
/// The most comparisons, list values, arguments, selected and sorted properties in one query, all together.
pub const TERMS_MAX: usize = reading::TERMS_MAX;
/// The most classes in one SELECT.
pub const SOURCES_MAX: usize = 16;

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
    /// It is WQL, or close to it, that is not served.
    #[error("{what} is not supported: {instead}")]
    Unsupported {
        /// What.
        what: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// It is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes; split it")]
    TooLong,
    /// It nests deeper than [`DEPTH_MAX`].
    #[error("the query nests deeper than {DEPTH_MAX} levels; write fewer parentheses")]
    TooDeep,
    /// It has more terms than [`TERMS_MAX`].
    #[error("the query has more than {TERMS_MAX} terms; split it")]
    TooManyTerms,
    /// It has more classes than [`SOURCES_MAX`].
    #[error("the query joins more than {SOURCES_MAX} classes; split it")]
    TooManySources,
}

/// Reads one SELECT; see [`parse_statement`] for all that WQL has.
pub fn parse(text: &str) -> Result<Query, WqlError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(WqlError { position: Position { line: 1, column: 1 }, kind: WqlErrorKind::TooLong });
    }
    parser::Parser::new(text)?.statement()
}
