//! AUTHENTICATE, the third message: who the client claims to be, and its proof (MS-NLMP 2.2.1.3, 2.2.2.8).

use crate::error::NegotiateError;
use crate::ntlm::fields::{Message, text};
use crate::ntlm::flags::{ANONYMOUS, KEY_EXCHANGE, REQUIRED, SEAL, SIGN};
use crate::ntlm::target_info::{self, Added};

/// Where the integrity code stands.
pub(crate) const MIC_AT: usize = 72;
pub(crate) const MIC_BYTES: usize = 16;
/// With version and integrity code; a message without them is refused anyway.
const HEADER_BYTES: usize = MIC_AT + MIC_BYTES;
/// The header of a message without version and code, as old clients send it.
const OLD_HEADER_BYTES: usize = 64;
const PROOF_BYTES: usize = 16;
/// The response of NTLMv1.
const OLD_RESPONSE_BYTES: usize = 24;
/// What of a client challenge stands before its target info.
const CLIENT_CHALLENGE_BYTES: usize = 28;

/// A claim that is not proved yet.
#[derive(Debug, Clone)]
pub(crate) struct Authenticate {
    /// What both sides want.
    pub(crate) flags: u32,
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) workstation: String,
    pub(crate) proof: [u8; PROOF_BYTES],
    /// NTLMv2_CLIENT_CHALLENGE as it was sent, which the proof covers.
    pub(crate) client_challenge: Vec<u8>,
    pub(crate) added: Added,
    /// The session key under the key of the proof, if keys are exchanged.
    pub(crate) session_key: Option<[u8; 16]>,
    /// The whole message.
    pub(crate) bytes: Vec<u8>,
}

impl Authenticate {
    /// Reads the message and refuses what no password can make good. `granted` is what the challenge said.
    pub(crate) fn read(bytes: &[u8], granted: u32) -> Result<Self, NegotiateError> {
        let message = Message::read(bytes, 3)?;
        let own = message.number(60)?;
        let response = message.field(20, OLD_HEADER_BYTES)?;
        let user = text(message.field(36, OLD_HEADER_BYTES)?, own)?;
        if own & ANONYMOUS != 0 || user.is_empty() {
            return Err(NegotiateError::Anonymous);
        }
        if response.len() <= OLD_RESPONSE_BYTES {
            return Err(NegotiateError::OldResponse);
        }
        if own & REQUIRED != REQUIRED {
            return Err(NegotiateError::Weak);
        }
        let (proof, client_challenge) =
            response.split_first_chunk::<PROOF_BYTES>().expect("it is longer than a response of NTLMv1");
        let added = read_client_challenge(client_challenge)?;
        // The proof covers this flag: nobody in between can take the code away.
        if !added.has_mic {
            return Err(NegotiateError::NoMic);
        }
        // Where the code stands, nothing else may.
        for offset in [12, 20, 28, 36, 44, 52] {
            message.field(offset, HEADER_BYTES)?;
        }
        let flags = own & granted;
        Ok(Self {
            flags,
            user,
            domain: text(message.field(28, HEADER_BYTES)?, own)?,
            workstation: text(message.field(44, HEADER_BYTES)?, own)?,
            proof: *proof,
            client_challenge: client_challenge.to_vec(),
            added,
            session_key: session_key(message.field(52, HEADER_BYTES)?, flags)?,
            bytes: bytes.to_vec(),
        })
    }

    /// The integrity code that came with the message.
    pub(crate) fn mic(&self) -> &[u8] {
        self.bytes.get(MIC_AT..HEADER_BYTES).unwrap_or_default()
    }

    /// The message as it was before its code was set, in three parts.
    pub(crate) fn without_mic(&self) -> [&[u8]; 3] {
        let (before, rest) = self.bytes.split_at(MIC_AT.min(self.bytes.len()));
        [before, &[0; MIC_BYTES], rest.get(MIC_BYTES..).unwrap_or_default()]
    }
}

fn read_client_challenge(bytes: &[u8]) -> Result<Added, NegotiateError> {
    match bytes {
        [1, 1, ..] if bytes.len() > CLIENT_CHALLENGE_BYTES => {
            target_info::read(&bytes[CLIENT_CHALLENGE_BYTES..])
        }
        _ => Err(NegotiateError::Malformed("its response is not of NTLMv2")),
    }
}

/// Without signing and sealing nobody needs the key, and what stands there means nothing (MS-NLMP 3.2.5.1.2).
fn session_key(bytes: &[u8], flags: u32) -> Result<Option<[u8; 16]>, NegotiateError> {
    if flags & KEY_EXCHANGE == 0 || flags & (SIGN | SEAL) == 0 {
        return Ok(None);
    }
    let key =
        bytes.try_into().map_err(|_| NegotiateError::Malformed("its session key has another length"))?;
    Ok(Some(key))
}
