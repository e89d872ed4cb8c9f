//! Contexts: whose they are, how long they last and how many there may be.

use std::time::Duration;

use futures_util::StreamExt;
use site::{Actor, UserChange};
use stage::Stage;
use wsman::{ENUMERATION_IDLE_MAX as IDLE_MAX, ENUMERATIONS_OF_USER_MAX as OF_USER_MAX};

use crate::harness::{Ask, DMTF, ENUMERATION, Service};

const INVALID: (&str, u32) = ("n:InvalidEnumerationContext", 0x8033_801B);

fn class(name: &str) -> String {
    format!("{DMTF}{name}")
}

async fn begun(service: &Service, ask: &Ask<'_>) -> String {
    service.enumerate(ask, "").await.good().context().unwrap()
}

async fn is_gone(service: &Service, ask: &Ask<'_>, context: &str) {
    for refused in [service.pull(ask, context, "").await, service.release(ask, context).await] {
        assert_eq!(refused.fault(), (INVALID.0.to_owned(), INVALID.1), "{context}");
    }
}

#[tokio::test]
pub(crate) async fn a_context_is_found_by_itself_alone_and_by_its_user_only() {
    let service = Service::start().await;
    let uri = class("SMS_DistributionPointInfo");
    let ask = Ask::of(&uri);
    let context = begun(&service, &ask).await;
    for user in ["reader", "operator", "author"] {
        is_gone(&service, &Ask { user, ..ask.clone() }, &context).await;
    }
    // Clients name other resources and selectors in pulls than before, or none.
    let other = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/*";
    let elsewhere = Ask { resource: other, ..ask.clone() };
    let stray = "<w:OptimizeEnumeration/><x xmlns='urn:x'/>";
    assert_eq!(service.pull(&elsewhere, &context, stray).await.good().items(ENUMERATION), 1);
    assert!(service.pull(&ask, &context, "").await.good().has(ENUMERATION, "EndOfSequence"));
    is_gone(&service, &ask, &context).await;
}

#[tokio::test]
pub(crate) async fn stale_released_and_guessed_contexts_are_unknown() {
    let service = Service::start().await;
    let uri = class("SMS_DistributionPointInfo");
    let ask = Ask::of(&uri);
    let released = begun(&service, &ask).await;
    assert_eq!(service.release(&ask, &released).await.status, 200);
    let guessed = "uuid:00000000-0000-4000-8000-000000000000";
    for context in [released.as_str(), guessed, "", "1", &released.to_lowercase(), &"x".repeat(10_000)] {
        is_gone(&service, &ask, context).await;
    }
}

#[tokio::test]
pub(crate) async fn a_context_ends_when_nobody_asks_for_long() {
    let clock = Stage::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    service.fill_status_messages(20).await;
    let uri = class("SMS_StatMsg");
    let ask = Ask::of(&uri);
    let context = begun(&service, &ask).await;
    // The first item is there once the database has found it, which must not take its time by this clock.
    assert_eq!(service.pull(&ask, &context, "").await.good().items(ENUMERATION), 1);
    for _ in 0..3 {
        clock.advance(IDLE_MAX - Duration::from_secs(1));
        assert_eq!(service.pull(&ask, &context, "").await.good().items(ENUMERATION), 1);
    }
    clock.advance(IDLE_MAX);
    is_gone_soon(&service, &ask, &context).await;
}

/// Expiry is a task of its own.
async fn is_gone_soon(service: &Service, ask: &Ask<'_>, context: &str) {
    tokio::task::yield_now().await;
    is_gone(service, ask, context).await;
}

/// What was told and did not arrive would be missing, and nobody would see it.
#[tokio::test]
pub(crate) async fn an_enumeration_whose_answer_is_lost_is_over() {
    let service = Service::start().await;
    service.fill_status_messages(200).await;
    let uri = class("SMS_StatMsg");
    let ask = Ask::of(&uri);
    for pieces in [0, 1] {
        let context = begun(&service, &ask).await;
        let mut body = service.answer_to_pull(&ask, &context, 100).await.into_body().into_data_stream();
        for _ in 0..pieces {
            assert!(body.next().await.unwrap().unwrap().len() < 20_000);
        }
        drop(body);
        is_gone(&service, &ask, &context).await;
    }
    let context = begun(&service, &ask).await;
    let body = service.answer_to_pull(&ask, &context, 100).await.into_body();
    let whole = axum::body::to_bytes(body, 1_000_000).await.unwrap();
    assert!(whole.len() > 40_000 && whole.ends_with(b"</s:Envelope>"));
    assert_eq!(
        service.pull(&ask, &context, "<n:MaxElements>500</n:MaxElements>").await.good().items(ENUMERATION),
        100
    );
}

#[tokio::test]
pub(crate) async fn one_user_cannot_take_all_the_room() {
    let service = Service::start().await;
    let uri = class("SMS_DistributionPointInfo");
    let reader = Ask { user: "reader", ..Ask::of(&uri) };
    let mut contexts = Vec::new();
    for _ in 0..OF_USER_MAX {
        contexts.push(begun(&service, &reader).await);
    }
    let refused = service.enumerate(&reader, "").await;
    assert_eq!(refused.fault(), ("w:QuotaLimit".to_owned(), 0x8033_81A6));
    // Others are not stopped, and nothing is held in the database.
    assert_eq!(service.site.streams_waiting(), 0);
    begun(&service, &Ask::of(&uri)).await;
    assert_eq!(service.release(&reader, &contexts[0]).await.status, 200);
    begun(&service, &reader).await;
}

#[tokio::test]
pub(crate) async fn who_may_less_than_before_does_not_go_on() {
    let service = Service::start().await;
    let uri = class("SMS_DistributionPointInfo");
    let ask = Ask { user: "operator", ..Ask::of(&uri) };
    let context = begun(&service, &ask).await;
    let less = UserChange { role: Some(site::Role::Reader), ..UserChange::default() };
    service.site.change_user(&Actor::local(), "operator", less).await.unwrap();
    is_gone(&service, &ask, &context).await;
}
