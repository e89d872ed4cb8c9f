//! What happens, told to curl as it happens.

use std::process::Stdio;

use clock::SystemClock;
use serde_json::{Value as Json, json};
use site::{Actor, EVENT_READERS_OF_USER_MAX, NewUser, Role, StatusFilter};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{HOST, PACKAGE, PASSWORD, Service};

/// curl at the events of a site. It ends with this.
struct Told {
    lines: Lines<BufReader<ChildStdout>>,
    _curl: Child,
}

#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: String,
}

impl Told {
    /// Begins as `user`; comes back when the site has begun to answer.
    async fn begin(service: &Service, user: &str, target: &str, header: &str) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--no-buffer", "--max-time", "60"]);
        curl.args(["--user", &format!("{user}:{PASSWORD}"), "--header", header]);
        curl.arg(format!("http://{}{target}", service.at.addr));
        let mut curl = curl.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("retry: 2000"), "{target}");
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(""));
        Self { lines, _curl: curl }
    }

    /// The next event; none when the answer ends.
    async fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: String::new(), kind: String::new(), data: String::new() };
        while let Some(line) = self.lines.next_line().await.unwrap() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut event.id),
                Some(("event", kind)) => kind.clone_into(&mut event.kind),
                Some(("data", data)) => data.clone_into(&mut event.data),
                _ if line.is_empty() && !event.kind.is_empty() => return Some(event),
                _ => {}
            }
        }
        None
    }

    async fn next_json(&mut self, kind: &str) -> (String, Json) {
        loop {
            let event = self.next().await.expect("the answer goes on");
            if event.kind == kind {
                return (event.id, serde_json::from_str(&event.data).unwrap());
            }
        }
    }
}

async fn refresh(service: &Service) {
    let target = format!("/AdminService/wmi/SMS_DriverPackage('{PACKAGE}')/AdminService.RefreshPkgSource");
    let headers = format!("{}X-Request-Id: job-17\r\n", Service::credentials("admin"));
    let answer = service.send_with(&headers, "POST", &target, "{}").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    service.snapshot().await;
}

#[tokio::test]
async fn curl_hears_a_refresh_and_goes_on_where_it_was() {
    let service = Service::start_with(SystemClock::shared()).await;
    let mut told =
        Told::begin(&service, "reader", &format!("/events?package={PACKAGE}"), "Accept: */*").await;
    refresh(&service).await;
    // One id from the call to what follows from it.
    let mut ids = Vec::new();
    let mut last = String::new();
    while ids.last() != Some(&2301) {
        let (id, message) = told.next_json("status").await;
        assert_eq!(
            (&message["PackageID"], &message["Call"]),
            (&json!(PACKAGE), &json!("job-17")),
            "{message}"
        );
        ids.push(message["MessageID"].as_u64().unwrap());
        last = id;
    }
    assert_eq!(ids, [30011, 2300, 2357, 2376, 2311, 2301]);
    let (_, state) = told.next_json("state").await;
    assert_eq!(
        (&state["SourceVersion"], &state["StateName"]),
        (&json!(2), &json!("install pending")),
        "{state}"
    );
    assert_eq!((&state["Call"], &state["ServerName"]), (&json!("job-17"), &json!("dp1.example.test")));
    drop(told);

    // What happened while nobody listened is told to who comes back, and nothing twice but the last state.
    refresh(&service).await;
    let header = format!("Last-Event-ID: {last}");
    let mut told = Told::begin(&service, "reader", "/events", &header).await;
    let mut missed = Vec::new();
    while missed.last() != Some(&2301) {
        missed.push(told.next_json("status").await.1["MessageID"].as_u64().unwrap());
    }
    assert!(missed.starts_with(&[30011]), "{missed:?}");
    assert_eq!(missed.iter().filter(|id| **id == 30011).count(), 1, "{missed:?}");
    drop(told);

    // A record number alone, from the URL: every message since, in order.
    let all = service.site.status_messages(&StatusFilter::default()).await.unwrap();
    let mut told = Told::begin(&service, "admin", "/events?after=0", "Accept: */*").await;
    for message in all.iter().rev() {
        let (id, heard) = told.next_json("status").await;
        assert_eq!(heard["RecordID"], json!(message.record_id));
        assert!(id.starts_with(&format!("{}-", message.record_id)), "{id}");
        assert_eq!(heard["Text"], json!(message.text));
    }
}

#[tokio::test]
async fn who_may_not_see_is_told_nothing_and_too_many_are_refused() {
    let service = Service::start_with(SystemClock::shared()).await;
    assert_eq!(service.send_with("", "GET", "/events", "").await.status, 401);
    assert_eq!(service.send("POST", "/events", "").await.status, 405);
    for target in ["/events?after=x", "/events?select=Name"] {
        assert_eq!(service.get(target).await.status, 400, "{target}");
    }
    let local = Actor::local();
    service.site.create_security_scope(&local, "Lab", "").await.unwrap();
    let scopes = ["Lab".to_owned()];
    let user =
        NewUser { name: "lab1", password: PASSWORD, role: Role::Reader, scopes: &scopes, allow_ntlm: false };
    service.site.add_user(&local, user).await.unwrap();
    let mut within = Told::begin(&service, "lab1", "/events?after=0", "Accept: */*").await;
    refresh(&service).await;
    service.site.create_user(&local, "mark", PASSWORD, Role::Reader).await.unwrap();
    loop {
        let event = within.next().await.expect("the answer goes on");
        assert!(!event.data.contains(PACKAGE), "{event:?}");
        if event.data.contains("mark") {
            break;
        }
    }

    let mut readers = Vec::new();
    let head = format!("GET /events HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", Service::credentials("admin"));
    for _ in 0..EVENT_READERS_OF_USER_MAX {
        let mut stream = BufReader::new(TcpStream::connect(service.at.addr).await.unwrap());
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "HTTP/1.1 200 OK\r\n");
        readers.push(stream);
    }
    let refused = service.get("/events").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.head.contains("retry-after:"), "{}", refused.head);
}
