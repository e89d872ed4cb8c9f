//! The classes of a query and how they are joined.

use crate::query::{Expr, Join, JoinKind, Source};

use super::lexer::Kind;
use super::parser::{Parser, is_reserved};
use super::{SOURCES_MAX, WqlError, WqlErrorKind};

/// Words that go on behind a class, and so are no alias without AS.
const FOLLOWERS: [&str; 20] = [
    "AS",
    "CROSS",
    "EXCEPT",
    "FULL",
    "GROUP",
    "HAVING",
    "INNER",
    "INTERSECT",
    "JOIN",
    "LEFT",
    "LIMIT",
    "NATURAL",
    "OFFSET",
    "ON",
    "ORDER",
    "OUTER",
    "RIGHT",
    "UNION",
    "USING",
    "WITHIN",
];

impl Parser<'_> {
    /// What stands behind FROM, up to the condition. Opens the scope of these classes.
    pub(super) fn sources(&mut self) -> Result<(Source, Vec<Join>), WqlError> {
        self.scopes.push(Vec::new());
        let from = self.source()?;
        let mut joins = Vec::new();
        while let Some(kind) = self.join_kind()? {
            let source = self.source()?;
            let on = match kind {
                JoinKind::Cross => None,
                _ => Some(self.on()?),
            };
            joins.push(Join { kind, source, on });
        }
        Ok((from, joins))
    }

    fn on(&mut self) -> Result<Expr, WqlError> {
        if self.cursor.is_word("USING") {
            let instead = "write the condition, as in ON a.Key = b.Key";
            return Err(self.unsupported("USING", instead));
        }
        if !self.cursor.eat_word("ON") {
            return Err(self.unexpected("ON and the condition of the join"));
        }
        self.condition()
    }

    /// The words before a joined class.
    fn join_kind(&mut self) -> Result<Option<JoinKind>, WqlError> {
        if self.cursor.eat(&Kind::Comma) {
            return Ok(Some(JoinKind::Cross));
        }
        if self.cursor.is_word("NATURAL") {
            return Err(self.unsupported("NATURAL", "write the condition, as in JOIN B ON A.Key = B.Key"));
        }
        if self.cursor.eat_word("JOIN") {
            return Ok(Some(JoinKind::Inner));
        }
        let outer = [("LEFT", JoinKind::Left), ("RIGHT", JoinKind::Right), ("FULL", JoinKind::Full)];
        let plain = [("INNER", JoinKind::Inner), ("CROSS", JoinKind::Cross)];
        for (word, kind) in outer.into_iter().chain(plain) {
            if self.cursor.eat_word(word) {
                if outer.iter().any(|(known, _)| *known == word) {
                    self.cursor.eat_word("OUTER");
                }
                self.expect_word("JOIN")?;
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    fn source(&mut self) -> Result<Source, WqlError> {
        let at = self.cursor.at();
        if *self.cursor.peek() == Kind::Open {
            let instead =
                "name a class; join the classes of the inner query, or use IN or EXISTS behind WHERE";
            return Err(self.unsupported("a subquery behind FROM", instead));
        }
        let class = self.name("a class name")?;
        self.refuse_system_class(&class, at)?;
        let alias = self.alias()?;
        let source = Source { class, alias };
        let scope = self.scopes.last_mut().expect("the scope of this query is open");
        if scope.iter().any(|known| known.name().eq_ignore_ascii_case(source.name())) {
            let wanted =
                format!("another name than {}, which is there twice: write AS and an alias", source.name());
            return Err(self.unexpected_at(at, &wanted));
        }
        if scope.len() == SOURCES_MAX {
            return Err(self.error(WqlErrorKind::TooManySources));
        }
        scope.push(source.clone());
        Ok(source)
    }

    fn alias(&mut self) -> Result<Option<String>, WqlError> {
        if self.cursor.eat_word("AS") {
            return self.name("an alias").map(Some);
        }
        match self.cursor.peek() {
            Kind::Word(word) if !is_reserved(word) && !is_follower(word) => self.name("an alias").map(Some),
            _ => Ok(None),
        }
    }

    /// Classes of WMI itself, which have no instances here.
    fn refuse_system_class(&self, class: &str, at: usize) -> Result<(), WqlError> {
        if class.eq_ignore_ascii_case("meta_class") {
            let instead = "read the class itself; over REST, $metadata lists every class";
            return Err(self.unsupported_at(at, "a schema query", instead));
        }
        let lower = class.to_ascii_lowercase();
        if lower.starts_with("__") && lower.ends_with("event") {
            let instead = "events are not sent; repeat a query on the class instead";
            return Err(self.unsupported_at(at, "an event query", instead));
        }
        Ok(())
    }
}

fn is_follower(word: &str) -> bool {
    FOLLOWERS.iter().any(|follower| follower.eq_ignore_ascii_case(word))
}
