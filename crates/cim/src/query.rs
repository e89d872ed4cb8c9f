//! The query tree: what WQL and OData parse into, and what `site` compiles to SQL.

mod like;
mod print;

pub use like::{CharRange, LikePattern, LikePiece};

use crate::Value;

/// One query on one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The class, as the client wrote it.
    pub class: String,
    /// The properties to return.
    pub select: Select,
    /// The condition; none means every instance.
    pub filter: Option<Expr>,
    /// Properties to sort by, the first one first.
    pub order: Vec<(String, Direction)>,
    /// At most this many instances.
    pub top: Option<u64>,
    /// Leave out this many instances first.
    pub skip: Option<u64>,
    /// Also count the instances that match, regardless of `top` and `skip`.
    pub count: bool,
}

impl Query {
    /// All instances of a class, with all properties.
    pub fn all(class: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            select: Select::All,
            filter: None,
            order: Vec::new(),
            top: None,
            skip: None,
            count: false,
        }
    }
}

/// The properties that a query returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Every property of the class.
    All,
    /// These, in this order.
    Properties(Vec<String>),
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

/// A condition. Text compares without regard to case. A comparison with a null property is never true.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// All of them; at least one.
    And(Vec<Expr>),
    /// Any of them; at least one.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// A comparison of a property with a value that is not null.
    Compare {
        /// The property.
        property: String,
        /// The operator.
        op: Operator,
        /// The value; fitted to the property's type once the provider has checked the query.
        value: Value,
    },
    /// The property has no value.
    IsNull {
        /// The property.
        property: String,
    },
    /// The property equals one of the values; at least one.
    In {
        /// The property.
        property: String,
        /// The values, none of them null.
        values: Vec<Value>,
    },
    /// The text property matches a WQL pattern.
    Like {
        /// The property.
        property: String,
        /// The pattern.
        pattern: LikePattern,
    },
    /// The text property begins with the text.
    StartsWith {
        /// The property.
        property: String,
        /// Plain text; no character is special.
        text: String,
    },
    /// The text property ends with the text.
    EndsWith {
        /// The property.
        property: String,
        /// Plain text; no character is special.
        text: String,
    },
    /// The text property contains the text.
    Contains {
        /// The property.
        property: String,
        /// Plain text; no character is special.
        text: String,
    },
    /// Some element of the array property compares so.
    AnyElement {
        /// The array property.
        property: String,
        /// The operator.
        op: Operator,
        /// The value, not null.
        value: Value,
    },
}

impl Expr {
    /// The opposite of a condition.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as the query language's word")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// A comparison.
    pub fn compare(property: impl Into<String>, op: Operator, value: impl Into<Value>) -> Self {
        Self::Compare { property: property.into(), op, value: value.into() }
    }
}
