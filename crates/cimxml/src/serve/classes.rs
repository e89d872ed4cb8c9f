//! Classes and the declarations of their qualifiers.

use provider::ClassInfo;
use xml::Writer;
use xml::class::{Shape, Truth, declaration, write};

use super::{Answer, Exchange};
use crate::message::Parameters;
use crate::status::{CimStatus, OperationError};

impl Exchange<'_> {
    pub(super) fn get_class(&self, given: &Parameters) -> Result<Answer, OperationError> {
        let class = self.class(given.needed_class("ClassName")?)?;
        let shape = Shape { properties: given.texts("PropertyList")?, ..shape(given)? };
        let mut writer = self.returning();
        write(&mut writer, self.space.schema, class, &shape);
        Ok(Answer::Whole(writer))
    }

    pub(super) fn enumerate_class_names(&self, given: &Parameters) -> Result<Answer, OperationError> {
        let mut writer = self.returning();
        for class in self.below(given)? {
            writer.empty("CLASSNAME", &[("NAME", &class.name)]);
        }
        Ok(Answer::Whole(writer))
    }

    pub(super) fn enumerate_classes(&self, given: &Parameters) -> Result<Answer, OperationError> {
        let shape = shape(given)?;
        let mut writer = self.returning();
        self.below(given)?.for_each(|class| write(&mut writer, self.space.schema, class, &shape));
        Ok(Answer::Whole(writer))
    }

    /// The classes below the named one, or below none: all levels, or only the next.
    fn below(&self, given: &Parameters) -> Result<impl Iterator<Item = &'static ClassInfo>, OperationError> {
        let top = given.class("ClassName")?.map(|name| self.class(name)).transpose()?;
        let is_deep = given.flag("DeepInheritance", false)?;
        Ok(self.space.classes().filter(move |class| match (top, is_deep) {
            (Some(top), true) => class.derivation.contains(&top.name),
            (Some(top), false) => class.derivation.first() == Some(&top.name),
            (None, true) => true,
            (None, false) => class.derivation.is_empty(),
        }))
    }

    /// The classes that a query for definitions finds.
    pub(super) fn class_definitions(&self, classes: &[&ClassInfo]) -> Answer {
        let mut writer = self.returning();
        for class in classes {
            writer.open("VALUE.OBJECT", &[]);
            write(&mut writer, self.space.schema, class, &Shape { derivation: false, ..Shape::WHOLE });
            writer.close();
        }
        Answer::Whole(writer)
    }

    pub(super) fn get_qualifier(&self, given: &Parameters) -> Result<Answer, OperationError> {
        let missing = || OperationError::parameter("the parameter QualifierName is missing");
        let name = given.text("QualifierName")?.ok_or_else(missing)?;
        let unknown = || OperationError::new(CimStatus::NotFound, format!("there is no qualifier {name}"));
        let declared = self.space.schema.qualifier(name).ok_or_else(unknown)?;
        let mut writer = self.returning();
        declaration(&mut writer, declared);
        Ok(Answer::Whole(writer))
    }

    pub(super) fn enumerate_qualifiers(&self) -> Answer {
        let mut writer: Writer = self.returning();
        self.space.schema.qualifiers().for_each(|declared| declaration(&mut writer, declared));
        Answer::Whole(writer)
    }
}

/// What the parameters show of a class; what is left out means what DSP0200 says.
fn shape(given: &Parameters) -> Result<Shape<'_>, OperationError> {
    Ok(Shape {
        local_only: given.flag("LocalOnly", true)?,
        qualifiers: given.flag("IncludeQualifiers", true)?,
        class_origin: given.flag("IncludeClassOrigin", false)?,
        derivation: false,
        properties: None,
        truth: Truth::Upper,
    })
}
