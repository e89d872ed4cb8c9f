//! XML under limits: what the SOAP and CIM-XML front ends read and write, and the class declarations that both show.
//!
//! Bytes become text ([`decode`]), text becomes a tree ([`parse`]) whose size, depth and width are known before any
//! of it takes memory, and [`Element`] walks it by namespace and name. Answers are written front to back with a
//! [`Writer`]. [`class`] declares a class in the form of DSP0201.

pub mod class;
mod decode;
mod element;
mod error;
mod parse;
mod scan;
mod writer;

pub use decode::decode;
pub use element::Element;
pub use error::XmlError;
pub use parse::{NODES_MAX, parse};
pub use roxmltree::{Document, Node};
pub use scan::{
    ATTRIBUTES_MAX, DEPTH_MAX, EQUALS_MAX, NAMESPACES_IN_SCOPE_MAX, NAMESPACES_MAX, TAGS_MAX, TEXT_BYTES_MAX,
};
pub use writer::Writer;
