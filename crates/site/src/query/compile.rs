//! From the query tree to one statement for either back end.
//!
//! Every name comes from the table of views and every value is bound, so nothing that a client wrote becomes
//! SQL text. Text compares by the lower case of ASCII letters, bytewise beyond: the same on both back ends
//! whatever the database's locale is.

use cim::Value;
use cim::query::{
    Direction, ElementTest, Expr as Condition, LikePattern, LikePiece, Operator, PropertyRef, Query, Scalar,
    Select, Selected,
};
use sea_query::extension::postgres::PgBinOper;
use sea_query::extension::sqlite::SqliteBinOper;
use sea_query::{BinOper, Expr, ExprTrait, Func, LikeExpr, Order, SelectStatement};

use super::views::{CONSTANT_LISTS, Column, Kind, View};
use super::{pattern, secured};
use crate::access::Actor;
use crate::db::Dialect;
use crate::error::{Result, SiteError};

/// How deep conditions nest.
const DEPTH_MAX: usize = 64;
/// Comparisons in one query, each value of an IN list counted.
const TERMS_MAX: usize = 1_000;
/// Properties to sort by.
const ORDER_MAX: usize = 16;
/// Characters of one text value or pattern.
const TEXT_CHARS_MAX: usize = 4_096;

/// Columns whose plain values are compared, since their tables have indexes on them.
const UPPER_CASE: [&str; 3] = ["PackageID", "SecureObjectID", "SiteCode"];

/// Standard SQL's concatenation of texts.
const CONCATENATE: BinOper = BinOper::Custom("||");

/// A query, ready to run.
pub(super) struct Compiled {
    pub(super) columns: Vec<&'static Column>,
    pub(super) rows: SelectStatement,
    /// Selects one number, `matching`.
    pub(super) count: Option<SelectStatement>,
}

pub(super) fn compile(
    view: &'static View,
    query: &Query,
    dialect: Dialect,
    actor: &Actor,
) -> Result<Compiled> {
    let mut compiler = Compiler { view, dialect, terms: 0 };
    let columns = compiler.columns(&query.select)?;
    let filter = query.filter.as_ref().map(|filter| compiler.condition(filter, 0)).transpose()?;
    let base = || {
        let mut select = sea_query::Query::select();
        select.from(view.name);
        select.cond_where(secured::condition(view, view.name, actor));
        if let Some(filter) = &filter {
            select.and_where(filter.clone());
        }
        select
    };
    let mut rows = base();
    rows.columns(columns.iter().map(|column| column.name));
    compiler.order(&mut rows, &query.order)?;
    // SQLite has no OFFSET without LIMIT, and both count in 64-bit signed numbers.
    const LIMIT_MAX: u64 = i64::MAX.cast_unsigned();
    let within = |count: u64| Ord::min(count, LIMIT_MAX);
    if query.top.is_some() || query.skip.is_some() {
        rows.limit(query.top.map_or(LIMIT_MAX, within));
        rows.offset(query.skip.map_or(0, within));
    }
    let count = query.count.then(|| {
        let mut count = base();
        count.expr_as(Func::count(Expr::val(1i64)), "matching");
        count
    });
    Ok(Compiled { columns, rows, count })
}

struct Compiler {
    view: &'static View,
    dialect: Dialect,
    terms: usize,
}

impl Compiler {
    fn columns(&self, select: &Select) -> Result<Vec<&'static Column>> {
        match select {
            Select::All => Ok(self.view.columns.iter().collect()),
            Select::Count(_) => Err(invalid("COUNT is not answered".to_owned())),
            Select::Items(items) => {
                let mut columns: Vec<&Column> = Vec::with_capacity(items.len().min(self.view.columns.len()));
                for item in items {
                    let Selected::Property(property) = item else {
                        return Err(invalid("a single class is selected with *".to_owned()));
                    };
                    let column = self.column(&property.name)?;
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
                Ok(columns)
            }
        }
    }

