//! A client of NTLM that can be told to do wrong. It shares no line with the server.

#![allow(dead_code, reason = "the tests of signin use it too, each its part")]

use std::sync::atomic::{AtomicU8, Ordering};

use hmac::{Hmac, Mac};
use md_5_11::{Digest, Md5};
use md4::Md4;
use rc4::{KeyInit, Rc4, StreamCipher};

/// What the keys of sessions differ in.
static NEXT_KEY: AtomicU8 = AtomicU8::new(1);

const UNICODE: u32 = 1;
const OEM: u32 = 2;
const SIGN: u32 = 0x10;
const SEAL: u32 = 0x20;
const KEY_EXCHANGE: u32 = 0x4000_0000;
/// Unicode, sign, seal, NTLM, extended session security, version, 128 bits, key exchange.
pub(crate) const FLAGS: u32 = 0x6208_8237;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Response {
    V2,
    /// 24 bytes.
    V1,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mic {
    Right,
    Wrong,
    /// Not there and not announced.
    Absent,
    /// Announced, but not there.
    Promised,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) user: String,
    pub(crate) domain: String,
    pub(crate) password: String,
    pub(crate) flags: u32,
    pub(crate) response: Response,
    pub(crate) mic: Mic,
    pub(crate) bindings: Option<[u8; 16]>,
    pub(crate) target: Option<String>,
    /// Instead of the proof.
    pub(crate) proof: Option<[u8; 16]>,
    /// What was sent first, which the code covers.
    pub(crate) negotiate: Vec<u8>,
}

/// What a client seals with.
pub(crate) struct Sealer {
    outgoing: Way,
    incoming: Way,
}

struct Way {
    sign: [u8; 16],
    seal: [u8; 16],
    stream: Rc4,
    next: u32,
}

impl Client {
    pub(crate) fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            domain: "PS1".to_owned(),
            password: password.to_owned(),
            flags: FLAGS,
            response: Response::V2,
            mic: Mic::Right,
            bindings: None,
            target: None,
            proof: None,
            negotiate: Vec::new(),
        }
    }

    pub(crate) fn negotiate(&mut self) -> Vec<u8> {
        let mut bytes = b"NTLMSSP\0".to_vec();
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&[10, 0, 0, 0, 0, 0, 0, 15]);
        self.negotiate.clone_from(&bytes);
        bytes
    }

    pub(crate) fn authenticate(&self, challenge: &[u8]) -> (Vec<u8>, Sealer) {
        let number = |at: usize| u32::from_le_bytes(challenge[at..at + 4].try_into().unwrap());
        let (length, place) = ((number(40) & 0xffff) as usize, number(44) as usize);
        let blob = self.blob(&challenge[place..place + length]);
        let upper = self.user.to_uppercase();
        let key = hmac(&Md4::digest(utf16(&self.password)), &[&utf16(&upper), &utf16(&self.domain)]);
        let proof = self.proof.unwrap_or_else(|| hmac(&key, &[&challenge[24..32], &blob]));
        let base = hmac(&key, &[&proof]);
        let (mut exported, mut sealed_key) = (base, Vec::new());
        if self.flags & KEY_EXCHANGE != 0 {
            // Another one for each session: what one sealed is nothing to another one.
            exported = [0x37; 16];
            exported[0] = NEXT_KEY.fetch_add(1, Ordering::Relaxed);
            let mut sealed = exported;
            Rc4::new_from_slice(&base).unwrap().apply_keystream(&mut sealed);
            sealed_key = sealed.to_vec();
        }
        let nt = match self.response {
            Response::V2 => [&proof[..], &blob].concat(),
            Response::V1 => vec![7; 24],
            Response::None => Vec::new(),
        };
        let mut message = self.message(&[&[0; 24], &nt], &sealed_key);
        if matches!(self.mic, Mic::Right | Mic::Wrong) {
            let mut mic = hmac(&exported, &[&self.negotiate, challenge, &message]);
            mic[15] ^= u8::from(self.mic == Mic::Wrong);
            message[72..88].copy_from_slice(&mic);
        }
        (message, Sealer::new(&exported))
    }

    fn message(&self, responses: &[&[u8]; 2], sealed_key: &[u8]) -> Vec<u8> {
        let text =
            |text: &str| if self.flags & UNICODE != 0 { utf16(text) } else { text.as_bytes().to_vec() };
        let (domain, user) = (text(&self.domain), text(&self.user));
        let workstation = text("CLIENT");
        let header = if matches!(self.mic, Mic::Absent | Mic::Promised) { 64 } else { 88 };
        let (mut fields, mut payload) = (Vec::new(), Vec::new());
        for value in [responses[0], responses[1], &domain, &user, &workstation, sealed_key] {
            let length = u16::try_from(value.len()).unwrap().to_le_bytes();
            let place = u32::try_from(header + payload.len()).unwrap().to_le_bytes();
            fields.extend_from_slice(&[&length[..], &length, &place].concat());
            payload.extend_from_slice(value);
        }
        let mut bytes = [b"NTLMSSP\0", &3u32.to_le_bytes()[..], &fields, &self.flags.to_le_bytes()].concat();
        bytes.resize(header, 0);
        bytes.extend(payload);
        bytes
    }

    /// NTLMv2_CLIENT_CHALLENGE with what the server said of itself.
    fn blob(&self, info: &[u8]) -> Vec<u8> {
        let mut blob = vec![1, 1, 0, 0, 0, 0, 0, 0];
        blob.extend_from_slice(&[3; 16]);
        blob.extend_from_slice(&[0; 4]);
        blob.extend_from_slice(&info[..info.len() - 4]);
        let mut pair = |id: u8, value: &[u8]| {
            blob.extend_from_slice(&[id, 0]);
            blob.extend_from_slice(&u16::try_from(value.len()).unwrap().to_le_bytes());
            blob.extend_from_slice(value);
        };
        if self.mic != Mic::Absent {
            pair(6, &[2, 0, 0, 0]);
        }
        if let Some(bindings) = &self.bindings {
            pair(10, bindings);
        }
        if let Some(target) = &self.target {
            pair(9, &utf16(target));
        }
        pair(0, &[]);
        blob.extend_from_slice(&[0; 4]);
        blob
    }
}

