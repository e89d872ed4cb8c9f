//! Catalogs: the real ones of the driver corpus, generated ones, damaged ones, and an independent verifier's word.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, helpers included")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]

mod corpus;
mod damage;
mod generated;
mod oracle;
mod properties;
