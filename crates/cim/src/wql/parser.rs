//! The statement: what is selected, from where, in which order. Recursive descent, with one depth count for everything
//! that nests.

use crate::query::reading::{Cursor, Limit};
use crate::query::{Direction, PropertyRef, Query, Scalar, Select, Selected, Source};
use crate::{Position, Value};

use super::lexer::{self, Kind};
use super::{WqlError, WqlErrorKind};

pub(super) struct Parser<'a> {
    text: &'a str,
    pub(super) cursor: Cursor<Kind>,
    /// The classes of the queries around the next token, those of the innermost last.
    pub(super) scopes: Vec<Vec<Source>>,
}

/// Words that never name anything, except behind a point.
const RESERVED: [&str; 9] = ["SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "NULL", "TRUE", "FALSE"];

/// Words that begin what WQL has not, with what to do instead.
const FOREIGN_CLAUSES: [(&str, &str); 8] = [
    ("GROUP", "count and sum up where the rows are read"),
    ("HAVING", "count and sum up where the rows are read"),
    ("UNION", "send one query for each part"),
    ("EXCEPT", "use NOT IN or NOT EXISTS with a subquery"),
    ("INTERSECT", "use IN or EXISTS with a subquery"),
    ("LIMIT", "ask for fewer instances with the InstanceCount context value, or with $top over REST"),
    ("OFFSET", "use $skip over REST"),
    ("WITHIN", "events are not sent; repeat a query instead"),
];

/// Selected names: what they belong to is known once the classes have been read.
enum List {
    Star,
    Count(Option<(usize, PropertyRef)>),
    Items(Vec<Item>),
}

struct Item {
    at: usize,
    qualifier: Option<String>,
    /// None for a star.
    name: Option<String>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, WqlError> {
        refuse_associators(text)?;
        Ok(Self { text, cursor: Cursor::new(lexer::tokens(text)?), scopes: Vec::new() })
    }

    /// One query and nothing behind it.
    pub(super) fn statement(mut self) -> Result<Query, WqlError> {
        self.run()
    }

    fn run(&mut self) -> Result<Query, WqlError> {
        let query = self.query()?;
        match self.cursor.peek() {
            Kind::End => Ok(query),
            _ => Err(self.unexpected("WHERE, ORDER BY, a join, or the end of the query")),
        }
    }

    /// A SELECT: the whole statement, or a subquery up to its closing parenthesis.
    pub(super) fn query(&mut self) -> Result<Query, WqlError> {
        self.enter()?;
        self.expect_word("SELECT")?;
        let distinct_at = self.cursor.at();
        let distinct = self.distinct();
        let list = self.select_list()?;
        if distinct && matches!(list, List::Count(_)) {
            let instead = "select the properties with DISTINCT and count the rows";
            return Err(self.unsupported_at(distinct_at, "COUNT together with DISTINCT", instead));
        }
        self.expect_word("FROM")?;
        let (from, joins) = self.sources()?;
        let select = self.select(list, !joins.is_empty())?;
        let mut query = Query { from, joins, select, distinct, ..Query::all("") };
        if self.cursor.eat_word("WHERE") {
            query.filter = Some(self.condition()?);
        }
        if self.cursor.is_word("ORDER") {
            query.order = self.order()?;
        }
        self.refuse_foreign_clauses()?;
        self.scopes.pop();
        self.cursor.leave();
        Ok(query)
    }

    /// A property may have the name, too: then a comma or FROM follows.
    fn distinct(&mut self) -> bool {
        let is_name = *self.cursor.ahead(1) == Kind::Comma || self.cursor.is_followed_by("FROM");
        !is_name && self.cursor.eat_word("DISTINCT")
    }

    fn select_list(&mut self) -> Result<List, WqlError> {
        if self.cursor.is_word("TOP") && matches!(self.cursor.ahead(1), Kind::Literal(_)) {
            let instead =
                "ask for fewer instances with the InstanceCount context value, or with $top over REST";
            return Err(self.unsupported("TOP", instead));
        }
        if self.cursor.is_word("COUNT") && *self.cursor.ahead(1) == Kind::Open {
            return self.count();
        }
        if self.cursor.eat(&Kind::Star) {
            return match self.cursor.peek() {
                Kind::Comma => Err(self.unexpected("FROM; * stands alone, Class.* may have a list")),
                _ => Ok(List::Star),
            };
        }
        let mut items = Vec::new();
        loop {
            items.push(self.item()?);
            self.count_term()?;
            if !self.cursor.eat(&Kind::Comma) {
                return Ok(List::Items(items));
            }
        }
    }

    fn count(&mut self) -> Result<List, WqlError> {
        self.cursor.advance();
        self.cursor.advance();
        if self.cursor.is_word("DISTINCT") && *self.cursor.ahead(1) != Kind::Close {
            let instead = "select the property with DISTINCT and count the rows";
            return Err(self.unsupported("COUNT together with DISTINCT", instead));
        }
        let of = if self.cursor.eat(&Kind::Star) {
            None
        } else {
            let Item { at, qualifier: source, name } = self.item()?;
            let name = name.ok_or_else(|| self.unexpected("COUNT(*) or COUNT(Property)"))?;
            Some((at, PropertyRef { source, name }))
        };
        self.expect(&Kind::Close, "a closing parenthesis")?;
        if *self.cursor.peek() == Kind::Comma {
            return Err(self.unexpected("FROM; COUNT stands alone"));
        }
        Ok(List::Count(of))
    }

    fn item(&mut self) -> Result<Item, WqlError> {
        let at = self.cursor.at();
        let first = self.name("a property name")?;
        if *self.cursor.peek() == Kind::Open {
            let instead = "select the property itself; functions stand behind WHERE, ON and ORDER BY";
            return Err(self.unsupported_at(at, &format!("the function {first} in a SELECT list"), instead));
        }
        if !self.cursor.eat(&Kind::Point) {
            self.refuse_system(&first, at)?;
            return Ok(Item { at, qualifier: None, name: Some(first) });
        }
        if self.cursor.eat(&Kind::Star) {
            return Ok(Item { at, qualifier: Some(first), name: None });
        }
        let name_at = self.cursor.at();
        let name = self.any_word("a property name or *")?;
        self.refuse_system(&name, name_at)?;
        Ok(Item { at, qualifier: Some(first), name: Some(name) })
    }

    fn select(&self, list: List, joined: bool) -> Result<Select, WqlError> {
        let items = match list {
            List::Star => return Ok(Select::All),
            List::Count(None) => return Ok(Select::Count(None)),
            List::Count(Some((at, property))) => {
                if let Some(source) = &property.source {
                    self.check_qualifier(source, at)?;
                }
                return Ok(Select::Count(Some(property)));
            }
            List::Items(items) => items,
        };
        // Every property of the only class is what * means.
        if let ([Item { at, qualifier: Some(source), name: None }], false) = (items.as_slice(), joined) {
            return self.check_qualifier(source, *at).map(|()| Select::All);
        }
        items.into_iter().map(|item| self.selected(item, joined)).collect::<Result<_, _>>().map(Select::Items)
    }

    /// In a join, a name that is a class's means the whole instance.
    fn selected(&self, item: Item, joined: bool) -> Result<Selected, WqlError> {
        let Item { at, qualifier, name } = item;
        if let Some(qualifier) = &qualifier {
            self.check_qualifier(qualifier, at)?;
        }
        Ok(match (qualifier, name) {
            (Some(source), None) => Selected::Source(source),
            (None, Some(name)) if joined && self.is_source(&name) => Selected::Source(name),
            (source, name) => Selected::Property(PropertyRef { source, name: name.unwrap_or_default() }),
        })
    }

    fn order(&mut self) -> Result<Vec<(Scalar, Direction)>, WqlError> {
        if self.scopes.len() > 1 {
            return Err(self.unsupported("ORDER BY in a subquery", "leave it out; it has no effect there"));
        }
        self.cursor.advance();
        self.expect_word("BY")?;
        let mut order = Vec::new();
        loop {
            let at = self.cursor.at();
            let scalar = self.scalar()?;
            if matches!(scalar, Scalar::Literal(_)) {
                return Err(lexer::error(self.text, at, "expected a property or a function".to_owned()));
            }
            let descending = self.cursor.eat_word("DESC");
            if !descending {
                self.cursor.eat_word("ASC");
            }
            order.push((scalar, if descending { Direction::Descending } else { Direction::Ascending }));
            self.count_term()?;
            if !self.cursor.eat(&Kind::Comma) {
                return Ok(order);
            }
        }
    }

    pub(super) fn refuse_foreign_clauses(&self) -> Result<(), WqlError> {
        match FOREIGN_CLAUSES.iter().find(|(word, _)| self.cursor.is_word(word)) {
            Some((word, instead)) => Err(self.unsupported(word, instead)),
            None => Ok(()),
        }
    }

    /// System properties are not in the data that is queried.
    pub(super) fn refuse_system(&self, name: &str, at: usize) -> Result<(), WqlError> {
        if !name.starts_with("__") {
            return Ok(());
        }
        let instead = match name.to_ascii_uppercase().as_str() {
            "__CLASS" => "query the class itself, or write __THIS ISA \"Class\"",
            "__PATH" | "__RELPATH" => {
                "leave it out of the list, compare the keys instead; every instance has its path"
            }
            _ => "leave it out; every instance has its system properties",
        };
        Err(self.unsupported_at(at, &format!("the system property {name}"), instead))
    }

    pub(super) fn check_qualifier(&self, qualifier: &str, at: usize) -> Result<(), WqlError> {
        if self.is_source(qualifier) {
            return Ok(());
        }
        let reason = format!("{qualifier} is neither a class of this query nor an alias");
        Err(lexer::error(self.text, at, reason))
    }

    /// Whether a name is that of a class of this query or of one around it.
    pub(super) fn is_source(&self, name: &str) -> bool {
        self.scopes.iter().flatten().any(|source| source.is_called(name))
    }

    /// A name where one is expected: any word that is not reserved everywhere.
    pub(super) fn name(&mut self, wanted: &str) -> Result<String, WqlError> {
        match self.cursor.peek() {
            Kind::Word(word) if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word)) => {
                Err(self.unexpected(wanted))
            }
            _ => self.any_word(wanted),
        }
    }

    /// Behind a point nothing but a name can stand.
    pub(super) fn any_word(&mut self, wanted: &str) -> Result<String, WqlError> {
        match self.cursor.peek() {
            Kind::Word(word) => {
                let word = word.clone();
                self.cursor.advance();
                Ok(word)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// A text in quotes.
    pub(super) fn string(&mut self, wanted: &str) -> Result<String, WqlError> {
        match self.cursor.peek() {
            Kind::Literal(Value::String(text)) => {
                let text = text.clone();
                self.cursor.advance();
                Ok(text)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    pub(super) fn expect_word(&mut self, wanted: &str) -> Result<(), WqlError> {
        if self.cursor.eat_word(wanted) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    pub(super) fn expect(&mut self, wanted: &Kind, name: &str) -> Result<(), WqlError> {
        if self.cursor.eat(wanted) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    pub(super) fn enter(&mut self) -> Result<(), WqlError> {
        self.cursor.enter().map_err(|limit| self.over(limit))
    }

    pub(super) fn count_term(&mut self) -> Result<(), WqlError> {
        self.cursor.count_term().map_err(|limit| self.over(limit))
    }

    fn over(&self, limit: Limit) -> WqlError {
        self.error(match limit {
            Limit::Depth => WqlErrorKind::TooDeep,
            Limit::Terms => WqlErrorKind::TooManyTerms,
        })
    }

    pub(super) fn unexpected(&self, wanted: &str) -> WqlError {
        self.error(WqlErrorKind::Syntax(format!("expected {wanted}")))
    }

    pub(super) fn unexpected_at(&self, at: usize, wanted: &str) -> WqlError {
        lexer::error(self.text, at, format!("expected {wanted}"))
    }

    pub(super) fn unsupported(&self, what: &str, instead: &'static str) -> WqlError {
        self.unsupported_at(self.cursor.at(), what, instead)
    }

    pub(super) fn unsupported_at(&self, at: usize, what: &str, instead: &'static str) -> WqlError {
        let kind = WqlErrorKind::Unsupported { what: what.to_owned(), instead };
        WqlError { position: Position::of(self.text, at), kind }
    }

    pub(super) fn error(&self, kind: WqlErrorKind) -> WqlError {
        WqlError { position: Position::of(self.text, self.cursor.at()), kind }
    }
}

/// Asked before the text is cut into tokens: braces and paths are none.
fn refuse_associators(text: &str) -> Result<(), WqlError> {
    let Some(word) = super::statement::question(text) else { return Ok(()) };
    let instead = "here only a SELECT is answered; join the classes, as in SELECT a.* FROM A AS a JOIN B AS b ON a.Key = b.Key";
    let kind = WqlErrorKind::Unsupported { what: format!("{word} OF"), instead };
    Err(WqlError { position: Position { line: 1, column: 1 }, kind })
}

/// Whether a word never names anything.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the text takes about twice the work, in every form that repeats or nests.
    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        /// The most looks at each token, on average.
        const LOOKS_MAX: usize = 60;
        let join = |count: usize, piece: &dyn Fn(usize) -> String, by: &str| {
            (0..count).map(piece).collect::<Vec<_>>().join(by)
        };
        for count in [1, 10, 60, 1_000, 3_000, 9_000] {
            let nested = format!("{}x = 1{}", "(".repeat(count), ")".repeat(count));
            let calls = format!("{}x{} = 'y'", "UPPER(".repeat(count), ")".repeat(count));
            let inner = "EXISTS (SELECT * FROM B WHERE ".repeat(count) + "x = 1" + &")".repeat(count);
            for condition in [
                join(count, &|n| format!("p{n} = {n}"), " AND "),
                join(count, &|n| format!("NOT p{n} LIKE '%{n}'"), " OR "),
                format!("x IN ({})", join(count, &|n| n.to_string(), ",")),
                "NOT ".repeat(count) + "x = 1",
                "'\\\\".repeat(count),
                "''".repeat(count),
                nested,
                calls,
                inner,
            ] {
                let text = format!("SELECT * FROM A WHERE {condition}");
                let Ok(mut parser) = Parser::new(&text) else { continue };
                let _ = parser.run();
                let (looks, tokens) = parser.cursor.looks();
                assert!(looks <= LOOKS_MAX * tokens, "{looks} looks at {tokens} tokens");
            }
            let wide = format!("SELECT {} FROM A", join(count, &|n| format!("p{n}"), ","));
            let joins =
                format!("SELECT * FROM A{}", join(count, &|n| format!(" JOIN B b{n} ON b{n}.x = A.x"), ""));
            for text in [wide, joins] {
                let mut parser = Parser::new(&text).unwrap();
                let _ = parser.run();
                let (looks, tokens) = parser.cursor.looks();
                assert!(looks <= LOOKS_MAX * tokens, "{looks} looks at {tokens} tokens");
            }
        }
    }
}
