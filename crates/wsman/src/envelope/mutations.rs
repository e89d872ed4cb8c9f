//! Recorded requests, changed at random from a fixed seed: each is read or refused, and enough of them are still
//! envelopes, and still requests, that the readers behind the parser are met too.

use ::mutations::Mutations;
use stage::Stage;

use super::*;
use crate::request::Request;
use recorded::PIECES;

#[path = "../../tests/cimcmdlets/recorded.rs"]
mod recorded;

const CASES: u32 = 8_000;

#[tokio::test]
async fn mutated_requests_are_read_or_refused() {
    let stage = Stage::new(Stage::fixed_clock()).await;
    let (samples, mut mutations) =
        (recorded::requests(), Mutations::of_texts(0x4861_756c_6965_7227, &PIECES));
    let (mut envelopes, mut requests) = (0, 0);
    for case in 0..CASES {
        let text = match case % 2 {
            0 => mutations.exchanged(&samples),
            _ => mutations.text(&samples, 3),
        };
        let _ = check(&text);
        let Ok(envelope) = Envelope::parse(&text) else { continue };
        envelopes += 1;
        assert!(envelope.message_id().is_none_or(|id| id.len() <= MESSAGE_ID_BYTES_MAX));
        let headers = envelope.headers();
        match headers.and_then(|headers| Request::read(&envelope, &headers, &stage.provider)) {
            Ok(_) => requests += 1,
            Err(fault) => assert!(!fault.is_ours(), "{fault}: {text}"),
        }
    }
    assert!(envelopes > CASES / 5, "{envelopes} of {CASES} changed requests are still envelopes");
    assert!(requests > CASES / 20, "{requests} of {CASES} changed requests are still requests");
}
