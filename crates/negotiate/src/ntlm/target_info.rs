//! AV_PAIRs (MS-NLMP 2.2.2.1): what the server says of itself, and what the client adds.

use crate::error::NegotiateError;
use crate::ntlm::fields::{to_utf16, utf16};

const END: u16 = 0;
pub(crate) const NETBIOS_COMPUTER: u16 = 1;
pub(crate) const NETBIOS_DOMAIN: u16 = 2;
pub(crate) const DNS_COMPUTER: u16 = 3;
pub(crate) const DNS_DOMAIN: u16 = 4;
const FLAGS: u16 = 6;
pub(crate) const TIMESTAMP: u16 = 7;
const TARGET_NAME: u16 = 9;
const CHANNEL_BINDINGS: u16 = 10;

/// The bit of MsvAvFlags that says: the message carries an integrity code.
const HAS_MIC: u32 = 2;

/// What a client added to the target info in its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) has_mic: bool,
    /// The service principal name of the server that the client means.
    pub(crate) target: Option<String>,
    pub(crate) channel_bindings: Option<[u8; 16]>,
}

const MALFORMED: NegotiateError = NegotiateError::Malformed("its target info is not well formed");

/// Reads pairs up to the one that ends them.
pub(crate) fn read(mut bytes: &[u8]) -> Result<Added, NegotiateError> {
    let (mut flags, mut added) = (None, Added::default());
    loop {
        let [id0, id1, length0, length1, rest @ ..] = bytes else { return Err(MALFORMED) };
        let id = u16::from_le_bytes([*id0, *id1]);
        let length = usize::from(u16::from_le_bytes([*length0, *length1]));
        let value = rest.get(..length).ok_or(MALFORMED)?;
        bytes = &rest[length..];
        match id {
            END if length == 0 => break,
            END => return Err(MALFORMED),
            FLAGS => set(&mut flags, value.try_into().ok().map(u32::from_le_bytes))?,
            TARGET_NAME => set(&mut added.target, utf16(value))?,
            CHANNEL_BINDINGS => set(&mut added.channel_bindings, value.try_into().ok())?,
            _ => {}
        }
    }
    added.has_mic = flags.is_some_and(|flags| flags & HAS_MIC != 0);
    Ok(added)
}

/// A pair that stands there twice would be read one way here and another way elsewhere.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> Result<(), NegotiateError> {
    match (value, place.is_some()) {
        (Some(value), false) => {
            *place = Some(value);
            Ok(())
        }
        _ => Err(MALFORMED),
    }
}

/// Writes pairs of names, the time stamp (100 ns since 1601), and the pair that ends them.
pub(crate) fn write(names: &[(u16, &str)], file_time: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut pair = |id: u16, value: &[u8]| {
        let length = u16::try_from(value.len()).expect("names are cut to some hundred characters");
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(value);
    };
    for (id, name) in names {
        pair(*id, &to_utf16(name));
    }
    pair(TIMESTAMP, &file_time.to_le_bytes());
    pair(END, &[]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_adds_is_read_once_or_refused() {
        let ours = write(&[(NETBIOS_DOMAIN, "PS1"), (DNS_COMPUTER, "site.example.test")], 7);
        let check = |added: &str, expect: Option<Added>| {
            let mut bytes = ours[..ours.len() - 4].to_vec();
            bytes.extend_from_slice(&hex::decode(added).unwrap());
            assert_eq!(read(&bytes).ok(), expect, "{added}");
        };
        let none = Added::default;
        check("00000000", Some(none()));
        check("0000000099", Some(none()));
        check("0600040002000000", None);
        check("060004000200000000000000", Some(Added { has_mic: true, ..none() }));
        check("060004000100000000000000", Some(none()));
        check("0600020002000000000000", None);
        check("0600040002000000060004000200000000000000", None);
        check("00000100ff", None);
        check("ffff", None);
        check("0900040061006200", None);
        check("090004006100620000000000", Some(Added { target: Some("ab".to_owned()), ..none() }));
        check("0900030061006200000000", None);
        let bindings = format!("0a001000{}00000000", "05".repeat(16));
        check(&bindings, Some(Added { channel_bindings: Some([5; 16]), ..none() }));
        check("0a0002000505000000000000", None);
    }
}
