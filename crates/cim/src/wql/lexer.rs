use crate::query::Operator;
use crate::query::reading::{self, Token};
use crate::{Position, Value};

use super::{WqlError, WqlErrorKind};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word(String),
    /// A quoted text or a number.
    Literal(Value),
    Operator(Operator),
    Comma,
    Point,
    Star,
    Open,
    Close,
    End,
}

impl reading::Kind for Kind {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Cuts a query into tokens; the last one is always `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<Kind>>, WqlError> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let (kind, bytes) = next(text, at)?;
        let last = kind == Kind::End;
        found.push(Token { kind, at });
        if last {
            return Ok(found);
        }
        at += bytes;
    }
}

/// The token at `at` and its length in bytes.
fn next(text: &str, at: usize) -> Result<(Kind, usize), WqlError> {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return Ok((Kind::End, 0)) };
    let second = rest[first.len_utf8()..].chars().next();
    Ok(match (first, second) {
        (',', _) => (Kind::Comma, 1),
        ('.', _) => (Kind::Point, 1),
        ('*', _) => (Kind::Star, 1),
        ('(', _) => (Kind::Open, 1),
        (')', _) => (Kind::Close, 1),
        ('=', _) => (Kind::Operator(Operator::Eq), 1),
        ('<', Some('>')) | ('!', Some('=')) => (Kind::Operator(Operator::Ne), 2),
        ('<', Some('=')) => (Kind::Operator(Operator::Le), 2),
        ('<', _) => (Kind::Operator(Operator::Lt), 1),
        ('>', Some('=')) => (Kind::Operator(Operator::Ge), 2),
        ('>', _) => (Kind::Operator(Operator::Gt), 1),
        ('"' | '\'', _) => quoted(text, at, first)?,
        ('+' | '-', Some(digit)) if digit.is_ascii_digit() => number(text, at)?,
        (digit, _) if digit.is_ascii_digit() => number(text, at)?,
        (letter, _) if is_word(letter) => {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            (Kind::Word(rest[..end].to_owned()), end)
        }
        (other, _) => return Err(error(text, at, format!("the character {other:?} has no meaning here"))),
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '#' || c == '$'
}

/// A text in either quote. A quote inside is doubled or has a backslash before it, a backslash is doubled; one before
/// any other character means itself.
fn quoted(text: &str, at: usize, quote: char) -> Result<(Kind, usize), WqlError> {
    let mut plain = String::new();
    let mut chars = text[at..].char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        if c == '\\' {
            let escaped = chars.next_if(|(_, next)| matches!(next, '\\' | '"' | '\''));
            plain.push(escaped.map_or(c, |(_, escaped)| escaped));
        } else if c != quote {
            plain.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            plain.push(quote);
        } else {
            return Ok((Kind::Literal(Value::String(plain)), offset + 1));
        }
    }
    Err(error(text, at, "the closing quote is missing".to_owned()))
}

fn number(text: &str, at: usize) -> Result<(Kind, usize), WqlError> {
    let rest = &text[at..];
    let sign_bytes = usize::from(rest.starts_with(['+', '-']));
    let hex = rest[sign_bytes..].starts_with("0x") || rest[sign_bytes..].starts_with("0X");
    let mut end = sign_bytes;
    let mut previous = ' ';
    for c in rest[sign_bytes..].chars() {
        let exponent_sign = !hex && matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign) {
            break;
        }
        previous = c;
        end += 1;
    }
    let word = &rest[..end];
    let value = crate::types::parse_integer(word)
        .map(Value::Integer)
        .or_else(|| word.parse().ok().filter(|real: &f64| real.is_finite()).map(Value::Real));
    value
        .map(|value| (Kind::Literal(value), end))
        .ok_or_else(|| error(text, at, format!("{word} is no number")))
}

pub(super) fn error(text: &str, at: usize, reason: String) -> WqlError {
    WqlError { position: Position::of(text, at), kind: WqlErrorKind::Syntax(reason) }
}
