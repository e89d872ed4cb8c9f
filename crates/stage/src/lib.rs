//! A site with users, distribution points and packages behind a listener, for the tests of the front ends.
//!
//! What every front end's tests need and none of them should have its own of: the same site ([`Stage`]) over SQLite
//! or PostgreSQL, drivers to import ([`DriverFile`]), and other people's clients against it ([`Clients`]).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod changes;
mod clients;
mod database;
mod driver_file;
mod site;

pub use clients::{Clients, NotRun, succeeds};
pub use database::each_on_postgres;
pub use driver_file::{DriverFile, SHARE, unc};
pub use site::{HOST, Listening, PACKAGE, PASSWORD, Stage, nal_path};
