//! Distribution points and what each of them holds, should hold and last said.

pub(crate) mod cause;
pub(crate) mod demand;
pub(crate) mod desired;
pub(crate) mod enrol;
pub(crate) mod facts;
pub(crate) mod maintenance;
pub(crate) mod nal;
pub(crate) mod partner;
pub(crate) mod point;
pub(crate) mod pull;
mod rate;
pub(crate) mod renewal;
mod repaired;
pub(crate) mod seen;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod targets;
pub(crate) mod turns;
pub(crate) mod validation;

/// Names a distribution point inside the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DpId(pub(crate) i64);
