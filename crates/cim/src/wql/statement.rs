//! Statements: a SELECT, or one of WMI's two questions about associations. Those name an object in braces, whose text has
//! rules of its own, and conditions that are no comparisons of data; so they are cut here, before the query's lexer.

use std::fmt;

use super::{QUERY_BYTES_MAX, WqlError, WqlErrorKind, lexer, parser};
use crate::query::Query;
use crate::{ObjectPath, Position};

/// Anything that can be asked in WQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `SELECT ... FROM ...`
    Select(Query),
    /// `ASSOCIATORS OF {path} WHERE ...`: the objects at the other ends.
    Associators(Associators),
    /// `REFERENCES OF {path} WHERE ...`: the associations themselves.
    References(References),
}

/// What `ASSOCIATORS OF` asks for. A condition that is not there lets everything pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Associators {
    /// The object whose neighbors are wanted.
    pub path: ObjectPath,
    /// `AssocClass`: by associations of this class or below it.
    pub assoc_class: Option<String>,
    /// `ResultClass`: of this class or below it.
    pub result_class: Option<String>,
    /// `Role`: the association's reference that the given object stands in.
    pub role: Option<String>,
    /// `ResultRole`: the association's reference that the wanted objects stand in.
    pub result_role: Option<String>,
    /// `RequiredAssocQualifier`: by associations whose class has this qualifier.
    pub required_assoc_qualifier: Option<String>,
    /// `RequiredQualifier`: of classes that have this qualifier.
    pub required_qualifier: Option<String>,
    /// What of the objects is wanted.
    pub form: Form,
}

/// What `REFERENCES OF` asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct References {
    /// The object whose associations are wanted.
    pub path: ObjectPath,
    /// `ResultClass`: associations of this class or below it.
    pub result_class: Option<String>,
    /// `Role`: the association's reference that the given object stands in.
    pub role: Option<String>,
    /// `RequiredQualifier`: of classes that have this qualifier.
    pub required_qualifier: Option<String>,
    /// What of the associations is wanted.
    pub form: Form,
}

/// How much of each object is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The instances.
    #[default]
    Whole,
    /// `KeysOnly`: the instances with nothing but their keys.
    KeysOnly,
    /// `ClassDefsOnly`: the classes of the instances, each once.
    ClassDefsOnly,
}

impl Associators {
    /// Everything that an object is associated with.
    #[must_use]
    pub fn of(path: ObjectPath) -> Self {
        Self {
            path,
            assoc_class: None,
            result_class: None,
            role: None,
            result_role: None,
            required_assoc_qualifier: None,
            required_qualifier: None,
            form: Form::Whole,
        }
    }
}

impl References {
    /// Every association of an object.
    #[must_use]
    pub fn of(path: ObjectPath) -> Self {
        Self { path, result_class: None, role: None, required_qualifier: None, form: Form::Whole }
    }
}

/// Reads one statement.
pub fn parse_statement(text: &str) -> Result<Statement, WqlError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(WqlError { position: Position { line: 1, column: 1 }, kind: WqlErrorKind::TooLong });
    }
    let reader = Reader { text, at: 0 };
    match question(text) {
        Some("ASSOCIATORS") => reader.associators().map(Statement::Associators),
        Some(_) => reader.references().map(Statement::References),
        None => parser::Parser::new(text)?.statement().map(Statement::Select),
    }
}

