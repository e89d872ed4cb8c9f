//! The service for machines that look for drivers: which drivers, where they are, and all of them in one file.
//!
//! A machine that runs Windows PE has `curl` and little else, so questions are simple: POST what `pnputil` prints, or
//! JSON. Answers name the packages and the distribution points' addresses, or are a zip file of exactly the drivers
//! that fit. No rule of the domain is here; the site matches.

mod download;
mod error;
mod reply;
mod request;
mod serve;

pub use download::DOWNLOADS_MAX;
pub use serve::router;
