//! The holder against a real library: what it installs is the source, whatever happens on the way.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "clippy.toml allows them in test functions; these are their helpers"
)]

mod corpus;
mod counts;
mod crash;
mod damage;
mod full_disk;
mod install;
mod site;
mod versions;
