//! The service as its clients see it: bytes over a connection to a real listener, and back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(clippy::print_stderr, reason = "a test that could not run says so")]

mod bad_input;
mod changes;
#[path = "../../../negotiate/tests/exchange/client.rs"]
mod client;
mod drivers;
mod faults;
mod frequent_mistakes;
mod from_elsewhere;
mod front_ends;
mod golden;
mod harness;
mod http_rules;
mod limits;
mod mutations;
mod negotiated;
mod operations;
mod postgres;
#[path = "../cimcmdlets/recorded.rs"]
mod recorded;