    fn column(&self, name: &str) -> Result<&'static Column> {
        let missing = || invalid(format!("{} has no property {name} that can be queried", self.view.name));
        self.view.column(name).ok_or_else(missing)
    }

    /// The order asked for, and the key last, so that pages neither overlap nor leave out.
    fn order(&self, rows: &mut SelectStatement, order: &[(Scalar, Direction)]) -> Result<()> {
        if order.len() > ORDER_MAX {
            return Err(invalid(format!("at most {ORDER_MAX} properties can be sorted by")));
        }
        for (name, direction) in order {
            let direction = match direction {
                Direction::Ascending => Order::Asc,
                Direction::Descending => Order::Desc,
            };
            let column = self.column(named(name)?)?;
            // Null sorts below everything, as in the original; the back ends disagree by default.
            rows.order_by_expr(Expr::col(column.name).is_not_null(), direction.clone());
            rows.order_by_expr(self.comparable(column), direction);
        }
        for name in self.view.key {
            rows.order_by_expr(self.comparable(self.column(name)?), Order::Asc);
        }
        Ok(())
    }

    fn condition(&mut self, condition: &Condition, depth: usize) -> Result<Expr> {
        if depth > DEPTH_MAX {
            return Err(invalid(format!("conditions nest more than {DEPTH_MAX} deep")));
        }
        match condition {
            Condition::And(all) => self.joined(all, depth, true),
            Condition::Or(any) => self.joined(any, depth, false),
            Condition::Not(inner) => Ok(self.condition(inner, depth + 1)?.not()),
            Condition::Compare { left, op, right: Scalar::Literal(value) } => {
                self.compare(named(left)?, *op, value)
            }
            Condition::IsNull(item) => {
                self.count_terms(1)?;
                let column = self.column(named(item)?)?;
                Ok(match column.kind {
                    // A client sees no difference between no list and an empty one.
                    Kind::TextList => Expr::col(column.name).eq(""),
                    _ => Expr::col(column.name).is_null(),
                })
            }
            Condition::In { item, values } => self.one_of(named(item)?, values),
            Condition::Like { item, pattern } => self.like(named(item)?, pattern),
            Condition::StartsWith { item, text } => self.has_text(named(item)?, text, "", "%"),
            Condition::EndsWith { item, text } => self.has_text(named(item)?, text, "%", ""),
            Condition::Contains { item, text } => self.has_text(named(item)?, text, "%", "%"),
            Condition::Any { property, test: ElementTest::Compare(op, value) } => {
                self.any_element(&property.name, *op, value)
            }
            other => Err(invalid(format!("{other} is not answered"))),
        }
    }

    fn joined(&mut self, conditions: &[Condition], depth: usize, all: bool) -> Result<Expr> {
        let joined = conditions.iter().map(|condition| self.condition(condition, depth + 1));
        let mut joined = joined.collect::<Result<Vec<_>>>()?;
        // Joined in pairs: a chain of a thousand terms would nest as deep, here and in the database.
        while joined.len() > 1 {
            let mut terms = joined.into_iter();
            joined = Vec::with_capacity(terms.len().div_ceil(2));
            while let Some(left) = terms.next() {
                joined.push(match terms.next() {
                    Some(right) if all => left.and(right),
                    Some(right) => left.or(right),
                    None => left,
                });
            }
        }
        joined.pop().ok_or_else(|| invalid("a condition has no terms".to_owned()))
    }

    fn compare(&mut self, property: &str, op: Operator, value: &Value) -> Result<Expr> {
        self.count_terms(1)?;
        let column = self.column(property)?;
        if column.kind == Kind::TextList {
            return self.element(column, op, value);
        }
        let fitted = match fit(column, value)? {
            Fitted::Value(fitted) => fitted,
            Fitted::Below => {
                return Ok(always(column, matches!(op, Operator::Gt | Operator::Ge | Operator::Ne)));
            }
            Fitted::Above => {
                return Ok(always(column, matches!(op, Operator::Lt | Operator::Le | Operator::Ne)));
            }
        };
        let left = self.comparable(column);
        Ok(match op {
            Operator::Eq => self.equatable(column).eq(fitted),
            Operator::Ne => self.equatable(column).ne(fitted),
            Operator::Lt => left.lt(fitted),
            Operator::Le => left.lte(fitted),
            Operator::Gt => left.gt(fitted),
            Operator::Ge => left.gte(fitted),
        })
    }

    fn one_of(&mut self, property: &str, values: &[Value]) -> Result<Expr> {
        let column = self.column(property)?;
        if column.kind == Kind::TextList {
            let element = |value: &Value| Condition::Any {
                property: PropertyRef::new(property),
                test: ElementTest::Compare(Operator::Eq, value.clone()),
            };
            let any: Vec<Condition> = values.iter().map(element).collect();
            return if any.is_empty() { Ok(always(column, false)) } else { self.joined(&any, 0, false) };
        }
        self.count_terms(values.len())?;
        let mut fitted = Vec::with_capacity(values.len());
        for value in values {
            if let Fitted::Value(value) = fit(column, value)? {
                fitted.push(value);
            }
        }
        if fitted.is_empty() {
            return Ok(always(column, false));
        }
        Ok(self.equatable(column).is_in(fitted))
    }

    fn like(&mut self, property: &str, like: &LikePattern) -> Result<Expr> {
        self.count_terms(1)?;
        let column = self.column(property)?;
        if column.kind == Kind::TextList {
            return self.element_like(column, like);
        }
        let left = self.text(property)?;
        let short = |text: &str| check_length(text);
        Ok(match (pattern::like(like), self.dialect) {
            (Some(sql), _) => {
                short(&sql)?;
                left.like(LikeExpr::new(sql).escape('\\'))
            }
            (None, Dialect::Sqlite) => {
                let glob = pattern::glob(like);
                short(&glob)?;
                left.binary(SqliteBinOper::Glob, glob)
            }
            (None, Dialect::Postgres) => {
                let regex = pattern::regex(like);
                short(&regex)?;
                left.binary(PgBinOper::Regex, regex)
            }
        })
    }

    fn any_element(&mut self, property: &str, op: Operator, value: &Value) -> Result<Expr> {
        self.count_terms(1)?;
        match self.view.column(property) {
            Some(column) if column.kind == Kind::TextList => self.element(column, op, value),
            _ => self.constant_element(property, op, value),
        }
    }

    /// Whether any element of a stored list is, or is not, this text. Each element is there once.
    fn element(&self, column: &Column, op: Operator, value: &Value) -> Result<Expr> {
        let Value::String(text) = value else {
            return Err(invalid(format!("{} has texts; it is compared with something else", column.name)));
        };
        check_length(text)?;
        let text = text.to_ascii_lowercase();
        // No element is empty or has a newline.
        let possible = !text.is_empty() && !text.contains('\n');
        match op {
            Operator::Eq if possible => {
                let pattern = format!("%\n{}\n%", pattern::like_text(&text));
                Ok(self.enclosed(column).like(LikeExpr::new(pattern).escape('\\')))
            }
            Operator::Eq => Ok(always(column, false)),
            Operator::Ne => Ok(Expr::col(column.name).ne("").and(self.folded(column).ne(text))),
            _ => Err(invalid(format!("elements of {} have no order that can be queried", column.name))),
        }
    }

    /// Whether any element of a stored list has the text, at its start or end if that is asked.
    fn element_has(&self, column: &Column, text: &str, starts: bool, ends: bool) -> Expr {
        if text.contains('\n') {
            return always(column, false);
        }
        let edge = |at_edge: bool| if at_edge { "\n" } else { "" };
        let pattern = format!("%{}{}{}%", edge(starts), pattern::like_text(text), edge(ends));
        let has = self.enclosed(column).like(LikeExpr::new(pattern).escape('\\'));
        // An empty text is in every element, but not in no element.
        Expr::col(column.name).ne("").and(has)
    }

    /// A pattern of one text with `%` around it can be asked of the joined text; others would match across elements.
    fn element_like(&self, column: &Column, like: &LikePattern) -> Result<Expr> {
        let (starts, ends, text) = match like.pieces.as_slice() {
            [LikePiece::Any] => (false, false, ""),
            [LikePiece::Text(text)] => (true, true, text.as_str()),
            [LikePiece::Text(text), LikePiece::Any] => (true, false, text.as_str()),
            [LikePiece::Any, LikePiece::Text(text)] => (false, true, text.as_str()),
            [LikePiece::Any, LikePiece::Text(text), LikePiece::Any] => (false, false, text.as_str()),
            _ => {
                let rule = "an array is matched with one text and % before or after it";
                return Err(invalid(format!("{}: {rule}", column.name)));
            }
        };
        check_length(text)?;
        Ok(self.element_has(column, text, starts, ends))
    }

    /// A stored list with a newline before and after every element.
    fn enclosed(&self, column: &Column) -> Expr {
        let joined = Expr::val("\n").binary(CONCATENATE, self.folded(column));
        joined.binary(CONCATENATE, Expr::val("\n"))
    }

    /// Some lists are the same in every instance, so the answer is known here.
    fn constant_element(&self, property: &str, op: Operator, value: &Value) -> Result<Expr> {
        let list = CONSTANT_LISTS
            .iter()
            .find(|(view, name, _)| *view == self.view.name && name.eq_ignore_ascii_case(property));
        let (Some((_, _, elements)), Value::String(text)) = (list, value) else {
            return Err(invalid(format!("{property} is not an array of texts that can be queried")));
        };
        let text = text.to_ascii_lowercase();
        let matches = elements.iter().any(|element| {
            let order = element.to_ascii_lowercase().cmp(&text);
            match op {
                Operator::Eq => order.is_eq(),
                Operator::Ne => order.is_ne(),
                Operator::Lt => order.is_lt(),
                Operator::Le => order.is_le(),
                Operator::Gt => order.is_gt(),
                Operator::Ge => order.is_ge(),
            }
        });
        Ok(Expr::val(i64::from(matches)).eq(1i64))
    }

    fn has_text(&mut self, property: &str, text: &str, before: &str, after: &str) -> Result<Expr> {
        self.count_terms(1)?;
        check_length(text)?;
        let column = self.column(property)?;
        if column.kind == Kind::TextList {
            return Ok(self.element_has(column, text, before.is_empty(), after.is_empty()));
        }
        let sql = format!("{before}{}{after}", pattern::like_text(text));
        Ok(self.text(property)?.like(LikeExpr::new(sql).escape('\\')))
    }

    fn text(&self, property: &str) -> Result<Expr> {
        let column = self.column(property)?;
        match column.kind {
            Kind::Text => Ok(self.folded(column)),
            _ => Err(invalid(format!("{} is not text; it cannot be matched with a pattern", column.name))),
        }
    }

    /// The column in the form in which it is equal to a fitted value, and in which an index has it.
    fn equatable(&self, column: &Column) -> Expr {
        if is_upper_case(column) { Expr::col(column.name) } else { self.folded(column) }
    }

    /// The column in the form in which it is sorted and compared with a fitted value.
    fn comparable(&self, column: &Column) -> Expr {
        match (is_upper_case(column), self.dialect) {
            (true, Dialect::Sqlite) => Expr::col(column.name),
            (true, Dialect::Postgres) => Expr::cust_with_expr(r#"$1 COLLATE "C""#, Expr::col(column.name)),
            (false, _) => self.folded(column),
        }
    }

    /// Text in lower case; anything else as it is.
    fn folded(&self, column: &Column) -> Expr {
        let plain = Expr::col(column.name);
        match (column.kind, self.dialect) {
            (Kind::Text | Kind::TextList, Dialect::Sqlite) => Expr::from(Func::lower(plain)),
            (Kind::Text | Kind::TextList, Dialect::Postgres) => {
                Expr::cust_with_expr(r#"LOWER($1 COLLATE "C")"#, plain)
            }
            _ => plain,
        }
    }

    fn count_terms(&mut self, more: usize) -> Result<()> {
        self.terms = self.terms.saturating_add(more);
        if self.terms > TERMS_MAX {
            return Err(invalid(format!("more than {TERMS_MAX} comparisons")));
        }
        Ok(())
    }
}

/// Whether the site itself makes the column's values, of digits and upper-case letters only.
fn is_upper_case(column: &Column) -> bool {
    UPPER_CASE.contains(&column.name)
}

/// A value in the form of its column.
enum Fitted {
    Value(Expr),
    /// Below every value that the column can have.
    Below,
    /// Above every value that the column can have.
    Above,
}

fn fit(column: &Column, value: &Value) -> Result<Fitted> {
    let wrong = |needed: &str| Err(invalid(format!("{} is compared with what is not {needed}", column.name)));
    match (column.kind, value) {
        (Kind::Text, Value::String(text)) => fit_text(column, text),
        (Kind::Text, Value::Integer(number)) => fit_text(column, &number.to_string()),
        (Kind::Text, _) => wrong("text"),
        (Kind::TextList, _) => wrong("one of its texts"),
        (Kind::Integer | Kind::Boolean, Value::Boolean(truth)) => Ok(fit_number(i128::from(*truth))),
        (Kind::Boolean, Value::Integer(number)) => Ok(fit_number(i128::from(*number != 0))),
        (Kind::Boolean, Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "-1" => Ok(fit_number(1)),
            "false" | "0" => Ok(fit_number(0)),
            _ => wrong("true or false"),
        },
        (Kind::Boolean, _) => wrong("true or false"),
        (Kind::Integer, Value::Integer(number)) => Ok(fit_number(*number)),
        (Kind::Integer, Value::String(text)) => match text.trim().parse::<i128>() {
            Ok(number) => Ok(fit_number(number)),
            Err(_) => wrong("a whole number"),
        },
        (Kind::Integer, _) => wrong("a whole number"),
        (Kind::DateTime, Value::DateTime(at)) => match at.timestamp() {
            Some(at) => Ok(Fitted::Value(at.as_microsecond().into())),
            None => wrong("a point in time"),
        },
        (Kind::DateTime, Value::String(text)) => fit_time(text).map_or_else(|| wrong("a point in time"), Ok),
        (Kind::DateTime, _) => wrong("a point in time"),
    }
}

fn fit_text(column: &Column, text: &str) -> Result<Fitted> {
    check_length(text)?;
    let upper = is_upper_case(column);
    Ok(Fitted::Value(if upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() }.into()))
}

