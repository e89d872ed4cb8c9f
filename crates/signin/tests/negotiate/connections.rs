//! Whose a connection is, and until when.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use signin::{BindingRule, SignInError};
use site::{Actor, Role, UserChange};

use crate::client::{Client, Mic, NTLM_OID, first_token, inner_message, later_token, mech_list};
use crate::{ELSEWHERE, HERE, PASSWORD, SEALED, Wire, add, outcome, stage};

fn client() -> Client {
    Client::new("winrm", PASSWORD)
}

#[tokio::test]
async fn a_negotiated_connection_is_the_users_and_no_other_one() {
    let stage = stage().await;
    let (wire, other) = (Wire::tls(&stage.sign_in), Wire::tls(&stage.sign_in));
    assert_eq!(outcome(wire.ask(&[]).await), "unauthenticated");
    let (signed_in, _) = wire.sign_in(&mut client()).await.unwrap();
    assert!(signed_in.reply.is_none() && signed_in.sealing.is_none());
    assert_eq!((signed_in.actor.name.as_str(), signed_in.actor.role), ("winrm", Role::Operator));
    // The same in everything but the id of the call.
    let mut again = wire.ask(&[]).await.unwrap().actor;
    again.call.clone_from(&signed_in.actor.call);
    assert_eq!(again, signed_in.actor);
    assert_eq!(outcome(other.ask(&[]).await), "unauthenticated");
    // The last message on another connection answers nobody's challenge there.
    let mut client = client();
    let challenge = wire.challenge(&client.negotiate()).await.unwrap();
    other.challenge(&client.negotiate()).await.unwrap();
    let (message, _) = client.authenticate(&challenge);
    assert_eq!(outcome(other.token(&message, &[]).await), "failed");
    assert_eq!(outcome(wire.ask(&[]).await), "unauthenticated", "a new negotiation ends what was");
    assert_eq!(outcome(wire.token(&message, &[]).await), "signed in");
}

#[tokio::test]
async fn spnego_is_answered_with_a_last_word() {
    let stage = stage().await;
    let (wire, mut client, list) = (Wire::tls(&stage.sign_in), client(), mech_list(&[NTLM_OID]));
    let answer = wire.challenge(&first_token(&list, Some(&client.negotiate()))).await.unwrap();
    let (message, mut sealer) = client.authenticate(inner_message(&answer));
    let mic = sealer.mech_list_mic(&list);
    let signed_in = wire.token(&later_token(Some(&message), Some(&mic)), &[]).await.unwrap();
    let reply = signed_in.reply.unwrap();
    assert!(reply.to_str().unwrap().starts_with("Negotiate oR"), "{reply:?}");
    assert_eq!(wire.ask(&[]).await.unwrap().actor.name, "winrm");
}

#[tokio::test]
async fn a_connection_ends_with_what_it_was_proved_by() {
    let stage = stage().await;
    let change = UserChange::default;
    let changes = [
        UserChange { password: Some("another horse".to_owned()), ..change() },
        UserChange { role: Some(Role::Reader), ..change() },
        UserChange { disabled: Some(true), ..change() },
        UserChange { allow_ntlm: Some(false), ..change() },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let name = format!("user{number}");
        add(&stage, &name).await;
        let wire = Wire::tls(&stage.sign_in);
        wire.sign_in(&mut Client::new(&name, PASSWORD)).await.unwrap();
        assert_eq!(outcome(wire.ask(&[]).await), "signed in");
        stage.site.change_user(&Actor::local(), &name, change).await.unwrap();
        assert_eq!(outcome(wire.ask(&[]).await), "invalid_credentials", "{number}");
        assert_eq!(outcome(wire.ask(&[]).await), "unauthenticated", "{number}");
    }
    let wire = Wire::tls(&stage.sign_in);
    wire.sign_in(&mut client()).await.unwrap();
    stage.site.delete_user(&Actor::local(), "winrm").await.unwrap();
    assert_eq!(outcome(wire.ask(&[]).await), "invalid_credentials");
}

