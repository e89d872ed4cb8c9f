//! Values in MOF: constants, arrays in braces, instances.

use super::lexer::Kind;
use super::parser::{Parser, Rule};
use super::{DEPTH_MAX, PROPERTIES_MAX};
use crate::{Instance, Value};

impl Parser<'_> {
    pub(super) fn value(&mut self) -> Rule<Value> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail(&format!("values nest deeper than {DEPTH_MAX} levels"));
        }
        let value = if self.eat('{') {
            self.array()?
        } else if self.is_word("instance") {
            Value::Instance(Box::new(self.instance()?))
        } else {
            self.constant()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Rule<Value> {
        let mut elements = Vec::new();
        while !self.eat('}') {
            elements.push(self.value()?);
            if !self.eat(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(Value::Array(elements))
    }

    fn constant(&mut self) -> Rule<Value> {
        let value = match self.peek().clone() {
            Kind::Integer(number) => Value::Integer(number),
            Kind::Real(number) => Value::Real(number),
            Kind::Char(only) => Value::String(only.to_string()),
            Kind::Text(text) => return Ok(Value::String(self.joined(text))),
            Kind::Word(word) if word.eq_ignore_ascii_case("true") => Value::Boolean(true),
            Kind::Word(word) if word.eq_ignore_ascii_case("false") => Value::Boolean(false),
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => Value::Null,
            Kind::Alias => return self.fail("an alias is no value here; write the object path in quotes"),
            _ => return self.fail("expected a value"),
        };
        self.advance();
        Ok(value)
    }

    /// Texts that follow each other are one.
    fn joined(&mut self, first: String) -> String {
        let mut whole = first;
        self.advance();
        while let Kind::Text(next) = self.peek() {
            whole.push_str(next);
            self.advance();
        }
        whole
    }

    /// `instance of Class { name = value; ... }`
    pub(super) fn instance(&mut self) -> Rule<Instance> {
        self.expect_word("instance")?;
        self.expect_word("of")?;
        let mut instance = Instance::new(self.name("the class name")?);
        self.alias()?;
        self.expect('{')?;
        while !self.eat('}') {
            // Qualifiers of values repeat those of the class and are not kept.
            self.qualifiers()?;
            let name = self.name("a property name")?;
            if instance.properties.len() == PROPERTIES_MAX {
                return self.fail(&format!("an instance has more than {PROPERTIES_MAX} properties"));
            }
            if instance.get(&name).is_some() {
                return self.fail(&format!("{name} is given twice"));
            }
            self.expect('=')?;
            let value = self.value()?;
            self.expect(';')?;
            instance.properties.push((name, value));
        }
        Ok(instance)
    }
}
