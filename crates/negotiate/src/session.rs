//! What both sides sign and seal with after the authentication (MS-NLMP 3.4.2 to 3.4.5).

use rc4::{Rc4, StreamCipher};

use crate::crypto::{Key, hmac_md5, md5, rc4, same};
use crate::error::SessionError;
use crate::ntlm::flags::{KEY_EXCHANGE, SEAL, SIGN};

/// The length of a signature.
pub const SIGNATURE_BYTES: usize = 16;

/// An authenticated session. Each direction has its own keys, its own cipher stream and its own counter, so messages must
/// be taken in the order in which they were made.
pub struct Session {
    incoming: Direction,
    outgoing: Direction,
    can_seal: bool,
}

struct Direction {
    sign_key: Key,
    seal_key: Key,
    stream: Rc4,
    /// The next sequence number; none once they are used up or a message was refused.
    next: Option<u32>,
    /// Whether checksums are sealed too.
    exchanged: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("can_seal", &self.can_seal).finish_non_exhaustive()
    }
}

impl Session {
    /// The server's side of a session with this exported key and these flags.
    pub(crate) fn new(key: &Key, flags: u32) -> Self {
        let direction = |way: &str| Direction::new(key, way, flags & KEY_EXCHANGE != 0);
        Self {
            incoming: direction("client-to-server"),
            outgoing: direction("server-to-client"),
            can_seal: flags & (SIGN | SEAL) == SIGN | SEAL,
        }
    }

    /// Whether messages can be sealed.
    #[must_use]
    pub const fn can_seal(&self) -> bool {
        self.can_seal
    }

    /// Unseals the client's next message in place.
    ///
    /// Errors: [`SessionError`]; what is in `message` then means nothing, and the session unseals nothing more.
    pub fn unseal(&mut self, signature: &[u8], message: &mut [u8]) -> Result<(), SessionError> {
        if !self.can_seal {
            return Err(SessionError::NotNegotiated);
        }
        self.incoming.unseal(signature, message)
    }

    /// Seals the server's next message in place; its signature is returned. Errors: [`SessionError`].
    pub fn seal(&mut self, message: &mut [u8]) -> Result<[u8; SIGNATURE_BYTES], SessionError> {
        if !self.can_seal {
            return Err(SessionError::NotNegotiated);
        }
        self.outgoing.seal(message)
    }

    /// Checks SPNEGO's code over the list of mechanisms and makes the server's own. Both streams then begin anew while
    /// the counters go on (MS-SPNG 3.3.5.1).
    pub(crate) fn exchange_mics(
        &mut self,
        mechanisms: &[u8],
        mic: &[u8],
    ) -> Result<[u8; SIGNATURE_BYTES], SessionError> {
        self.incoming.verify(mic, mechanisms)?;
        let own = self.outgoing.sign(mechanisms)?;
        for direction in [&mut self.incoming, &mut self.outgoing] {
            direction.stream = rc4(&direction.seal_key);
        }
        Ok(own)
    }
}

impl Direction {
    fn new(key: &Key, way: &str, exchanged: bool) -> Self {
        let derive = |purpose: &str| {
            let magic = format!("session key to {way} {purpose} key magic constant\0");
            md5(&[&key[..], magic.as_bytes()])
        };
        let (sign_key, seal_key) = (derive("signing"), derive("sealing"));
        let stream = rc4(&seal_key);
        Self { sign_key, seal_key, stream, next: Some(0), exchanged }
    }

    fn sign(&mut self, message: &[u8]) -> Result<[u8; SIGNATURE_BYTES], SessionError> {
        let (number, code) = self.code(message)?;
        Ok(self.finish(number, &code))
    }

    /// The next sequence number and the code of a plain message under it.
    fn code(&self, message: &[u8]) -> Result<(u32, Key), SessionError> {
        let number = self.next.ok_or(SessionError::Ended)?;
        Ok((number, hmac_md5(&self.sign_key[..], &[&number.to_le_bytes(), message])))
    }

    fn finish(&mut self, number: u32, code: &Key) -> [u8; SIGNATURE_BYTES] {
        self.next = number.checked_add(1);
        let mut signature = [0; SIGNATURE_BYTES];
        signature[0] = 1;
        signature[4..12].copy_from_slice(&code[..8]);
        signature[12..].copy_from_slice(&number.to_le_bytes());
        if self.exchanged {
            self.stream.apply_keystream(&mut signature[4..12]);
        }
        signature
    }

    fn verify(&mut self, signature: &[u8], message: &[u8]) -> Result<(), SessionError> {
        let expected = self.sign(message)?;
        if same(&expected, signature) {
            return Ok(());
        }
        self.next = None;
        Err(SessionError::Forged)
    }

    fn seal(&mut self, message: &mut [u8]) -> Result<[u8; SIGNATURE_BYTES], SessionError> {
        // The code is of the plain message, but its sealing comes after the message's in the stream.
        let (number, code) = self.code(message)?;
        self.stream.apply_keystream(message);
        Ok(self.finish(number, &code))
    }

