//! Text in either back end: the lower case of ASCII letters compares, bytewise beyond, whatever the database's
//! locale is.

use cim::query::LikePattern;
use sea_query::extension::postgres::PgBinOper;
use sea_query::extension::sqlite::SqliteBinOper;
use sea_query::{BinOper, Expr, ExprTrait, Func, LikeExpr};

use super::limits::check_text;
use super::pattern;
use crate::db::Dialect;
use crate::error::Result;
use crate::query::views::Column;

/// Columns whose plain values are compared, since their tables have indexes on them: the site itself makes their
/// values, of digits and upper-case letters only.
const UPPER_CASE: [&str; 3] = ["PackageID", "SecureObjectID", "SiteCode"];

/// Standard SQL's concatenation of texts.
pub(super) const CONCATENATE: BinOper = BinOper::Custom("||");

/// The numbers that count characters stay below this, so that both back ends can add them.
const POSITION_MAX: i64 = 1_000_000_000;

pub(super) fn is_upper_case(column: &Column) -> bool {
    UPPER_CASE.contains(&column.name)
}

impl Dialect {
    /// Text in lower case.
    pub(super) fn folded(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => Expr::from(Func::lower(text)),
            Self::Postgres => Expr::cust_with_expr(r#"LOWER($1 COLLATE "C")"#, text),
        }
    }

    /// Text in upper case, in the collation of a column.
    pub(super) fn raised(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => Expr::from(Func::upper(text)),
            Self::Postgres => Expr::cust_with_expr(r#"UPPER($1 COLLATE "C") COLLATE "default""#, text),
        }
    }

    /// Text in bytewise order.
    pub(super) fn bytewise(self, text: Expr) -> Expr {
        match self {
            Self::Sqlite => text,
            Self::Postgres => Expr::cust_with_expr(r#"($1 COLLATE "C")"#, text),
        }
    }

    /// Whether lower-case text matches a pattern.
    pub(super) fn like(self, folded: Expr, like: &LikePattern) -> Result<Expr> {
        Ok(match (pattern::like(like), self) {
            (Some(sql), _) => {
                check_text(&sql)?;
                folded.like(LikeExpr::new(sql).escape('\\'))
            }
            (None, Self::Sqlite) => {
                let glob = pattern::glob(like);
                check_text(&glob)?;
                folded.binary(SqliteBinOper::Glob, glob)
            }
            (None, Self::Postgres) => {
                let regex = pattern::regex(like);
                check_text(&regex)?;
                folded.binary(PgBinOper::Regex, regex)
            }
        })
    }

    /// Where lower-case text has a part, from 1; 0 if nowhere.
    pub(super) fn index_of(self, folded: Expr, part: Expr) -> Expr {
        match self {
            Self::Sqlite => Expr::from(Func::cust("INSTR").args([folded, part])),
            Self::Postgres => big(Expr::from(Func::cust("STRPOS").args([folded, part]))),
        }
    }

    /// How many characters a text has.
    pub(super) fn length(self, text: Expr) -> Expr {
        let length = Expr::from(Func::char_length(text));
        match self {
            Self::Sqlite => length,
            Self::Postgres => big(length),
        }
    }

    /// The characters from a position on, counted from 1; positions before the text count as empty.
    pub(super) fn substring(self, text: Expr, from: Expr, length: Option<Expr>) -> Expr {
        let from = within(from);
        let start = at_least(from.clone(), 1);
        let count = length.map(|length| {
            // What lies before the text is cut off its length.
            let end = from.add(within(length));
            at_least(end.sub(start.clone()), 0)
        });
        let small = |number: Expr| match self {
            Self::Sqlite => number,
            Self::Postgres => Expr::from(Func::cast_as(number, "integer")),
        };
        let arguments = [Some(text), Some(small(start)), count.map(small)].into_iter().flatten();
        Expr::from(Func::cust("SUBSTR").args(arguments))
    }

    /// Without blanks at either end.
    pub(super) fn trimmed(self, text: Expr) -> Expr {
        let name = match self {
            Self::Sqlite => "TRIM",
            Self::Postgres => "BTRIM",
        };
        Expr::from(Func::cust(name).arg(text))
    }
}

/// A number as text.
pub(super) fn as_text(number: Expr) -> Expr {
    Expr::from(Func::cast_as(number, "text"))
}

/// A number of 64 bits, as every stored one is.
pub(super) fn big(number: Expr) -> Expr {
    Expr::from(Func::cast_as(number, "bigint"))
}

/// A number of ours. It is written out, since functions repeat their arguments and SQLite binds 32,766 values at most.
pub(super) fn constant(number: i64) -> Expr {
    Expr::cust(format!("({number})"))
}

fn within(number: Expr) -> Expr {
    let limit = constant;
    Expr::case(number.clone().lt(limit(-POSITION_MAX)), limit(-POSITION_MAX))
        .case(number.clone().gt(limit(POSITION_MAX)), limit(POSITION_MAX))
        .finally(number)
        .into()
}

/// Null stays null.
fn at_least(number: Expr, least: i64) -> Expr {
    Expr::case(number.clone().lt(constant(least)), constant(least)).finally(number).into()
}