/// The word that a question about associations begins with.
pub(super) fn question(text: &str) -> Option<&'static str> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    // No blank is needed between OF and the brace.
    let second = second.split('{').next()?;
    let known = ["ASSOCIATORS", "REFERENCES"].into_iter().find(|known| known.eq_ignore_ascii_case(first));
    known.filter(|_| second.eq_ignore_ascii_case("OF"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The conditions of both questions, by the place where each stands.
#[derive(Default)]
struct Conditions {
    named: Vec<(usize, &'static str, String)>,
    form: Form,
}

/// Conditions with a value, as they are printed.
const NAMED: [&str; 6] =
    ["AssocClass", "RequiredAssocQualifier", "RequiredQualifier", "ResultClass", "ResultRole", "Role"];

impl Reader<'_> {
    fn associators(mut self) -> Result<Associators, WqlError> {
        let path = self.object()?;
        let mut given = self.conditions()?;
        let mut take = |name| given.take(name).map(|(_, value)| value);
        Ok(Associators {
            assoc_class: take("AssocClass"),
            result_class: take("ResultClass"),
            role: take("Role"),
            result_role: take("ResultRole"),
            required_assoc_qualifier: take("RequiredAssocQualifier"),
            required_qualifier: take("RequiredQualifier"),
            form: given.form,
            ..Associators::of(path)
        })
    }

    fn references(mut self) -> Result<References, WqlError> {
        let path = self.object()?;
        let mut given = self.conditions()?;
        for foreign in ["AssocClass", "RequiredAssocQualifier", "ResultRole"] {
            if let Some((at, _)) = given.take(foreign) {
                return Err(self.error(at, format!("{foreign} belongs to ASSOCIATORS OF, not here")));
            }
        }
        let mut take = |name| given.take(name).map(|(_, value)| value);
        Ok(References {
            result_class: take("ResultClass"),
            role: take("Role"),
            required_qualifier: take("RequiredQualifier"),
            form: given.form,
            ..References::of(path)
        })
    }

    /// `... OF {path}`: the two words are known to be there.
    fn object(&mut self) -> Result<ObjectPath, WqlError> {
        for _ in 0..2 {
            self.skip_blank();
            let rest = &self.text[self.at..];
            self.at += rest.find(|c: char| c.is_whitespace() || c == '{').unwrap_or(rest.len());
        }
        self.skip_blank();
        if !self.text[self.at..].starts_with('{') {
            return Err(self.error(self.at, "expected an object path in braces".to_owned()));
        }
        let start = self.at + 1;
        let end = start
            + closing(&self.text[start..])
                .ok_or_else(|| self.error(self.at, "the closing brace is missing".to_owned()))?;
        self.at = end + 1;
        ObjectPath::parse(self.text[start..end].trim()).map_err(|error| self.error(start, error.to_string()))
    }

    fn conditions(&mut self) -> Result<Conditions, WqlError> {
        let mut found = Conditions::default();
        let Some((at, word)) = self.word() else { return self.end().map(|()| found) };
        if !word.eq_ignore_ascii_case("WHERE") {
            return Err(self.error(at, "expected WHERE or the end of the query".to_owned()));
        }
        while let Some((at, word)) = self.word() {
            self.condition(at, &word, &mut found)?;
        }
        self.end()?;
        if found.named.is_empty() && found.form == Form::Whole {
            return Err(self.error(self.at, format!("expected one of {}", all_names())));
        }
        Ok(found)
    }

    fn condition(&mut self, at: usize, word: &str, found: &mut Conditions) -> Result<(), WqlError> {
        for (name, form) in [("ClassDefsOnly", Form::ClassDefsOnly), ("KeysOnly", Form::KeysOnly)] {
            if name.eq_ignore_ascii_case(word) {
                if found.form != Form::Whole {
                    let reason = "ClassDefsOnly and KeysOnly stand alone and once".to_owned();
                    return Err(self.error(at, reason));
                }
                found.form = form;
                return Ok(());
            }
        }
        if word.eq_ignore_ascii_case("SchemaOnly") {
            let kind = WqlErrorKind::Unsupported {
                what: "SchemaOnly".to_owned(),
                instead: "name an instance, or read the classes that are marked Association",
            };
            return Err(WqlError { position: Position::of(self.text, at), kind });
        }
        let name = NAMED.into_iter().find(|name| name.eq_ignore_ascii_case(word));
        let name = name.ok_or_else(|| self.error(at, format!("expected one of {}", all_names())))?;
        if found.named.iter().any(|(_, known, _)| *known == name) {
            return Err(self.error(at, format!("{name} is given twice")));
        }
        let value = self.value(name)?;
        found.named.push((at, name, value));
        Ok(())
    }

    /// `= Name`, the name bare or in quotes.
    fn value(&mut self, name: &str) -> Result<String, WqlError> {
        self.skip_blank();
        if !self.text[self.at..].starts_with('=') {
            return Err(self.error(self.at, format!("expected = after {name}")));
        }
        self.at += 1;
        self.skip_blank();
        let quote = self.text[self.at..].chars().next().filter(|c| matches!(c, '"' | '\''));
        self.at += usize::from(quote.is_some());
        let missing = self.error(self.at, format!("expected a name after {name} ="));
        let (_, word) = self.word().ok_or(missing)?;
        if let Some(quote) = quote {
            if !self.text[self.at..].starts_with(quote) {
                return Err(self.error(self.at, "the closing quote is missing".to_owned()));
            }
            self.at += 1;
        }
        Ok(word)
    }

    /// The next word and where it begins.
    fn word(&mut self) -> Option<(usize, String)> {
        self.skip_blank();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = (end > 0).then(|| (self.at, rest[..end].to_owned()));
        self.at += end;
        word
    }

    fn end(&mut self) -> Result<(), WqlError> {
        self.skip_blank();
        match self.text[self.at..].is_empty() {
            true => Ok(()),
            false => Err(self.error(self.at, "expected a condition or the end of the query".to_owned())),
        }
    }

    fn skip_blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, at: usize, reason: String) -> WqlError {
        lexer::error(self.text, at, reason)
    }
}

impl Conditions {
    fn take(&mut self, wanted: &str) -> Option<(usize, String)> {
        let index = self.named.iter().position(|(_, name, _)| *name == wanted)?;
        let (at, _, value) = self.named.swap_remove(index);
        Some((at, value))
    }
}

fn all_names() -> String {
    format!("{}, ClassDefsOnly, KeysOnly", NAMED.join(", "))
}

/// Where the brace closes; one inside of a key's quotes does not.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => drop(chars.next()),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('}', None) => return Some(at),
            _ => {}
        }
    }
    None
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Select(query) => write!(f, "{query}"),
            Self::Associators(asked) => {
                write!(f, "ASSOCIATORS OF {{{}}}", asked.path)?;
                let named = [
                    &asked.assoc_class,
                    &asked.required_assoc_qualifier,
                    &asked.required_qualifier,
                    &asked.result_class,
                    &asked.result_role,
                    &asked.role,
                ];
                conditions(f, NAMED.into_iter().zip(named), asked.form)
            }
            Self::References(asked) => {
                write!(f, "REFERENCES OF {{{}}}", asked.path)?;
                let named = [
                    ("RequiredQualifier", &asked.required_qualifier),
                    ("ResultClass", &asked.result_class),
                    ("Role", &asked.role),
                ];
                conditions(f, named.into_iter(), asked.form)
            }
        }
    }
}

fn conditions<'a>(
    f: &mut fmt::Formatter<'_>,
    named: impl Iterator<Item = (&'static str, &'a Option<String>)>,
    form: Form,
) -> fmt::Result {
    let form = match form {
        Form::Whole => None,
        Form::KeysOnly => Some("KeysOnly".to_owned()),
        Form::ClassDefsOnly => Some("ClassDefsOnly".to_owned()),
    };
    let named = named.filter_map(|(name, value)| Some(format!("{name} = {}", value.as_ref()?)));
    for (index, condition) in named.chain(form).enumerate() {
        f.write_str(if index == 0 { " WHERE " } else { " " })?;
        f.write_str(&condition)?;
    }
    Ok(())
}
