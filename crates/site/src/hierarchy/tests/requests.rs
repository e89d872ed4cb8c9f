//! Calls of other sites: carried out once, answered each, and none of them lost.

use agent::link::{Call, Record, RecordsReply, RequestRecord};
use clock::Clock;

use super::{BRANCHES, THREE_LEVELS, Tree, hierarchies};
use crate::Neighbor;
use crate::distribution::state::State;
use crate::hierarchy::requests::{
    ANSWERED_KEPT_FOR, REQUESTS_KEPT_MAX, REQUESTS_OPEN_MAX, REQUESTS_TOLD_MAX,
};
use crate::stage::{Point, admin, code, failed};

const OPEN: &str = "SELECT request_id FROM site_request WHERE done_at IS NULL ORDER BY 1";

/// Requests to refresh a package that nobody has answered yet, as a site has them that stopped before it could.
async fn waiting(tree: &Tree, site: &str, package_id: &str, (from, to): (i64, i64), revision: &str) {
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}) \
         INSERT INTO site_request (request_id, origin, package_id, user_name, requested_at, call, revision) \
         SELECT 'r' || i, 'S01', '{package_id}', 'u', 1, '{}', {revision} FROM n",
        serde_json::to_string(&Call::Refresh).unwrap()
    );
    tree.sql(site, &insert).await;
}

/// As many requests of the child as are remembered at most, answered long ago; their revision was told, but not heard.
async fn unheard_answers(tree: &Tree, package_id: &str, from: i64) {
    tree.sql("PS1", "UPDATE counter SET value = value + 1000 WHERE name = 'revision'").await;
    let newest = tree.site("PS1").newest_revision().await.unwrap();
    waiting(tree, "PS1", package_id, (from, from + REQUESTS_KEPT_MAX - 1), &newest.to_string()).await;
    tree.sql("PS1", "UPDATE site_request SET done_at = 1 WHERE done_at IS NULL").await;
}

/// The child's calls reach the parent; nothing comes back.
async fn told_upwards(tree: &Tree) {
    let told = tree.up("S01", 512).await;
    tree.heard_above("S01", "PS1", &told).await;
}

const REFUSED: &str = "SELECT COALESCE(refused_code, 'done') FROM site_request ORDER BY revision";

async fn requested(tree: &Tree, site: &str) -> i64 {
    tree.sql(site, "SELECT CAST(refresh_requested AS TEXT) FROM package").await[0][0].parse().unwrap()
}

/// A call to assign a package and then one to take it away, still at the site where they were made; their ids sort the other
/// way round.
async fn assigned_and_removed(tree: &Tree, site: &str, package_id: &str, point: &Point) {
    tree.assign(site, package_id, &[point]).await;
    tree.site(site).remove_from_distribution_point(&admin(), package_id, &point.nal).await.unwrap();
    let rename = "UPDATE site_request SET request_id = CASE WHEN call LIKE '%assign%' THEN 'z' ELSE 'a' END";
    tree.sql(site, rename).await;
}

/// How the owner answered: a removal before the assignment finds nothing.
async fn answers(tree: &Tree, site: &str) -> [String; 2] {
    tree.settle_all().await;
    let answers = "SELECT COALESCE(refused_code, 'done') FROM site_request ORDER BY request_id DESC";
    tree.sql(site, answers).await.concat().try_into().unwrap()
}

