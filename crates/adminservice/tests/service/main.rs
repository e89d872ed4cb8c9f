//! The service over a real site and a real listener.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod bad_input;
mod categories;
mod changes;
mod clients;
mod conversions;
mod curl;
mod driver_imports;
mod driver_matches;
mod drivers;
mod events;
mod golden;
mod golden_drivers;
mod golden_status;
mod groups;
mod harness;
mod haulier_classes;
mod life;
mod limits;
mod package_content;
mod packages;
mod postgres;
mod request_lines;
mod sign_in;
mod streams;
