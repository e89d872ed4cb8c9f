//! Prestaged files: what is exported at one place is exactly what another place serves, and what is no such file
//! changes nothing.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test's helpers fail by panicking, as tests do; the scene is that of the replica's tests"
)]

mod exercise;
mod golden;
mod hostile;
mod ways;

#[path = "../replica/scene.rs"]
mod scene;
#[path = "../support/mod.rs"]
mod support;
