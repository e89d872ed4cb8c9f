//! CIM-XML: the provider over DSP0200, as the WBEM tools speak it.
//!
//! A request goes through the same steps each time: what its headers say (`headers`), who calls (`signin`), what the
//! message asks (`message`), the provider, and back to XML (`encode`). Lists leave while their rows are read
//! (`listing`), or wait for their reader in pieces (`contexts`). No rule of the domain is here; what a class can do is
//! the provider's to say. The one thing that is nobody else's is the interop namespace (`interop`), in which the WBEM
//! tools look for the others: no other protocol has one, so its few classes are not the provider's.

pub mod compatibility;
mod contexts;
mod encode;
mod headers;
mod interop;
mod listing;
mod message;
mod path;
mod refusal;
mod reply;
mod serve;
mod space;
mod status;

pub use contexts::{CONTEXTS_MAX, CONTEXTS_OF_USER_MAX, OPERATION_TIMEOUT, OPERATION_TIMEOUT_MAX};
pub use message::check as check_message;
pub use serve::{BODY_BYTES_MAX, CimXml, PATH};
