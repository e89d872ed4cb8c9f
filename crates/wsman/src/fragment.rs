//! Parts of instances: FragmentTransfer (DSP0226 chapter 7.7). A part is a property, in the simplest language that XPath
//! has: `Name`, `Name[2]`, `Name/text()`.

use cim::class::Property;
use cim::{Instance, Value};
use provider::ClassInfo;
use xml::Writer;

use crate::envelope::Fragment;
use crate::fault::{BodyMistake, WsmanFault};
use crate::instance::Shape;
use crate::names::CIM;
use crate::resource::class_uri;
use crate::value::{self, Declared};

/// The dialects that are understood; both read what is understood here alike.
const DIALECTS: [&str; 2] =
    ["http://www.w3.org/TR/1999/REC-xpath-19991116", "http://schemas.dmtf.org/wbem/wsman/1/wsman/xpath1"];

/// A part of an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    property: &'a Property,
    /// Which element of an array, from 0.
    index: Option<usize>,
    /// Only the text, without an element around it.
    text: bool,
}

impl<'a> Part<'a> {
    /// Reads the header that names the part.
    pub(crate) fn read(fragment: &Fragment, class: &'a ClassInfo) -> Result<Self, WsmanFault> {
        if let Some(dialect) = fragment.dialect.as_deref().map(str::trim)
            && !DIALECTS.contains(&dialect)
        {
            return Err(WsmanFault::FragmentDialect { dialect: dialect.to_owned() });
        }
        let unknown = || wrong(format!("{} is no property of {}", fragment.path, class.name));
        let (name, index, text) = split(&fragment.path).ok_or_else(unknown)?;
        let property = class.property(name).ok_or_else(unknown)?;
        Ok(Self { property, index, text })
    }

    /// Writes it as the answer's body.
    pub(crate) fn write(
        self,
        out: &mut Writer,
        shape: &Shape,
        class: &ClassInfo,
        found: &Instance,
    ) -> Result<(), WsmanFault> {
        let value = found.get(&self.property.name).unwrap_or(&Value::Null);
        let value = match (self.index, value) {
            (None, value) => value,
            (Some(index), Value::Array(elements)) => elements.get(index).unwrap_or(&Value::Null),
            (Some(0), value) => value,
            (Some(_), _) => &Value::Null,
        };
        let uri = class_uri(&shape.style, &class.name);
        out.open("w:XmlFragment", &[("xmlns:p", &uri), ("xmlns:cim", CIM)]);
        if self.text {
            out.text(&plain(value).ok_or_else(|| wrong(format!("{} has no text", self.property.name)))?);
        } else {
            let declared = Declared::new(&self.property.kind, self.property.array && self.index.is_none());
            value::write(out, shape, &format!("p:{}", self.property.name), declared, value, 0);
        }
        out.close();
        Ok(())
    }

    /// What a Put with this part sets, out of what its body gives.
    pub(crate) fn change(self, mut given: Instance) -> Result<Instance, WsmanFault> {
        let name = &self.property.name;
        if self.index.is_some() || self.text {
            return Err(wrong(format!("only a whole property is set; name {name}")));
        }
        given.properties.retain(|(known, _)| known.eq_ignore_ascii_case(name));
        if given.properties.is_empty() {
            return Err(wrong(format!("{name} is not in w:XmlFragment")));
        }
        Ok(given)
    }
}

/// Name, index and whether the text is meant.
fn split(path: &str) -> Option<(&str, Option<usize>, bool)> {
    let (path, text) = path.strip_suffix("/text()").map_or((path, false), |path| (path, true));
    let (name, index) = match path.strip_suffix(']').and_then(|path| path.split_once('[')) {
        Some((name, number)) => (name, Some(number.parse::<usize>().ok()?.checked_sub(1)?)),
        None => (path, None),
    };
    let name = name.rsplit(':').next().unwrap_or(name);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, index, text))
}

fn plain(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::DateTime(at) => at.iso8601().unwrap_or_default(),
        Value::Reference(_) | Value::Instance(_) | Value::Array(_) => return None,
    })
}

fn wrong(reason: String) -> WsmanFault {
    WsmanFault::SchemaValidation { kind: BodyMistake::Fragment, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_one_property() {
        for (path, expect) in [
            ("Name", Some(("Name", None, false))),
            ("p:Name", Some(("Name", None, false))),
            ("Name[1]", Some(("Name", Some(0), false))),
            ("Name/text()", Some(("Name", None, true))),
            ("Name[2]/text()", Some(("Name", Some(1), true))),
            ("Name[0]", None),
            ("Name[x]", None),
            ("Name/Other", None),
            ("//Name", None),
            ("", None),
        ] {
            assert_eq!(split(path), expect, "{path}");
        }
    }
}
