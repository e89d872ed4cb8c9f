//! Imports: a folder or an archive full of drivers, worked off in the background.
//!
//! An accepted import is a row; from then on a crash at any instant loses nothing. A worker leases the row
//! (`claim`), reads the sources on several threads (`read`), and writes drivers by the batch (`record`): a driver,
//! what became of its INF file and the progress in one transaction. So a worker that takes up where another ended
//! leaves out what is written, and imports nothing twice.

mod claim;
mod fetch;
mod local_pack;
pub(crate) mod place;
mod read;
mod record;
mod request;
mod tidy;
pub(crate) mod worker;

pub use fetch::{FetchError, PackFetcher, PackFile};
pub use request::{Duplicates, ImportProgress, ImportRequest, ImportSource, ImportState, PackHashes};
