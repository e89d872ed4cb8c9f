use crate::query::{Direction, Expr, LikePattern, Operator, Query, Scalar, Select};
use crate::{Position, Value};

use super::lexer::{self, Kind, Token};
use super::{DEPTH_MAX, TERMS_MAX, WqlError, WqlErrorKind};

/// Recursive descent with a depth count; the only recursion is through [`Parser::condition`].
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    terms: usize,
    /// The names that may qualify a property: the class and its alias.
    qualifiers: Vec<String>,
}

/// Words that cannot name a property or an alias.
const RESERVED: [&str; 16] = [
    "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "IS", "NULL", "ORDER", "BY", "ASC", "DESC",
    "TRUE", "FALSE",
];

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, WqlError> {
        let tokens = lexer::tokens(text)?;
        Ok(Self { text, tokens, next: 0, depth: 0, terms: 0, qualifiers: Vec::new() })
    }

    pub(super) fn query(mut self) -> Result<Query, WqlError> {
        self.expect_word("SELECT")?;
        let selected = self.select_list()?;
        self.expect_word("FROM")?;
        let class = self.name("a class name")?;
        self.qualifiers.push(class.clone());
        self.alias()?;
        let mut query = Query::all(class);
        query.select = self.select(selected)?;
        if self.eat_word("WHERE") {
            query.filter = Some(self.condition()?);
        }
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            query.order = self.order_list()?;
        }
        match self.peek() {
            Kind::End => Ok(query),
            _ => Err(self.unexpected("the end of the query")),
        }
    }

    /// The selected names, still qualified: the class that they may name follows later.
    fn select_list(&mut self) -> Result<Vec<(usize, Option<String>, String)>, WqlError> {
        for word in ["DISTINCT", "COUNT"] {
            if self.is_word(word) {
                return Err(self.unsupported(word));
            }
        }
        if self.eat(&Kind::Star) {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        loop {
            let at = self.at();
            let first = self.name("a property name")?;
            let qualified = self.eat(&Kind::Point);
            let star = qualified && self.eat(&Kind::Star);
            names.push(match (qualified, star) {
                (false, _) => (at, None, first),
                (true, true) => (at, Some(first), "*".to_owned()),
                (true, false) => (at, Some(first), self.name("a property name")?),
            });
            self.count_term()?;
            if !self.eat(&Kind::Comma) {
                return Ok(names);
            }
        }
    }

    fn alias(&mut self) -> Result<(), WqlError> {
        if self.eat_word("AS") {
            let alias = self.name("an alias")?;
            self.qualifiers.push(alias);
        } else if let Kind::Word(word) = self.peek() {
            let joins = ["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS"];
            if joins.iter().any(|join| join.eq_ignore_ascii_case(word)) {
                return Err(self.unsupported("JOIN"));
            }
            if !is_reserved(word) {
                let alias = self.name("an alias")?;
                self.qualifiers.push(alias);
            }
        }
        match self.peek() {
            Kind::Comma => Err(self.unsupported("a query on several classes")),
            Kind::Word(word) if ["JOIN", "INNER"].iter().any(|join| join.eq_ignore_ascii_case(word)) => {
                Err(self.unsupported("JOIN"))
            }
            _ => Ok(()),
        }
    }

    fn select(&self, names: Vec<(usize, Option<String>, String)>) -> Result<Select, WqlError> {
        let mut properties = Vec::new();
        for (at, qualifier, name) in names {
            if let Some(qualifier) = qualifier {
                self.check_qualifier(&qualifier, at)?;
            }
            if name == "*" {
                return Ok(Select::All);
            }
            properties.push(name);
        }
        Ok(if properties.is_empty() { Select::All } else { Select::properties(properties) })
    }

    fn order_list(&mut self) -> Result<Vec<(Scalar, Direction)>, WqlError> {
        let mut order = Vec::new();
        loop {
            let property = Scalar::property(self.property()?);
            let descending = self.eat_word("DESC");
            if !descending {
                self.eat_word("ASC");
            }
            order.push((property, if descending { Direction::Descending } else { Direction::Ascending }));
            self.count_term()?;
            if !self.eat(&Kind::Comma) {
                return Ok(order);
            }
        }
    }

    fn condition(&mut self) -> Result<Expr, WqlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(WqlErrorKind::TooDeep));
        }
        let mut any = vec![self.conjunction()?];
        while self.eat_word("OR") {
            any.push(self.conjunction()?);
        }
        self.depth -= 1;
        Ok(single(any, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, WqlError> {
        let mut all = vec![self.negation()?];
        while self.eat_word("AND") {
            all.push(self.negation()?);
        }
        Ok(single(all, Expr::And))
    }

    fn negation(&mut self) -> Result<Expr, WqlError> {
        let mut negated = false;
        while self.eat_word("NOT") {
            negated = !negated;
        }
        let term = if self.eat(&Kind::Open) {
            if self.is_word("SELECT") {
                return Err(self.unsupported("a subquery"));
            }
            let inner = self.condition()?;
            self.expect(&Kind::Close, "a closing parenthesis")?;
            inner
        } else {
            self.term()?
        };
        Ok(if negated { term.not() } else { term })
    }

    fn term(&mut self) -> Result<Expr, WqlError> {
        self.count_term()?;
        if let Some(value) = self.constant() {
            // The constant stands first: `'x' = Name` means `Name = 'x'`.
            let op = self.operator()?;
            let property = self.property()?;
            return Ok(comparison(Scalar::property(property), mirrored(op), value));
        }
        let item = Scalar::property(self.property()?);
        if self.eat_word("IS") {
            let negated = self.eat_word("NOT");
            self.expect_word("NULL")?;
            let is_null = Expr::IsNull(item);
            return Ok(if negated { is_null.not() } else { is_null });
        }
        let negated = self.eat_word("NOT");
        let term = if self.eat_word("LIKE") {
            let pattern = LikePattern::parse(&self.string("a pattern in quotes")?);
            Expr::Like { item, pattern }
        } else if self.eat_word("IN") {
            Expr::In { item, values: self.list()? }
        } else if negated {
            return Err(self.unexpected("LIKE or IN"));
        } else {
            if self.is_word("BETWEEN") {
                return Err(self.unsupported("BETWEEN"));
            }
            let op = self.operator()?;
            let value = self.constant().ok_or_else(|| self.unexpected("a value; texts need quotes"))?;
            comparison(item, op, value)
        };
        Ok(if negated { term.not() } else { term })
    }

    fn list(&mut self) -> Result<Vec<Value>, WqlError> {
        self.expect(&Kind::Open, "an opening parenthesis")?;
        if self.is_word("SELECT") {
            return Err(self.unsupported("a subquery"));
        }
        let mut values = Vec::new();
        loop {
            match self.constant() {
                Some(value) if !value.is_null() => values.push(value),
                _ => return Err(self.unexpected("a value; texts need quotes")),
            }
            self.count_term()?;
            if !self.eat(&Kind::Comma) {
                self.expect(&Kind::Close, "a comma or a closing parenthesis")?;
                return Ok(values);
            }
        }
    }

    fn property(&mut self) -> Result<String, WqlError> {
        let at = self.at();
        let first = self.name("a property name")?;
        if *self.peek() == Kind::Open {
            self.next -= 1;
            return Err(self.unsupported(&format!("the function {first}")));
        }
        if !self.eat(&Kind::Point) {
            return Ok(first);
        }
        self.check_qualifier(&first, at)?;
        self.name("a property name")
    }

    fn check_qualifier(&self, qualifier: &str, at: usize) -> Result<(), WqlError> {
        if self.qualifiers.iter().any(|known| known.eq_ignore_ascii_case(qualifier)) {
            return Ok(());
        }
        Err(lexer::error(self.text, at, format!("{qualifier} is neither the queried class nor its alias")))
    }

    fn operator(&mut self) -> Result<Operator, WqlError> {
        let Kind::Operator(op) = *self.peek() else { return Err(self.unexpected("a comparison")) };
        self.next += 1;
        Ok(op)
    }

    fn string(&mut self, wanted: &str) -> Result<String, WqlError> {
        match self.peek().clone() {
            Kind::Literal(Value::String(text)) => {
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn constant(&mut self) -> Option<Value> {
        let value = match self.peek() {
            Kind::Literal(value) => value.clone(),
            Kind::Word(word) if word.eq_ignore_ascii_case("TRUE") => Value::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("FALSE") => Value::Boolean(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("NULL") => Value::Null,
            _ => return None,
        };
        self.next += 1;
        Some(value)
    }

    fn name(&mut self, wanted: &str) -> Result<String, WqlError> {
        match self.peek().clone() {
            Kind::Word(word) if !is_reserved(&word) => {
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn count_term(&mut self) -> Result<(), WqlError> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(self.error(WqlErrorKind::TooManyTerms)) } else { Ok(()) }
    }

    fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let found = self.is_word(wanted);
        self.next += usize::from(found);
        found
    }

    fn eat(&mut self, wanted: &Kind) -> bool {
        let found = self.peek() == wanted;
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, wanted: &str) -> Result<(), WqlError> {
        if self.eat_word(wanted) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    fn expect(&mut self, wanted: &Kind, name: &str) -> Result<(), WqlError> {
        if self.eat(wanted) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    fn unexpected(&self, wanted: &str) -> WqlError {
        self.error(WqlErrorKind::Syntax(format!("expected {wanted}")))
    }

    fn unsupported(&self, what: &str) -> WqlError {
        self.error(WqlErrorKind::Unsupported(what.to_owned()))
    }

    fn error(&self, kind: WqlErrorKind) -> WqlError {
        WqlError { position: Position::of(self.text, self.at()), kind }
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn single(mut terms: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if terms.len() == 1 { terms.remove(0) } else { many(terms) }
}

/// A comparison with null asks whether there is a value.
fn comparison(left: Scalar, op: Operator, value: Value) -> Expr {
    match (op, value) {
        (Operator::Ne, Value::Null) => Expr::IsNull(left).not(),
        (_, Value::Null) => Expr::IsNull(left),
        (op, value) => Expr::Compare { left, op, right: Scalar::Literal(value) },
    }
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
