//! `$filter`, read into the query tree.

mod lexer;

use cim::query::{ElementTest, Expr, Operator, PropertyRef, Scalar};
use cim::{DateTime, Value};

use lexer::{Kind, Token};

/// How deep conditions may nest.
const DEPTH_MAX: usize = 64;
/// The most comparisons and list values in one filter.
const TERMS_MAX: usize = 4_096;

/// Why a filter is refused. `column` counts characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {column})")]
pub(crate) struct FilterError {
    pub(crate) column: usize,
    pub(crate) reason: String,
}

/// Reads a filter, already decoded.
pub(crate) fn parse(text: &str) -> Result<Expr, FilterError> {
    let mut parser = Parser { tokens: lexer::tokens(text)?, next: 0, depth: 0, terms: 0 };
    let filter = parser.condition()?;
    match parser.peek() {
        Kind::End => Ok(filter),
        _ => Err(parser.error("and, or, or the end is expected here")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    terms: usize,
}

/// One side of a comparison.
enum Operand {
    Property(String),
    Value(Value),
}

impl Parser {
    fn condition(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("conditions nest deeper than {DEPTH_MAX} levels")));
        }
        let mut any = vec![self.conjunction()?];
        while self.eat_word("or") {
            any.push(self.conjunction()?);
        }
        self.depth -= 1;
        Ok(single(any, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.negation()?];
        while self.eat_word("and") {
            all.push(self.negation()?);
        }
        Ok(single(all, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, FilterError> {
        let mut negated = false;
        while self.eat_word("not") {
            negated = !negated;
        }
        let term = if self.eat(&Kind::Open) {
            let inner = self.condition()?;
            self.expect(&Kind::Close)?;
            self.compared_with_truth(inner)?
        } else {
            self.term()?
        };
        Ok(if negated { term.not() } else { term })
    }

    fn term(&mut self) -> Result<Expr, FilterError> {
        self.count_term()?;
        if let Some(function) = self.text_function() {
            let matched = self.text_match(&function, None)?;
            return self.compared_with_truth(matched);
        }
        let left = self.operand()?;
        if let (Operand::Property(property), true) = (&left, self.eat(&Kind::Slash)) {
            let property = property.clone();
            let found = self.lambda(&property)?;
            return self.compared_with_truth(found);
        }
        if let (Operand::Property(property), true) = (&left, self.eat_word("in")) {
            return Ok(Expr::In { item: Scalar::property(property.clone()), values: self.list()? });
        }
        match (left, self.operator()) {
            (left, Some(op)) => {
                let right = self.operand()?;
                self.comparison(left, op, right)
            }
            // A boolean property may stand alone.
            (Operand::Property(property), None) if self.ends_term() => {
                Ok(Expr::compare(property, Operator::Eq, true))
            }
            _ => Err(self.error("a comparison such as eq is expected here")),
        }
    }

    fn comparison(&self, left: Operand, op: Operator, right: Operand) -> Result<Expr, FilterError> {
        let (property, op, value) = match (left, right) {
            (Operand::Property(property), Operand::Value(value)) => (property, op, value),
            (Operand::Value(value), Operand::Property(property)) => (property, mirrored(op), value),
            _ => return Err(self.error("a property is compared with a value; texts need single quotes")),
        };
        Ok(match (op, value) {
            (Operator::Eq, Value::Null) => Expr::is_null(property),
            (Operator::Ne, Value::Null) => Expr::is_null(property).not(),
            (_, Value::Null) => return Err(self.error("null takes eq and ne only")),
            (op, value) => Expr::compare(property, op, value),
        })
    }

    /// The function that comes next, if it is one that matches text.
    fn text_function(&self) -> Option<String> {
        match (self.peek(), self.peek_second()) {
            (Kind::Word(word), Kind::Open) => Some(word.to_ascii_lowercase())
                .filter(|function| matches!(function.as_str(), "contains" | "startswith" | "endswith")),
            _ => None,
        }
    }

    /// `contains(Name,'x')` and its like; comparisons never regard case, so `tolower` around the name is dropped.
    /// Inside `any(...)` only its item, given with the list that it stands for, can be matched.
    fn text_match(&mut self, function: &str, item: Option<(&str, &str)>) -> Result<Expr, FilterError> {
        self.next += 2;
        let Operand::Property(named) = self.operand()? else {
            return Err(self.error("the first argument must be a property"));
        };
        let property = match item {
            None => named,
            Some((item, list)) if named == item => list.to_owned(),
            Some((item, _)) => {
                return Err(self.error(format!("inside any(...) only {item} is compared with a value")));
            }
        };
        self.expect(&Kind::Comma)?;
        let Operand::Value(Value::String(text)) = self.operand()? else {
            return Err(self.error("the second argument must be a text in single quotes"));
        };
        self.expect(&Kind::Close)?;
        if item.is_some() {
            let test = match function {
                "contains" => ElementTest::Contains(text),
                "startswith" => ElementTest::StartsWith(text),
                _ => ElementTest::EndsWith(text),
            };
            return Ok(Expr::Any { property: PropertyRef::new(property), test });
        }
        let item = Scalar::property(property);
        Ok(match function {
            "contains" => Expr::Contains { item, text },
            "startswith" => Expr::StartsWith { item, text },
            _ => Expr::EndsWith { item, text },
        })
    }

    /// `any(item: item eq 'x')` or `any(item: contains(item,'x'))`, also with several of them joined by `or`.
    fn lambda(&mut self, property: &str) -> Result<Expr, FilterError> {
        if !self.eat_word("any") {
            return Err(self.error("only any(...) is supported on arrays"));
        }
        self.expect(&Kind::Open)?;
        let item = self.word()?;
        self.expect(&Kind::Colon)?;
        let mut any = Vec::new();
        loop {
            self.count_term()?;
            any.push(self.element(property, &item)?);
            if !self.eat_word("or") {
                break;
            }
        }
        self.expect(&Kind::Close)?;
        Ok(single(any, Expr::Or))
    }

    fn element(&mut self, property: &str, item: &str) -> Result<Expr, FilterError> {
        if let Some(function) = self.text_function() {
            return self.text_match(&function, Some((item, property)));
        }
        let Operand::Property(left) = self.operand()? else {
            return Err(self.error(format!("{item} is expected here")));
        };
        let op = self.operator().ok_or_else(|| self.error("a comparison such as eq is expected here"))?;
        match self.operand()? {
            Operand::Value(value) if left == item && !value.is_null() => {
                Ok(Expr::Any { property: PropertyRef::new(property), test: ElementTest::Compare(op, value) })
            }
            _ => Err(self.error(format!("inside any(...) only {item} is compared with a value"))),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, FilterError> {
        self.expect(&Kind::Open)?;
        let mut values = Vec::new();
        loop {
            self.count_term()?;
            match self.operand()? {
                Operand::Value(value) if !value.is_null() => values.push(value),
                _ => return Err(self.error("a list holds values; texts need single quotes")),
            }
            if !self.eat(&Kind::Comma) {
                self.expect(&Kind::Close)?;
                return Ok(values);
            }
        }
    }

    /// `eq true` or `eq false` behind what is already true or false.
    fn compared_with_truth(&mut self, term: Expr) -> Result<Expr, FilterError> {
        let Some(op) = self.operator() else { return Ok(term) };
        let truth = match (op, self.operand()?) {
            (Operator::Eq, Operand::Value(Value::Boolean(truth))) => truth,
            (Operator::Ne, Operand::Value(Value::Boolean(truth))) => !truth,
            _ => return Err(self.error("a condition takes eq true or eq false only")),
        };
        Ok(if truth { term } else { term.not() })
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        match self.peek().clone() {
            Kind::Text(text) => {
                self.next += 1;
                Ok(Operand::Value(Value::String(text)))
            }
            Kind::Number(text) => {
                let value =
                    number(&text).ok_or_else(|| self.error(format!("{text} is no number, date or GUID")))?;
                self.next += 1;
                Ok(Operand::Value(value))
            }
            Kind::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" | "false" => {
                    self.next += 1;
                    Ok(Operand::Value(Value::Boolean(word.eq_ignore_ascii_case("true"))))
                }
                "null" => {
                    self.next += 1;
                    Ok(Operand::Value(Value::Null))
                }
                function @ ("tolower" | "toupper") if self.peek_second() == Kind::Open => {
                    let function = function.to_owned();
                    self.folded(&function)
                }
                _ if self.peek_second() == Kind::Open => {
                    Err(self.error(format!("the function {word} is not supported")))
                }
                _ => {
                    self.next += 1;
                    Ok(Operand::Property(word))
                }
            },
            _ => Err(self.error("a property or a value is expected here")),
        }
    }

    fn folded(&mut self, function: &str) -> Result<Operand, FilterError> {
        self.next += 2;
        let operand = match self.peek().clone() {
            Kind::Text(text) => Operand::Value(Value::String(text)),
            Kind::Word(word) => Operand::Property(word),
            _ => return Err(self.error(format!("{function} takes a property or a text"))),
        };
        self.next += 1;
        self.expect(&Kind::Close)?;
        Ok(operand)
    }

    fn operator(&mut self) -> Option<Operator> {
        let Kind::Word(word) = self.peek() else { return None };
        let op = match word.to_ascii_lowercase().as_str() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            _ => return None,
        };
        self.next += 1;
        Some(op)
    }

    fn word(&mut self) -> Result<String, FilterError> {
        let Kind::Word(word) = self.peek().clone() else { return Err(self.error("a name is expected here")) };
        self.next += 1;
        Ok(word)
    }

    /// Whether a bare property may end here.
    fn ends_term(&self) -> bool {
        match self.peek() {
            Kind::End | Kind::Close => true,
            Kind::Word(word) => ["and", "or"].iter().any(|end| end.eq_ignore_ascii_case(word)),
            _ => false,
        }
    }

    fn count_term(&mut self) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            Err(self.error(format!("it has more than {TERMS_MAX} terms")))
        } else {
            Ok(())
        }
    }

    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    fn peek_second(&self) -> Kind {
        self.tokens.get(self.next + 1).map_or(Kind::End, |token| token.kind.clone())
    }

    fn eat(&mut self, wanted: &Kind) -> bool {
        let found = self.peek() == wanted;
        self.next += usize::from(found);
        found
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &Kind) -> Result<(), FilterError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.error(format!("{} is expected here", wanted.name()))) }
    }

    fn error(&self, reason: impl Into<String>) -> FilterError {
        FilterError { column: self.tokens[self.next].column, reason: reason.into() }
    }
}

/// An integer, a real, a date, or a GUID, which is a text.
fn number(text: &str) -> Option<Value> {
    if let Ok(integer) = text.parse::<i128>() {
        return Some(Value::Integer(integer));
    }
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite()).map(Value::Real);
    let date =
        || DateTime::parse_any(text).or_else(|_| DateTime::parse_any(&format!("{text}T00:00:00"))).ok();
    let guid = || (text.len() == 36 && text.matches('-').count() == 4).then(|| Value::text(text));
    real.or_else(|| date().map(Value::DateTime)).or_else(guid)
}

fn single(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if terms.len() == 1 { terms.remove(0) } else { many(terms) }
}

fn mirrored(op: Operator) -> Operator {
    match op {
        Operator::Lt => Operator::Gt,
        Operator::Le => Operator::Ge,
        Operator::Gt => Operator::Lt,
        Operator::Ge => Operator::Le,
        same => same,
    }
}

#[cfg(test)]
mod tests;
