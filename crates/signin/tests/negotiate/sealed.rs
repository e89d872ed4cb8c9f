//! Sealed bodies, and that nothing open goes over a connection that others can read.

use signin::SealError;

use crate::client::{Client, END, SEALED, signature};
use crate::{ELSEWHERE, PASSWORD, Wire, outcome, stage};

fn client() -> Client {
    Client::new("winrm", PASSWORD)
}

#[tokio::test]
async fn another_machine_over_plain_http_seals_everything() {
    let stage = stage().await;
    let sign_in = stage.sign_in.clone().with_sealing();
    let wire = Wire::new(&sign_in, ELSEWHERE, None);
    let (signed_in, mut sealer) = wire.sign_in(&mut client()).await.unwrap();
    assert!(signed_in.sealing.is_none(), "the last leg has no body");
    for length in [0, 1, 500, 70_000] {
        let plain = vec![b'x'; length];
        let signed_in = wire.ask(&[("content-type", SEALED)]).await.unwrap();
        assert_eq!(signed_in.actor.name, "winrm");
        let sealing = signed_in.sealing.unwrap();
        assert_eq!(sealing.unwrap(SEALED, &sealer.body(&plain)).unwrap(), plain);
        let (content_type, answer) = sealing.wrap("application/soap+xml;charset=UTF-8", &plain);
        assert_eq!(content_type, SEALED);
        assert_eq!(sealer.open(&answer), plain);
    }
    // Once negotiated is not enough: what comes open is refused, whatever it calls itself.
    for (name, value) in [("content-length", "5"), ("transfer-encoding", "chunked"), ("accept", "*/*")] {
        let soap = ("content-type", "application/soap+xml;charset=UTF-8");
        assert_eq!(outcome(wire.ask(&[soap, (name, value)]).await), "open", "{name}");
    }
    let basic = ("authorization", "Basic d2lucm06eA==");
    assert_eq!(outcome(wire.ask(&[basic]).await), "open");
    assert_eq!(outcome(wire.ask(&[("content-type", SEALED)]).await), "signed in");
}

#[tokio::test]
async fn the_last_leg_may_bring_a_sealed_body_but_no_open_one() {
    let stage = stage().await;
    let sign_in = stage.sign_in.clone().with_sealing();
    for (content_type, expect) in [(SEALED, "signed in"), ("application/soap+xml", "open")] {
        let (wire, mut client) = (Wire::new(&sign_in, ELSEWHERE, None), client());
        let challenge = wire.challenge(&client.negotiate()).await.unwrap();
        let (message, mut sealer) = client.authenticate(&challenge);
        let headers = [("content-type", content_type), ("content-length", "300")];
        let result = wire.token(&message, &headers).await;
        if let Ok(signed_in) = &result {
            let sealing = signed_in.sealing.as_ref().unwrap();
            assert_eq!(sealing.unwrap(SEALED, &sealer.body(b"first")).unwrap(), b"first"[..]);
        }
        assert_eq!(outcome(result), expect, "{content_type}");
    }
}

#[tokio::test]
async fn a_front_end_that_seals_nothing_negotiates_with_nobody_over_plain_http() {
    let stage = stage().await;
    let wire = Wire::new(&stage.sign_in, ELSEWHERE, None);
    assert_eq!(outcome(wire.challenge(&client().negotiate()).await), "open");
    // Nor with who cannot seal.
    let sign_in = stage.sign_in.clone().with_sealing();
    let wire = Wire::new(&sign_in, ELSEWHERE, None);
    let mut client = Client { flags: crate::client::FLAGS & !0x20, ..client() };
    let (_, mut sealer) = wire.sign_in(&mut client).await.unwrap();
    let sealing = wire.ask(&[("content-type", SEALED)]).await.unwrap().sealing.unwrap();
    assert_eq!(sealing.unwrap(SEALED, &sealer.body(b"x")), Err(SealError::Forged));
    let (_, answer) = sealing.wrap("text/xml", b"secret");
    assert!(answer.is_empty(), "what cannot be sealed is not said");
}

const PLAIN: &[u8] = b"a message that is long enough to be changed";
fn changed(body: &[u8], at: usize) -> Vec<u8> {
    let mut body = body.to_vec();
    body[at] ^= 1;
    body
}

#[tokio::test]
async fn forged_replayed_and_foreign_bodies_are_refused_and_end_the_sealing() {
    let stage = stage().await;
    let sign_in = stage.sign_in.clone().with_sealing();
    type Spoil = fn(&[u8]) -> Vec<u8>;
    const CUT: SealError = SealError::Malformed("it is shorter than it says");
    const ENDLESS: SealError = SealError::Malformed("its parts are not as their boundary says");
    let spoils: [(&str, Spoil, SealError); 7] = [
        ("a changed byte", |body| changed(body, body.len() - END.len() - 1), SealError::Forged),
        ("a changed code", |body| changed(body, signature(body) + 5), SealError::Forged),
        ("another number", |body| changed(body, signature(body) + 12), SealError::Forged),
        (
            "nothing sealed",
            |body| [&body[..signature(body)], &[0; 16], PLAIN, END].concat(),
            SealError::Forged,
        ),
        ("cut in the message", |body| body[..body.len() - END.len() - 1].to_vec(), CUT),
        ("cut in the code", |body| body[..signature(body) + 7].to_vec(), CUT),
        ("cut behind the message", |body| body[..body.len() - END.len()].to_vec(), ENDLESS),
    ];
    for (what, spoil, expect) in spoils {
        let wire = Wire::new(&sign_in, ELSEWHERE, None);
        let (_, mut sealer) = wire.sign_in(&mut client()).await.unwrap();
        let sealing = wire.ask(&[("content-type", SEALED)]).await.unwrap().sealing.unwrap();
        let body = sealer.body(PLAIN);
        assert_eq!(sealing.unwrap(SEALED, &spoil(&body)), Err(expect), "{what}");
    }
    let (one, other) = (Wire::new(&sign_in, ELSEWHERE, None), Wire::new(&sign_in, ELSEWHERE, None));
    let (_, mut sealer) = one.sign_in(&mut client()).await.unwrap();
    let (_, mut second) = other.sign_in(&mut client()).await.unwrap();
    let sealing = async |wire: &Wire| wire.ask(&[("content-type", SEALED)]).await.unwrap().sealing.unwrap();
    let message = sealer.body(b"message");
    sealing(&one).await.unwrap(SEALED, &message).unwrap();
    assert_eq!(sealing(&one).await.unwrap(SEALED, &message), Err(SealError::Forged), "replayed");
    let next = sealer.body(b"next");
    assert_eq!(sealing(&one).await.unwrap(SEALED, &next), Err(SealError::Forged), "after a forged one");
    let own = second.body(b"own");
    let foreign = sealing(&other).await;
    assert_eq!(foreign.unwrap("text/xml", &own), Err(SealError::Unsealed));
    assert_eq!(foreign.unwrap(SEALED, &own).unwrap(), b"own"[..]);
    assert_eq!(foreign.unwrap(SEALED, &message), Err(SealError::Forged), "of another connection");
}
