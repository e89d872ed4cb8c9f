//! Negotiate authentication as a server: NTLMv2 and SPNEGO, bytes in and bytes out, with the sealing of messages.