fn fit_number(number: i128) -> Fitted {
    match i64::try_from(number) {
        Ok(number) => Fitted::Value(number.into()),
        Err(_) if number < 0 => Fitted::Below,
        Err(_) => Fitted::Above,
    }
}

/// A CIM datetime or one of ISO 8601, without a zone read as UTC.
fn fit_time(text: &str) -> Option<Fitted> {
    let text = text.trim();
    let cim = text.parse::<cim::DateTime>().ok().and_then(|at| at.timestamp());
    let zoned = || text.parse::<jiff::Timestamp>().ok();
    let plain = || {
        let plain: jiff::civil::DateTime = text.parse().ok()?;
        jiff::tz::Offset::UTC.to_timestamp(plain).ok()
    };
    cim.or_else(zoned).or_else(plain).map(|at| Fitted::Value(at.as_microsecond().into()))
}

/// The same answer for every instance that has a value.
fn always(column: &Column, answer: bool) -> Expr {
    let has_value = Expr::col(column.name).is_not_null();
    if answer { has_value } else { has_value.and(Expr::val(1i64).eq(0i64)) }
}

fn check_length(text: &str) -> Result<()> {
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(invalid(format!("a text has more than {TEXT_CHARS_MAX} characters")));
    }
    if text.contains('\0') {
        return Err(invalid("a text has a null character".to_owned()));
    }
    Ok(())
}

