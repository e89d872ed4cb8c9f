//! MOF (being written).