#[tokio::test]
async fn a_failed_negotiation_ends_the_connection_and_says_nothing_of_why() {
    let stage = stage().await;
    let mut told = Vec::new();
    for mut wrong in [
        Client::new("winrm", "wrong"),
        Client::new("nobody", PASSWORD),
        // Has the password, but is not allowed NTLM.
        Client::new("operator", stage::PASSWORD),
        Client { mic: Mic::Wrong, ..client() },
        Client { mic: Mic::Absent, ..client() },
    ] {
        let wire = Wire::tls(&stage.sign_in);
        let refused = wire.sign_in(&mut wrong).await.map(drop).unwrap_err();
        assert!(refused.ends_connection() && refused.challenges().len() == 3, "{refused:?}");
        told.push((refused.to_string(), refused.code(), refused.status()));
        assert_eq!(outcome(wire.challenge(&client().negotiate()).await), "ended");
        assert_eq!(outcome(wire.ask(&[]).await), "unauthenticated");
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let wire = Wire::tls(&stage.sign_in);
    assert_eq!(outcome(wire.token(b"neither", &[]).await), "failed");
    assert_eq!(outcome(wire.ask(&[("authorization", "Negotiate !")]).await), "unauthenticated");
    assert_eq!(outcome(wire.ask(&[("authorization", "NTLM TlRMTVNTUAAB")]).await), "unauthenticated");
}

#[tokio::test]
async fn wrong_answers_close_the_name_as_wrong_passwords_do() {
    let stage = stage().await;
    for _ in 0..5 {
        let wire = Wire::tls(&stage.sign_in);
        assert_eq!(outcome(wire.sign_in(&mut Client::new("winrm", "wrong")).await), "failed");
    }
    assert_eq!(outcome(Wire::tls(&stage.sign_in).sign_in(&mut client()).await), "too_many_failures");
}

/// Windows clients write a domain before the name or behind it; by Basic and by NTLM both mean the same user, and all
/// spellings are one name to guess at.
#[tokio::test]
async fn a_domain_behind_the_name_is_none_of_it() {
    let stage = stage().await;
    add(&stage, "ann@example.test").await;
    let basic =
        |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    for (written, expect) in [
        ("winrm@example.test", Some("winrm")),
        ("WINRM@PS1", Some("winrm")),
        ("ann@example.test", Some("ann@example.test")),
        ("ann@example.test@PS1", Some("ann@example.test")),
        ("ann@other.test", None),
        ("@example.test", None),
        ("winrm@a@b", None),
    ] {
        let mut client = Client { domain: String::new(), ..Client::new(written, PASSWORD) };
        let ntlm = Wire::tls(&stage.sign_in).sign_in(&mut client).await.map(|(signed_in, _)| signed_in);
        let basic = Wire::tls(&stage.sign_in).ask(&[("authorization", &basic(written, PASSWORD))]).await;
        for (way, result) in [("ntlm", ntlm), ("basic", basic)] {
            assert_eq!(
                result.ok().map(|signed_in| signed_in.actor.name).as_deref(),
                expect,
                "{way} {written}"
            );
        }
    }
    for number in 0..5 {
        let wrong = basic(&format!("winrm@guess{number}"), "wrong");
        Wire::tls(&stage.sign_in).ask(&[("authorization", &wrong)]).await.map(drop).unwrap_err();
    }
    let closed = Wire::tls(&stage.sign_in).sign_in(&mut client()).await.map(drop);
    assert_eq!(outcome(closed), "too_many_failures");
}

#[tokio::test]
async fn a_connection_begins_so_many_negotiations_and_has_one_at_a_time() {
    let stage = stage().await;
    let wire = Wire::tls(&stage.sign_in);
    let mut client = client();
    let first = wire.challenge(&client.negotiate()).await.unwrap();
    for _ in 1..8 {
        wire.challenge(&client.negotiate()).await.unwrap();
    }
    let (message, _) = client.authenticate(&first);
    assert_eq!(outcome(wire.challenge(&client.negotiate()).await), "ended");
    assert_eq!(outcome(wire.token(&message, &[]).await), "ended");
}

#[tokio::test]
async fn connections_that_many_share_are_not_proved() {
    let stage = stage().await;
    let mut client = client();
    let mut h2 = Wire::tls(&stage.sign_in);
    h2.connection = None;
    let refused = h2.challenge(&client.negotiate()).await.unwrap_err();
    assert!(matches!(refused, SignInError::SharedConnection) && refused.challenges().len() == 2);
    assert_eq!(outcome(h2.ask(&[]).await), "shared");
    for header in ["via", "forwarded", "x-forwarded-for", "x-real-ip"] {
        let wire = Wire::tls(&stage.sign_in);
        wire.sign_in(&mut client).await.unwrap();
        assert_eq!(outcome(wire.ask(&[]).await), "signed in");
        assert_eq!(outcome(wire.ask(&[(header, "192.0.2.9")]).await), "shared", "{header}");
        assert_eq!(outcome(wire.ask(&[]).await), "unauthenticated", "{header}");
        assert_eq!(outcome(wire.challenge(&client.negotiate()).await), "ended", "{header}");
    }
}

#[tokio::test]
async fn on_this_machine_too_a_connection_is_tied_to_its_client() {
    let stage = stage().await;
    let mut client = client();
    let wire = Wire::new(&stage.sign_in, HERE, None);
    for refused in [wire.challenge(&client.negotiate()).await.map(drop), wire.ask(&[]).await.map(drop)] {
        assert!(matches!(&refused, Err(shared) if shared.challenges().len() == 2), "{refused:?}");
        assert_eq!(outcome(refused), "shared");
    }
    let sign_in = stage.sign_in.clone().with_sealing();
    let wire = Wire::new(&sign_in, HERE, None);
    wire.sign_in(&mut client).await.unwrap();
    assert_eq!(outcome(wire.ask(&[]).await), "open", "bare");
    assert_eq!(outcome(wire.ask(&[("content-type", "application/soap+xml")]).await), "open");
    assert_eq!(outcome(wire.ask(&[("content-type", SEALED)]).await), "signed in");
    // TLS of which nothing is known binds nothing.
    let mut wire = Wire::tls(&sign_in);
    wire.peer.server_certificate = None;
    assert_eq!(outcome(wire.challenge(&client.negotiate()).await), "shared");
}

#[tokio::test]
async fn over_tls_the_answer_is_bound_to_the_certificate() {
    let stage = stage().await;
    let certificate = b"certificate";
    let binding = {
        use md_5_11::{Digest, Md5};
        // SHA-256 of the word, as `tls-server-end-point` has it for a certificate that says no hash.
        let data = [
            &b"tls-server-end-point:"[..],
            &[
                0x03, 0xd6, 0x6d, 0xd0, 0x88, 0x35, 0xc1, 0xca, 0x3f, 0x12, 0x8c, 0xce, 0xac, 0xd1, 0xf3,
                0x1a, 0xc9, 0x41, 0x63, 0x09, 0x6b, 0x20, 0xf4, 0x45, 0xae, 0x84, 0x28, 0x5b, 0xc0, 0x83,
                0x2d, 0x72,
            ],
        ]
        .concat();
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let bytes: [u8; 16] = Md5::digest([&[0; 16], &length[..], &data].concat()).into();
        bytes
    };
    let relaxed = stage.sign_in.clone().with_binding_rule(BindingRule::WhenSent);
    for (bindings, strict, lenient) in [
        (Some(binding), "signed in", "signed in"),
        (Some([1; 16]), "failed", "failed"),
        (Some([0; 16]), "failed", "signed in"),
        (None, "failed", "signed in"),
    ] {
        for (sign_in, expect) in [(&stage.sign_in, strict), (&relaxed, lenient)] {
            let wire = Wire::new(sign_in, ELSEWHERE, Some(certificate));
            let result = wire.sign_in(&mut Client { bindings, ..client() }).await;
            assert_eq!(outcome(result), expect, "{bindings:?}");
        }
    }
}
