//! INF files as they are found: real ones, hand-written ones, arbitrary ones.

mod facts;
