//! The hierarchy of sites: a tree in which every site keeps rows for all that it must know of the others.
//!
//! There is no queue of messages. A row that changes gets a new revision, and a neighbor is told the rows with a higher
//! revision than it has acknowledged, except those that it told itself. Who may say what follows from the tree alone: a
//! neighbor speaks for what lies in its direction, and for nothing else (`docs/agent-protocol.md`).

mod apply;
pub(crate) mod content;
mod join;
pub(crate) mod leap;
pub(crate) mod node;
pub(crate) mod ownership;
pub(crate) mod pause;
mod release;
mod remove;
pub(crate) mod repair;
pub(crate) mod requests;
mod rows;
mod spread;
mod tell;
pub(crate) mod tombstone;
pub(crate) mod topology;
pub(crate) mod wants;

#[cfg(test)]
mod tests;

pub use apply::LinkState;
pub(crate) use apply::is_package_id;
pub use content::Need;
pub use node::SiteType;
pub use pause::OnItsWay;
pub use topology::{Neighbor, NextHop};
pub use wants::{WANT_TIMEOUT, WantAnswer, WantRefusal};
