//! A distribution point against a real content library behind a real listener. Only the site's own decisions
//! are scripted here; the whole site is tested with real processes elsewhere.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows them in test functions; these are their helpers")]

mod enrol;
mod faults;
mod follow;
mod orphans;
mod pull;
mod serve;
mod site;
mod trusting;
