//! What must hold for any bytes whatever. The fuzz target calls it too.

use xml::{DEPTH_MAX, Element, NODES_MAX, Node, Writer};

/// A document that is read is as small as it must be, and says the same once it is written and read again.
pub(crate) fn document(bytes: &[u8]) {
    let Ok(text) = xml::decode(bytes, None) else { return };
    match xml::parse(&text) {
        Ok(document) => {
            assert!(document.descendants().count() <= NODES_MAX);
            let mut writer = Writer::new();
            let depth = copy(&mut writer, document.root_element());
            assert!(depth <= DEPTH_MAX);
            let written = writer.finish();
            let again = xml::parse(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
            same(document.root_element(), again.root_element());
        }
        Err(error) => assert!(error.to_string().len() < 1_000, "{error}"),
    }
}

/// Without namespaces, which are written by who knows them.
fn copy(writer: &mut Writer, node: Node<'_, '_>) -> usize {
    let attributes: Vec<_> = plain_attributes(node).collect();
    writer.open(node.tag_name().name(), &attributes);
    writer.text(&node.text_of());
    let below = node.elements().map(|child| copy(writer, child)).max().unwrap_or(0);
    writer.close();
    below + 1
}

fn plain_attributes<'a>(node: Node<'a, '_>) -> impl Iterator<Item = (&'a str, &'a str)> {
    node.attributes().filter(|one| one.namespace().is_none()).map(|one| (one.name(), one.value()))
}

fn same(one: Node<'_, '_>, other: Node<'_, '_>) {
    assert_eq!(one.tag_name().name(), other.tag_name().name());
    assert_eq!(one.text_of(), other.text_of());
    assert!(plain_attributes(one).eq(plain_attributes(other)));
    assert_eq!(one.elements().count(), other.elements().count());
    one.elements().zip(other.elements()).for_each(|(one, other)| same(one, other));
}