impl Sealer {
    fn new(key: &[u8; 16]) -> Self {
        Self { outgoing: Way::new(key, "client-to-server"), incoming: Way::new(key, "server-to-client") }
    }

    /// The signature, and the sealed message.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> ([u8; 16], Vec<u8>) {
        let mut message = plain.to_vec();
        self.outgoing.stream.apply_keystream(&mut message);
        (self.outgoing.sign(plain), message)
    }

    /// Panics if the message is not the next one of the server.
    pub(crate) fn unseal(&mut self, signature: &[u8], message: &[u8]) -> Vec<u8> {
        let mut plain = message.to_vec();
        self.incoming.stream.apply_keystream(&mut plain);
        assert_eq!(self.incoming.sign(&plain), signature);
        plain
    }

    /// The code over a list of mechanisms; both streams begin anew.
    pub(crate) fn mech_list_mic(&mut self, list: &[u8]) -> [u8; 16] {
        let mic = self.outgoing.sign(list);
        self.outgoing.stream = Rc4::new_from_slice(&self.outgoing.seal).unwrap();
        mic
    }

    pub(crate) fn check_mech_list_mic(&mut self, list: &[u8], mic: &[u8]) {
        assert_eq!(self.incoming.sign(list), mic);
        self.incoming.stream = Rc4::new_from_slice(&self.incoming.seal).unwrap();
    }
}

/// What a sealed body of WinRM ends with (MS-WSMV 2.2.9.1).
pub(crate) const END: &[u8] = b"--Encrypted Boundary--\r\n";
/// The media type of such a body.
pub(crate) const SEALED: &str = "multipart/encrypted;protocol=\"application/HTTP-SPNEGO-session-encrypted\";boundary=\"Encrypted Boundary\"";

