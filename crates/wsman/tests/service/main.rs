//! The service as its clients see it: bytes over a connection to a real listener, and back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod bad_input;
mod faults;
mod frequent_mistakes;
mod golden;
mod harness;
mod http_rules;
mod limits;
mod mutations;
mod operations;
mod postgres;
