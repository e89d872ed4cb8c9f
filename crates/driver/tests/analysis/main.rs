//! Whole folders: what is a driver in them, what belongs to it, and what its catalogs prove.

mod corpus;
mod folder;
mod packages;
mod payload;
mod rig;
