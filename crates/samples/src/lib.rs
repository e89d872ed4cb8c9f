//! Seeded generator of driver-like trees, so that demo, tests and benches run on material that behaves like a
//! vendor's driver pack without shipping one.
//!
//! What matters for content distribution is reproduced: sizes, compressibility, code whose addresses shift
//! everywhere when a little of it changes, signatures that are new in every release, twins under other names.
//! The files are structurally valid (PE32+ images, DER catalogs with the files' true hashes, INF text) and describe
//! themselves: [`apply_step`] needs nothing but the tree. The catalogs are signed, by an authority that every reader of
//! this crate can be ([`catalog::root_pem`]). Nothing here can be loaded by Windows; every name is invented.

mod authority;
pub mod catalog;
mod cms;
mod code;
mod der;
mod folder;
mod image;
mod inf;
mod large;
mod many;
mod names;
mod pe;
mod rebuild;
mod resource;
mod rng;
mod sign;
mod step;
mod tree;

pub use many::write_many_small;
pub use rng::Rng;
pub use step::{Step, StepStats, apply_step};
pub use tree::{PackSpec, TreeStats, write_pack};
