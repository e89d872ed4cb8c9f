//! A child site at its parent's listener: who may call what, rows both ways, and wants.
#![allow(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use agent::join::{JoinReply, JoinRequest};
use agent::link::{
    DpName, DpRecord, Record, RecordsPosted, RecordsReply, WANT_BYTES_MAX, WantKind, WantsReply,
};
use net::{Client, NetError};
use site::Actor;

mod rig;

use rig::{Agent, Rig, Transport, not_hanging, refused};

const DP: &str = "dp1.example.test";

/// Joins a child site `S01`; the client that it then has.
async fn join(rig: &Rig) -> Client {
    let token = rig.site.create_site_token(&Actor::local(), "S01", None).await.unwrap();
    let request = JoinRequest {
        token: token.to_string(),
        site_code: "S01".to_owned(),
        site_name: "Branch".to_owned(),
        site_type: 1,
        server_name: "s01.example.test".to_owned(),
        csr_pem: None,
        signing_key: rig.site.keys().await.unwrap().keys[0].key.clone(),
        agent_version: "0.1.0".to_owned(),
    };
    let reply: JoinReply = rig.stranger().post_json("/agent/v1/site/join", &request).await.unwrap();
    assert_eq!(reply.site_code, "PS1");
    let mut options = rig.client_options();
    options.bearer = Some(reply.secret);
    Client::new(options).unwrap()
}

async fn hear(child: &Client, after: i64, wait: u64) -> Result<RecordsReply, NetError> {
    child.get_json(&format!("/agent/v1/site/records?after={after}&wait={wait}")).await
}

async fn tell(child: &Client, after: i64, records: Vec<Record>) -> Result<RecordsPosted, NetError> {
    let told = RecordsReply { after, revision: after + 1, more: false, records };
    child.post_json("/agent/v1/site/records", &told).await
}

fn point_below() -> Record {
    Record::Dp(DpRecord {
        dp: DpName { site_code: "S01".to_owned(), name: "dp9.example.test".to_owned() },
        identity_guid: "0C3E6E4D-3C35-4E1B-8B4A-0B8E7D0F3A11".to_owned(),
        content_url: "http://dp9.example.test:8540".to_owned(),
        agent_version: "0.1.0".to_owned(),
        stamp: 7,
    })
}

async fn route(client: &Client, package_id: &str) -> Result<agent::Route, NetError> {
    client.get_json(&format!("/agent/v1/packages/{package_id}/versions/1/route")).await
}

#[tokio::test]
async fn a_distribution_point_s_identity_opens_nothing_of_a_site_s_nor_the_reverse() {
    let rig = Rig::start(Transport::Plain).await;
    let (dp, child): (Agent, Client) = (rig.enrol(DP).await, join(&rig).await);
    let unknown = (401, "agent_unknown".to_owned());
    assert_eq!(refused(hear(&dp.client, 0, 0).await), unknown);
    assert_eq!(refused(tell(&dp.client, 0, Vec::new()).await), unknown);
    assert_eq!(refused(dp.client.get_json::<WantsReply>("/agent/v1/site/wants").await), unknown);
    assert_eq!(refused(child.get_json::<agent::DesiredReply>("/agent/v1/desired").await), unknown);
    let facts = agent::Facts { facts: Vec::new() };
    assert_eq!(refused(child.post("/agent/v1/facts", &facts).await), unknown);
    let stranger = refused(hear(&rig.stranger(), 0, 0).await);
    assert_eq!(stranger, (401, "secret_required".to_owned()));
    rig.site.revoke_site(&rig.admin, "S01").await.unwrap();
    assert_eq!(refused(hear(&child, 0, 0).await), unknown, "revoked at once");
    rig.stopped().await;
}

#[tokio::test]
async fn rows_go_both_ways_and_routes_only_to_who_shall_hold_the_package() {
    let rig = Rig::start(Transport::Plain).await;
    let (dp, other) = (rig.enrol(DP).await, rig.enrol("dp2.example.test").await);
    let child = join(&rig).await;
    let package_id = rig.package(DP).await;
    dp.until_version(0, 1).await;
    let not_assigned = (404, "package_not_assigned".to_owned());
    assert_eq!(refused(route(&other.client, &package_id).await), not_assigned);
    assert_eq!(refused(route(&child, &package_id).await), not_assigned);

    let first = hear(&child, 0, 0).await.unwrap();
    let is_told = |told: &RecordsReply, kind: fn(&Record) -> bool| told.records.iter().any(kind);
    assert!(is_told(&first, |record| matches!(record, Record::Package(_))));
    assert!(is_told(&first, |record| matches!(record, Record::Site(site) if site.site_code == "PS1")));
    assert!(!is_told(&first, |record| matches!(record, Record::Target(_))), "not its distribution points");

    assert_eq!(tell(&child, 0, vec![point_below()]).await.unwrap().revision, 1);
    assert_eq!(tell(&child, 9, vec![point_below()]).await.unwrap().revision, 1, "there is a gap");
    let points = rig.site.distribution_points().await.unwrap();
    let below = points.into_iter().find(|point| point.site_code == "S01").unwrap();
    let waits = hear(&child, first.revision, 60);
    let assigns = async {
        let dps = [("S01".to_owned(), below.nal_path.clone())];
        rig.site.add_distribution_points(&rig.admin, &package_id, &dps).await.unwrap();
    };
    let (told, ()) = not_hanging(Box::pin(async { tokio::join!(waits, assigns) })).await;
    assert!(is_told(&told.unwrap(), |record| matches!(record, Record::Target(_))));
    let route = route(&child, &package_id).await.unwrap();
    let root = child.get_json::<agent::Route>(&format!("/content/v1/manifests/{}", route.manifest)).await;
    assert!(root.unwrap_err().refusal().is_none(), "it may read content; only JSON that is not");
    rig.stopped().await;
}

