//! Conditions and what they compare.

use crate::Value;
use crate::query::reading::{NoComparison, comparison, single};
use crate::query::{DateUnit, Expr, Function, LikePattern, PropertyRef, Query, Scalar, Select, Selected};

use super::WqlError;
use super::lexer::Kind;
use super::parser::Parser;

const NEEDS_VALUE: &str = "a property, a function or a value; texts need quotes";

impl Parser<'_> {
    pub(super) fn condition(&mut self) -> Result<Expr, WqlError> {
        self.enter()?;
        let mut any = vec![self.conjunction()?];
        while self.cursor.eat_word("OR") {
            any.push(self.conjunction()?);
        }
        self.cursor.leave();
        Ok(single(any, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, WqlError> {
        let mut all = vec![self.negation()?];
        while self.cursor.eat_word("AND") {
            all.push(self.negation()?);
        }
        Ok(single(all, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, WqlError> {
        let mut negated = false;
        while self.cursor.eat_word("NOT") {
            negated = !negated;
        }
        let term = if self.cursor.is_word("EXISTS") && *self.cursor.ahead(1) == Kind::Open {
            self.cursor.advance();
            self.count_term()?;
            Expr::Exists(Box::new(self.subquery()?))
        } else if *self.cursor.peek() == Kind::Open {
            self.refuse_scalar_subquery()?;
            self.cursor.advance();
            let inner = self.condition()?;
            self.expect(&Kind::Close, "AND, OR or a closing parenthesis")?;
            inner
        } else {
            self.term()?
        };
        Ok(if negated { term.not() } else { term })
    }

    fn term(&mut self) -> Result<Expr, WqlError> {
        self.count_term()?;
        if self.cursor.is_followed_by("ISA") {
            return self.isa();
        }
        let at = self.cursor.at();
        let item = self.scalar()?;
        if !matches!(item, Scalar::Literal(_)) {
            if self.cursor.eat_word("IS") {
                let negated = self.cursor.eat_word("NOT");
                self.expect_word("NULL")?;
                let is_null = Expr::IsNull(item);
                return Ok(if negated { is_null.not() } else { is_null });
            }
            let negated = self.cursor.eat_word("NOT");
            if self.cursor.eat_word("LIKE") {
                return Ok(not_if(negated, self.like(item)?));
            }
            if self.cursor.eat_word("IN") {
                return Ok(not_if(negated, self.one_of(item)?));
            }
            self.refuse_between()?;
            if negated {
                return Err(self.unexpected("LIKE or IN"));
            }
        }
        self.compare(item, at)
    }

    fn compare(&mut self, left: Scalar, at: usize) -> Result<Expr, WqlError> {
        let Kind::Operator(op) = *self.cursor.peek() else { return Err(self.unexpected("a comparison")) };
        self.cursor.advance();
        self.refuse_scalar_subquery()?;
        let right = self.scalar()?;
        comparison(left, op, right).map_err(|reason| match reason {
            NoComparison::OnlyValues => self.unexpected_at(at, "a property on one side; texts need quotes"),
            NoComparison::OrderOfNull => self.unexpected_at(at, "= or <> before NULL, or IS NULL"),
        })
    }

    fn like(&mut self, item: Scalar) -> Result<Expr, WqlError> {
        let pattern = LikePattern::parse(&self.string("a pattern in quotes")?);
        if self.cursor.is_word("ESCAPE") {
            let instead = "put the character in brackets, as in LIKE '100[%]'";
            return Err(self.unsupported("ESCAPE", instead));
        }
        Ok(Expr::Like { item, pattern })
    }

    fn one_of(&mut self, item: Scalar) -> Result<Expr, WqlError> {
        if *self.cursor.peek() == Kind::Open && self.cursor.is_followed_by("SELECT") {
            let at = self.cursor.at();
            let query = self.subquery()?;
            if !selects_one(&query) {
                return Err(self.unexpected_at(at, "a subquery that selects one property"));
            }
            return Ok(Expr::InQuery { item, query: Box::new(query) });
        }
        Ok(Expr::In { item, values: self.list()? })
    }

    fn subquery(&mut self) -> Result<Query, WqlError> {
        self.expect(&Kind::Open, "an opening parenthesis")?;
        let query = self.query()?;
        self.expect(&Kind::Close, "a closing parenthesis behind the subquery")?;
        Ok(query)
    }

    fn list(&mut self) -> Result<Vec<Value>, WqlError> {
        self.expect(&Kind::Open, "an opening parenthesis")?;
        let mut values = Vec::new();
        loop {
            let at = self.cursor.at();
            match self.constant() {
                Some(value) if !value.is_null() => values.push(value),
                _ => return Err(self.unexpected_at(at, "a value; texts need quotes")),
            }
            self.count_term()?;
            if !self.cursor.eat(&Kind::Comma) {
                self.expect(&Kind::Close, "a comma or a closing parenthesis")?;
                return Ok(values);
            }
        }
    }

    /// `__this ISA "Class"`, or the name of a class of the query in place of `__this`.
    fn isa(&mut self) -> Result<Expr, WqlError> {
        let at = self.cursor.at();
        let name = self.name("__THIS or a class of the query")?;
        if ["TargetInstance", "PreviousInstance"].iter().any(|event| event.eq_ignore_ascii_case(&name)) {
            let instead = "events are not sent; repeat a query on the class instead";
            return Err(self.unsupported_at(at, "an event query", instead));
        }
        let source = if name.eq_ignore_ascii_case("__THIS") {
            None
        } else {
            self.check_qualifier(&name, at)?;
            Some(name)
        };
        self.cursor.advance();
        let class = match self.cursor.peek() {
            Kind::Word(_) => self.name("a class name")?,
            _ => self.string("a class name")?,
        };
        if class.is_empty() || !class.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(self.unexpected_at(at, "a class name behind ISA"));
        }
        Ok(Expr::Isa { source, class })
    }

    /// A value, a property or a function of them.
    pub(super) fn scalar(&mut self) -> Result<Scalar, WqlError> {
        if let Some(value) = self.constant() {
            return Ok(Scalar::Literal(value));
        }
        if matches!(self.cursor.peek(), Kind::Word(_)) && *self.cursor.ahead(1) == Kind::Open {
            return self.call();
        }
        let at = self.cursor.at();
        let first = self.name(NEEDS_VALUE)?;
        if !self.cursor.eat(&Kind::Point) {
            self.refuse_system(&first, at)?;
            return Ok(Scalar::property(first));
        }
        self.check_qualifier(&first, at)?;
        let name_at = self.cursor.at();
        let name = self.any_word("a property name")?;
        self.refuse_system(&name, name_at)?;
        Ok(Scalar::Property(PropertyRef { source: Some(first), name }))
    }

    fn call(&mut self) -> Result<Scalar, WqlError> {
        self.enter()?;
        let at = self.cursor.at();
        let name = self.any_word("a function")?;
        self.cursor.advance();
        let function = self.function(&name, at)?;
        let mut arguments = Vec::new();
        if *self.cursor.peek() != Kind::Close {
            loop {
                self.count_term()?;
                self.refuse_scalar_subquery()?;
                arguments.push(self.scalar()?);
                if !self.cursor.eat(&Kind::Comma) {
                    break;
                }
            }
        }
        self.expect(&Kind::Close, "a comma or a closing parenthesis")?;
        let wanted = function.arguments();
        if !wanted.contains(&arguments.len()) {
            let (least, most) = (wanted.start(), wanted.end());
            let count = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(self.unexpected_at(at, &format!("{count} arguments of {name}")));
        }
        self.cursor.leave();
        Ok(Scalar::Call(function, arguments))
    }

    /// The function of that name; those of dates have their unit first.
    fn function(&mut self, name: &str, at: usize) -> Result<Function, WqlError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "UPPER" => Function::Upper,
            "LOWER" => Function::Lower,
            "SUBSTRING" => Function::Substring,
            "LENGTH" | "LEN" => Function::Length,
            "INDEXOF" => Function::IndexOf,
            "CONCAT" => Function::Concat,
            "TRIM" => Function::Trim,
            "GETDATE" => Function::GetDate,
            "DATEPART" => Function::DatePart(self.unit()?),
            "DATEADD" => Function::DateAdd(self.unit()?),
            "DATEDIFF" => Function::DateDiff(self.unit()?),
            _ => {
                let instead = "there are UPPER, LOWER, SUBSTRING, LENGTH, INDEXOF, CONCAT, TRIM, GETDATE, DATEPART, \
                               DATEADD and DATEDIFF";
                return Err(self.unsupported_at(at, &format!("the function {name}"), instead));
            }
        })
    }

    /// A unit, also in quotes, and the comma behind it.
    fn unit(&mut self) -> Result<DateUnit, WqlError> {
        let name = match self.cursor.peek() {
            Kind::Word(word) => Some(word.as_str()),
            Kind::Literal(Value::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let unit = name
            .and_then(DateUnit::named)
            .ok_or_else(|| self.unexpected("a unit: year, month, week, day, hour, minute or second"))?;
        self.cursor.advance();
        self.expect(&Kind::Comma, "a comma behind the unit")?;
        Ok(unit)
    }

    fn constant(&mut self) -> Option<Value> {
        let value = match self.cursor.peek() {
            Kind::Literal(value) => value.clone(),
            Kind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Value::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Value::Boolean(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("NULL") => Value::Null,
            _ => return None,
        };
        self.cursor.advance();
        Some(value)
    }

    fn refuse_scalar_subquery(&self) -> Result<(), WqlError> {
        if *self.cursor.peek() == Kind::Open && self.cursor.is_followed_by("SELECT") {
            let instead = "write Property IN (SELECT ...) or EXISTS (SELECT ...)";
            return Err(self.unsupported("a subquery as a value", instead));
        }
        Ok(())
    }

    fn refuse_between(&self) -> Result<(), WqlError> {
        if self.cursor.is_word("BETWEEN") {
            let instead = "write Property >= 1 AND Property <= 9";
            return Err(self.unsupported("BETWEEN", instead));
        }
        Ok(())
    }
}

fn not_if(negated: bool, term: Expr) -> Expr {
    if negated { term.not() } else { term }
}

fn selects_one(query: &Query) -> bool {
    matches!(&query.select, Select::Items(items) if matches!(items.as_slice(), [Selected::Property(_)]))
}
