//! The service with a real site behind it: what a machine asks, and what comes back.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

mod rig;

use axum::body::{Body, to_bytes};
use http::StatusCode;
use rig::{BIG_BYTES, DEVICE, OTHER_DEVICE, Rig, SYSTEM};
use serde_json::{Value, json};

fn machine(hardware_ids: &[&str]) -> Vec<u8> {
    let os = json!({ "version": "10.0.22631", "architecture": "x64" });
    let devices: Vec<Value> = hardware_ids.iter().map(|id| json!({ "HardwareID": [id] })).collect();
    json!({ "os": os, "devices": devices }).to_string().into_bytes()
}

#[tokio::test]
async fn each_device_gets_its_driver_and_each_package_is_named_once() {
    let rig = Rig::start().await;
    let (one, two) = (rig.driver("one", DEVICE).await, rig.driver("two", OTHER_DEVICE).await);
    let package = rig.package("Drivers", &[&one, &two]).await;
    let answer = rig.post("match", machine(&[DEVICE, OTHER_DEVICE, "PCI\\NONE"])).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let found = answer.json();
    let best = |at: usize| found["devices"][at]["best"].clone();
    assert_eq!([best(0)["ci_id"].clone(), best(1)["ci_id"].clone()], [json!(one.ci_id), json!(two.ci_id)]);
    assert_eq!((&best(2), &found["matched"], &found["unmatched"]), (&Value::Null, &json!(2), &json!(1)));
    assert_eq!(found["ci_ids"], json!([one.ci_id, two.ci_id]));
    for (at, name) in [(0, "one_"), (1, "two_")] {
        let place = best(at)["packages"][0].clone();
        assert_eq!(place["package_id"], package.as_str(), "{found}");
        assert!(place["sub_folder"].as_str().unwrap().starts_with(name), "{found}");
    }
    let offered = json!({ &package: { "name": "Drivers", "version": "", "source_version": 1, "urls": [] } });
    assert_eq!(found["packages"], offered);
    // What pnputil prints says the same, with the system in the address.
    let text = rig.post(&format!("match?{SYSTEM}"), format!("{DEVICE}\r\n\r\n{OTHER_DEVICE}\r\n")).await;
    assert_eq!(text.json()["ci_ids"], found["ci_ids"]);
}

