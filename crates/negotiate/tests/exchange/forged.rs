//! What no client may get away with.

use negotiate::{Acceptor, BindingRule, ChannelBinding, Config, NegotiateError, NtHash, TOKEN_BYTES_MAX};

use crate::client::{
    Client, FLAGS, KERBEROS_OID, Mic, NTLM_OID, Response, first_token, inner_message, later_token, mech_list,
};
use crate::{config, go_on, identify, raw};

const PASSWORD: &str = "correct horse bättery";

fn client() -> Client {
    Client::new("jörg", PASSWORD)
}

#[test]
fn the_right_password_is_accepted_and_messages_go_both_ways() {
    for flags in [FLAGS, FLAGS & !0x4000_0000, FLAGS & !0x0200_0000] {
        let mut client = Client { flags, target: Some("HTTP/site".to_owned()), ..client() };
        let (claim, mut accepted, mut sealer) = raw(&mut client, config(), PASSWORD).unwrap();
        assert_eq!((claim.user.as_str(), claim.domain.as_str()), ("jörg", "PS1"));
        assert_eq!((claim.workstation.as_str(), claim.target.as_deref()), ("CLIENT", Some("HTTP/site")));
        assert!(accepted.token.is_none() && accepted.session.can_seal());
        if flags & 0x4000_0000 == 0 {
            continue;
        }
        for number in 0..3u8 {
            let (signature, mut message) = sealer.seal(b"question");
            assert_eq!(signature[12], number);
            accepted.session.unseal(&signature, &mut message).unwrap();
            assert_eq!(message, b"question");
            let mut answer = b"answer".to_vec();
            let signature = accepted.session.seal(&mut answer).unwrap();
            assert_eq!(sealer.unseal(&signature, &answer), b"answer");
        }
    }
}

#[test]
fn what_is_weak_anonymous_or_unproved_is_refused() {
    let check = |what: &str, client: Client, expect: NegotiateError| {
        let mut client = client;
        let result = raw(&mut client, config(), PASSWORD).map(drop);
        assert_eq!(result, Err(expect), "{what}");
    };
    let password = |password: &str| Client { password: password.to_owned(), ..client() };
    check("wrong password", password("wrong"), NegotiateError::WrongProof);
    check("no password", password(""), NegotiateError::WrongProof);
    check("another MIC", Client { mic: Mic::Wrong, ..client() }, NegotiateError::WrongMic);
    check("no MIC", Client { mic: Mic::Absent, ..client() }, NegotiateError::NoMic);
    let promised = Client { mic: Mic::Promised, ..client() };
    check("a MIC that is not there", promised, NegotiateError::Malformed("a field lies outside of it"));
    check("NTLMv1", Client { response: Response::V1, ..client() }, NegotiateError::OldResponse);
    check("LM only", Client { response: Response::None, ..client() }, NegotiateError::OldResponse);
    check("no name", Client { user: String::new(), ..client() }, NegotiateError::Anonymous);
    check("anonymous", Client { flags: FLAGS | 0x800, ..client() }, NegotiateError::Anonymous);
    check("56 bits", Client { flags: FLAGS & !0x2000_0000, ..client() }, NegotiateError::Weak);
    check("old sessions", Client { flags: FLAGS & !0x8_0000, ..client() }, NegotiateError::Weak);
    // The message that another acceptor is known to take: a garbage proof, no code, no key exchange.
    let forged = Client {
        proof: Some([0x5a; 16]),
        mic: Mic::Absent,
        flags: FLAGS & !0x4000_0000,
        password: "unknown".to_owned(),
        ..client()
    };
    check("forged", forged.clone(), NegotiateError::NoMic);
    check("forged with a MIC", Client { mic: Mic::Right, ..forged }, NegotiateError::WrongProof);
}

