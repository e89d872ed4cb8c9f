//! From an accepted refresh to a published version.
//!
//! `claim` takes the next due package under a lease, `worker` reads its source, `publish` makes the result
//! the package's next version in one transaction, `failure` remembers why there is none and when to try again.
//! `rollback` publishes an earlier version once more, without reading a source.

pub(crate) mod claim;
mod failure;
pub(crate) mod publish;
pub(crate) mod rollback;
pub(crate) mod worker;
