//! Changes under way: how many there may be, and what becomes of one whose caller has left. The mechanism is the provider's;
//! here is what its clients see.

use axum::body::Body;
use http::Request;
use stage::Stage;

use crate::harness::{Ask, DMTF, SOAP_TYPE, Service};

#[tokio::test]
async fn a_user_has_a_share_of_the_changes_under_way() {
    let service = Service::start().await;
    let places = service.stage.changes_of("admin");
    let delete = Ask::package("Delete");
    let refused = service.ask(&delete).await;
    assert_eq!((refused.fault().0.as_str(), refused.code()), ("QuotaLimit", 0x8033_803F));
    assert!(refused.text("Text").unwrap().contains("32 changes of admin"), "{refused:?}");
    assert_eq!(service.ask(&Ask::package("Get")).await.status, 200, "a question is no change");
    let asking = Ask::class(&format!("{DMTF}SMS_Identification/GetSiteID"), "SMS_Identification");
    let asked = service.ask(&asking).await;
    assert_eq!(asked.status, 200, "a method that only asks is no change: {asked:?}");
    let refresh = Ask::package(&format!("{DMTF}SMS_DriverPackage/RefreshPkgSource"));
    assert_eq!(service.ask(&refresh).await.fault().0, "QuotaLimit");
    assert_eq!(service.ask_as("operator", &refresh).await.status, 200, "others have their own share");
    drop(places);
    assert_eq!(service.ask(&delete).await.status, 200);
}

#[tokio::test]
async fn a_change_is_made_without_its_caller() {
    let service = Service::start().await;
    let router = service.wsman.router();
    let request = Request::post("/wsman").header("authorization", Stage::basic("admin"));
    let request = request.header("content-type", SOAP_TYPE);
    let request = request.body(Body::from(Ask::package("Delete").envelope())).unwrap();
    service.stage.abandon(router, request).await;
    assert_eq!(service.ask(&Ask::package("Get")).await.fault().0, "DestinationUnreachable");
}
