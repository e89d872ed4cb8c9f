//! What is known of each class: the MOF that ships with the program, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

use cim::class::{Class, Method, Property, Qualifiers};
use cim::mof::{self, Declaration, QualifierType};
use cim::{CimType, DateTime, Value};

/// The shipped MOF, in reading order.
const SOURCES: [(&str, &str); 18] = [
    ("qualifiers.mof", include_str!("../mof/qualifiers.mof")),
    ("base.mof", include_str!("../mof/base.mof")),
    ("schedule.mof", include_str!("../mof/schedule.mof")),
    ("nal.mof", include_str!("../mof/nal.mof")),
    ("package.mof", include_str!("../mof/package.mof")),
    ("folder.mof", include_str!("../mof/folder.mof")),
    ("editing.mof", include_str!("../mof/editing.mof")),
    ("distribution.mof", include_str!("../mof/distribution.mof")),
    ("group.mof", include_str!("../mof/group.mof")),
    ("site_control.mof", include_str!("../mof/site_control.mof")),
    ("driver.mof", include_str!("../mof/driver.mof")),
    ("category.mof", include_str!("../mof/category.mof")),
    ("association.mof", include_str!("../mof/association.mof")),
    ("status.mof", include_str!("../mof/status.mof")),
    ("site.mof", include_str!("../mof/site.mof")),
    ("access.mof", include_str!("../mof/access.mof")),
    ("haulier.mof", include_str!("../mof/haulier.mof")),
    ("haulier_driver.mof", include_str!("../mof/haulier_driver.mof")),
];

/// All classes.
#[derive(Debug, Default)]
pub struct Schema {
    /// In declaration order: a superclass stands before its subclasses.
    classes: Vec<ClassInfo>,
    by_name: HashMap<String, usize>,
    /// In declaration order.
    qualifiers: Vec<QualifierType>,
}

/// One class with everything that it inherits.
#[derive(Debug, Clone)]
pub struct ClassInfo {
    /// The name, as declared.
    pub name: String,
    /// The superclasses, the nearest first.
    pub derivation: Vec<String>,
    /// The class's own qualifiers.
    pub qualifiers: Qualifiers,
    /// All properties, inherited ones first.
    pub properties: Vec<Property>,
    /// All methods, inherited ones first.
    pub methods: Vec<Method>,
    /// Where each property and method comes from, by its name in lower case.
    origins: HashMap<String, String>,
}

/// Why MOF files do not make a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A text has mistakes.
    #[error("{file}: {diagnostic}")]
    Mof {
        /// The file.
        file: String,
        /// The first mistake.
        diagnostic: mof::Diagnostic,
    },
    /// A name is declared twice.
    #[error("{file}: {name} is declared twice")]
    Duplicate {
        /// The file of the second one.
        file: String,
        /// What is declared twice.
        name: String,
    },
    /// Something is used before it is declared.
    #[error("{file}: {name} is not declared before its use in {class}")]
    Undeclared {
        /// The file.
        file: String,
        /// What is missing.
        name: String,
        /// Where it is used.
        class: String,
    },
    /// An override changes the type of a property.
    #[error("{class}.{property} has another type than in the superclass")]
    Retyped {
        /// The class that overrides.
        class: String,
        /// The property.
        property: String,
    },
}

