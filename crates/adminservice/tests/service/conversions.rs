//! Methods that turn values from one form to another: schedules and NAL paths.

use crate::harness::{Service, nal_path};
use serde_json::json;

const ROUTE: &str = "/AdminService/wmi";
/// Once in 2004, every 7 days, the second Tuesday of every month.
const SCHEDULE: &str = "7913788000080000000120000010003800491D8018231400";

#[tokio::test]
async fn schedules_become_objects_and_strings() {
    let service = Service::start().await;
    let read = format!("{ROUTE}/SMS_ScheduleMethods.ReadFromString");
    let answer = service.post(&read, &json!({ "StringData": SCHEDULE })).await;
    assert_eq!(answer["ReturnValue"], 0);
    let tokens = answer["TokenData"].as_array().unwrap();
    let kinds: Vec<_> = tokens.iter().map(|token| token["@odata.type"].as_str().unwrap()).collect();
    let expect = ["SMS_ST_NonRecurring", "SMS_ST_RecurInterval", "SMS_ST_RecurMonthlyByWeekday"];
    assert_eq!(kinds, expect.map(|kind| format!("#AdminService.{kind}")));
    assert_eq!(tokens[0]["StartTime"], "2004-07-19T08:30:00Z");
    assert_eq!(tokens[1]["DaySpan"], 7);
    assert_eq!((&tokens[2]["Day"], &tokens[2]["WeekOrder"]), (&json!(3), &json!(2)));

    let write = format!("{ROUTE}/SMS_ScheduleMethods/AdminService.WriteToString");
    let back = service.post(&write, &json!({ "TokenData": tokens })).await;
    assert_eq!(back["StringData"], SCHEDULE);
    let none = service.post(&write, &json!({ "TokenData": [] })).await;
    assert_eq!(none["StringData"], "");
    let one = json!({ "TokenData": { "@odata.type": "#AdminService.SMS_ST_RecurInterval", "DaySpan": 7 } });
    assert_eq!(service.post(&write, &one).await["StringData"], "0001200000100038");
}

#[tokio::test]
async fn wrong_schedules_are_refused_by_name() {
    let service = Service::start().await;
    let check = async |method: &str, body: serde_json::Value, status: u32, says: &str| {
        let target = format!("{ROUTE}/SMS_ScheduleMethods.{method}");
        let answer = service.send("POST", &target, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.fault("StatusCode"), status, "{answer:?}");
        assert!(answer.fault("Description").as_str().unwrap().contains(says), "{answer:?}");
    };
    check("ReadFromString", json!({ "StringData": "00" }), 0x8004_102F, "16 hexadecimal digits").await;
    check("ReadFromString", json!({ "StringData": "0001200000380000" }), 0x8004_102F, "kind 7").await;
    // The second token has offset days, which no property shows.
    let offset = json!({ "StringData": "791378800008000000491D8018231402" });
    check("ReadFromString", offset, 0x8004_102F, "token 2: it has bits that no property shows").await;
    check("ReadFromString", json!({}), 0x8004_102F, "StringData is missing").await;
    let token = |kind: &str, property: &str, value: serde_json::Value| json!({ "TokenData": [{ "@odata.type": format!("#AdminService.{kind}"), property: value }] });
    check("WriteToString", token("SMS_ST_RecurWeekly", "Day", json!(8)), 0x8004_103C, "Day").await;
    check("WriteToString", token("SMS_ScheduleToken", "IsGMT", json!(true)), 0x8004_103C, "TokenData").await;
    let early = token("SMS_ST_NonRecurring", "StartTime", json!("1960-01-01T00:00:00Z"));
    check("WriteToString", early, 0x8004_102F, "token 1: StartTime").await;
}

#[tokio::test]
async fn nal_paths_are_packed_and_unpacked() {
    let service = Service::start().await;
    let path = nal_path("dp1.example.test");
    let unpack = format!("{ROUTE}/SMS_NAL_Methods.UnPackNALPath");
    let parts = service.post(&unpack, &json!({ "NALPath": path })).await;
    assert_eq!(parts["NALType"], "MSWNET");
    assert_eq!(parts["NetworkOSPath"], r"\\dp1.example.test\");
    assert_eq!(parts["NetworkConnectionQualifiers"], json!(["SMS_SITE=PS1"]));
    assert_eq!(parts["DisplayQualifiers"], json!([r"Display=\\dp1.example.test\"]));
    let given: serde_json::Map<_, _> =
        ["DisplayQualifiers", "NALType", "NetworkOSPath", "NetworkConnectionQualifiers"]
            .into_iter()
            .map(|name| (name.to_owned(), parts[name].clone()))
            .collect();
    let packed = service.post(&format!("{ROUTE}/SMS_NAL_Methods.PackNALPath"), &given.into()).await;
    assert_eq!(packed["NALPath"], path);
    let answer = service.send("POST", &unpack, &json!({ "NALPath": r"\\dp1\" }).to_string()).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.fault("Description").as_str().unwrap().contains("colon"), "{answer:?}");
}
