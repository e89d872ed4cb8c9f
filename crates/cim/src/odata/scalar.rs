//! What conditions compare: values, properties and functions.

use super::ODataError;
use super::filter::Parser;
use super::lexer::Kind;
use crate::query::{DateUnit, Function, Scalar};
use crate::{DateTime, Value};

impl Parser {
    /// A value, a property or a function of them.
    pub(super) fn scalar(&mut self) -> Result<Scalar, ODataError> {
        if let Some(value) = self.value()? {
            return Ok(Scalar::Literal(value));
        }
        let Kind::Word(word) = self.cursor.peek().clone() else {
            return Err(self.error("a property or a value is expected here"));
        };
        if *self.cursor.ahead(1) == Kind::Open {
            return self.call(&word);
        }
        self.cursor.advance();
        Ok(Scalar::property(word))
    }

    fn call(&mut self, name: &str) -> Result<Scalar, ODataError> {
        let lower = name.to_ascii_lowercase();
        let function = match lower.as_str() {
            "tolower" | "toupper" => None,
            "length" => Some(Function::Length),
            "indexof" => Some(Function::IndexOf),
            "substring" => Some(Function::Substring),
            "concat" => Some(Function::Concat),
            "trim" => Some(Function::Trim),
            "now" => Some(Function::GetDate),
            "year" => Some(Function::DatePart(DateUnit::Year)),
            "month" => Some(Function::DatePart(DateUnit::Month)),
            "day" => Some(Function::DatePart(DateUnit::Day)),
            "hour" => Some(Function::DatePart(DateUnit::Hour)),
            "minute" => Some(Function::DatePart(DateUnit::Minute)),
            "second" => Some(Function::DatePart(DateUnit::Second)),
            _ => {
                self.refuse_foreign()?;
                return Err(self.error(format!("the function {} is not supported", super::shown(name))));
            }
        };
        self.enter()?;
        let at = self.cursor.at();
        self.cursor.advance();
        self.cursor.advance();
        let mut arguments = self.arguments()?;
        self.cursor.leave();
        let Some(function) = function else {
            return match (arguments.pop(), arguments.is_empty()) {
                (Some(text), true) => Ok(text),
                _ => Err(self.error_at(at, format!("{lower} takes one argument"))),
            };
        };
        if !function.arguments().contains(&arguments.len()) {
            return Err(self.error_at(at, format!("{lower} has a wrong number of arguments")));
        }
        if function == Function::Substring {
            arguments[1] = match std::mem::replace(&mut arguments[1], Scalar::Literal(Value::Null)) {
                Scalar::Literal(value) => Scalar::Literal(self.place(&value, at)?),
                _ => return Err(self.error_at(at, "the second argument of substring must be a number")),
            };
        }
        Ok(Scalar::Call(function, arguments))
    }

    /// Up to the closing parenthesis.
    fn arguments(&mut self) -> Result<Vec<Scalar>, ODataError> {
        let mut arguments = Vec::new();
        if self.cursor.eat(&Kind::Close) {
            return Ok(arguments);
        }
        loop {
            self.count_term()?;
            let at = self.cursor.at();
            let argument = self.scalar()?;
            self.refuse_place(&argument, at)?;
            arguments.push(argument);
            if !self.cursor.eat(&Kind::Comma) {
                self.expect(&Kind::Close)?;
                return Ok(arguments);
            }
        }
    }

    /// The value that comes next, if one does.
    pub(super) fn value(&mut self) -> Result<Option<Value>, ODataError> {
        let value = match self.cursor.peek() {
            Kind::Text(text) => Value::text(text),
            Kind::Number(text) => number(text)
                .ok_or_else(|| self.error(format!("{} is no number, date or GUID", super::shown(text))))?,
            Kind::Word(word) if *self.cursor.ahead(1) != Kind::Open => {
                match word.to_ascii_lowercase().as_str() {
                    "true" => Value::Boolean(true),
                    "false" => Value::Boolean(false),
                    "null" => Value::Null,
                    // The spelling of older versions of the standard.
                    "datetime" | "datetimeoffset" | "guid" => match self.cursor.ahead(1) {
                        Kind::Text(text) => {
                            let value = Value::text(text);
                            self.cursor.advance();
                            value
                        }
                        _ => return Ok(None),
                    },
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        self.cursor.advance();
        Ok(Some(value))
    }

    /// A place of a character means one number here and another in the tree, so it goes into comparisons only.
    pub(super) fn refuse_place(&self, item: &Scalar, at: usize) -> Result<(), ODataError> {
        match item {
            Scalar::Call(Function::IndexOf, _) => Err(self.error_at(at, "indexof is compared with a number")),
            _ => Ok(()),
        }
    }

    /// OData counts characters from 0, the tree from 1.
    pub(super) fn place(&self, value: &Value, at: usize) -> Result<Value, ODataError> {
        match value {
            Value::Integer(number) if *number < i128::from(i64::MAX) => Ok(Value::Integer(number + 1)),
            _ => Err(self.error_at(at, "places of characters are whole numbers")),
        }
    }
}

/// An integer, a real, a date, or a GUID, which is a text.
fn number(text: &str) -> Option<Value> {
    const GUID_CHARS: usize = 36;
    if let Ok(integer) = text.parse::<i128>() {
        return Some(Value::Integer(integer));
    }
    let real = text.parse::<f64>().ok().filter(|real| real.is_finite()).map(Value::Real);
    let guid = || (text.len() == GUID_CHARS && text.matches('-').count() == 4).then(|| Value::text(text));
    real.or_else(guid).or_else(|| DateTime::parse_any(text).ok().map(Value::DateTime))
}
