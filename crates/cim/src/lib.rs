//! cim
