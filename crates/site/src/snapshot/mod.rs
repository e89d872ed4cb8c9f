//! From an accepted refresh to a published version.
//!
//! `claim` takes the next due package under a lease, `worker` reads its source, `publish` makes the result
//! the package's next version in one transaction, `failure` remembers why there is none and when to try again.

pub(crate) mod claim;
mod failure;
mod publish;
pub(crate) mod worker;
