//! WS-Management: the provider over SOAP, as PowerShell's CIM cmdlets and winrm speak it.
//!
//! A request goes through the same steps each time: who calls (`signin`), the envelope and what its headers say
//! (`envelope`, `resource`, `options`), the provider, and back to an envelope (`reply`, `fault`). No rule of the domain is
//! here; what a class can do is the provider's to say.

pub mod compatibility;
mod enumeration;
mod envelope;
mod epr;
mod fault;
mod fragment;
mod identify;
mod instance;
mod invoke;
mod metadata;
mod names;
mod options;
mod reply;
mod request;
mod resource;
mod serve;
mod transfer;
mod value;

pub use enumeration::{ENUMERATION_IDLE_MAX, ENUMERATIONS_OF_USER_MAX};
pub use envelope::check as check_envelope;
pub use serve::{REQUEST_BYTES_MAX, WsMan};