#[tokio::test]
async fn wants_are_answered_by_the_child_that_they_are_for() {
    let rig = Rig::start(Transport::Plain).await;
    let child = join(&rig).await;
    let range = || WantKind::Range { pack: "ab".repeat(32), from: 0, bytes: 4 };
    let refusal = |code: &str, until: Option<&str>, reason: Option<&str>| {
        let until = until.map(|until| until.parse().unwrap());
        Err(site::WantRefusal { code: code.to_owned(), until, reason: reason.map(str::to_owned) })
    };
    let ask = async |post: &str, bytes: &[u8]| {
        let wanted = rig.site.want("S01", "S0100001", 2, range());
        let answers = async {
            let reply: WantsReply = child.get_json("/agent/v1/site/wants?wait=60").await.unwrap();
            assert_eq!((reply.wants.len(), &reply.wants[0].kind), (1, &range()));
            let path = format!("/agent/v1/site/wants/{}", reply.wants[0].id);
            let long = child.post_bytes(&path, vec![0; 5]).await;
            assert_eq!(refused(long), (413, "body_too_large".to_owned()));
            child.post_bytes(&format!("{path}{post}"), bytes.to_vec()).await.unwrap();
            refused(child.post_bytes(&path, Vec::new()).await)
        };
        let (answer, late) = not_hanging(async { tokio::join!(wanted, answers) }).await;
        assert_eq!(late, (404, "want_not_found".to_owned()));
        answer.unwrap()
    };
    assert_eq!(ask("", b"abcd").await, Ok(b"abcd".to_vec()));
    assert_eq!(ask("?refused=object_not_found", b"").await, refusal("object_not_found", None, None));
    let closed = ask("?refused=window_closed&until=2026-03-02T18:00:00Z&reason=S02%20%26%20S03", b"").await;
    assert_eq!(closed, refusal("window_closed", Some("2026-03-02T18:00:00Z"), Some("S02 & S03")));
    let odd = child.post_bytes("/agent/v1/site/wants/x", Vec::new()).await;
    assert_eq!(refused(odd), (400, "bad_request".to_owned()));
    rig.stopped().await;
}

#[tokio::test]
async fn what_came_of_an_answer_that_broke_off_is_taken() {
    let rig = Rig::start(Transport::Plain).await;
    let child = join(&rig).await;
    let range = WantKind::Range { pack: "ab".repeat(32), from: 0, bytes: WANT_BYTES_MAX };
    let wanted = rig.site.want("S01", "S0100001", 2, range);
    let answers = async {
        let reply: WantsReply = child.get_json("/agent/v1/site/wants?wait=60").await.unwrap();
        let path = format!("/agent/v1/site/wants/{}", reply.wants[0].id);
        // Half of it is more than can be under way unread, so some of it was read before the line is cut.
        let piece = vec![7; 64 * 1024];
        let pieces = WANT_BYTES_MAX / 2 / piece.len() as u64;
        let pieces = (0..pieces).map(move |_| Ok(piece.clone().into()));
        let cut = std::iter::once_with(|| Err(std::io::Error::other("the line is cut")));
        child.post_stream(&path, futures_util::stream::iter(pieces.chain(cut))).await.unwrap_err();
    };
    let (answer, ()) = not_hanging(async { tokio::join!(wanted, answers) }).await;
    let came = answer.unwrap().unwrap();
    assert!(!came.is_empty() && came.len() < WANT_BYTES_MAX as usize, "{} bytes", came.len());
    assert!(came.iter().all(|byte| *byte == 7));
    rig.stopped().await;
}

#[tokio::test]
async fn a_route_to_a_child_site_lets_pass_by_the_priority_of_what_is_meant_for_it() {
    let rig = Rig::start(Transport::Plain).await;
    let (dp, child) = (rig.enrol(DP).await, join(&rig).await);
    let package_id = rig.package(DP).await;
    dp.until_version(0, 1).await;
    tell(&child, 0, vec![point_below()]).await.unwrap();
    let points = rig.site.distribution_points().await.unwrap();
    let below = points.into_iter().find(|point| point.site_code == "S01").unwrap();
    let manifest = dp.route(&package_id, 1).await.manifest;
    let path = format!("/content/v1/manifests/{manifest}");
    let own = child.clone().saying(agent::PACKAGE_HEADER, &package_id).unwrap();
    let read = async |client: &Client| client.get_object(&path, 1 << 20).await;
    let prioritize = async |priority| {
        let change = site::PackageChange { priority: Some(priority), ..site::PackageChange::default() };
        rig.site.update_package(&rig.admin, &package_id, change).await.unwrap();
    };
    let hours = "3".repeat(168).parse().unwrap();
    let high_only = site::RouteSettings { hours, ..site::RouteSettings::default() };
    let target = site::RouteTarget::Site("S01".to_owned());
    rig.site.set_route(&rig.admin, &target, &high_only).await.unwrap();
    let closed = (503, agent::WINDOW_CLOSED.to_owned());
    prioritize(1).await;
    assert_eq!(refused(read(&own).await), closed, "it is not meant for this site yet");
    let dps = [("S01".to_owned(), below.nal_path)];
    rig.site.add_distribution_points(&rig.admin, &package_id, &dps).await.unwrap();
    assert!(!read(&own).await.unwrap().is_empty(), "high passes");
    assert_eq!(refused(read(&child).await), closed, "what names no package is low");
    prioritize(2).await;
    assert_eq!(refused(read(&own).await), closed, "medium waits");
    rig.stopped().await;
}
