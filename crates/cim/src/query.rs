//! The query tree: what WQL and OData parse into, and what `site` compiles to SQL.

mod like;
mod print;
pub(crate) mod reading;

pub use like::{CharRange, LikePattern, LikePiece};

use crate::Value;

/// One query: instances of one class, or rows put together from several.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The first source.
    pub from: Source,
    /// What is joined to it, in order.
    pub joins: Vec<Join>,
    /// What to return.
    pub select: Select,
    /// Each row once.
    pub distinct: bool,
    /// The condition; none means every row.
    pub filter: Option<Expr>,
    /// What to sort by, the first one first.
    pub order: Vec<(Scalar, Direction)>,
    /// At most this many rows.
    pub top: Option<u64>,
    /// Leave out this many rows first.
    pub skip: Option<u64>,
    /// Also count the rows that match, regardless of `top` and `skip`.
    pub count: bool,
}

impl Query {
    /// All instances of a class, with all properties.
    pub fn all(class: impl Into<String>) -> Self {
        Self {
            from: Source { class: class.into(), alias: None },
            joins: Vec::new(),
            select: Select::All,
            distinct: false,
            filter: None,
            order: Vec::new(),
            top: None,
            skip: None,
            count: false,
        }
    }

    /// The class of the first source.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.from.class
    }

    /// Every source, the first one first.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.from).chain(self.joins.iter().map(|join| &join.source))
    }
}

/// A class that a query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The class, as the client wrote it.
    pub class: String,
    /// What the query calls it.
    pub alias: Option<String>,
}

impl Source {
    /// What qualifies its properties: the alias, else the class.
    #[must_use]
    pub fn name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.class)
    }

    /// Whether a qualifier means this source. A source with an alias still answers to its class's name.
    #[must_use]
    pub fn is_called(&self, qualifier: &str) -> bool {
        self.name().eq_ignore_ascii_case(qualifier) || self.class.eq_ignore_ascii_case(qualifier)
    }
}

/// A further source and how its rows meet those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// Which rows without a partner stay.
    pub kind: JoinKind,
    /// The source.
    pub source: Source,
    /// The condition; none for [`JoinKind::Cross`].
    pub on: Option<Expr>,
}

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs that meet the condition.
    Inner,
    /// Also rows of the left side without a partner.
    Left,
    /// Also rows of the right side without a partner.
    Right,
    /// Also rows of either side without a partner.
    Full,
    /// Every pair; a comma between classes means the same.
    Cross,
}

/// What a query returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Every property of every source.
    All,
    /// These, in this order.
    Items(Vec<Selected>),
    /// How many rows match; with a property, how many have a value of it.
    Count(Option<PropertyRef>),
}

impl Select {
    /// These properties of the only source.
    pub fn properties<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Items(names.into_iter().map(|name| Selected::Property(PropertyRef::new(name))).collect())
    }
}

/// One item of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// A property.
    Property(PropertyRef),
    /// Every property of the source of that name: `a.*`, in a join also the bare name.
    Source(String),
}

/// A property as a query names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyRef {
    /// The source's alias or class; none where the property alone says enough.
    pub source: Option<String>,
    /// The property.
    pub name: String,
}

impl PropertyRef {
    /// A property that no source qualifies.
    pub fn new(name: impl Into<String>) -> Self {
        Self { source: None, name: name.into() }
    }
}

/// Something with one value a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A property.
    Property(PropertyRef),
    /// A value, fitted to what it is compared with once the provider has checked the query.
    Literal(Value),
    /// A function of others.
    Call(Function, Vec<Scalar>),
}

impl Scalar {
    /// A property that no source qualifies.
    pub fn property(name: impl Into<String>) -> Self {
        Self::Property(PropertyRef::new(name))
    }

    /// The property, if it is one and nothing else.
    #[must_use]
    pub fn as_property(&self) -> Option<&PropertyRef> {
        match self {
            Self::Property(property) => Some(property),
            Self::Literal(_) | Self::Call(..) => None,
        }
    }
}

/// A function. Positions count from 1; a null argument makes a null result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `UPPER(text)`
    Upper,
    /// `LOWER(text)`
    Lower,
    /// `SUBSTRING(text, from, length)`; the length may be left out.
    Substring,
    /// `LENGTH(text)`, in characters.
    Length,
    /// `INDEXOF(text, part)`: where the part begins, 0 if nowhere.
    IndexOf,
    /// `CONCAT(text, text...)`
    Concat,
    /// `TRIM(text)`: without blanks at either end.
    Trim,
    /// `GETDATE()`: now.
    GetDate,
    /// `DATEPART(unit, time)`
    DatePart(DateUnit),
    /// `DATEADD(unit, count, time)`
    DateAdd(DateUnit),
    /// `DATEDIFF(unit, from, to)`: how many borders of the unit lie between.
    DateDiff(DateUnit),
}

