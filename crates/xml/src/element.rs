//! How the readers of protocols look at a document: by namespace and name, with texts put together. Prefixes say nothing.

use std::borrow::Cow;

use roxmltree::Node;

/// Elements by namespace and name. A namespace "" means that there is none.
pub trait Element<'a, 'input: 'a>: Copy {
    /// Whether it is an element of that name.
    fn is(self, namespace: &str, name: &str) -> bool;
    /// Its child elements, without texts and comments.
    fn elements(self) -> impl Iterator<Item = Node<'a, 'input>>;
    /// Its child elements of that name.
    fn elements_named(self, namespace: &str, name: &str) -> impl Iterator<Item = Node<'a, 'input>>;
    /// Its first child element of that name.
    fn child(self, namespace: &str, name: &str) -> Option<Node<'a, 'input>>;
    /// An attribute without a namespace.
    fn attr(self, name: &str) -> Option<&'a str>;
    /// Its own text, as it stands there: what comments and sections divide is put together.
    fn text_of(self) -> Cow<'a, str>;
}

impl<'a, 'input: 'a> Element<'a, 'input> for Node<'a, 'input> {
    fn is(self, namespace: &str, name: &str) -> bool {
        let tag = self.tag_name();
        self.is_element() && tag.name() == name && tag.namespace().unwrap_or("") == namespace
    }

    fn elements(self) -> impl Iterator<Item = Node<'a, 'input>> {
        self.children().filter(Node::is_element)
    }

    fn elements_named(self, namespace: &str, name: &str) -> impl Iterator<Item = Node<'a, 'input>> {
        self.children().filter(move |child| child.is(namespace, name))
    }

    fn child(self, namespace: &str, name: &str) -> Option<Node<'a, 'input>> {
        self.children().find(|child| child.is(namespace, name))
    }

    fn attr(self, name: &str) -> Option<&'a str> {
        self.attributes()
            .find(|attribute| attribute.name() == name && attribute.namespace().is_none())
            .map(|found| found.value())
    }

    fn text_of(self) -> Cow<'a, str> {
        let mut texts = self.children().filter(Node::is_text).filter_map(|child| child.text());
        let first = texts.next().unwrap_or("");
        match texts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn elements_are_found_by_namespace_and_name() {
        let text = "<a xmlns='urn:1' xmlns:p='urn:2'>x<!-- - --><![CDATA[<y>]]> &amp; z<b q='1' p:q='2'/><p:b>two</p:b><b/></a>";
        let document = parse(text).unwrap();
        let root = document.root_element();
        assert!(root.is("urn:1", "a") && !root.is("", "a") && !root.is("urn:1", "A"));
        assert_eq!(root.text_of(), "x<y> & z");
        assert_eq!(root.elements().count(), 3);
        assert_eq!(root.elements_named("urn:1", "b").count(), 2);
        assert_eq!(root.child("urn:2", "b").map(|two| two.text_of()), Some(Cow::Borrowed("two")));
        assert_eq!(root.child("", "b"), None);
        assert_eq!(root.child("urn:1", "b").and_then(|b| b.attr("q")), Some("1"));
        assert_eq!(root.child("urn:2", "b").unwrap().attr("q"), None);
        assert!(!root.first_child().unwrap().is("", ""));
    }
}
