//! Long answers: whole, in little memory, and out of the way of others however slowly they are taken.

use crate::harness::{Ask, DMTF, ENUMERATION, Service};

/// Far more than is read ahead of a reader.
const ROWS: usize = 3_000;
/// More clients than the database has reading connections.
const CLIENTS: usize = 12;

async fn nothing_is_read(service: &Service) {
    while service.site.streams_waiting() != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
pub(crate) async fn a_long_answer_comes_whole() {
    let service = Service::start().await;
    service.fill_status_messages(ROWS).await;
    let uri = format!("{DMTF}SMS_StatMsg");
    let ask = Ask::of(&uri);
    let answers = service.all(&ask, "", 2_000).await;
    let ids: Vec<usize> = answers
        .iter()
        .flat_map(|answer| answer.all(&uri, "RecordID"))
        .map(|id| id.parse().unwrap())
        .collect();
    let mut sorted = ids;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=ROWS).collect::<Vec<_>>());
    assert!(answers.iter().all(|answer| answer.body.len() <= ask.envelope_bytes));
}

/// Each client has begun a long answer and takes nothing of it; others still get theirs.
#[tokio::test]
pub(crate) async fn clients_that_take_nothing_stop_nobody() {
    let service = Service::start().await;
    service.fill_status_messages(ROWS).await;
    let uri = format!("{DMTF}SMS_StatMsg");
    let ask = Ask::of(&uri);
    let mut contexts = Vec::new();
    for _ in 0..CLIENTS {
        contexts.push(service.enumerate(&ask, "").await.good().context().unwrap());
        nothing_is_read(&service).await;
    }
    let other = Ask { user: "reader", ..Ask::of(&uri) };
    let answers = service.all(&other, "", 32_000).await;
    assert_eq!(answers.iter().map(|answer| answer.items(ENUMERATION)).sum::<usize>(), ROWS);
    // And each still has its own, from the first row on.
    for context in &contexts {
        let first = service.pull(&ask, context, "<n:MaxElements>3</n:MaxElements>").await.good();
        assert_eq!(first.items(ENUMERATION), 3);
        assert_eq!(service.release(&ask, context).await.status, 200);
    }
}

/// A row that cannot be read is told once all before it were, and ends the answer.
#[tokio::test]
pub(crate) async fn a_row_that_cannot_be_read_is_a_fault_in_its_place() {
    let service = Service::start().await;
    service.fill_status_messages(1_000).await;
    service.write_beside("UPDATE status_message SET at = 9223372036854775807 WHERE id = 900").await;
    let query = "SELECT * FROM SMS_StatMsg ORDER BY RecordID";
    let body = crate::harness::filter(crate::harness::WQL, query);
    let uri = format!("{DMTF}SMS_StatMsg");
    let ask = Ask::of(&uri);
    let context = service.enumerate(&ask, &body).await.good().context().unwrap();
    let mut rows = 0;
    let refused = loop {
        let answer = service.pull(&ask, &context, "<n:MaxElements>250</n:MaxElements>").await;
        match answer.status {
            200 => rows += answer.items(ENUMERATION),
            _ => break answer,
        }
        assert!(!answer.has(ENUMERATION, "EndOfSequence"), "half of an answer is not the whole");
    };
    assert!(rows < 900, "{rows} rows before the 900th");
    assert_eq!(refused.status, 500);
    let after = service.pull(&ask, &context, "").await;
    assert_eq!(after.fault().0, "n:InvalidEnumerationContext");
}
