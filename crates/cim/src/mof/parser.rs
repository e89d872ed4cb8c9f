use super::lexer::{self, Kind, Token};
use super::{DIAGNOSTICS_MAX, Declaration, Diagnostic, Parsed, QualifierType};
use crate::class::{Class, Method, Parameter, Property, Qualifiers};
use crate::{CimType, Position, Value};

/// Recursive descent; values nest at most [`super::DEPTH_MAX`] deep, nothing else recurses.
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    pub(super) depth: usize,
    diagnostics: Vec<Diagnostic>,
}

/// A failed rule; the diagnostic has been reported.
#[derive(Debug)]
pub(super) struct Failed;

pub(super) type Rule<T> = Result<T, Failed>;

/// A member of a class.
enum Member {
    Property(Property),
    Method(Method),
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (tokens, diagnostics) = lexer::tokens(text);
        Self { text, tokens, next: 0, depth: 0, diagnostics }
    }

    pub(super) fn parse(mut self) -> Parsed {
        let mut declarations = Vec::new();
        while *self.peek() != Kind::End {
            let start = self.next;
            match self.declaration() {
                Ok(Some(declaration)) => declarations.push(declaration),
                Ok(None) => {}
                Err(Failed) => self.skip_declaration(start),
            }
        }
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.position);
        Parsed { declarations, diagnostics: self.diagnostics }
    }

    fn declaration(&mut self) -> Rule<Option<Declaration>> {
        self.depth = 0;
        if self.eat('#') {
            return self.pragma().map(|()| None);
        }
        let qualifiers = self.qualifiers()?;
        if self.eat_word("class") {
            self.class(qualifiers).map(|class| Some(Declaration::Class(class)))
        } else if self.is_word("instance") {
            let instance = self.instance()?;
            self.expect(';')?;
            Ok(Some(Declaration::Instance(instance)))
        } else if self.eat_word("qualifier") {
            self.qualifier_type().map(|declared| Some(Declaration::Qualifier(declared)))
        } else {
            self.fail("expected class, instance of, qualifier or #pragma")
        }
    }

    /// Pragmas steer compilers, not readers: checked for form and left out.
    fn pragma(&mut self) -> Rule<()> {
        self.expect_word("pragma")?;
        self.name("the pragma's name")?;
        self.expect('(')?;
        loop {
            match self.peek() {
                Kind::Word(_) => self.advance(),
                _ => drop(self.value()?),
            }
            if !self.eat(',') {
                return self.expect(')');
            }
        }
    }

    /// `as $Name`: a name for the compiler that would put the declaration into a repository.
    pub(super) fn alias(&mut self) -> Rule<()> {
        if !self.eat_word("as") {
            return Ok(());
        }
        match self.peek() {
            Kind::Alias => {
                self.advance();
                Ok(())
            }
            _ => self.fail("expected an alias such as $Name"),
        }
    }

    fn class(&mut self, qualifiers: Qualifiers) -> Rule<Class> {
        let name = self.name("the class name")?;
        self.alias()?;
        let superclass = if self.eat(':') { Some(self.name("the superclass")?) } else { None };
        let mut class = Class { name, superclass, qualifiers, properties: Vec::new(), methods: Vec::new() };
        self.expect('{')?;
        while !self.eat('}') {
            match self.member() {
                Ok(Member::Property(property)) => class.properties.push(property),
                Ok(Member::Method(method)) => class.methods.push(method),
                Err(Failed) => self.skip_member()?,
            }
        }
        self.expect(';')?;
        Ok(class)
    }

    fn member(&mut self) -> Rule<Member> {
        let qualifiers = self.qualifiers()?;
        let kind = self.kind(&qualifiers)?;
        let name = self.name("the property or method name")?;
        if self.eat('(') {
            let parameters = self.parameters()?;
            self.expect(';')?;
            return Ok(Member::Method(Method { name, returns: kind, qualifiers, parameters }));
        }
        let array = self.array_mark()?;
        let default = self.default(&kind, array)?;
        self.expect(';')?;
        Ok(Member::Property(Property { name, kind, array, qualifiers, default }))
    }

    fn parameters(&mut self) -> Rule<Vec<Parameter>> {
        let mut parameters = Vec::new();
        if self.eat(')') {
            return Ok(parameters);
        }
        loop {
            let qualifiers = self.qualifiers()?;
            let kind = self.kind(&qualifiers)?;
            let name = self.name("the parameter name")?;
            let array = self.array_mark()?;
            let default = self.default(&kind, array)?;
            parameters.push(Parameter { name, kind, array, qualifiers, default });
            if !self.eat(',') {
                self.expect(')')?;
                break;
            }
        }
        // The order of a call is the ID's where given; the sort is stable for the rest.
        let id = |parameter: &Parameter| parameter.qualifiers.get("ID").and_then(Value::as_integer);
        if parameters.iter().all(|parameter| id(parameter).is_some()) {
            parameters.sort_by_key(id);
        }
        Ok(parameters)
    }

    fn default(&mut self, kind: &CimType, array: bool) -> Rule<Value> {
        if !self.eat('=') {
            return Ok(Value::Null);
        }
        let at = self.at();
        let value = self.value()?;
        self.fit(kind, array, value, at)
    }

    fn fit(&mut self, kind: &CimType, array: bool, value: Value, at: usize) -> Rule<Value> {
        let fitted = match value {
            Value::Array(elements) if array => elements
                .into_iter()
                .map(|element| kind.fit(element))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            value if array && !value.is_null() => {
                return self.fail_at(at, "an array needs a value in braces".to_owned());
            }
            value => kind.fit(value),
        };
        fitted.or_else(|mismatch| self.fail_at(at, mismatch.to_string()))
    }

    /// A type keyword, `Class ref`, or a class for an embedded instance. `EmbeddedInstance("Class")` on a
    /// string says the same in the standard's way, `EmbeddedObject` that its class may be any.
    fn kind(&mut self, qualifiers: &Qualifiers) -> Rule<CimType> {
        let word = self.name("a type")?;
        if let Some(kind) = CimType::from_keyword(&word) {
            return Ok(match (kind, qualifiers.get("EmbeddedInstance").and_then(Value::as_str)) {
                (CimType::String, Some(class)) => CimType::Embedded(class.to_owned()),
                (CimType::String, None) if qualifiers.has("EmbeddedObject") => CimType::Object,
                (kind, _) => kind,
            });
        }
        Ok(if self.eat_word("ref") { CimType::Reference(word) } else { CimType::Embedded(word) })
    }

    fn array_mark(&mut self) -> Rule<bool> {
        if !self.eat('[') {
            return Ok(false);
        }
        if let Kind::Integer(_) = self.peek() {
            self.next += 1;
        }
        self.expect(']').map(|()| true)
    }

    pub(super) fn qualifiers(&mut self) -> Rule<Qualifiers> {
        let mut qualifiers = Qualifiers::default();
        if !self.eat('[') {
            return Ok(qualifiers);
        }
        loop {
            let name = self.name("a qualifier")?;
            let value = if self.eat('(') {
                let value = self.value()?;
                self.expect(')')?;
                value
            } else if self.is_mark('{') {
                self.value()?
            } else {
                Value::Boolean(true)
            };
            qualifiers.0.push((name, value));
            if self.eat(':') {
                self.flavors_in_place();
            }
            if !self.eat(',') {
                self.expect(']')?;
                return Ok(qualifiers);
            }
        }
    }

    /// Flavors after a qualifier's value; they repeat the declaration and are not kept.
    fn flavors_in_place(&mut self) {
        while let Kind::Word(_) = self.peek() {
            self.next += 1;
        }
    }

    fn qualifier_type(&mut self) -> Rule<QualifierType> {
        let name = self.name("the qualifier's name")?;
        self.expect(':')?;
        let kind = self.kind(&Qualifiers::default())?;
        let array = self.array_mark()?;
        let default = self.default(&kind, array)?;
        let mut declared =
            QualifierType { name, kind, array, default, scopes: Vec::new(), flavors: Vec::new() };
        while self.eat(',') {
            let list = self.name("scope or flavor")?.to_ascii_lowercase();
            self.expect('(')?;
            let mut words = Vec::new();
            loop {
                words.push(self.name("a scope or flavor")?.to_ascii_lowercase());
                if !self.eat(',') {
                    break;
                }
            }
            self.expect(')')?;
            match list.as_str() {
                "scope" => declared.scopes = words,
                "flavor" => declared.flavors = words,
                _ => return self.fail("expected scope(...) or flavor(...)"),
            }
        }
        self.expect(';')?;
        Ok(declared)
    }

    /// Goes behind the declaration that failed: past the next `;` outside of the braces opened since `start`.
    fn skip_declaration(&mut self, start: usize) {
        let mut open = 0_usize;
        for index in start..self.tokens.len() {
            match self.tokens[index].kind {
                Kind::Mark('{') => open += 1,
                Kind::Mark('}') => open = open.saturating_sub(1),
                Kind::Mark(';') if open == 0 && index >= self.next => {
                    self.next = index + 1;
                    return;
                }
                _ => {}
            }
        }
        self.next = self.tokens.len() - 1;
    }

    /// Goes behind the member that failed, or fails the class when it ends before that.
    fn skip_member(&mut self) -> Rule<()> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                Kind::End => return Err(Failed),
                Kind::Mark('{') => open += 1,
                Kind::Mark('}') if open == 0 => return Ok(()),
                Kind::Mark('}') => open -= 1,
                Kind::Mark(';') if open == 0 => {
                    self.next += 1;
                    return Ok(());
                }
                _ => {}
            }
            self.next += 1;
        }
    }

    pub(super) fn peek(&self) -> &Kind {
        &self.tokens[self.next].kind
    }

    pub(super) fn advance(&mut self) {
        // `End` stays where it is.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    pub(super) fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    pub(super) fn name(&mut self, wanted: &str) -> Rule<String> {
        match self.peek().clone() {
            Kind::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            _ => self.fail(&format!("expected {wanted}")),
        }
    }

    fn is_mark(&self, mark: char) -> bool {
        *self.peek() == Kind::Mark(mark)
    }

    pub(super) fn eat(&mut self, mark: char) -> bool {
        let found = self.is_mark(mark);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, mark: char) -> Rule<()> {
        if self.eat(mark) { Ok(()) } else { self.fail(&format!("expected {mark:?}")) }
    }

    pub(super) fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Kind::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let found = self.is_word(wanted);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, wanted: &str) -> Rule<()> {
        if self.eat_word(wanted) { Ok(()) } else { self.fail(&format!("expected {wanted}")) }
    }

    pub(super) fn fail<T>(&mut self, message: &str) -> Rule<T> {
        let at = self.at();
        self.fail_at(at, message.to_owned())
    }

    fn fail_at<T>(&mut self, at: usize, message: String) -> Rule<T> {
        if self.diagnostics.len() < DIAGNOSTICS_MAX {
            self.diagnostics.push(Diagnostic { position: Position::of(self.text, at), message });
        }
        Err(Failed)
    }
}
