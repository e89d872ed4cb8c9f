//! What the readers of both query languages share: a cursor over tokens with limits, and how the parts of a condition
//! go together.

use super::{Expr, Function, Operator, Scalar};
use crate::Value;

/// How deep conditions, functions and subqueries may nest, all together.
pub(crate) const DEPTH_MAX: usize = 64;
/// The most comparisons, list values, arguments, selected and sorted properties in one query, all together.
pub(crate) const TERMS_MAX: usize = 4_096;

/// A token and the byte at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<K> {
    pub(crate) kind: K,
    pub(crate) at: usize,
}

/// What a cursor asks of a token.
pub(crate) trait Kind: PartialEq {
    /// The token as a keyword or a name.
    fn word(&self) -> Option<&str>;
}

/// A limit that a text goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// [`DEPTH_MAX`]
    Depth,
    /// [`TERMS_MAX`]
    Terms,
}

/// Goes over tokens, forward only, of which the last one marks the end and is never passed.
#[derive(Debug)]
pub(crate) struct Cursor<K> {
    tokens: Vec<Token<K>>,
    next: usize,
    depth: usize,
    terms: usize,
    #[cfg(test)]
    looks: std::cell::Cell<usize>,
}

impl<K: Kind> Cursor<K> {
    /// At the first token; the last one must be the end.
    pub(crate) fn new(tokens: Vec<Token<K>>) -> Self {
        debug_assert!(!tokens.is_empty(), "the end is a token");
        Self {
            tokens,
            next: 0,
            depth: 0,
            terms: 0,
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }

    pub(crate) fn peek(&self) -> &K {
        self.ahead(0)
    }

    /// The token `count` behind the next one; the end, if there are no more.
    pub(crate) fn ahead(&self, count: usize) -> &K {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        &self.tokens[(self.next + count).min(self.tokens.len() - 1)].kind
    }

    /// Where the next token begins.
    pub(crate) fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    pub(crate) fn advance(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    pub(crate) fn is_word(&self, wanted: &str) -> bool {
        self.peek().word().is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    }

    /// Whether the token behind the next one is this word.
    pub(crate) fn is_followed_by(&self, wanted: &str) -> bool {
        self.ahead(1).word().is_some_and(|word| word.eq_ignore_ascii_case(wanted))
    }

    pub(crate) fn eat_word(&mut self, wanted: &str) -> bool {
        let found = self.is_word(wanted);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn eat(&mut self, wanted: &K) -> bool {
        let found = self.peek() == wanted;
        if found {
            self.advance();
        }
        found
    }

    /// One level deeper; [`Self::leave`] goes back.
    pub(crate) fn enter(&mut self) -> Result<(), Limit> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(Limit::Depth) } else { Ok(()) }
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn count_term(&mut self) -> Result<(), Limit> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(Limit::Terms) } else { Ok(()) }
    }

    /// How often a token was looked at, and how many there are.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> (usize, usize) {
        (self.looks.get(), self.tokens.len())
    }
}

/// One term as it is, several under their operator.
pub(crate) fn single(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if terms.len() == 1 { terms.remove(0) } else { many(terms) }
}

/// Why two sides make no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoComparison {
    /// Both are values.
    OnlyValues,
    /// Null is neither less nor greater than anything.
    OrderOfNull,
}

/// A comparison, with a value on the right side. One with null asks whether there is a value.
pub(crate) fn comparison(left: Scalar, op: Operator, right: Scalar) -> Result<Expr, NoComparison> {
    let (left, op, right) = match (left, right) {
        (Scalar::Literal(_), Scalar::Literal(_)) => return Err(NoComparison::OnlyValues),
        (Scalar::Literal(value), right) => (right, op.mirrored(), Scalar::Literal(value)),
        (left, right) => (left, op, right),
    };
    Ok(match (op, right) {
        (Operator::Eq, Scalar::Literal(Value::Null)) => Expr::IsNull(left),
        (Operator::Ne, Scalar::Literal(Value::Null)) => Expr::IsNull(left).not(),
        (_, Scalar::Literal(Value::Null)) => return Err(NoComparison::OrderOfNull),
        (op, right) => Expr::Compare { left, op, right },
    })
}

impl Operator {
    /// The operator that is true where this one is not, between values that are not null.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }
}

impl Function {
    /// How many arguments it takes, units not counted.
    pub(crate) fn arguments(self) -> std::ops::RangeInclusive<usize> {
        /// More would be a mistake of whoever wrote the query.
        const CONCAT_MAX: usize = 16;
        match self {
            Self::GetDate => 0..=0,
            Self::Upper | Self::Lower | Self::Length | Self::Trim | Self::DatePart(_) => 1..=1,
            Self::IndexOf | Self::DateAdd(_) | Self::DateDiff(_) => 2..=2,
            Self::Substring => 2..=3,
            Self::Concat => 2..=CONCAT_MAX,
        }
    }
}
