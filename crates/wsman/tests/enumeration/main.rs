//! Enumerations over a real site and a real listener.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod contexts;
mod filters;
mod harness;
mod items;
mod many_rows;
mod postgres;
