//! The site as its callers see it, each case on SQLite and on PostgreSQL.
//!
//! PostgreSQL comes from `HAULIER_TEST_POSTGRES`, the URL of a superuser on a throw-away cluster; each case
//! makes its own database there. `cargo xtask test` starts such a cluster.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where it stands; clippy sees tests only in test functions"
)]
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

#[macro_use]
mod stage;

mod access;
mod crash;
mod deletion;
mod demand;
mod drivers;
mod enrolment;
mod facts;
mod folders;
mod groups;
mod housekeeping;
mod imports;
mod inf;
mod locks;
mod ntlm;
mod packages;
mod points;
mod prestaged;
mod query;
mod query_many;
mod query_random;
mod query_stream;
mod refresh;
mod rollback;
mod routes;
mod schedules;
mod scopes;
mod status;
mod summarizers;
mod trusting;
