//! MOF, the text form of classes and instances: reader with recovery, and printer.
//!
//! A reader never gives up at the first mistake: it returns what it understood and a diagnostic for each
//! mistake, each with its line and column. The grammar is that of DSP0004, annex A, as far as providers' files use it:
//!
//! ```text
//! declaration  = pragma | [qualifiers] class | [qualifiers] instance ";" | qualifier-type
//! pragma       = "#pragma" name "(" value-or-word {"," value-or-word} ")"                     (read, not obeyed)
//! class        = "class" name ["as" alias] [":" name] "{" {member} "}" ";"
//! member       = [qualifiers] type name ["[" [integer] "]"] ["=" value] ";"
//!              | [qualifiers] type name "(" [parameter {"," parameter}] ")" ";"
//! parameter    = [qualifiers] type name ["[" [integer] "]"] ["=" value]
//! type         = keyword | name "ref" | name                                     (a class: an embedded instance)
//! instance     = "instance" "of" name ["as" alias] "{" {[qualifiers] name "=" value ";"} "}"
//! qualifiers   = "[" name [ "(" value ")" | array ] [":" {flavor}] {"," ...} "]"
//! qualifier-type = "qualifier" name ":" type ["[]"] ["=" value] {"," ("scope" | "flavor") "(" names ")"} ";"
//! value        = text {text} | char | integer | real | "true" | "false" | "null" | array | instance
//! array        = "{" [value {"," value}] "}"
//! ```
//!
//! Keywords are case-insensitive; comments are `//` and `/* */`; integers are decimal, octal, binary or hexadecimal.
//! Aliases are read and forgotten: nothing here puts objects into a repository, where they would name each other.

mod lexer;
mod parser;
mod print;
mod value;

use std::fmt;

use crate::class::Class;
use crate::{CimType, Instance, Position, Value};

/// The longest MOF text that is read, in bytes.
pub const MOF_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep instances and arrays may nest in a value.
pub const DEPTH_MAX: usize = 16;
/// The most properties of one instance.
pub const PROPERTIES_MAX: usize = 4_096;
/// The most diagnostics that are reported for one text.
pub const DIAGNOSTICS_MAX: usize = 100;

/// What a text declares, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// The declarations that were understood, in order.
    pub declarations: Vec<Declaration>,
    /// Mistakes, in order; a text without any was understood whole.
    pub diagnostics: Vec<Diagnostic>,
}

/// One declaration.
#[derive(Debug, Clone, PartialEq)]
pub enum Declaration {
    /// `class Name : Superclass { ... };`
    Class(Class),
    /// `instance of Name { ... };`
    Instance(Instance),
    /// `qualifier Name : type = default, scope(...), flavor(...);`
    Qualifier(QualifierType),
}

/// A qualifier declaration.
#[derive(Debug, Clone, PartialEq)]
pub struct QualifierType {
    /// The name.
    pub name: String,
    /// The type of the value or of its elements.
    pub kind: CimType,
    /// Whether the value is an array.
    pub array: bool,
    /// What the qualifier means where it is not written; null where none is declared.
    pub default: Value,
    /// What it may qualify, lower case.
    pub scopes: Vec<String>,
    /// How it is inherited, lower case.
    pub flavors: Vec<String>,
}

/// One mistake in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({position})")]
pub struct Diagnostic {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
}

/// Reads a MOF text.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    if text.len() > MOF_BYTES_MAX {
        let message = format!("the text is longer than {MOF_BYTES_MAX} bytes");
        let diagnostic = Diagnostic { position: Position { line: 1, column: 1 }, message };
        return Parsed { declarations: Vec::new(), diagnostics: vec![diagnostic] };
    }
    parser::Parser::new(text).parse()
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => print::class(f, class),
            Self::Instance(instance) => {
                print::instance(f, instance)?;
                f.write_str(";\n")
            }
            Self::Qualifier(declared) => print::qualifier_type(f, declared),
        }
    }
}
