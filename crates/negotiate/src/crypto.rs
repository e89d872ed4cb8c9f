//! The primitives that NTLM is made of. They are broken or nearly so; nothing else of ours may use them.

use hmac::{Hmac, KeyInit, Mac};
use md_5_11::{Digest, Md5};
use md4::Md4;
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

/// A key of 128 bits that does not stay in memory.
pub(crate) type Key = Zeroizing<[u8; 16]>;

pub(crate) fn md4(message: &[u8]) -> Key {
    Zeroizing::new(Md4::digest(message).into())
}

pub(crate) fn md5(parts: &[&[u8]]) -> Key {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    Zeroizing::new(digest.finalize().into())
}

pub(crate) fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// RC4 at the beginning of its stream.
pub(crate) fn rc4(key: &[u8; 16]) -> Rc4 {
    Rc4::new_from_slice(key).expect("RC4 takes keys of 16 bytes")
}

/// One message under a key of its own (RC4K of MS-NLMP).
pub(crate) fn rc4_once(key: &[u8; 16], message: &[u8; 16]) -> Key {
    let mut out = Zeroizing::new(*message);
    rc4(key).apply_keystream(&mut out[..]);
    out
}

/// Whether two codes are the same, in a time that does not say where they differ.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(left, right).is_ok()
}
