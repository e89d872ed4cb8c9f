//! Negotiate authentication as a server: NTLMv2 and SPNEGO, bytes in and bytes out, with the sealing of messages.
//!
//! NTLM proves a connection, not a request, and is old: a weak hash, a broken cipher, a protocol that was patched for
//! thirty years. What makes it bearable is here and is never optional: only NTLMv2 with 128-bit keys, the proof compared
//! in constant time, the integrity code over all three messages required, the TLS channel bound where there is one. An
//! [`Acceptor`] knows no network, no user and no clock; who uses it looks the user's [`NtHash`] up between two calls.
//!
//! Sources: MS-NLMP (messages, keys, sealing), MS-SPNG and RFC 4178 (SPNEGO), RFC 5929 (`tls-server-end-point`).

mod acceptor;
mod channel;
mod crypto;
mod der;
mod error;
mod hash;
mod ntlm;
mod session;
mod spnego;

pub use acceptor::{Accepted, Acceptor, Claim, Config, Step, TOKEN_BYTES_MAX, begins};
pub use channel::{BindingRule, ChannelBinding, tls_server_end_point};
pub use error::{NegotiateError, SessionError};
pub use hash::NtHash;
pub use ntlm::challenge::Names;
pub use session::{SIGNATURE_BYTES, Session};
pub use spnego::wants_kerberos;
