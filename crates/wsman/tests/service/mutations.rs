//! Recorded requests, changed at random from a fixed seed: every one is answered, by HTTP or by a fault, and every
//! envelope that comes back can be read.

use mutations::Mutations;

use crate::harness::Service;
use crate::recorded::{self, PIECES};

/// How many changed requests are sent; each is a connection.
const CASES: u32 = 400;

#[tokio::test]
async fn mutated_requests_are_answered() {
    let service = Service::start().await;
    let samples = recorded::requests();
    let mut mutations = Mutations::of_texts(0x4861_756c_6965_7225, &PIECES);
    let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
    for case in 0..CASES {
        let text = match case % 2 {
            0 => mutations.exchanged(&samples),
            _ => mutations.text(&samples, 1),
        };
        // A reader, so that what is mutated into something well-meant changes nothing.
        let answer = service.send("reader", &text).await;
        assert!(matches!(answer.status, 200 | 400 | 500), "{text}: {answer:?}");
        assert!(answer.status == 400 || xml::parse(&answer.body).is_ok(), "{text}: {answer:?}");
        *statuses.entry(answer.status).or_default() += 1;
    }
    assert!([200, 400, 500].iter().all(|status| statuses.contains_key(status)), "{statuses:?}");
}
