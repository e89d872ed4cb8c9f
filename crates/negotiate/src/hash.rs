//! The NT hash: as good as the password to whoever holds it, so it prints as nothing and does not stay in memory.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto;

/// MD4 of a password in UTF-16 (MS-NLMP 3.3.1, NTOWFv1).
#[derive(Clone, PartialEq, Eq)]
pub struct NtHash(Zeroizing<[u8; 16]>);

impl NtHash {
    /// The hash of a password.
    #[must_use]
    pub fn of_password(password: &str) -> Self {
        let wide: Zeroizing<Vec<u8>> =
            Zeroizing::new(password.encode_utf16().flat_map(u16::to_le_bytes).collect());
        Self(crypto::md4(&wide))
    }

    /// The hash that was kept as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be kept where only the owner of the passwords reads them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_hash_as_the_specification_says_and_print_as_nothing() {
        let check = |password: &str, expect: &str| {
            assert_eq!(hex::encode(NtHash::of_password(password).expose()), expect, "{password}");
        };
        // MS-NLMP 4.2.2.1.2, and the well-known hash of no password.
        check("Password", "a4f49c406510bdcab6824ee7c30fd852");
        check("", "31d6cfe0d16ae931b73c59d7e0c089c0");
        let hash = NtHash::of_password("Password");
        assert_eq!(format!("{hash:?}"), "NtHash(…)");
        assert_eq!(NtHash::from_bytes(*hash.expose()), hash);
    }
}
