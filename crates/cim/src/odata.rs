//! OData's query options, as the original's REST route takes them: `$filter`, `$select` and `$orderby`, read into the
//! query tree and printed from it.
//!
//! Names, operators and functions are read in any case. Comparisons of texts never regard case, so `tolower` and
//! `toupper` leave no trace.

mod element;
mod filter;
mod lexer;
mod print;
mod scalar;

use crate::query::reading::{self, Limit};
use crate::query::{Direction, Expr, Scalar};

pub use print::{NoOData, print_filter, print_order};

/// The longest option that is read, in bytes.
pub const OPTION_BYTES_MAX: usize = 64 * 1024;
/// How deep conditions and functions may nest.
pub const DEPTH_MAX: usize = reading::DEPTH_MAX;
/// The most comparisons, list values and arguments in one filter.
pub const TERMS_MAX: usize = reading::TERMS_MAX;
/// The most names in `$select` and `$orderby`.
pub const NAMES_MAX: usize = 256;

/// Why an option is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {column})")]
pub struct ODataError {
    /// Which character, from 1.
    pub column: usize,
    /// What is wrong and what is needed.
    pub reason: String,
}

/// Reads a `$filter`, already decoded.
pub fn filter(text: &str) -> Result<Expr, ODataError> {
    filter::Parser::new(text)?.filter()
}

/// Reads an `$orderby`, already decoded: properties or functions, each with `asc` or `desc`.
pub fn order(text: &str) -> Result<Vec<(Scalar, Direction)>, ODataError> {
    filter::Parser::new(text)?.order()
}

/// Reads a `$select`, already decoded. None means every property, and so does an empty text, which clients send that
/// build addresses and then choose nothing. System properties are names like others.
pub fn select(text: &str) -> Result<Option<Vec<String>>, ODataError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let mut names = Vec::new();
    let mut column = 1;
    let mut all = false;
    for part in text.split(',') {
        let refuse = |reason: String| Err(ODataError { column, reason });
        match part.trim() {
            "" => return refuse("a name is missing".to_owned()),
            "*" => all = true,
            name if !name.chars().all(is_name) => {
                return refuse(format!("{} is no name of a property", shown(name)));
            }
            name => names.push(name.to_owned()),
        }
        if names.len() > NAMES_MAX {
            return refuse(format!("there are more than {NAMES_MAX} names"));
        }
        column += part.chars().count() + 1;
    }
    Ok(if all { None } else { Some(names) })
}

/// `@` is there for annotations, which some clients select.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.' | '$')
}

/// What a client wrote, short enough for a message.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

impl ODataError {
    fn over(limit: Limit, column: usize) -> Self {
        let reason = match limit {
            Limit::Depth => format!("conditions nest deeper than {DEPTH_MAX} levels"),
            Limit::Terms => format!("it has more than {TERMS_MAX} terms"),
        };
        Self { column, reason }
    }
}
