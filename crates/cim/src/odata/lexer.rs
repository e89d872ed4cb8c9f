use super::{ODataError, OPTION_BYTES_MAX};
use crate::query::reading::{self, Token};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or an operator word.
    Word(String),
    /// A text in single quotes.
    Text(String),
    /// Anything that begins like a number: numbers, dates, GUIDs.
    Number(String),
    Open,
    Close,
    Comma,
    Colon,
    Slash,
    Star,
    End,
}

impl Kind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Word(_) => "a name",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Open => "an opening parenthesis",
            Self::Close => "a closing parenthesis",
            Self::Comma => "a comma",
            Self::Colon => "a colon",
            Self::Slash => "a slash",
            Self::Star => "a star",
            Self::End => "the end",
        }
    }
}

impl reading::Kind for Kind {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Cuts an option into tokens; the last one is always `End`. They begin at characters, counted from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<Kind>>, ODataError> {
    if text.len() > OPTION_BYTES_MAX {
        let reason = format!("it is longer than {OPTION_BYTES_MAX} bytes");
        return Err(ODataError { column: 1, reason });
    }
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let kind = match c {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => mark(&mut at, Kind::Open),
            ')' => mark(&mut at, Kind::Close),
            ',' => mark(&mut at, Kind::Comma),
            ':' => mark(&mut at, Kind::Colon),
            '/' => mark(&mut at, Kind::Slash),
            '*' => mark(&mut at, Kind::Star),
            '\'' => Kind::Text(quoted(&chars, &mut at)?),
            c if c.is_ascii_digit() || c == '-' => Kind::Number(run(&chars, &mut at, is_number)),
            c if is_name(c) => word(&chars, &mut at),
            c => {
                let reason = format!("the character {c:?} has no meaning here");
                return Err(ODataError { column: at + 1, reason });
            }
        };
        found.push(Token { kind, at: start + 1 });
    }
    found.push(Token { kind: Kind::End, at: chars.len() + 1 });
    Ok(found)
}

fn mark(at: &mut usize, kind: Kind) -> Kind {
    *at += 1;
    kind
}

/// A name, or a GUID that begins with a letter.
fn word(chars: &[char], at: &mut usize) -> Kind {
    const GUID_FIRST_CHARS: usize = 8;
    let start = *at;
    let name = run(chars, at, is_name);
    if name.len() == GUID_FIRST_CHARS && chars.get(*at) == Some(&'-') {
        *at = start;
        return Kind::Number(run(chars, at, is_number));
    }
    Kind::Word(name)
}

fn run(chars: &[char], at: &mut usize, belongs: fn(char) -> bool) -> String {
    let start = *at;
    *at += 1;
    while chars.get(*at).is_some_and(|&c| belongs(c)) {
        *at += 1;
    }
    chars[start..*at].iter().collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

fn is_number(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '+' | '-')
}

/// A text; a quote inside is doubled.
fn quoted(chars: &[char], at: &mut usize) -> Result<String, ODataError> {
    let start = *at;
    let mut plain = String::new();
    loop {
        *at += 1;
        match (chars.get(*at), chars.get(*at + 1)) {
            (Some('\''), Some('\'')) => {
                plain.push('\'');
                *at += 1;
            }
            (Some('\''), _) => {
                *at += 1;
                return Ok(plain);
            }
            (Some(&c), _) => plain.push(c),
            (None, _) => {
                let reason = "the closing quote is missing".to_owned();
                return Err(ODataError { column: start + 1, reason });
            }
        }
    }
}
