//! The three messages of NTLM (MS-NLMP 2.2.1) and what follows from them.

pub(crate) mod authenticate;
pub(crate) mod challenge;
mod fields;
pub(crate) mod flags;
pub(crate) mod offer;
pub(crate) mod proof;
mod target_info;

/// How every message begins.
pub(crate) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
