//! Windows drivers as files: INF, security catalogs, hardware ids, ranking, archives and the vendors' lists of
//! driver packs.
//!
//! Everything here reads bytes that somebody else wrote. No parser panics, none reads without a limit, and each
//! says what it could not read as a [`Diagnostic`] beside what it could. Knows no network, no clock and no database.
//!
//! * [`inf`]: an INF file's text: sections, strings, version, models.
//! * [`install`]: what an INF installs: sections, services, files.
//! * [`platform`]: which Windows releases and architectures a driver is for.
//! * [`catalog`]: `.cat` files, member hashes, signatures, trust.
//! * [`digest`]: the hashes of a file that a catalog may list.
//! * [`analysis`]: all of it together, for the drivers of one folder.
//! * [`devices`]: the devices of a machine, as its tools print them.
//! * [`rank`]: which driver wins for a device.
//! * [`sdm`]: SDMPackageXML, the form in which clients carry a driver.
//! * [`archive`]: `.cab` and `.zip`, under limits; and a zip writer.
//! * [`vendor`]: the vendors' driver-pack catalogs, and choosing a pack for a model.

pub mod analysis;
pub mod archive;
pub mod catalog;
pub mod devices;
mod diagnostic;
pub mod digest;
mod facts;
pub mod inf;
pub mod install;
pub mod platform;
pub mod rank;
pub mod sdm;
pub mod vendor;
mod xml;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use facts::{
    ContentFacts, Device, DriverDate, DriverFacts, DriverKind, DriverVersion, ModelsFacts, PayloadFile,
    Signature, SignatureState, content_hash,
};
pub use xml::XmlError;
