//! A library as the receiver of another library's versions: what it serves afterwards is the source, whatever
//! happens on the way.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking, as tests do")]

mod company;
mod hostile;
mod interrupted;
mod repair;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod versions;
