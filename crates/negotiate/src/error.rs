//! Why an authentication failed, and why a sealed message was refused.

/// Why nobody is authenticated. No variant tells a client more than that; the words are for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    /// The token is longer than [`TOKEN_BYTES_MAX`](crate::TOKEN_BYTES_MAX).
    #[error("the token is too long")]
    TooLong,
    /// The token is no message of NTLM or SPNEGO, or breaks its own bounds.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// A good message at the wrong time.
    #[error("the token is not the next one of this exchange")]
    OutOfTurn,
    /// The client offers neither NTLM nor anything else that is spoken here.
    #[error("the client offers no mechanism that is accepted here (NTLM)")]
    NoCommonMechanism,
    /// The client does not do extended session security with 128-bit keys.
    #[error("the client does not offer NTLMv2 session security with 128-bit keys")]
    Weak,
    /// The client names nobody.
    #[error("anonymous clients are not accepted")]
    Anonymous,
    /// The answer is of LM or NTLMv1.
    #[error("the client answers with LM or NTLMv1; NTLMv2 is needed")]
    OldResponse,
    /// The client sent no integrity code, although the challenge's time stamp asks for one.
    #[error("the client sends no message integrity code (MIC), which is needed")]
    NoMic,
    /// The client bound its answer to no TLS channel, although it must.
    #[error("the client sends no channel binding, which is needed over TLS")]
    NoChannelBinding,
    /// The client bound its answer to another TLS channel: somebody may be in between.
    #[error("the client's channel binding is of another TLS connection; something stands in between")]
    WrongChannelBinding,
    /// The proof does not fit the user's hash: a wrong password, or no such user.
    #[error("the proof is wrong")]
    WrongProof,
    /// A message was changed on its way.
    #[error("the exchange was changed on its way: an integrity code is wrong")]
    WrongMic,
    /// SPNEGO's integrity code is needed, because the client preferred another mechanism, and it is absent.
    #[error("the list of mechanisms is not protected (mechListMIC)")]
    NoMechListMic,
    /// The machine gives no random numbers.
    #[error("no random numbers can be had")]
    NoRandom,
}

/// Why a message was not unsealed or sealed. After the first the session does nothing any more: its keys have moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The session was made without sealing.
    #[error("sealing was not negotiated")]
    NotNegotiated,
    /// The message is forged, damaged, replayed or out of order.
    #[error("the message is not the next one that the client sealed")]
    Forged,
    /// An earlier message was refused, or the sequence numbers are used up.
    #[error("the session has ended")]
    Ended,
}
