//! Catalogs: the real ones of the driver corpus, generated ones, and an independent verifier's word on both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, helpers included")]

mod corpus;
mod oracle;
