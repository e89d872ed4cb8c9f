//! A [`DriverDigest`] as XML.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesStart, BytesText, Event};

use super::{DriverDigest, NAMESPACE, PlatformCondition};
use crate::xml::carried;

/// The definition as XML, indented. Characters that XML cannot carry become U+FFFD.
#[must_use]
pub fn write(digest: &DriverDigest) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    root(&mut writer, digest).expect("a vector takes all that is written");
    String::from_utf8(writer.into_inner()).expect("only text was written")
}

type Out = Writer<Vec<u8>>;

fn root(out: &mut Out, digest: &DriverDigest) -> io::Result<()> {
    let (scope, name) = digest.unique_id.split_once('/').unwrap_or(("", &digest.unique_id));
    let version = digest.version.to_string();
    let driver = [("AuthoringScopeId", scope), ("LogicalName", name), ("Version", &version)];
    element(out, "DesiredConfigurationDigest", &[("xmlns", NAMESPACE)], &mut |out| {
        element(out, "Driver", &driver, &mut |out| children(out, digest))
    })
}

fn children(out: &mut Out, digest: &DriverDigest) -> io::Result<()> {
    element(out, "Annotation", &[], &mut |out| empty(out, "DisplayName", &[("Text", &digest.display_name)]))?;
    let date = digest.date.map(|date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day));
    let mut information = vec![
        ("Type", "INF"),
        ("INFFile", digest.inf_file.as_str()),
        ("Class", &digest.class),
        ("Provider", &digest.provider),
        ("Version", &digest.version_text),
        ("BootCritical", flag(digest.boot_critical)),
    ];
    information.extend(date.iter().map(|date| ("Date", date.as_str())));
    empty(out, "DriverInformation", &information)?;
    empty(out, "Signature", &[("Signed", flag(digest.signed)), ("Signer", &digest.signer)])?;
    let content = [("Hash", digest.content_hash.as_str()), ("SourcePath", &digest.content_source_path)];
    empty(out, "Content", &content)?;
    element(out, "PlatformApplicabilityConditions", &[], &mut |out| {
        digest.conditions.iter().try_for_each(|one| condition(out, one))
    })?;
    for fragment in &digest.other {
        out.write_event(Event::Text(BytesText::from_escaped(fragment.as_str())))?;
    }
    Ok(())
}

fn condition(out: &mut Out, condition: &PlatformCondition) -> io::Result<()> {
    let attributes = [
        ("DisplayName", condition.display_name.as_str()),
        ("MaxVersion", &condition.max_version),
        ("MinVersion", &condition.min_version),
        ("Name", &condition.name),
        ("Platform", &condition.platform),
    ];
    element(out, "PlatformApplicabilityCondition", &attributes, &mut |out| {
        text(out, "Query1", &condition.query1)?;
        text(out, "Query2", &condition.query2)
    })
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, carried(value).as_str()));
    }
    start
}

fn element(
    out: &mut Out,
    name: &str,
    attributes: &[(&str, &str)],
    inside: &mut dyn FnMut(&mut Out) -> io::Result<()>,
) -> io::Result<()> {
    let start = start(name, attributes);
    let end = start.to_end().into_owned();
    out.write_event(Event::Start(start.borrow()))?;
    inside(out)?;
    out.write_event(Event::End(end))
}

fn empty(out: &mut Out, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
    out.write_event(Event::Empty(start(name, attributes)))
}

fn text(out: &mut Out, name: &str, text: &str) -> io::Result<()> {
    element(out, name, &[], &mut |out| out.write_event(Event::Text(BytesText::new(&carried(text)))))
}
