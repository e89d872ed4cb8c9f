//! The service over a real site and a real listener.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod bad_input;
mod changes;
mod clients;
mod golden;
mod harness;
mod messages;
mod mistakes;
mod operations;
mod postgres;
mod pulls;
