//! INF files as they are found: real ones, hand-written ones, arbitrary ones.

mod encodings;
mod exercise;
mod facts;
mod grammar;
mod limits;
mod mutations;
mod properties;
mod samples;