impl Schema {
    /// The classes that ship with the program.
    #[must_use]
    pub fn shipped() -> &'static Self {
        static SHIPPED: LazyLock<Schema> = LazyLock::new(|| {
            Schema::read(&SOURCES).expect("the shipped MOF is read whole by a test of this crate")
        });
        &SHIPPED
    }

    /// The shipped MOF, file by file, in an order in which any MOF compiler takes it.
    #[must_use]
    pub fn sources() -> &'static [(&'static str, &'static str)] {
        &SOURCES
    }

    /// Reads named MOF texts, in order.
    pub fn read(sources: &[(&str, &str)]) -> Result<Self, SchemaError> {
        let mut schema = Self::default();
        for (file, text) in sources {
            let parsed = mof::parse(text);
            if let Some(diagnostic) = parsed.diagnostics.into_iter().next() {
                return Err(SchemaError::Mof { file: (*file).to_owned(), diagnostic });
            }
            for declaration in parsed.declarations {
                match declaration {
                    Declaration::Class(class) => schema.add(file, class)?,
                    Declaration::Qualifier(declared) => schema.qualifiers.push(declared),
                    // Instances are data; a schema has none.
                    Declaration::Instance(_) => {}
                }
            }
        }
        Ok(schema)
    }

    /// The class of that name, in any case.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&ClassInfo> {
        self.by_name.get(&name.to_ascii_lowercase()).map(|&index| &self.classes[index])
    }

    /// All classes; a superclass stands before its subclasses.
    pub fn classes(&self) -> impl Iterator<Item = &ClassInfo> {
        self.classes.iter()
    }

    /// The declaration of a qualifier, in any case.
    #[must_use]
    pub fn qualifier(&self, name: &str) -> Option<&QualifierType> {
        self.qualifiers.iter().find(|declared| declared.name.eq_ignore_ascii_case(name))
    }

    /// The declarations of all qualifiers that the classes may have.
    pub fn qualifiers(&self) -> impl Iterator<Item = &QualifierType> {
        self.qualifiers.iter()
    }

    /// All association classes.
    pub fn associations(&self) -> impl Iterator<Item = &ClassInfo> {
        self.classes.iter().filter(|class| class.is_association())
    }

    /// The class itself, unless abstract, and all classes below it that are not.
    pub fn concrete<'a>(&'a self, class: &'a ClassInfo) -> impl Iterator<Item = &'a ClassInfo> {
        self.classes.iter().filter(|candidate| !candidate.is_abstract() && candidate.is_a(&class.name))
    }

    fn add(&mut self, file: &str, declared: Class) -> Result<(), SchemaError> {
        self.check_qualifiers(file, &declared)?;
        let key = declared.name.to_ascii_lowercase();
        if self.by_name.contains_key(&key) {
            return Err(SchemaError::Duplicate { file: file.to_owned(), name: declared.name });
        }
        let base = match &declared.superclass {
            None => None,
            Some(name) => Some(self.class(name).ok_or_else(|| SchemaError::Undeclared {
                file: file.to_owned(),
                name: name.clone(),
                class: declared.name.clone(),
            })?),
        };
        let class = inherit(base, declared)?;
        self.by_name.insert(key, self.classes.len());
        self.classes.push(class);
        Ok(())
    }

    /// A misspelled qualifier would silently mean nothing.
    fn check_qualifiers(&self, file: &str, class: &Class) -> Result<(), SchemaError> {
        let parameters = class.methods.iter().flat_map(|method| &method.parameters);
        let lists = std::iter::once(&class.qualifiers)
            .chain(class.properties.iter().map(|property| &property.qualifiers))
            .chain(class.methods.iter().map(|method| &method.qualifiers))
            .chain(parameters.map(|parameter| &parameter.qualifiers));
        for (name, _) in lists.flat_map(|list| &list.0) {
            if self.qualifier(name).is_none() {
                let (file, class) = (file.to_owned(), class.name.clone());
                return Err(SchemaError::Undeclared { file, name: name.clone(), class });
            }
        }
        Ok(())
    }
}

fn inherit(base: Option<&ClassInfo>, declared: Class) -> Result<ClassInfo, SchemaError> {
    let mut class = ClassInfo {
        derivation: base
            .map_or_else(Vec::new, |base| [vec![base.name.clone()], base.derivation.clone()].concat()),
        name: declared.name,
        qualifiers: declared.qualifiers,
        properties: base.map_or_else(Vec::new, |base| base.properties.clone()),
        methods: base.map_or_else(Vec::new, |base| base.methods.clone()),
        origins: base.map_or_else(HashMap::new, |base| base.origins.clone()),
    };
    let properties = declared.properties.iter().map(|property| &property.name);
    for member in properties.chain(declared.methods.iter().map(|method| &method.name)) {
        class.origins.insert(member.to_ascii_lowercase(), class.name.clone());
    }
    for mut property in declared.properties {
        unzone_default(&mut property);
        let inherited =
            class.properties.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&property.name));
        match inherited {
            None => class.properties.push(property),
            Some(known) if known.kind != property.kind || known.array != property.array => {
                return Err(SchemaError::Retyped { class: class.name, property: property.name });
            }
            Some(known) => override_property(known, property),
        }
    }
    for method in declared.methods {
        class.methods.retain(|known| !known.name.eq_ignore_ascii_case(&method.name));
        class.methods.push(method);
    }
    Ok(class)
}

