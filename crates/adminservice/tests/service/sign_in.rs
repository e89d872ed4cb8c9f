//! Who gets in over a real connection, who does not, and what both are told.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use site::{Actor, NewToken, Role, SecuredType};

use crate::harness::{Answer, PACKAGE, PASSWORD, Service};

const PACKAGES: &str = "/AdminService/wmi/SMS_DriverPackage";
const HOUR: Duration = Duration::from_secs(3600);

async fn with(service: &Service, user: &str, password: &str) -> Answer {
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    service.send_with(&format!("Authorization: Basic {credentials}\r\n"), "GET", PACKAGES, "").await
}

async fn bearing(service: &Service, token: &str, method: &str, target: &str) -> Answer {
    service.send_with(&format!("Authorization: Bearer {token}\r\n"), method, target, "").await
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn expired_forged_foreign_and_revoked_tokens_get_one_answer() {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    let other = Service::start().await;
    let token = async |service: &Service, user: &str, life| {
        service.site.create_token(&Actor::local(), user, "t", life).await.unwrap()
    };
    let short = token(&service, "reader", Duration::from_secs(60)).await.secret;
    let foreign = token(&other, "admin", HOUR).await.secret;
    let revoked = token(&service, "reader", HOUR).await;
    let disabled = token(&service, "author", HOUR).await.secret;
    for good in [&short, &revoked.secret, &disabled] {
        assert_eq!(bearing(&service, good, "GET", PACKAGES).await.status, 200);
    }
    clock.advance(Duration::from_secs(61));
    service.site.revoke_token(&Actor::local(), "reader", revoked.id).await.unwrap();
    let off = site::UserChange { disabled: Some(true), ..site::UserChange::default() };
    service.site.change_user(&Actor::local(), "author", off).await.unwrap();
    let forged = format!("{}{}", site::TOKEN_PREFIX, "0".repeat(64));
    let cut = foreign[..foreign.len() - 1].to_owned();
    let long = "x".repeat(3000);
    let mut answers = Vec::new();
    for bad in [&short, &foreign, &revoked.secret, &disabled, &forged, &cut, &long] {
        let answer = bearing(&service, bad, "GET", PACKAGES).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.head.contains("www-authenticate: bearer") && !answer.body.contains(bad.as_str()));
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test]
async fn a_name_is_closed_whether_anybody_has_it_or_not() {
    let clock = Service::fixed_clock();
    let service = Service::start_with(clock.clone()).await;
    assert_eq!(with(&service, "operator", PASSWORD).await.status, 200);
    let mut told = Vec::new();
    for name in ["reader", "nobody-at-all"] {
        for _ in 0..5 {
            let wrong = with(&service, name, "wrong password").await;
            assert_eq!(wrong.status, 401);
            told.push(wrong.body);
        }
        let closed = with(&service, name, PASSWORD).await;
        assert_eq!(closed.status, 429, "{closed:?}");
        assert!(closed.head.contains("retry-after: 60"), "{closed:?}");
        assert!(!closed.head.contains("www-authenticate"), "{closed:?}");
        told.push(closed.body);
    }
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 2, "one text for 401, one for 429: {told:#?}");
    // Others go on, and so does a token of the closed user.
    assert_eq!(with(&service, "operator", PASSWORD).await.status, 200);
    let token = service.site.create_token(&Actor::local(), "reader", "t", HOUR).await.unwrap().secret;
    assert_eq!(bearing(&service, &token, "GET", PACKAGES).await.status, 200);
    let target = "/AdminService/wmi/Haulier_User('reader')/AdminService.Unlock";
    assert_eq!(service.send_as("operator", "POST", target, "{}").await.status, 403);
    assert_eq!(service.send("POST", target, "{}").await.status, 201);
    assert_eq!(with(&service, "reader", PASSWORD).await.status, 200);
    clock.advance(Duration::from_secs(61));
    assert_eq!(with(&service, "nobody-at-all", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn this_machine_is_not_closed_since_a_proxy_on_it_is_everybody() {
    let service = Service::start_with(Service::fixed_clock()).await;
    for number in 0..65 {
        let made_up = bearing(&service, &format!("made-up-{number}"), "GET", PACKAGES).await;
        assert_eq!(made_up.status, 401, "{number}");
        let guess = with(&service, &format!("guess{number}"), "wrong password").await;
        assert_eq!(guess.status, 401, "{number}");
    }
    assert_eq!(with(&service, "operator", PASSWORD).await.status, 200);
    let unlock = "/AdminService/wmi/Haulier_User.UnlockAddress";
    assert_eq!(service.send("POST", unlock, r#"{"Address":"nowhere"}"#).await.status, 400);
    assert_eq!(service.send("POST", unlock, r#"{"Address":"192.0.2.1"}"#).await.status, 201);
}

#[tokio::test]
async fn a_stale_password_ends_at_once_and_ones_own_needs_the_present_one() {
    let service = Service::start().await;
    assert_eq!(with(&service, "reader", PASSWORD).await.status, 200, "remembered for a minute");
    let change = "/AdminService/wmi/Haulier_User.ChangeOwnPassword";
    let own = |present: &str, new: &str| json!({ "Present": present, "New": new }).to_string();
    for (body, status) in [
        (own("wrong password", "another horse"), 403),
        (own(PASSWORD, "short"), 400),
        (own(PASSWORD, "another horse"), 201),
    ] {
        let answer = service.send_as("reader", "POST", change, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(!answer.body.contains("horse"), "{}", answer.body);
    }
    assert_eq!(with(&service, "reader", PASSWORD).await.status, 401);
    assert_eq!(with(&service, "reader", "another horse").await.status, 200);
    let users = service.get("/AdminService/wmi/Haulier_User").await;
    assert!(users.rows().iter().all(|user| user["Password"] == Json::Null), "{}", users.body);
}

#[tokio::test]
async fn what_is_outside_of_a_tokens_scopes_answers_404_and_what_is_beyond_its_role_403() {
    let service = Service::start().await;
    let (site, local) = (&service.site, Actor::local());
    site.create_security_scope(&local, "Lab", "").await.unwrap();
    let lab = ["Lab".to_owned()];
    let token = async |role, scopes: &[String]| {
        let new = NewToken { user: "author", label: "t", life: HOUR, role, scopes };
        site.make_token(&local, new).await.unwrap().secret
    };
    let (outside, reading) = (token(None, &lab).await, token(Some(Role::Reader), &[]).await);
    let target = format!("{PACKAGES}('{PACKAGE}')");
    let missing = format!("{PACKAGES}('PS1FFFFF')");
    let refresh = |target: &str| format!("{target}/AdminService.RefreshPkgSource");
    for (method, of) in [("GET", None), ("DELETE", None), ("POST", Some(refresh))] {
        let at = |target: &str| of.map_or_else(|| target.to_owned(), |of| of(target));
        let hidden = bearing(&service, &outside, method, &at(&target)).await;
        let none = bearing(&service, &outside, method, &at(&missing)).await;
        assert_eq!((hidden.status, none.status), (404, 404), "{method}");
        assert_eq!(
            message(&hidden).replace(PACKAGE, "X"),
            message(&none).replace("PS1FFFFF", "X"),
            "{method}"
        );
    }
    assert_eq!(bearing(&service, &outside, "GET", PACKAGES).await.rows(), Vec::<Json>::new());
    assert_eq!(bearing(&service, &outside, "GET", &format!("{PACKAGES}/$count")).await.body, "0");
    let states = "/AdminService/wmi/SMS_PackageStatusDistPointsSummarizer";
    assert_eq!(bearing(&service, &outside, "GET", states).await.rows(), Vec::<Json>::new());
    assert_eq!(bearing(&service, &reading, "GET", &target).await.status, 200);
    let denied = bearing(&service, &reading, "DELETE", &target).await;
    assert_eq!((denied.status, denied.fault("StatusCode")), (403, json!(0x8004_1003_u32)));
    site.assign_scope(&local, "Lab", &[(SecuredType::Package, PACKAGE.to_owned())]).await.unwrap();
    let found = bearing(&service, &outside, "GET", &target).await.first();
    assert_eq!(found["SecuredScopeNames"], json!(["Default", "Lab"]));
}