#[tokio::test]
async fn the_drivers_that_fit_come_as_an_archive() {
    let rig = Rig::start().await;
    let (one, two) = (rig.driver("one", DEVICE).await, rig.driver("two", OTHER_DEVICE).await);
    rig.driver("three", "PCI\\VEN_3").await;
    // One from the library, whatever became of its folder; two from its own folder.
    rig.package("Drivers", &[&one]).await;
    std::fs::remove_dir_all(rig.source("one")).unwrap();
    let answer = rig.post("match.zip", machine(&[DEVICE, OTHER_DEVICE])).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/zip"));
    let files = rig.unzip(&answer.body);
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let [one, two] = [one.sub_folder("one"), two.sub_folder("two")];
    let expect = [
        format!("{one}/one.inf"),
        format!("{one}/one.sys"),
        format!("{two}/two.inf"),
        format!("{two}/two.sys"),
    ];
    assert_eq!(names, expect);
    assert_eq!((&files[1].1[..], &files[3].1[..]), (&b"code of one"[..], &b"code of two"[..]));
    let nothing = rig.post("match.zip", machine(&["PCI\\NONE"])).await;
    assert_eq!((nothing.status, rig.unzip(&nothing.body).len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn an_archive_breaks_off_when_a_file_changes_under_it() {
    let rig = Rig::start().await;
    rig.driver("big", DEVICE).await;
    let answer = rig.send("match.zip", Some(&rig.token), machine(&[DEVICE])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    // Only some pieces of it wait in the channels; its end is still to be read.
    rig.overwrite_end_of("big/big.sys");
    let body = to_bytes(answer.into_body(), 2 * BIG_BYTES).await;
    assert!(body.is_err(), "half of an archive is none");
    let refused = rig.post("match.zip", machine(&[DEVICE])).await;
    refused.is(StatusCode::CONFLICT, "driver_source_changed");
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("src"), "{message}");
    std::fs::remove_dir_all(rig.source("big")).unwrap();
    let refused = rig.post("match.zip", machine(&[DEVICE])).await;
    refused.is(StatusCode::CONFLICT, "source_unusable");
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("src"), "{message}");
}

#[tokio::test]
async fn downloads_have_turns_and_give_them_back() {
    let rig = Rig::start().await;
    rig.driver("big", DEVICE).await;
    let mut under_way = Vec::new();
    let refused = loop {
        let answer = rig.send("match.zip", Some(&rig.token), machine(&[DEVICE])).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        under_way.push(answer);
    };
    assert_eq!(under_way.len(), 16);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "5");
    // The other questions are answered all the same.
    assert_eq!(rig.post("match", machine(&[DEVICE])).await.status, StatusCode::OK);
    drop(under_way);
    while rig.send("match.zip", Some(&rig.token), machine(&["PCI\\NONE"])).await.status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_model_gets_its_package_and_the_others_have_their_reasons() {
    let rig = Rig::start().await;
    let (one, two) = (rig.driver("one", DEVICE).await, rig.driver("two", OTHER_DEVICE).await);
    let fits = rig.package("Drivers - Dell Latitude 7440 - Windows 11 23H2 x64", &[&one]).await;
    let other = rig.package("Drivers - Dell OptiPlex 7010 - Windows 11 23H2 x64", &[&two]).await;
    let model = |sku: &str| {
        let body = json!({ "manufacturer": "Dell Inc.", "sku": sku, "os": "Windows 11", "release": "23H2", "architecture": "x64" });
        body.to_string().into_bytes()
    };
    let found = rig.post("package", model(&one.sku())).await.json();
    let package = &found["package"];
    assert_eq!((&package["package_id"], &package["source_version"]), (&json!(fits), &json!(1)), "{found}");
    assert_eq!(package["urls"], json!([]));
    assert_eq!(found["rejected"][0]["package_id"], json!(other));
    assert!(!found["rejected"][0]["reason"].as_str().unwrap().is_empty());
    let nothing = rig.post("package", model("20XY")).await.json();
    assert_eq!((&nothing["package"], nothing["rejected"].as_array().unwrap().len()), (&Value::Null, 2));
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let rig = Rig::start().await;
    let token = rig.token.as_str();
    let found = format!("match?{SYSTEM}");
    let many = vec![DEVICE; 1025];
    let long = "x".repeat(201);
    for (path, token, body, status, code) in [
        ("match", None, machine(&[DEVICE]), 401, "unauthenticated"),
        ("match.zip", Some("wrong"), machine(&[DEVICE]), 401, "invalid_token"),
        ("package", None, Vec::new(), 401, "unauthenticated"),
        ("match", Some(token), b"{\"os\":1}".to_vec(), 400, "invalid_body"),
        ("package", Some(token), b"[]".to_vec(), 400, "invalid_body"),
        ("match?os=10.0.22631", Some(token), DEVICE.into(), 400, "invalid_value"),
        ("match?os=11&architecture=x64", Some(token), DEVICE.into(), 400, "invalid_value"),
        (&found, Some(token), b"no device, no id".to_vec(), 400, "devices_empty"),
        ("match", Some(token), machine(&[]), 400, "invalid_field"),
        ("match", Some(token), machine(&many), 400, "devices_too_many"),
        ("match", Some(token), machine(&[&long]), 400, "invalid_value"),
        (&found, Some(token), vec![b'A'; 5_000_000], 413, "body_too_long"),
        ("nothing", Some(token), Vec::new(), 404, "no_resource"),
    ] {
        let answer = rig.ask(path, token, body).await;
        answer.is(StatusCode::from_u16(status).unwrap(), code);
        let challenges = answer.headers.get_all("www-authenticate").iter().count();
        // Without a connection of its own nobody is offered Negotiate.
        let expect = match (status, token) {
            (401, None) => 2,
            (401, Some(_)) => 3,
            _ => 0,
        };
        assert_eq!(challenges, expect, "{path}");
    }
    let get = rig.request("GET", "match", Some(token), "127.0.0.1:5", Body::empty()).await;
    assert_eq!(
        (get.status(), &get.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    let open = rig.request("POST", "match", Some(token), "192.0.2.7:5", machine(&[DEVICE]).into()).await;
    rig::read(open).await.is(StatusCode::FORBIDDEN, "open_connection");
}