fn override_property(known: &mut Property, own: Property) {
    for (name, value) in own.qualifiers.0 {
        known.qualifiers.0.retain(|(inherited, _)| !inherited.eq_ignore_ascii_case(&name));
        known.qualifiers.0.push((name, value));
    }
    if !own.default.is_null() {
        known.default = own.default;
    }
}

/// Standard MOF cannot write a datetime without a zone, so a default with zone 0 means one without.
fn unzone_default(property: &mut Property) {
    if let Value::DateTime(DateTime::Point { offset_min, .. }) = &mut property.default {
        *offset_min = None;
    }
}

impl ClassInfo {
    /// The property of that name, in any case.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// The method of that name, in any case.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name.eq_ignore_ascii_case(name))
    }

    /// The class that declares or last overrides a property or method, which may be this one: what DSP0201 calls
    /// CLASSORIGIN. A member that the class does not have is its own.
    #[must_use]
    pub fn origin(&self, member: &str) -> &str {
        self.origins.get(&member.to_ascii_lowercase()).unwrap_or(&self.name)
    }

    /// The key properties, alphabetically, as object paths and etags list them.
    #[must_use]
    pub fn keys(&self) -> Vec<&Property> {
        let mut keys: Vec<_> =
            self.properties.iter().filter(|property| property.qualifiers.has("key")).collect();
        keys.sort_by_key(|property| property.name.to_ascii_lowercase());
        keys
    }

    /// The properties that only a get of one instance fills, alphabetically.
    #[must_use]
    pub fn lazy(&self) -> Vec<&Property> {
        let mut lazy: Vec<_> = self.properties.iter().filter(|property| is_lazy(property)).collect();
        lazy.sort_by_key(|property| property.name.to_ascii_lowercase());
        lazy
    }

    /// Whether the class is this one or derives from it.
    #[must_use]
    pub fn is_a(&self, class: &str) -> bool {
        self.name.eq_ignore_ascii_case(class)
            || self.derivation.iter().any(|base| base.eq_ignore_ascii_case(class))
    }

    /// Whether it has no instances of its own.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.qualifiers.has("abstract")
    }

    /// Whether its instances say what belongs together: they have references.
    #[must_use]
    pub fn is_association(&self) -> bool {
        self.qualifiers.has("association")
    }

    /// Whether its instances live only inside other objects.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.qualifiers.has("embedded")
    }

    /// Whether clients may only read it.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.qualifiers.has("read")
    }

    /// Whether it is there for its static methods only.
    #[must_use]
    pub fn is_static(&self) -> bool {
        !self.methods.is_empty() && !self.is_abstract() && !self.is_embedded() && !self.is_queryable()
    }

    /// Whether instances can be asked for: not embedded, and with a key, of its own or of a subclass.
    #[must_use]
    pub fn is_queryable(&self) -> bool {
        !self.is_embedded() && self.properties.iter().any(|property| property.qualifiers.has("key"))
    }
}

/// Whether only a get of one instance fills the property.
fn is_lazy(property: &Property) -> bool {
    property.qualifiers.has("lazy")
}

/// Whether queries and lists leave the property null: what is lazy, and bytes in general, so that an answer of many
/// instances stays bounded.
pub(crate) fn is_left_out_of_lists(property: &Property) -> bool {
    is_lazy(property) || (property.array && property.kind == CimType::Uint8)
}