/// A unit of dates, all in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateUnit {
    /// A year.
    Year,
    /// A quarter of a year.
    Quarter,
    /// A month.
    Month,
    /// A day, counted from the start of its year.
    DayOfYear,
    /// A day, counted from the start of its month.
    Day,
    /// A week from Sunday to Saturday.
    Week,
    /// A day, counted from Sunday as 1.
    Weekday,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
    /// A thousandth of a second.
    Millisecond,
}

impl DateUnit {
    /// Every unit with its names: the one that is printed first, then the others.
    const NAMES: [(Self, &'static [&'static str]); 11] = [
        (Self::Year, &["year", "yy", "yyyy"]),
        (Self::Quarter, &["quarter", "qq", "q"]),
        (Self::Month, &["month", "mm", "m"]),
        (Self::DayOfYear, &["dayofyear", "dy", "y"]),
        (Self::Day, &["day", "dd", "d"]),
        (Self::Week, &["week", "wk", "ww"]),
        (Self::Weekday, &["weekday", "dw", "w"]),
        (Self::Hour, &["hour", "hh"]),
        (Self::Minute, &["minute", "mi", "n"]),
        (Self::Second, &["second", "ss", "s"]),
        (Self::Millisecond, &["millisecond", "ms"]),
    ];

    /// The unit of that name or abbreviation, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_called = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        Self::NAMES.iter().find(|(_, names)| is_called(names)).map(|(unit, _)| *unit)
    }

    /// The full name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(unit, _)| *unit == self);
        known.map(|(_, names)| names[0]).expect("every unit has its names")
    }
}

/// A sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

impl Operator {
    /// The operator that says the same with the sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Eq | Self::Ne => self,
        }
    }
}

/// A condition. Text compares without regard to case. A comparison with a null property is never true.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of them; at least one.
    And(Vec<Expr>),
    /// Any of them; at least one.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// A comparison; with a null literal it is neither true nor false. An array property means any of its elements; the provider's check
    /// turns that into [`Expr::Any`].
    Compare {
        /// The left side.
        left: Scalar,
        /// The operator.
        op: Operator,
        /// The right side.
        right: Scalar,
    },
    /// There is no value.
    IsNull(Scalar),
    /// It equals one of the values; at least one.
    In {
        /// What.
        item: Scalar,
        /// The values, none of them null.
        values: Vec<Value>,
    },
    /// It equals one of the values of a query that selects one property.
    InQuery {
        /// What.
        item: Scalar,
        /// The query; it may name sources of the query around it.
        query: Box<Query>,
    },
    /// A query has at least one row; it may name sources of the query around it.
    Exists(Box<Query>),
    /// The text matches a WQL pattern.
    Like {
        /// What.
        item: Scalar,
        /// The pattern.
        pattern: LikePattern,
    },
    /// The text begins with another.
    StartsWith {
        /// What.
        item: Scalar,
        /// Plain text; no character is special.
        text: String,
    },
    /// The text ends with another.
    EndsWith {
        /// What.
        item: Scalar,
        /// Plain text; no character is special.
        text: String,
    },
    /// The text contains another.
    Contains {
        /// What.
        item: Scalar,
        /// Plain text; no character is special.
        text: String,
    },
    /// Some element of the array property passes.
    Any {
        /// The array property.
        property: PropertyRef,
        /// The test.
        test: ElementTest,
    },
    /// The instance is of the class or of a subclass.
    Isa {
        /// The source; none for the only one.
        source: Option<String>,
        /// The class.
        class: String,
    },
}

/// What an element of an array is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum ElementTest {
    /// It compares so with a value that is not null.
    Compare(Operator, Value),
    /// It equals one of the values; at least one, none null.
    In(Vec<Value>),
    /// The text matches a WQL pattern.
    Like(LikePattern),
    /// The text begins with another.
    StartsWith(String),
    /// The text ends with another.
    EndsWith(String),
    /// The text contains another.
    Contains(String),
}

impl Expr {
    /// The opposite of a condition.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as the query language's word")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// A comparison of a property with a value.
    pub fn compare(property: impl Into<String>, op: Operator, value: impl Into<Value>) -> Self {
        Self::Compare { left: Scalar::property(property), op, right: Scalar::Literal(value.into()) }
    }

    /// Whether a property has no value.
    pub fn is_null(property: impl Into<String>) -> Self {
        Self::IsNull(Scalar::property(property))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_units_have_the_names_of_the_original() {
        for (name, unit) in [
            ("YY", Some(DateUnit::Year)),
            ("year", Some(DateUnit::Year)),
            ("mm", Some(DateUnit::Month)),
            ("mi", Some(DateUnit::Minute)),
            ("n", Some(DateUnit::Minute)),
            ("dy", Some(DateUnit::DayOfYear)),
            ("DW", Some(DateUnit::Weekday)),
            ("century", None),
        ] {
            assert_eq!(DateUnit::named(name), unit, "{name}");
        }
        for (unit, _) in DateUnit::NAMES {
            assert_eq!(DateUnit::named(unit.name()), Some(unit));
        }
    }
}
