//! CHALLENGE, the second message: who the server is, and what the client must answer to (MS-NLMP 2.2.1.2).

use crate::ntlm::SIGNATURE;
use crate::ntlm::fields::to_utf16;
use crate::ntlm::flags::{UNICODE, VERSION};
use crate::ntlm::target_info::{self, DNS_COMPUTER, DNS_DOMAIN, NETBIOS_COMPUTER, NETBIOS_DOMAIN};

/// The longest name that is told, in characters; a DNS name is shorter.
const NAME_CHARS_MAX: usize = 255;
const HEADER_BYTES: usize = 56;
/// Windows 10 without a build, NTLM revision 15: a client that is told no version may leave out its own, and its
/// integrity code then stands elsewhere.
const VERSION_TOLD: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];

/// What the server calls itself. Clients show these names and bind some of them into their answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// NetBIOS name of the domain; of a server without a domain, its own.
    pub netbios_domain: String,
    /// NetBIOS name of the server.
    pub netbios_computer: String,
    /// DNS name of the domain; may be empty.
    pub dns_domain: String,
    /// Fully qualified DNS name of the server.
    pub dns_computer: String,
}

/// A challenge: its flags, its random number, and its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    pub(crate) flags: u32,
    pub(crate) nonce: [u8; 8],
    pub(crate) bytes: Vec<u8>,
}

impl Challenge {
    /// `file_time` is now, in 100 ns since 1601.
    pub(crate) fn new(flags: u32, nonce: [u8; 8], names: &Names, file_time: u64) -> Self {
        let cut = |name: &str| name.chars().take(NAME_CHARS_MAX).collect::<String>();
        let told = [
            (NETBIOS_DOMAIN, cut(&names.netbios_domain)),
            (NETBIOS_COMPUTER, cut(&names.netbios_computer)),
            (DNS_DOMAIN, cut(&names.dns_domain)),
            (DNS_COMPUTER, cut(&names.dns_computer)),
        ];
        let pairs: Vec<(u16, &str)> =
            told.iter().filter(|(_, name)| !name.is_empty()).map(|(id, name)| (*id, name.as_str())).collect();
        let target = if flags & UNICODE != 0 {
            to_utf16(&told[1].1)
        } else {
            told[1].1.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect()
        };
        let info = target_info::write(&pairs, file_time);
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&2u32.to_le_bytes());
        let info_at = field(&mut bytes, &target, HEADER_BYTES);
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&[0; 8]);
        field(&mut bytes, &info, info_at);
        bytes.extend_from_slice(if flags & VERSION == 0 { &[0; 8] } else { &VERSION_TOLD });
        bytes.extend_from_slice(&target);
        bytes.extend_from_slice(&info);
        Self { flags, nonce, bytes }
    }
}

/// Writes where a value stands; where the next one does is returned.
fn field(bytes: &mut Vec<u8>, value: &[u8], place: usize) -> usize {
    let length = u16::try_from(value.len()).expect("names are cut");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(place).expect("a challenge is short").to_le_bytes());
    place + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ntlm::fields::{Message, text};
    use crate::ntlm::flags::OEM;

    #[test]
    fn a_challenge_tells_names_time_and_nonce() {
        let names = Names {
            netbios_domain: "PS1".to_owned(),
            netbios_computer: "SITÉ".to_owned(),
            dns_domain: String::new(),
            dns_computer: "sité.example.test".to_owned(),
        };
        for (flags, target) in [(UNICODE | VERSION, "SITÉ"), (OEM, "SIT?")] {
            let challenge = Challenge::new(flags, [9; 8], &names, 0x0102_0304);
            let message = Message::read(&challenge.bytes, 2).unwrap();
            assert_eq!(message.number(20), Ok(flags));
            assert_eq!(challenge.bytes[24..32], [9; 8]);
            let told = message.field(12, HEADER_BYTES).unwrap();
            assert_eq!(text(told, flags).as_deref(), Ok(target));
            let info = message.field(40, HEADER_BYTES).unwrap();
            // PS1, SITÉ, the DNS name (no empty domain), the time, the end.
            assert_eq!(info.len(), (4 + 6) + (4 + 8) + (4 + 34) + (4 + 8) + 4);
            assert!(info.ends_with(&[7, 0, 8, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
            assert_eq!(challenge.bytes[48] != 0, flags & VERSION != 0);
        }
    }

    #[test]
    fn long_names_are_cut() {
        let long = "ä".repeat(100_000);
        let names = Names {
            netbios_domain: long.clone(),
            netbios_computer: long.clone(),
            dns_domain: long.clone(),
            dns_computer: long,
        };
        assert!(Challenge::new(UNICODE, [0; 8], &names, 0).bytes.len() < 4096);
    }
}
