//! WS-Management: the provider over SOAP, as PowerShell's CIM cmdlets and winrm speak it.
//!
//! A request goes through the same steps each time: who calls (`signin`), the envelope and what its headers say
//! (`envelope`, `resource`, `options`), the provider, and back to an envelope (`reply`, `fault`). No rule of the domain is
//! here; what a class can do is the provider's to say.

#![allow(dead_code, reason = "the service that uses these comes with the next commit")]

mod envelope;
mod epr;
mod fault;
mod names;
mod options;
mod reply;
mod resource;