fn named(scalar: &Scalar) -> Result<&str> {
    let other = || invalid("a property is needed here".to_owned());
    scalar.as_property().map(|property| property.name.as_str()).ok_or_else(other)
}

fn invalid(reason: String) -> SiteError {
    SiteError::InvalidQuery { reason }
}

#[cfg(test)]
mod tests {
    use sea_query::SqliteQueryBuilder;
    use sqlx::{AssertSqlSafe, Row};

    use super::super::views;
    use super::*;
    use crate::db::Database;
    use crate::stage::{BackEnd, Stage};

    /// How SQLite goes about a query.
    async fn plan(stage: &Stage, wql: &str) -> Vec<String> {
        let query = cim::wql::parse(wql).unwrap();
        let compiled =
            compile(views::find(query.class()).unwrap(), &query, Dialect::Sqlite, &Actor::local()).unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", compiled.rows.to_string(SqliteQueryBuilder));
        let Database::Sqlite { reader, .. } = stage.site.db() else { panic!("SQLite explains") };
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(reader).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn keyed_gets_and_package_filters_use_an_index() {
        let stage = Stage::set(BackEnd::Sqlite).await;
        let nal = r#"["Display=\\\\dp1\\"]MSWNET:["SMS_SITE=PS1"]\\\\dp1\\"#;
        let key = format!("PackageID = 'ps100001' AND SiteCode = 'ps1' AND ServerNALPath = '{nal}'");
        for query in [
            "SELECT * FROM SMS_DriverPackage WHERE PackageID = 'PS100001'".to_owned(),
            "SELECT * FROM Haulier_PackageState WHERE PackageID = 'PS100001'".to_owned(),
            "SELECT * FROM Haulier_DistributionState WHERE PackageID = 'PS100001'".to_owned(),
            "SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = 'PS100001'".to_owned(),
            "SELECT * FROM Haulier_PackageVersion WHERE PackageID = 'PS100001'".to_owned(),
            format!("SELECT * FROM SMS_DistributionPoint WHERE {key}"),
            format!(
                "SELECT * FROM Haulier_DistributionState WHERE PackageID = 'PS100001' AND NALPath = '{nal}'"
            ),
            format!("SELECT * FROM SMS_DistributionPointInfo WHERE NALPath = '{nal}'"),
            "SELECT * FROM SMS_Driver WHERE CI_ID = 16777217".to_owned(),
            "SELECT * FROM SMS_Driver WHERE CI_UniqueID = 'ScopeId_A/DRIVER_b'".to_owned(),
            "SELECT * FROM SMS_CIToContent WHERE CI_ID = 16777217".to_owned(),
            "SELECT * FROM SMS_CIToContent WHERE ContentID = 16777217".to_owned(),
            "SELECT * FROM SMS_DriverModel WHERE CI_ID = 16777217".to_owned(),
            "SELECT * FROM SMS_CategoryInstance WHERE CategoryInstance_UniqueID = 'DriverCategories:a'"
                .to_owned(),
            "SELECT * FROM Haulier_DriverDetail WHERE CI_ID = 16777217".to_owned(),
            "SELECT * FROM Haulier_DriverImportItem WHERE ImportID = 1".to_owned(),
        ] {
            let plan = plan(&stage, &query).await;
            // The table `site` has one row.
            // Nor is it a table to read through what a view without doubles has found by an index.
            let no_table = ["SCAN s", "SCAN SMS_DriverModel"];
            let scans =
                plan.iter().filter(|step| step.starts_with("SCAN") && !no_table.contains(&step.as_str()));
            let scans = scans.count();
            assert_eq!(scans, 0, "{query}: {plan:#?}");
            assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{query}: {plan:#?}");
        }
        stage.strike().await;
    }
}
