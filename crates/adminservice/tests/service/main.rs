//! The service over a real site and a real listener.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod clients;
mod golden;
mod harness;
mod haulier_classes;
mod life;
mod request_lines;
