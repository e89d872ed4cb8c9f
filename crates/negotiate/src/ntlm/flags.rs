//! The bits of NegotiateFlags (MS-NLMP 2.2.2.5) that are looked at.

pub(crate) const UNICODE: u32 = 0x0000_0001;
pub(crate) const OEM: u32 = 0x0000_0002;
pub(crate) const REQUEST_TARGET: u32 = 0x0000_0004;
pub(crate) const SIGN: u32 = 0x0000_0010;
pub(crate) const SEAL: u32 = 0x0000_0020;
pub(crate) const NTLM: u32 = 0x0000_0200;
pub(crate) const ANONYMOUS: u32 = 0x0000_0800;
pub(crate) const ALWAYS_SIGN: u32 = 0x0000_8000;
pub(crate) const TARGET_TYPE_SERVER: u32 = 0x0002_0000;
pub(crate) const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
pub(crate) const TARGET_INFO: u32 = 0x0080_0000;
pub(crate) const VERSION: u32 = 0x0200_0000;
pub(crate) const KEY_128: u32 = 0x2000_0000;
pub(crate) const KEY_EXCHANGE: u32 = 0x4000_0000;

/// What a client must offer and keep: everything less has been broken.
pub(crate) const REQUIRED: u32 = EXTENDED_SESSION_SECURITY | KEY_128;

/// What a challenge grants of what the client offers.
pub(crate) const GRANTED: u32 =
    REQUEST_TARGET | SIGN | SEAL | NTLM | ALWAYS_SIGN | REQUIRED | VERSION | KEY_EXCHANGE;

/// What a challenge always says.
pub(crate) const ALWAYS: u32 = NTLM | ALWAYS_SIGN | TARGET_INFO | TARGET_TYPE_SERVER;
