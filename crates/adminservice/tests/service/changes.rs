//! Changes under way: how many there may be, and what becomes of one whose caller has left. The mechanism is the provider's;
//! here is what its clients see.

use adminservice::router;
use axum::body::Body;
use http::Request;
use stage::Stage;

use crate::harness::{PACKAGE, Service};

#[tokio::test]
async fn a_user_has_a_share_of_the_changes_under_way() {
    let service = Service::start().await;
    let package = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')");
    let refresh = format!("{package}/AdminService.RefreshPkgSource");
    let places = service.changes_of("admin");
    let refused = service.send("DELETE", &package, "").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("\r\nretry-after: 2"), "{}", refused.head);
    assert_eq!(refused.fault("StatusCode"), 0x8004_106C_u32);
    assert!(refused.fault("Description").as_str().unwrap().contains("32 changes of admin"), "{refused:?}");
    assert_eq!(service.get(&package).await.status, 200, "a question is no change");
    assert_eq!(service.send("POST", &refresh, "{}").await.status, 503);
    assert_eq!(service.send_as("operator", "POST", &refresh, "{}").await.status, 201);
    drop(places);
    assert_eq!(service.send("DELETE", &package, "").await.status, 204);
}

#[tokio::test]
async fn a_change_is_made_without_its_caller() {
    let service = Service::start().await;
    let package = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')");
    let router = router(service.provider.clone(), service.sign_in.clone(), service.clock.clone());
    let request = Request::delete(&package).header("authorization", Stage::basic("admin"));
    service.abandon(router, request.body(Body::empty()).unwrap()).await;
    assert_eq!(service.get(&package).await.status, 404);
}
