//! INF files as they are found: real ones, hand-written ones, arbitrary ones.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "clippy.toml allows them in test functions; these are their helpers"
)]

mod encodings;
mod exercise;
mod facts;
mod grammar;
mod limits;
mod mutations;
mod properties;
mod samples;
