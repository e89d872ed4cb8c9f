//! What belongs together. Of an instance the provider knows it; of a class the schema does.

use cim::class::Property;
use cim::wql::{Associators, Form, References, Statement};
use cim::{CimType, ObjectPath};
use provider::{ClassInfo, Found};

use super::lists::named;
use super::{Answer, Exchange, Service};
use crate::contexts::Kind;
use crate::encode::{PropertyList, Shape};
use crate::listing::{Listing, Source, WriteElement};
use crate::message::Parameters;
use crate::path;
use crate::status::OperationError;

/// What is asked of an object.
struct Question {
    object: ObjectPath,
    /// Whether the associations are wanted, and not the objects at their other ends.
    references: bool,
    assoc_class: Option<String>,
    result_class: Option<String>,
    role: Option<String>,
    result_role: Option<String>,
}

impl Question {
    fn read(given: &Parameters, object: &ObjectPath, references: bool) -> Result<Self, OperationError> {
        let class = |name: &str| Ok::<_, OperationError>(given.class(name)?.map(str::to_owned));
        let text = |name: &str| Ok::<_, OperationError>(given.text(name)?.map(str::to_owned));
        Ok(Self {
            object: object.clone(),
            references,
            assoc_class: class("AssocClass")?,
            result_class: class("ResultClass")?,
            role: text("Role")?,
            result_role: text("ResultRole")?,
        })
    }

    fn statement(self, form: Form) -> Statement {
        let Self { object, references, assoc_class, result_class, role, result_role } = self;
        match references {
            true => Statement::References(References { result_class, role, form, ..References::of(object) }),
            false => Statement::Associators(Associators {
                assoc_class,
                result_class,
                role,
                result_role,
                form,
                ..Associators::of(object)
            }),
        }
    }
}

impl Service {
    /// Associators, AssociatorNames, References, ReferenceNames.
    pub(super) async fn related(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        operation: &str,
    ) -> Result<Answer, OperationError> {
        let references = operation.starts_with("Reference");
        let only_names = operation.ends_with("Names");
        let question = Question::read(given, given.object("ObjectName")?, references)?;
        if question.object.keys.is_empty() {
            return self.related_classes(exchange, given, &question, only_names);
        }
        let source = self.related_instances(exchange, question, only_names).await?;
        let shape = shape(given)?;
        let (encoder, server, space) =
            (exchange.encoder, self.provider.server().to_owned(), exchange.space.name.clone());
        let element: WriteElement = Box::new(move |writer, instance| {
            let (class, path) = named(encoder, instance);
            writer.open(if only_names { "OBJECTPATH" } else { "VALUE.OBJECTWITHPATH" }, &[]);
            path::write_path(writer, class, &server, &space, &path);
            if !only_names {
                encoder.instance(writer, instance, &shape);
            }
            writer.close();
        });
        Ok(Answer::Listing(Listing::new(exchange.returning(), source, element)))
    }

    pub(super) async fn open_related(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        operation: &str,
    ) -> Result<Answer, OperationError> {
        let kind = if operation.ends_with("Paths") { Kind::Paths } else { Kind::InstancesWithPath };
        let references = operation.contains("Reference");
        let question = Question::read(given, given.instance_name("InstanceName")?, references)?;
        let source = self.related_instances(exchange, question, kind == Kind::Paths).await?;
        self.open_filterless(exchange, given, kind, source, shape(given)?)
    }

    async fn related_instances(
        &self,
        exchange: &Exchange<'_>,
        question: Question,
        only_names: bool,
    ) -> Result<Source, OperationError> {
        if exchange.space.is_interop {
            self.read(exchange, &question.object).await?;
            return Ok(Source::held(Vec::new()));
        }
        exchange.class(&question.object.class)?;
        let form = if only_names { Form::KeysOnly } else { Form::Whole };
        match self.provider.statement(&exchange.caller, question.statement(form)).await? {
            Found::Instances(instances) => Ok(instances.into()),
            Found::Classes(_) => unreachable!("instances were asked for"),
        }
    }

    fn related_classes(
        &self,
        exchange: &Exchange<'_>,
        given: &Parameters,
        question: &Question,
        only_names: bool,
    ) -> Result<Answer, OperationError> {
        let shape = xml::class::Shape {
            qualifiers: given.flag("IncludeQualifiers", false)?,
            class_origin: given.flag("IncludeClassOrigin", false)?,
            properties: given.texts("PropertyList")?,
            ..xml::class::Shape::default()
        };
        let mut writer = exchange.returning();
        for class in exchange.classes_related(question)? {
            writer.open(if only_names { "OBJECTPATH" } else { "VALUE.OBJECTWITHPATH" }, &[]);
            path::write_class_path(&mut writer, self.provider.server(), &exchange.space.name, &class.name);
            if !only_names {
                xml::class::write(&mut writer, exchange.space.schema, class, &shape);
            }
            writer.close();
        }
        Ok(Answer::Whole(writer))
    }
}

impl Exchange<'_> {
    /// The association classes of a class, or the classes at their other ends, each once.
    fn classes_related(&self, question: &Question) -> Result<Vec<&'static ClassInfo>, OperationError> {
        let class = self.class(&question.object.class)?;
        let known = |name: &Option<String>| name.as_deref().map(|name| self.class(name)).transpose();
        let result_class = known(&question.result_class)?;
        let association = if question.references { result_class } else { known(&question.assoc_class)? };
        let is_below = |class: &ClassInfo, top: Option<&ClassInfo>| {
            top.is_none_or(|top| class.name == top.name || class.is_a(&top.name))
        };
        let mut found: Vec<&'static ClassInfo> = Vec::new();
        for candidate in self.space.classes().filter(|one| one.qualifiers.has("association")) {
            if !is_below(candidate, association) {
                continue;
            }
            for (near, _) in ends(candidate)
                .filter(|(near, end)| self.can_be(class, end) && is_called(near, question.role.as_ref()))
            {
                let far = ends(candidate).filter(|(far, _)| {
                    far.name != near.name && is_called(far, question.result_role.as_ref())
                });
                let others = far
                    .filter_map(|(_, end)| self.space.class(end))
                    .filter(|end| is_below(end, result_class));
                match question.references {
                    true => found.push(candidate),
                    false => found.extend(others),
                }
            }
        }
        let mut seen = Vec::new();
        found.retain(|class| {
            !seen.contains(&&class.name) && {
                seen.push(&class.name);
                true
            }
        });
        Ok(found)
    }

    fn can_be(&self, class: &ClassInfo, end: &str) -> bool {
        class.name.eq_ignore_ascii_case(end) || class.is_a(end)
    }
}

/// The references of an association class, with the class that each names.
fn ends(association: &'static ClassInfo) -> impl Iterator<Item = (&'static Property, &'static str)> {
    association.properties.iter().filter_map(|property| match &property.kind {
        CimType::Reference(class) => Some((property, class.as_str())),
        _ => None,
    })
}

fn is_called(end: &Property, role: Option<&String>) -> bool {
    role.is_none_or(|role| role.eq_ignore_ascii_case(&end.name))
}

fn shape(given: &Parameters) -> Result<Shape, OperationError> {
    Ok(Shape {
        class_origin: given.flag("IncludeClassOrigin", false)?,
        properties: given.texts("PropertyList")?.map(PropertyList::new),
        only_of: None,
    })
}