#[test]
fn flags_that_are_taken_back_later_do_not_weaken_what_was_agreed() {
    let mut client = client();
    let mut acceptor = Acceptor::new(config());
    let challenge = go_on(&mut acceptor, &client.negotiate()).unwrap();
    let (mut message, _) = client.authenticate(&challenge);
    message[62] &= !0x08; // extended session security
    assert_eq!(identify(&mut acceptor, &message), Err(NegotiateError::Weak));
    // What was not granted is not taken either: the code fails, which is over all three messages.
    let mut acceptor = Acceptor::new(config());
    client.flags &= !0x20;
    let challenge = go_on(&mut acceptor, &client.negotiate()).unwrap();
    client.flags |= 0x20;
    let (message, _) = client.authenticate(&challenge);
    identify(&mut acceptor, &message).unwrap();
    let accepted = acceptor.verify(&NtHash::of_password(PASSWORD)).unwrap();
    assert!(!accepted.session.can_seal());
}

#[test]
fn names_without_unicode_are_ascii() {
    let ascii = Client { user: "joerg".to_owned(), flags: FLAGS & !1 | 2, ..client() };
    assert_eq!(raw(&mut ascii.clone(), config(), PASSWORD).unwrap().0.user, "joerg");
    let mut other = Client { user: "jörg".to_owned(), ..ascii };
    let refused = NegotiateError::Malformed("a name in an OEM code page is not in ASCII");
    assert_eq!(raw(&mut other, config(), PASSWORD).map(drop), Err(refused));
}

#[test]
fn an_answer_is_bound_to_its_channel() {
    let (own, other) = (b"certificate".as_slice(), b"another".as_slice());
    // MD5 of the bindings, as the client computes them: empty addresses and the hash under its name.
    let bindings = |certificate: &[u8]| {
        use md_5_11::{Digest, Md5};
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let data = [b"tls-server-end-point:", hash.as_ref()].concat();
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let bindings: [u8; 16] = Md5::digest([&[0; 16], &length[..], &data].concat()).into();
        Some(bindings)
    };
    let channel = Some(ChannelBinding::tls_server_end_point(own));
    let check = |bindings: Option<[u8; 16]>, rule: BindingRule, expect: Result<(), NegotiateError>| {
        let config = Config { channel, binding_rule: rule, ..config() };
        let mut client = Client { bindings, ..client() };
        assert_eq!(raw(&mut client, config, PASSWORD).map(drop), expect, "{bindings:?} {rule:?}");
    };
    use BindingRule::{Require, WhenSent};
    check(bindings(own), Require, Ok(()));
    check(bindings(own), WhenSent, Ok(()));
    check(bindings(other), Require, Err(NegotiateError::WrongChannelBinding));
    check(bindings(other), WhenSent, Err(NegotiateError::WrongChannelBinding));
    check(None, Require, Err(NegotiateError::NoChannelBinding));
    check(None, WhenSent, Ok(()));
    check(Some([0; 16]), Require, Err(NegotiateError::NoChannelBinding));
    check(Some([0; 16]), WhenSent, Ok(()));
}

#[test]
fn spnego_is_answered_in_kind_and_protects_its_list() {
    for (mechanisms, sends_mic, expect) in [
        (&[NTLM_OID, KERBEROS_OID][..], true, Ok(())),
        (&[NTLM_OID], true, Ok(())),
        // Somebody in between may have made the list and cut the code out.
        (&[NTLM_OID], false, Err(NegotiateError::NoMechListMic)),
        (&[NTLM_OID, KERBEROS_OID], false, Err(NegotiateError::NoMechListMic)),
        (&[KERBEROS_OID, NTLM_OID], true, Ok(())),
        (&[KERBEROS_OID, NTLM_OID], false, Err(NegotiateError::NoMechListMic)),
    ] {
        let (mut client, list) = (client(), mech_list(mechanisms));
        let mut acceptor = Acceptor::new(config());
        let negotiate = client.negotiate();
        let is_preferred = mechanisms[0] == NTLM_OID;
        let optimistic = if is_preferred { &negotiate[..] } else { b"a ticket" };
        let mut answer = go_on(&mut acceptor, &first_token(&list, Some(optimistic))).unwrap();
        if !is_preferred {
            assert!(answer.windows(3).any(|window| window == [0x0a, 1, 3]), "request-mic");
            answer = go_on(&mut acceptor, &later_token(Some(&negotiate), None)).unwrap();
        }
        assert_eq!(answer[0], 0xa1);
        let (message, mut sealer) = client.authenticate(inner_message(&answer));
        let mic = sends_mic.then(|| sealer.mech_list_mic(&list));
        identify(&mut acceptor, &later_token(Some(&message), mic.as_ref().map(|mic| &mic[..]))).unwrap();
        let accepted = acceptor.verify(&NtHash::of_password(PASSWORD));
        let accepted = match (accepted, expect) {
            (Ok(accepted), Ok(())) => accepted,
            (result, expect) => {
                assert_eq!(result.map(drop), expect);
                continue;
            }
        };
        let (token, mut session) = (accepted.token.unwrap(), accepted.session);
        sealer.check_mech_list_mic(&list, &token[token.len() - 16..]);
        let (signature, mut message) = sealer.seal(b"question");
        session.unseal(&signature, &mut message).unwrap();
        let signature = session.seal(&mut message).unwrap();
        assert_eq!(signature[12], 1, "the code took a number");
        assert_eq!(sealer.unseal(&signature, &message), b"question");
    }
}

