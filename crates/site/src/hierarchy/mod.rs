//! The hierarchy of sites: a tree in which every site keeps rows for all that it must know of the others.
//!
//! There is no queue of messages. A row that changes gets a new revision, and a neighbor is told the rows with a higher
//! revision than it has acknowledged, except those that it told itself. Who may say what follows from the tree alone: a
//! neighbor speaks for what lies in its direction, and for nothing else (`docs/agent-protocol.md`).

#![allow(dead_code, reason = "the exchange of rows comes on top of these")]

mod join;
pub(crate) mod node;
pub(crate) mod topology;

pub use node::SiteType;
pub use topology::{Neighbor, NextHop};
