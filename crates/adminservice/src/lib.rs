//! The AdminService: the provider over HTTP, as OData v4.
//!
//! A request goes through the same steps each time: who calls (`signin`), what the URL means (`url`,
//! `options`), which of the few things is asked (`request`), the provider, and back to JSON
//! (`entity`). No rule of the domain is here; what a class can do is the provider's to say.

mod body;
pub mod compatibility;
mod entity;
mod error;
mod events;
mod headers;
mod layout;
mod links;
mod list;
mod metadata;
mod options;
mod origin;
mod reply;
mod request;
mod serve;
mod url;

pub use serve::{BODY_BYTES_MAX, URL_BYTES_MAX, router};