#[test]
fn a_changed_list_of_mechanisms_is_found() {
    let (mut client, list) = (client(), mech_list(&[NTLM_OID]));
    let mut acceptor = Acceptor::new(config());
    let answer = go_on(&mut acceptor, &first_token(&list, Some(&client.negotiate()))).unwrap();
    let (message, mut sealer) = client.authenticate(inner_message(&answer));
    // The client had offered Kerberos first, and somebody took it away.
    let mic = sealer.mech_list_mic(&mech_list(&[KERBEROS_OID, NTLM_OID]));
    identify(&mut acceptor, &later_token(Some(&message), Some(&mic))).unwrap();
    let refused = acceptor.verify(&NtHash::of_password(PASSWORD));
    assert_eq!(refused.map(drop), Err(NegotiateError::WrongMic));
}

#[test]
fn tokens_belong_to_one_exchange_and_come_once() {
    let mut client = client();
    let (mut first, mut second) = (Acceptor::new(config()), Acceptor::new(config()));
    let challenge = go_on(&mut first, &client.negotiate()).unwrap();
    go_on(&mut second, &client.negotiate()).unwrap();
    let (message, _) = client.authenticate(&challenge);
    // Replayed on another connection it answers another challenge.
    identify(&mut second, &message).unwrap();
    let hash = NtHash::of_password(PASSWORD);
    assert_eq!(second.verify(&hash).map(drop), Err(NegotiateError::WrongProof));
    identify(&mut first, &message).unwrap();
    first.verify(&hash).unwrap();
    // And nothing comes after the end, or out of order.
    assert_eq!(first.verify(&hash).map(drop), Err(NegotiateError::OutOfTurn));
    assert_eq!(identify(&mut first, &message), Err(NegotiateError::OutOfTurn));
    assert_eq!(identify(&mut Acceptor::new(config()), &message), Err(NegotiateError::OutOfTurn));
    let mut acceptor = Acceptor::new(config());
    go_on(&mut acceptor, &client.negotiate()).unwrap();
    assert_eq!(identify(&mut acceptor, &client.negotiate()), Err(NegotiateError::OutOfTurn));
    assert_eq!(Acceptor::new(config()).verify(&hash).map(drop), Err(NegotiateError::OutOfTurn));
}

#[test]
fn tokens_have_a_limit_and_mechanisms_that_are_not_ours_are_refused() {
    let check = |token: &[u8], expect: NegotiateError| {
        assert_eq!(go_on(&mut Acceptor::new(config()), token), Err(expect));
    };
    check(&vec![0x60; TOKEN_BYTES_MAX + 1], NegotiateError::TooLong);
    check(b"", NegotiateError::Malformed("it is neither NTLM nor SPNEGO"));
    check(&first_token(&mech_list(&[KERBEROS_OID]), Some(b"ticket")), NegotiateError::NoCommonMechanism);
    check(&later_token(None, None), NegotiateError::OutOfTurn);
}
