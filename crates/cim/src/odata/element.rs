//! `any` and `all`: tests of the elements of an array.
//!
//! The tree knows one question about arrays: whether some element passes one test. So tests joined by `or` become
//! several such questions, `all` becomes the opposite of `any` of the opposite, and what would need two tests of the
//! same element is refused.

use super::ODataError;
use super::filter::{Parser, TextTest};
use super::lexer::Kind;
use crate::Value;
use crate::query::reading::single;
use crate::query::{ElementTest, Expr, PropertyRef, Scalar};

impl Parser {
    /// `any(item: item eq 'x')`, behind the slash.
    pub(super) fn lambda(&mut self, list: PropertyRef) -> Result<Expr, ODataError> {
        let all = self.cursor.is_word("all");
        if !all && !self.cursor.is_word("any") {
            return Err(self.error("only any(...) and all(...) can follow here"));
        }
        if self.item.is_some() {
            return Err(self.error("any and all cannot stand inside each other"));
        }
        self.cursor.advance();
        self.expect(&Kind::Open)?;
        let Kind::Word(item) = self.cursor.peek().clone() else {
            return Err(self.error("a name for the element is expected here, as in any(item: item eq 'x')"));
        };
        self.cursor.advance();
        self.expect(&Kind::Colon)?;
        self.item = Some((item, list));
        let tests = self.element_condition(all)?;
        self.item = None;
        self.expect(&Kind::Close)?;
        Ok(if all { tests.not() } else { tests })
    }

    /// Tests of the element, or their opposites.
    fn element_condition(&mut self, opposite: bool) -> Result<Expr, ODataError> {
        self.enter()?;
        let mut any = vec![self.element_conjunction(opposite)?];
        while self.cursor.is_word("or") {
            if opposite {
                return Err(self.error("inside all(...) tests are joined by and"));
            }
            self.cursor.advance();
            any.push(self.element_conjunction(opposite)?);
        }
        self.cursor.leave();
        Ok(single(any, Expr::Or))
    }

    fn element_conjunction(&mut self, opposite: bool) -> Result<Expr, ODataError> {
        let mut all = vec![self.element_negation(opposite)?];
        while self.cursor.is_word("and") {
            if !opposite {
                return Err(self.error("inside any(...) tests are joined by or"));
            }
            self.cursor.advance();
            all.push(self.element_negation(opposite)?);
        }
        Ok(single(all, Expr::Or))
    }

    fn element_negation(&mut self, opposite: bool) -> Result<Expr, ODataError> {
        let mut opposite = opposite;
        while self.cursor.eat_word("not") {
            opposite = !opposite;
        }
        if self.cursor.eat(&Kind::Open) {
            let inner = self.element_condition(opposite)?;
            return self.expect(&Kind::Close).map(|()| inner);
        }
        self.element(opposite)
    }

    fn element(&mut self, opposite: bool) -> Result<Expr, ODataError> {
        self.count_term()?;
        let start = self.cursor.at();
        let test = if let Some(test) = self.text_test() {
            let (item, text) = self.text_arguments()?;
            self.check_item(&item, start)?;
            if opposite == self.truth()? {
                return Err(self.error_at(start, "the opposite of this test cannot be asked of elements"));
            }
            match test {
                TextTest::Contains => ElementTest::Contains(text),
                TextTest::StartsWith => ElementTest::StartsWith(text),
                TextTest::EndsWith => ElementTest::EndsWith(text),
            }
        } else {
            let left = self.scalar()?;
            if self.cursor.eat_word("in") {
                self.check_item(&left, start)?;
                if opposite {
                    return Err(self.error_at(start, "the opposite of this test cannot be asked of elements"));
                }
                ElementTest::In(self.list()?)
            } else {
                self.element_comparison(left, start, opposite)?
            }
        };
        let (_, list) = self.item.as_ref().expect("inside any or all");
        Ok(Expr::Any { property: list.clone(), test })
    }

    fn element_comparison(
        &mut self,
        left: Scalar,
        start: usize,
        opposite: bool,
    ) -> Result<ElementTest, ODataError> {
        let op = self.operator().ok_or_else(|| self.error("a comparison such as eq is expected here"))?;
        let (item, op, value) = match (left, self.scalar()?) {
            (item, Scalar::Literal(value)) => (item, op, value),
            (Scalar::Literal(value), item) => (item, op.mirrored(), value),
            (item, _) => (item, op, Value::Null),
        };
        self.check_item(&item, start)?;
        if value.is_null() {
            return Err(self.error_at(start, "an element is compared with a value; texts need single quotes"));
        }
        Ok(ElementTest::Compare(if opposite { op.opposite() } else { op }, value))
    }

    /// Nothing but the element can be tested.
    fn check_item(&self, item: &Scalar, at: usize) -> Result<(), ODataError> {
        let (name, _) = self.item.as_ref().expect("inside any or all");
        match item {
            Scalar::Property(PropertyRef { source: None, name: found })
                if found.eq_ignore_ascii_case(name) =>
            {
                Ok(())
            }
            _ => Err(self.error_at(at, format!("inside any(...) and all(...) only {name} is tested"))),
        }
    }
}