hierarchies! {
    async fn a_later_call_is_not_taken_for_an_earlier_one(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle_all().await;
        // While the link is down.
        let child = tree.site("S01");
        tree.assign("S01", id, &[&point]).await;
        child.remove_from_distribution_point(&admin(), id, &point.nal).await.unwrap();
        for _ in 0..3 {
            tree.assign("S01", id, &[&point]).await;
        }
        assert_eq!(tree.sql("S01", OPEN).await.len(), 3, "the same call waits once, if nothing came in between");
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &point, id).await, 1);

        // The owner has done it, and nobody knows here: that was for the earlier call.
        let before = requested(tree, "PS1").await;
        child.refresh_package(&admin(), id).await.unwrap();
        let told = tree.up("S01", 512).await;
        tree.site("PS1").apply_records(&Neighbor::Child("S01".to_owned()), &told).await.unwrap();
        assert_eq!(requested(tree, "PS1").await - before, 1);
        child.refresh_package(&admin(), id).await.unwrap();
        tree.settle().await;
        assert_eq!(requested(tree, "PS1").await - before, 2);
        assert!(tree.sql("S01", OPEN).await.is_empty());
    }

    async fn calls_keep_their_order_when_the_package_goes_to_another_owner(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle_all().await;
        assigned_and_removed(tree, "S01", id, &point).await;
        tree.site("PS1").set_source_site(&admin(), id, "S02").await.unwrap();
        // The child hears of it before it tells its calls.
        let told = tree.down("S01", "PS1", 512).await;
        tree.heard_below("S01", &told).await;
        assert_eq!(answers(tree, "S01").await, ["done", "done"]);
    }

    async fn calls_keep_their_order_after_a_restored_backup(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        tree.settle_all().await;
        assigned_and_removed(tree, "S01", &package.package_id, &point).await;
        let child = tree.site("S01");
        let beyond = child.newest_revision().await.unwrap() + 1000;
        child.records_acknowledged(&Neighbor::Parent, beyond).await.unwrap();
        assert_eq!(answers(tree, "S01").await, ["done", "done"]);
    }

    async fn calls_that_one_revision_tells_are_ordered_by_their_time(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        tree.settle_all().await;
        assigned_and_removed(tree, "S01", &package.package_id, &point).await;
        // As an earlier version of this program left them; the removal was first.
        let newest = tree.site("S01").newest_revision().await.unwrap();
        let tie = format!("UPDATE site_request SET revision = {newest}, requested_at = CASE WHEN request_id = 'z' THEN 2 ELSE 1 END");
        tree.sql("S01", &tie).await;
        assert_eq!(answers(tree, "S01").await, ["done", "distribution_not_found"]);
    }

    async fn a_request_is_carried_out_once(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        tree.settle().await;
        let before = requested(tree, "PS1").await;
        waiting(tree, "PS1", &package.package_id, (1, 20), "i").await;
        // Two neighbors tell something at once, and each time everything that is open is looked at.
        let site = tree.site("PS1");
        let (one, other) = tokio::join!(site.answer_requests(), site.answer_requests());
        assert_eq!(one.unwrap() + other.unwrap(), 20);
        assert_eq!(requested(tree, "PS1").await - before, 20);
        assert!(tree.sql("PS1", OPEN).await.is_empty());
    }

    async fn all_that_waits_is_answered_and_nothing_holds_it_up(tree: &Tree, THREE_LEVELS) {
        let package = tree.stage("PS1").package("dell").await;
        let away = tree.stage("CAS").package("hp").await;
        tree.settle().await;
        // Some are for another site, one cannot be read, and behind them are more than are read at once.
        waiting(tree, "PS1", &away.package_id, (1000, 1300), "0").await;
        waiting(tree, "PS1", &package.package_id, (1, 600), "i").await;
        tree.sql("PS1", "UPDATE site_request SET call = 'x' WHERE request_id = 'r1'").await;
        assert_eq!(tree.site("PS1").answer_requests().await.unwrap(), 599);
        assert_eq!(tree.sql("PS1", OPEN).await.len(), 302);
        // More of one revision than are read at once.
        waiting(tree, "PS1", &package.package_id, (2000, 2599), "7").await;
        assert_eq!(tree.site("PS1").answer_requests().await.unwrap(), 600);
    }

    async fn a_group_s_refresh_has_the_owner_try_again_what_failed(tree: &Tree, BRANCHES) {
        let (failing, well) = (tree.point("S01", "dp1").await, tree.point("S01", "dp2").await);
        let cancelled = tree.point("S02", "dp3").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        let points = [&failing, &well, &cancelled];
        tree.settle().await;
        tree.assign("PS1", id, &points).await;
        tree.settle_all().await;
        let child = tree.site("S01");
        let new = crate::NewDpGroup { name: "all".to_owned(), ..Default::default() };
        let group = child.create_dp_group(&admin(), new).await.unwrap().group_id;
        let nals: Vec<String> = points.map(|point| point.nal.clone()).into();
        child.add_dp_group_members(&admin(), &group, &nals, true).await.unwrap();
        child.add_dp_group_packages(&admin(), &group, std::slice::from_ref(id)).await.unwrap();
        tree.settle_all().await;
        tree.report("S01", &failing, id, failed(1)).await;
        tree.install("S01", &well, id).await;
        tree.site("PS1").cancel_distribution(&admin(), id, &cancelled.nal).await.unwrap();
        tree.settle().await;
        let states = "SELECT CAST(d.state AS TEXT) FROM distribution d JOIN dp x ON x.id = d.dp_id ORDER BY x.name";
        let numbers = |states: [State; 3]| states.map(|state| [state.number().to_string()]);
        let before = [State::InstallRetrying, State::Installed, State::InstallFailed];
        assert_eq!(tree.sql("PS1", states).await, numbers(before));

        child.refresh_dp_group(&admin(), &group).await.unwrap();
        tree.settle().await;
        let after = [State::InstallPending, State::Installed, State::InstallPending];
        assert_eq!(tree.sql("PS1", states).await, numbers(after));
        assert!(!tree.told("S02", &cancelled, id).await.unwrap().cancelled, "a site that sees nothing of it asked");
        assert_eq!(tree.sql("S01", states).await, numbers(after)[..2]);
        assert!(tree.sql("S01", OPEN).await.is_empty());
    }

    async fn a_call_that_a_site_does_not_know_is_refused(tree: &Tree, THREE_LEVELS) {
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.site("S01").refresh_package(&admin(), id).await.unwrap();
        // A newer site's; what came with it is heard.
        tree.sql("S01", "UPDATE site_request SET call = '{\"call\":\"levitate\",\"by\":2}'").await;
        tree.site("S01").refresh_package(&admin(), id).await.unwrap();
        let before = requested(tree, "CAS").await;
        tree.settle().await;
        assert_eq!(tree.sql("S01", REFUSED).await.concat().iter().filter(|code| *code == "invalid_field").count(), 1);
        assert!(tree.stage("S01").message_ids().await.contains(&39060));
        assert_eq!(requested(tree, "CAS").await - before, 1);
    }

    async fn no_call_is_refused_silently_however_many_are_remembered(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle_all().await;
        let (child, clock) = (tree.site("S01"), &tree.stage("PS1").clock);
        let before = requested(tree, "PS1").await;
        // The child may tell any of them again, so none may be forgotten.
        unheard_answers(tree, id, 1).await;
        child.refresh_package(&admin(), id).await.unwrap();
        told_upwards(tree).await;
        let forget = "DELETE FROM site_request WHERE request_id LIKE 'r%'";
        let of_child = format!("{REFUSED} LIMIT 1").replace("FROM site_request", "FROM site_request WHERE request_id NOT LIKE 'r%'");
        assert_eq!(tree.sql("PS1", &of_child).await, [["busy"]]);

        // One that hears no answer at all waits, and loses nothing.
        unheard_answers(tree, id, 1 + REQUESTS_KEPT_MAX).await;
        child.refresh_package(&admin(), id).await.unwrap();
        let told = tree.up("S01", 512).await;
        let from = Neighbor::Child("S01".to_owned());
        assert_eq!(code(tree.site("PS1").apply_records(&from, &told).await), "busy");
        let rows = tree.sql("PS1", "SELECT CAST(COUNT(*) AS TEXT) FROM site_request").await;
        assert_eq!(rows, [[(REQUESTS_TOLD_MAX + 1).to_string()]]);

        // What was heard may still be on its way a second time.
        tree.sql("PS1", &format!("{forget} AND revision < (SELECT MAX(revision) FROM site_request WHERE request_id LIKE 'r%')")).await;
        let now = clock.now().as_microsecond();
        tree.sql("PS1", &format!("UPDATE site_request SET revision = 1, done_at = {now} WHERE request_id LIKE 'r%'")).await;
        tree.settle().await;
        assert_eq!(tree.sql("S01", REFUSED).await, [["busy"]], "the later call took the earlier one's place");
        assert_eq!(tree.stage("S01").message_ids().await.last(), Some(&39060));
        assert_eq!(requested(tree, "PS1").await, before);

        clock.advance(ANSWERED_KEPT_FOR * 2);
        child.refresh_package(&admin(), id).await.unwrap();
        tree.settle().await;
        assert_eq!(tree.sql("S01", REFUSED).await, [["busy"], ["done"]]);
        assert_eq!(requested(tree, "PS1").await, before + 1);
        let rows: i64 = tree.sql("PS1", "SELECT CAST(COUNT(*) AS TEXT) FROM site_request").await[0][0].parse().unwrap();
        assert!(rows < REQUESTS_KEPT_MAX, "{rows}");
    }

    async fn a_request_too_many_is_refused_where_it_was_made(tree: &Tree, THREE_LEVELS) {
        let away = tree.stage("CAS").package("hp").await;
        let id = &away.package_id;
        tree.settle().await;
        // So many of one branch wait at the site between; it was away from the owner for long.
        waiting(tree, "PS1", id, (1, REQUESTS_OPEN_MAX), "0").await;
        tree.site("S01").refresh_package(&admin(), id).await.unwrap();
        assert_eq!(tree.sql("S01", OPEN).await.len(), 1);
        tree.settle().await;
        assert!(tree.sql("S01", OPEN).await.is_empty(), "it may be asked again");
        let refused = tree.sql("S01", "SELECT refused_code FROM site_request").await;
        assert_eq!(refused, [["busy"]]);
        assert_eq!(tree.stage("S01").message_ids().await.last(), Some(&39060));
        // The others have their own room: the site's users, and the sites above.
        tree.site("PS1").refresh_package(&admin(), id).await.unwrap();
        let request = RequestRecord {
            id: "from above".to_owned(),
            origin: "PS2".to_owned(),
            package_id: id.clone(),
            user: "u".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            correlation: None,
            call: Call::Refresh,
        };
        let after = tree.site("PS1").link_state(&Neighbor::Parent).await.unwrap().received;
        let told = RecordsReply { after, revision: after, more: false, records: vec![Record::Request(request)] };
        tree.site("PS1").apply_records(&Neighbor::Parent, &told).await.unwrap();
        let open = tree.sql("PS1", OPEN).await;
        assert_eq!(open.len() as i64, REQUESTS_OPEN_MAX + 2);
        // At the site's own limit its users are told at once.
        tree.sql("PS1", "UPDATE site_request SET origin = 'PS1'").await;
        assert_eq!(code(tree.site("PS1").refresh_package(&admin(), id).await), "busy");
    }
}
