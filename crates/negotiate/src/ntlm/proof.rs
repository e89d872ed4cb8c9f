//! Whether a claim is true, and the key that both sides then have (MS-NLMP 3.2.5.1.2, 3.3.2).

use crate::crypto::{Key, hmac_md5, rc4_once, same};
use crate::error::NegotiateError;
use crate::hash::NtHash;
use crate::ntlm::authenticate::Authenticate;
use crate::ntlm::challenge::Challenge;
use crate::ntlm::fields::to_utf16;

/// The exported session key, if the proof is of who has this hash and nobody changed a message.
pub(crate) fn verify(
    offer: &[u8],
    challenge: &Challenge,
    claim: &Authenticate,
    hash: &NtHash,
) -> Result<Key, NegotiateError> {
    let key = ntowf_v2(hash, &claim.user, &claim.domain);
    let proof = hmac_md5(&key[..], &[&challenge.nonce, &claim.client_challenge]);
    let base = hmac_md5(&key[..], &[&proof[..]]);
    // With NTLMv2 the key exchange key is the session base key.
    let exported = match &claim.session_key {
        Some(sealed) => rc4_once(&base, sealed),
        None => base,
    };
    let [before, zero, after] = claim.without_mic();
    let mic = hmac_md5(&exported[..], &[offer, &challenge.bytes, before, zero, after]);
    // Both are computed before either is looked at, and the proof alone says whose password it was.
    let (is_proved, is_whole) = (same(&proof[..], &claim.proof), same(&mic[..], claim.mic()));
    match (is_proved, is_whole) {
        (true, true) => Ok(exported),
        (true, false) => Err(NegotiateError::WrongMic),
        (false, _) => Err(NegotiateError::WrongProof),
    }
}

fn ntowf_v2(hash: &NtHash, user: &str, domain: &str) -> Key {
    let name: String = user.chars().map(upper).collect();
    hmac_md5(hash.expose(), &[&to_utf16(&name), &to_utf16(domain)])
}

/// Upper case as Windows has it: one UTF-16 unit for one, or the letter stays (`ß`).
fn upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) if one.len_utf16() == 1 && letter.len_utf16() == 1 => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_specification() {
        // MS-NLMP 4.2.4.1 and 4.2.4.2.
        let hash = NtHash::of_password("Password");
        let key = ntowf_v2(&hash, "User", "Domain");
        assert_eq!(hex::encode(&key[..]), "0c868a403bfd7a93a3001ef22ef02e3f");
        let nonce = hex::decode("0123456789abcdef").unwrap();
        let client_challenge = hex::decode(concat!(
            "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000",
            "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000",
        ));
        let proof = hmac_md5(&key[..], &[&nonce, &client_challenge.unwrap()]);
        assert_eq!(hex::encode(&proof[..]), "68cd0ab851e51c96aabc927bebef6a1c");
        let base = hmac_md5(&key[..], &[&proof[..]]);
        assert_eq!(hex::encode(&base[..]), "8de40ccadbc14a82f15cb0ad0de95ca3");
        let sealed = rc4_once(&base, &[0x55; 16]);
        assert_eq!(hex::encode(&sealed[..]), "c5dad2544fc9799094ce1ce90bc9d03e");
    }

    #[test]
    fn names_go_to_upper_case_letter_by_letter() {
        let check = |user: &str, same_as: &str| {
            let hash = NtHash::of_password("Password");
            assert_eq!(ntowf_v2(&hash, user, "d"), ntowf_v2(&hash, same_as, "d"), "{user}");
        };
        check("jörg", "JÖRG");
        check("straße", "STRAßE");
        check("ﬁsh", "ﬁSH");
        check("𐐨", "𐐨");
        let hash = NtHash::of_password("Password");
        assert_ne!(ntowf_v2(&hash, "a", "d"), ntowf_v2(&hash, "a", "D"), "a domain is taken as it stands");
    }
}
