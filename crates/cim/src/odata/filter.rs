//! Conditions and order. Recursive descent with one depth count for everything that nests.

use super::lexer::{self, Kind};
use super::{NAMES_MAX, ODataError};
use crate::Value;
use crate::query::reading::{Cursor, NoComparison, comparison, single};
use crate::query::{Direction, Expr, Function, Operator, PropertyRef, Scalar};

pub(super) struct Parser {
    pub(super) cursor: Cursor<Kind>,
    /// What the tests of `any` and `all` call the element, and the list that it stands for.
    pub(super) item: Option<(String, PropertyRef)>,
}

/// Functions that test a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// Operators and functions of the standard that the provider's queries cannot say, with what to do instead.
const FOREIGN: [(&str, &str); 16] = [
    ("has", "compare the number"),
    ("add", "compute the value before sending it"),
    ("sub", "compute the value before sending it"),
    ("mul", "compute the value before sending it"),
    ("div", "compute the value before sending it"),
    ("divby", "compute the value before sending it"),
    ("mod", "compute the value before sending it"),
    ("date", "compare the property with the whole time, as in 2024-01-01T00:00:00Z"),
    ("time", "use hour(...), minute(...) and second(...)"),
    ("fractionalseconds", "use second(...)"),
    ("round", "compare with le and ge"),
    ("floor", "compare with le and ge"),
    ("ceiling", "compare with le and ge"),
    ("matchesPattern", "use contains, startswith or endswith"),
    ("cast", "compare the property itself; numbers and texts are converted"),
    ("isof", "query the class itself"),
];

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, ODataError> {
        Ok(Self { cursor: Cursor::new(lexer::tokens(text)?), item: None })
    }

    pub(super) fn filter(mut self) -> Result<Expr, ODataError> {
        self.run()
    }

    fn run(&mut self) -> Result<Expr, ODataError> {
        let filter = self.condition()?;
        match self.cursor.peek() {
            Kind::End => Ok(filter),
            _ => Err(self
                .refuse_foreign()
                .err()
                .unwrap_or_else(|| self.error("and, or, or the end is expected here"))),
        }
    }

    pub(super) fn order(mut self) -> Result<Vec<(Scalar, Direction)>, ODataError> {
        let mut order = Vec::new();
        loop {
            let at = self.cursor.at();
            let scalar = self.scalar()?;
            if matches!(scalar, Scalar::Literal(_)) {
                return Err(self.error_at(at, "a property or a function is expected here"));
            }
            let descending = self.cursor.eat_word("desc");
            if !descending {
                self.cursor.eat_word("asc");
            }
            order.push((scalar, if descending { Direction::Descending } else { Direction::Ascending }));
            if order.len() > NAMES_MAX {
                return Err(self.error(format!("it has more than {NAMES_MAX} names")));
            }
            if !self.cursor.eat(&Kind::Comma) {
                break;
            }
        }
        match self.cursor.peek() {
            Kind::End => Ok(order),
            _ => Err(self.error("asc, desc, a comma, or the end is expected here")),
        }
    }

    pub(super) fn condition(&mut self) -> Result<Expr, ODataError> {
        self.enter()?;
        let mut any = vec![self.conjunction()?];
        while self.cursor.eat_word("or") {
            any.push(self.conjunction()?);
        }
        self.cursor.leave();
        Ok(single(any, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, ODataError> {
        let mut all = vec![self.negation()?];
        while self.cursor.eat_word("and") {
            all.push(self.negation()?);
        }
        Ok(single(all, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, ODataError> {
        let mut negated = false;
        while self.cursor.eat_word("not") {
            negated = !negated;
        }
        let term = if self.cursor.eat(&Kind::Open) {
            let inner = self.condition()?;
            self.expect(&Kind::Close)?;
            self.compared_with_truth(inner)?
        } else {
            self.term()?
        };
        Ok(if negated { term.not() } else { term })
    }

    fn term(&mut self) -> Result<Expr, ODataError> {
        self.count_term()?;
        if let Some(test) = self.text_test() {
            let (item, text) = self.text_arguments()?;
            let matched = match test {
                TextTest::Contains => Expr::Contains { item, text },
                TextTest::StartsWith => Expr::StartsWith { item, text },
                TextTest::EndsWith => Expr::EndsWith { item, text },
            };
            return self.compared_with_truth(matched);
        }
        let at = self.cursor.at();
        let left = self.scalar()?;
        if self.cursor.eat(&Kind::Slash) {
            let Scalar::Property(list) = left else {
                return Err(self.error_at(at, "any and all need a property before them"));
            };
            let found = self.lambda(list)?;
            return self.compared_with_truth(found);
        }
        let is_value = matches!(left, Scalar::Literal(_));
        if !is_value && self.cursor.eat_word("in") {
            self.refuse_place(&left, at)?;
            return Ok(Expr::In { item: left, values: self.list()? });
        }
        if let Some(op) = self.operator() {
            let right = self.scalar()?;
            return self.comparison(left, op, right, at);
        }
        self.refuse_foreign()?;
        // A boolean property may stand alone.
        match left {
            Scalar::Property(_) if self.ends_term() => {
                let right = Scalar::Literal(Value::Boolean(true));
                Ok(Expr::Compare { left, op: Operator::Eq, right })
            }
            _ => Err(self.error("a comparison such as eq is expected here")),
        }
    }

    fn comparison(&self, left: Scalar, op: Operator, right: Scalar, at: usize) -> Result<Expr, ODataError> {
        let (left, right) = match (left, right) {
            (left @ Scalar::Call(Function::IndexOf, _), Scalar::Literal(value)) => {
                (left, Scalar::Literal(self.place(&value, at)?))
            }
            (Scalar::Literal(value), right @ Scalar::Call(Function::IndexOf, _)) => {
                (Scalar::Literal(self.place(&value, at)?), right)
            }
            (Scalar::Call(Function::IndexOf, _), _) | (_, Scalar::Call(Function::IndexOf, _)) => {
                return Err(self.error_at(at, "indexof is compared with a number"));
            }
            sides => sides,
        };
        comparison(left, op, right).map_err(|reason| match reason {
            NoComparison::OnlyValues => {
                self.error_at(at, "a property is compared with a value; texts need single quotes")
            }
            NoComparison::OrderOfNull => self.error_at(at, "null takes eq and ne only"),
        })
    }

    /// The function that comes next, if it is one that tests a text.
    pub(super) fn text_test(&self) -> Option<TextTest> {
        let Kind::Word(word) = self.cursor.peek() else { return None };
        if *self.cursor.ahead(1) != Kind::Open {
            return None;
        }
        let tests = [
            ("contains", TextTest::Contains),
            ("startswith", TextTest::StartsWith),
            ("endswith", TextTest::EndsWith),
        ];
        tests.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, test)| test)
    }

    /// `contains(Name,'x')` and its like, from the name on.
    pub(super) fn text_arguments(&mut self) -> Result<(Scalar, String), ODataError> {
        self.cursor.advance();
        self.cursor.advance();
        let at = self.cursor.at();
        let item = self.scalar()?;
        if matches!(item, Scalar::Literal(_)) {
            return Err(self.error_at(at, "the first argument must be a property"));
        }
        self.expect(&Kind::Comma)?;
        let at = self.cursor.at();
        let Scalar::Literal(Value::String(text)) = self.scalar()? else {
            return Err(self.error_at(at, "the second argument must be a text in single quotes"));
        };
        self.expect(&Kind::Close)?;
        Ok((item, text))
    }

    pub(super) fn list(&mut self) -> Result<Vec<Value>, ODataError> {
        self.expect(&Kind::Open)?;
        let mut values = Vec::new();
        loop {
            self.count_term()?;
            let at = self.cursor.at();
            match self.value()? {
                Some(value) if !value.is_null() => values.push(value),
                _ => return Err(self.error_at(at, "a list holds values; texts need single quotes")),
            }
            if !self.cursor.eat(&Kind::Comma) {
                self.expect(&Kind::Close)?;
                return Ok(values);
            }
        }
    }

    fn compared_with_truth(&mut self, term: Expr) -> Result<Expr, ODataError> {
        Ok(if self.truth()? { term } else { term.not() })
    }

    /// Which truth is meant by `eq true` or `eq false` behind what is already true or false.
    pub(super) fn truth(&mut self) -> Result<bool, ODataError> {
        let Some(op) = self.operator() else { return Ok(true) };
        let at = self.cursor.at();
        match (op, self.value()?) {
            (Operator::Eq, Some(Value::Boolean(truth))) => Ok(truth),
            (Operator::Ne, Some(Value::Boolean(truth))) => Ok(!truth),
            _ => Err(self.error_at(at, "a condition takes eq true or eq false only")),
        }
    }

    pub(super) fn operator(&mut self) -> Option<Operator> {
        let op = match self.cursor.peek() {
            Kind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "eq" => Operator::Eq,
                "ne" => Operator::Ne,
                "lt" => Operator::Lt,
                "le" => Operator::Le,
                "gt" => Operator::Gt,
                "ge" => Operator::Ge,
                _ => return None,
            },
            _ => return None,
        };
        self.cursor.advance();
        Some(op)
    }

    /// Whether a bare property may end here.
    fn ends_term(&self) -> bool {
        matches!(self.cursor.peek(), Kind::End | Kind::Close)
            || self.cursor.is_word("and")
            || self.cursor.is_word("or")
    }

    pub(super) fn refuse_foreign(&self) -> Result<(), ODataError> {
        match FOREIGN.iter().find(|(word, _)| self.cursor.is_word(word)) {
            Some((word, instead)) => Err(self.error(format!("{word} is not supported: {instead}"))),
            None => Ok(()),
        }
    }

    pub(super) fn enter(&mut self) -> Result<(), ODataError> {
        self.cursor.enter().map_err(|limit| ODataError::over(limit, self.cursor.at()))
    }

    pub(super) fn count_term(&mut self) -> Result<(), ODataError> {
        self.cursor.count_term().map_err(|limit| ODataError::over(limit, self.cursor.at()))
    }

    pub(super) fn expect(&mut self, wanted: &Kind) -> Result<(), ODataError> {
        if self.cursor.eat(wanted) {
            Ok(())
        } else {
            Err(self.error(format!("{} is expected here", wanted.name())))
        }
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ODataError {
        self.error_at(self.cursor.at(), reason)
    }

    pub(super) fn error_at(&self, column: usize, reason: impl Into<String>) -> ODataError {
        ODataError { column, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the text takes about twice the work, in every form that repeats or nests.
    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        /// The most looks at each token, on average.
        const LOOKS_MAX: usize = 60;
        for count in [1, 10, 60, 1_000, 3_000, 9_000] {
            let join = |piece: &dyn Fn(usize) -> String, by: &str| {
                (0..count).map(piece).collect::<Vec<_>>().join(by)
            };
            for text in [
                join(&|n| format!("p{n} eq {n}"), " and "),
                join(&|n| format!("not contains(p{n},'x') eq false"), " or "),
                format!("a in ({})", join(&|n| n.to_string(), ",")),
                format!("a/any(i: {})", join(&|n| format!("i eq {n}"), " or ")),
                format!("a/any(i: {}i eq 1{})", "(".repeat(count), ")".repeat(count)),
                format!("{}a eq 1{}", "(".repeat(count), ")".repeat(count)),
                format!("{}a{} eq 'x'", "trim(".repeat(count), ")".repeat(count)),
                "not ".repeat(count) + "a",
                "''".repeat(count),
                "a/any(i: ".repeat(count),
            ] {
                let Ok(mut parser) = Parser::new(&text) else { continue };
                let _ = parser.run();
                let (looks, tokens) = parser.cursor.looks();
                assert!(looks <= LOOKS_MAX * tokens, "{looks} looks at {tokens} tokens");
            }
        }
    }
}
