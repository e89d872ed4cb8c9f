use super::Diagnostic;
use crate::Position;

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word(String),
    /// `$Name`, an alias.
    Alias,
    /// A quoted text; adjacent ones are joined by the parser.
    Text(String),
    /// `'x'`
    Char(char),
    Integer(i128),
    Real(f64),
    /// One of `{ } [ ] ( ) ; , : = #`
    Mark(char),
    End,
}

/// Cuts a text into tokens; the last one is always `End`. What is no token is reported and left out.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer { text, at: 0, diagnostics: Vec::new() };
    let mut found = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        match lexer.next() {
            Ok(Kind::End) => {
                found.push(Token { kind: Kind::End, at });
                return (found, lexer.diagnostics);
            }
            Ok(kind) => found.push(Token { kind, at }),
            Err(message) => {
                lexer.report(at, message);
                // A broken token may have been left where it began.
                if lexer.at == at {
                    lexer.at += lexer.rest().chars().next().map_or(0, char::len_utf8);
                }
            }
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn report(&mut self, at: usize, message: String) {
        if self.diagnostics.len() < super::DIAGNOSTICS_MAX {
            self.diagnostics.push(Diagnostic { position: Position::of(self.text, at), message });
        }
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                match trimmed.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => {
                        self.report(self.at, "the comment is never closed".to_owned());
                        self.at = self.text.len();
                    }
                }
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Kind, String> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        match first {
            '{' | '}' | '[' | ']' | '(' | ')' | ';' | ',' | ':' | '=' | '#' => {
                self.at += 1;
                Ok(Kind::Mark(first))
            }
            '"' => self.quoted('"').map(Kind::Text),
            '\'' => self.character(),
            '0'..='9' | '+' | '-' | '.' => self.number(),
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let end = word_bytes(rest);
                self.at += end;
                Ok(Kind::Word(rest[..end].to_owned()))
            }
            '$' if word_bytes(&rest[1..]) > 0 => {
                self.at += 1 + word_bytes(&rest[1..]);
                Ok(Kind::Alias)
            }
            other => Err(format!("the character {other:?} has no meaning here")),
        }
    }

    fn character(&mut self) -> Result<Kind, String> {
        let text = self.quoted('\'')?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Ok(Kind::Char(only)),
            _ => Err("a char16 must be one character in single quotes".to_owned()),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let rest = self.rest();
        let mut plain = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((offset, c)) = chars.next() {
            match c {
                '\n' => {
                    self.at += offset;
                    return Err("the closing quote is missing on this line".to_owned());
                }
                c if c == quote => {
                    self.at += offset + 1;
                    return Ok(plain);
                }
                '\\' => {
                    let Some((_, escape)) = chars.next() else { break };
                    plain.push(match escape {
                        'b' => '\u{8}',
                        't' => '\t',
                        'n' => '\n',
                        'f' => '\u{c}',
                        'r' => '\r',
                        'x' | 'X' => {
                            let mut code = 0;
                            for _ in 0..4 {
                                let Some((_, digit)) = chars.next_if(|(_, c)| c.is_ascii_hexdigit()) else {
                                    break;
                                };
                                code = code * 16 + digit.to_digit(16).unwrap_or(0);
                            }
                            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                        }
                        other => other,
                    });
                }
                c => plain.push(c),
            }
        }
        self.at = self.text.len();
        Err("the closing quote is missing".to_owned())
    }

    fn number(&mut self) -> Result<Kind, String> {
        let rest = self.rest();
        let mut end = 0;
        let mut previous = ' ';
        for c in rest.chars() {
            let sign = matches!(c, '+' | '-') && (end == 0 || matches!(previous, 'e' | 'E'));
            if !(c.is_ascii_alphanumeric() || c == '.' || sign) {
                break;
            }
            previous = c;
            end += 1;
        }
        let word = &rest[..end];
        self.at += end;
        parse_number(word).ok_or_else(|| format!("{word} is no number"))
    }
}

/// How long the name at the beginning of a text is.
fn word_bytes(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Decimal, `0x` hexadecimal, octal with a leading 0, binary with a final `b`, or real.
fn parse_number(word: &str) -> Option<Kind> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let radix = |digits: &str, radix| i128::from_str_radix(digits, radix).ok();
    let integer = match () {
        () if lower.starts_with("0x") => radix(lower[2..].trim_start_matches(['+', '-']), 16),
        () if lower.ends_with('b') => radix(&lower[..lower.len() - 1], 2),
        () if lower.len() > 1 && lower.starts_with('0') && !lower.contains(['.', 'e']) => radix(&lower, 8),
        () => lower.parse().ok(),
    };
    match integer {
        Some(number) => Some(Kind::Integer(if negative { -number } else { number })),
        None => {
            let real: f64 = lower.parse().ok().filter(|real: &f64| real.is_finite())?;
            lower.contains('.').then_some(Kind::Real(if negative { -real } else { real }))
        }
    }
}