    fn unseal(&mut self, signature: &[u8], message: &mut [u8]) -> Result<(), SessionError> {
        if self.next.is_none() {
            return Err(SessionError::Ended);
        }
        self.stream.apply_keystream(message);
        self.verify(signature, message)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::ntlm::flags::EXTENDED_SESSION_SECURITY;

    /// A session as the other side has it: what the server sends is what comes in.
    fn pair(flags: u32) -> (Session, Session) {
        let key = Zeroizing::new([0x55; 16]);
        let (server, other) = (Session::new(&key, flags), Session::new(&key, flags));
        let client = Session { incoming: other.outgoing, outgoing: other.incoming, can_seal: other.can_seal };
        (server, client)
    }

    const FLAGS: u32 = SIGN | SEAL | KEY_EXCHANGE | EXTENDED_SESSION_SECURITY;

    #[test]
    fn a_message_is_sealed_as_in_the_specification() {
        // MS-NLMP 4.2.4.4, which seals from client to server.
        let (_, mut client) = pair(FLAGS);
        assert_eq!(hex::encode(&client.outgoing.seal_key[..]), "59f600973cc4960a25480a7c196e4c58");
        assert_eq!(hex::encode(&client.outgoing.sign_key[..]), "4788dc861b4782f35d43fd98fe1a2d39");
        let mut message = hex::decode("50006c00610069006e007400650078007400").unwrap();
        let signature = client.seal(&mut message).unwrap();
        assert_eq!(hex::encode(&message), "54e50165bf1936dc996020c1811b0f06fb5f");
        assert_eq!(hex::encode(signature), "010000007fb38ec5c55d497600000000");
    }

    #[test]
    fn messages_go_both_ways_in_order() {
        for flags in [FLAGS, FLAGS & !KEY_EXCHANGE] {
            let (mut server, mut client) = pair(flags);
            for round in 0..20u8 {
                let plain = vec![round; usize::from(round) * 7];
                let mut message = plain.clone();
                let signature = client.seal(&mut message).unwrap();
                server.unseal(&signature, &mut message).unwrap();
                assert_eq!(message, plain);
                let signature = server.seal(&mut message).unwrap();
                client.unseal(&signature, &mut message).unwrap();
                assert_eq!(message, plain);
            }
        }
    }

    #[test]
    fn what_is_not_the_next_message_ends_the_session() {
        let sealed = |client: &mut Session| {
            let mut message = b"message".to_vec();
            let signature = client.seal(&mut message).unwrap();
            (signature, message)
        };
        type Spoil<'a> = &'a dyn Fn(&mut Session, &mut [u8; 16], &mut Vec<u8>);
        let check = |what: &str, spoil: Spoil<'_>| {
            let (mut server, mut client) = pair(FLAGS);
            let (mut signature, mut message) = sealed(&mut client);
            spoil(&mut server, &mut signature, &mut message);
            assert!(server.unseal(&signature, &mut message).is_err(), "{what}");
            let (signature, mut message) = sealed(&mut client);
            assert_eq!(server.unseal(&signature, &mut message), Err(SessionError::Ended), "{what}");
        };
        check("version", &|_, signature, _| signature[0] = 2);
        check("checksum", &|_, signature, _| signature[4] ^= 1);
        check("number", &|_, signature, _| signature[12] ^= 1);
        check("message", &|_, _, message| message[6] ^= 0x80);
        check("cut", &|_, _, message| message.truncate(6));
        check("replayed", &|server, signature, message| {
            server.unseal(signature, &mut message.clone()).unwrap();
        });
    }

    #[test]
    fn numbers_are_not_used_twice_and_sealing_is_negotiated() {
        let (mut server, _) = pair(FLAGS);
        server.outgoing.next = Some(u32::MAX);
        assert!(server.seal(&mut [1]).is_ok());
        assert_eq!(server.seal(&mut [1]), Err(SessionError::Ended));
        for flags in [SIGN, SEAL, 0] {
            let (mut server, _) = pair(flags);
            assert!(!server.can_seal());
            assert_eq!(server.seal(&mut [1]), Err(SessionError::NotNegotiated));
            assert_eq!(server.unseal(&[0; 16], &mut [1]), Err(SessionError::NotNegotiated));
        }
    }

    #[test]
    fn the_list_of_mechanisms_takes_a_number_but_nothing_of_the_stream() {
        let (mut server, mut client) = pair(FLAGS);
        let mic = client.outgoing.sign(b"list").unwrap();
        let own = server.exchange_mics(b"list", &mic).unwrap();
        client.incoming.verify(&own, b"list").unwrap();
        for direction in [&mut client.incoming, &mut client.outgoing] {
            direction.stream = rc4(&direction.seal_key);
        }
        let mut message = b"message".to_vec();
        let signature = client.seal(&mut message).unwrap();
        assert_eq!(signature[12..], [1, 0, 0, 0]);
        server.unseal(&signature, &mut message).unwrap();
        assert_eq!(message, b"message");
        let (mut server, _) = pair(FLAGS);
        assert_eq!(server.exchange_mics(b"other", &mic), Err(SessionError::Forged));
    }
}