/// Where the signature in a sealed body is; the message follows it.
pub(crate) fn signature(body: &[u8]) -> usize {
    let start = b"application/octet-stream\r\n\x10\0\0\0";
    body.windows(start.len()).position(|window| window == start).unwrap() + start.len()
}

impl Sealer {
    /// A body as a client of WinRM writes it.
    pub(crate) fn body(&mut self, plain: &[u8]) -> Vec<u8> {
        let (signature, message) = self.seal(plain);
        let mut body = format!(
            "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
             \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={}\r\n--Encrypted Boundary\r\n\
             \tContent-Type: application/octet-stream\r\n\u{10}\0\0\0",
            plain.len()
        )
        .into_bytes();
        body.extend_from_slice(&signature);
        body.extend_from_slice(&message);
        body.extend_from_slice(END);
        body
    }

    /// What is in an answer.
    pub(crate) fn open(&mut self, answer: &[u8]) -> Vec<u8> {
        let content = answer[signature(answer)..].strip_suffix(END).unwrap();
        self.unseal(&content[..16], &content[16..])
    }
}

impl Way {
    fn new(key: &[u8; 16], way: &str) -> Self {
        let derive = |purpose: &str| {
            let magic = format!("session key to {way} {purpose} key magic constant\0");
            Md5::digest([&key[..], magic.as_bytes()].concat()).into()
        };
        let (sign, seal): ([u8; 16], [u8; 16]) = (derive("signing"), derive("sealing"));
        Self { sign, seal, stream: Rc4::new_from_slice(&seal).unwrap(), next: 0 }
    }

    fn sign(&mut self, plain: &[u8]) -> [u8; 16] {
        let number = self.next.to_le_bytes();
        self.next += 1;
        let mut signature = [0; 16];
        signature[0] = 1;
        signature[4..12].copy_from_slice(&hmac(&self.sign, &[&number, plain])[..8]);
        self.stream.apply_keystream(&mut signature[4..12]);
        signature[12..].copy_from_slice(&number);
        signature
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The DER of an element shorter than 64 KiB.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut out = vec![tag];
    match length {
        0..0x80 => out.push(u8::try_from(length).unwrap()),
        0x80..0x100 => out.extend_from_slice(&[0x81, u8::try_from(length).unwrap()]),
        _ => out.extend_from_slice(&[&[0x82], &length.to_be_bytes()[..]].concat()),
    }
    out.extend_from_slice(content);
    out
}

pub(crate) const NTLM_OID: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
pub(crate) const KERBEROS_OID: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// The list of mechanisms.
pub(crate) fn mech_list(mechanisms: &[&[u8]]) -> Vec<u8> {
    der(0x30, &mechanisms.iter().flat_map(|oid| der(0x06, oid)).collect::<Vec<u8>>())
}

/// The client's first token of SPNEGO.
pub(crate) fn first_token(list: &[u8], token: Option<&[u8]>) -> Vec<u8> {
    let mut fields = der(0xa0, list);
    fields.extend(token.map(|token| der(0xa2, &der(0x04, token))).unwrap_or_default());
    let inner = der(0xa0, &der(0x30, &fields));
    der(0x60, &[der(0x06, b"\x2b\x06\x01\x05\x05\x02"), inner].concat())
}

/// Its later ones.
pub(crate) fn later_token(token: Option<&[u8]>, mic: Option<&[u8]>) -> Vec<u8> {
    let mut fields = token.map(|token| der(0xa2, &der(0x04, token))).unwrap_or_default();
    fields.extend(mic.map(|mic| der(0xa3, &der(0x04, mic))).unwrap_or_default());
    der(0xa1, &der(0x30, &fields))
}

/// The NTLM message in an answer, found by how it begins; it is the last field.
pub(crate) fn find_message(answer: &[u8]) -> Option<&[u8]> {
    let at = answer.windows(8).position(|window| window == b"NTLMSSP\0")?;
    Some(&answer[at..])
}

pub(crate) fn inner_message(answer: &[u8]) -> &[u8] {
    find_message(answer).expect("an answer with a challenge")
}
