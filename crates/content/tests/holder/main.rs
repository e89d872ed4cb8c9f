//! The holder against a real library: what it installs is the source, whatever happens on the way.

mod corpus;
mod counts;
mod crash;
mod damage;
mod full_disk;
mod install;
mod site;
mod versions;
