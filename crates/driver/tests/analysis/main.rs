//! Whole folders: what is a driver in them, what belongs to it, and what its catalogs prove.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "clippy.toml allows them in test functions; these are their helpers"
)]

mod corpus;
mod folder;
mod packages;
mod payload;
mod rig;
