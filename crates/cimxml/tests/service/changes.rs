//! Changes under way: how many there may be, and what becomes of one whose caller has left. The mechanism is the provider's;
//! here is what its clients see.

use axum::body::Body;
use cimxml::PATH;
use http::Request;
use stage::{PACKAGE, Stage};

use crate::harness::{SITE, Service, intrinsic, package, parameter};

#[tokio::test]
async fn a_user_has_a_share_of_the_changes_under_way() {
    let service = Service::start().await;
    let named = parameter("InstanceName", &package(PACKAGE));
    let places = service.changes_of("admin");
    let refused = service.call("DeleteInstance", &named).await;
    assert_eq!(refused.code(), 27, "CIM_ERR_SERVER_LIMITS_EXCEEDED");
    assert!(refused.body.contains("32 changes of admin"), "{}", refused.body);
    service.call("GetInstance", &named).await.good();
    let refresh = async |user| service.invoke(user, &package(PACKAGE), "RefreshPkgSource", "").await;
    assert_eq!(refresh("admin").await.code(), 27);
    refresh("operator").await.good();
    drop(places);
    service.call("DeleteInstance", &named).await.good();
}

#[tokio::test]
async fn a_change_is_made_without_its_caller() {
    let service = Service::start().await;
    let named = parameter("InstanceName", &package(PACKAGE));
    let request = Request::post(PATH).header("authorization", Stage::basic("admin"));
    let request = request.header("content-type", "application/xml; charset=\"utf-8\"");
    let request = request.body(Body::from(intrinsic(SITE, "DeleteInstance", &named))).unwrap();
    service.abandon(service.cimxml.router(), request).await;
    assert_eq!(service.call("GetInstance", &named).await.code(), 6, "CIM_ERR_NOT_FOUND");
}
