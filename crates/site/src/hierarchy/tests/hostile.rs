//! A child that says what it may not say, and one whose database is from a backup.

use agent::link::{
    Call, DpName, DpRecord, Gone, PackageRecord, RECORDS_AT_ONCE_MAX, RECORDS_MAX, Record, RecordsReply,
    RequestRecord, SiteRecord, TargetRecord, TombstoneRecord,
};

use super::{BRANCHES, Tree, hierarchies};
use crate::hierarchy::leap::{LEAP_INTERVAL, LEAP_MAX, NUMBER_MAX, RESTORES_MAX};
use crate::restored::LOST_MAX;
use crate::stage::{admin, code, write};
use crate::{Neighbor, Site};

const AT: &str = "2026-01-01T00:00:00Z";

fn child() -> Neighbor {
    Neighbor::Child("S01".to_owned())
}

async fn say(site: &Site, records: Vec<Record>) {
    let after = site.link_state(&child()).await.unwrap().received;
    let reply = RecordsReply { after, revision: after + 1, more: false, records };
    let posted = site.apply_records(&child(), &reply).await.unwrap();
    assert_eq!(posted.revision, after + 1, "what is passed over does not hold up the rest");
}

/// The package as the child has it, or makes it up.
async fn package_as_told(tree: &Tree, id: &str) -> PackageRecord {
    let told = tree.site("PS1").records_for(&child(), 0, 512).await.unwrap();
    let find = |record: Record| match record {
        Record::Package(package) if package.package_id == id => Some(*package),
        _ => None,
    };
    told.records.into_iter().find_map(find).unwrap()
}

fn dp(site_code: &str, name: &str) -> DpName {
    DpName { site_code: site_code.to_owned(), name: name.to_owned() }
}

hierarchies! {
    async fn a_child_cannot_rewrite_what_is_not_its_own(tree: &Tree, BRANCHES) {
        let point = tree.point("S02", "dp2").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&point]).await;
        tree.settle_all().await;
        tree.install("S02", &point, id).await;
        tree.settle().await;
        let top = tree.site("PS1");
        let rows = "SELECT CAST(absent AS TEXT), CAST(state AS TEXT), CAST(desired_version AS TEXT) FROM distribution";
        let before = tree.sql("PS1", rows).await;

        let mut stolen = package_as_told(tree, id).await;
        (stolen.source_site, stolen.epoch, stolen.stamp) = ("S01".to_owned(), 9, 9_999);
        let mut renamed = package_as_told(tree, id).await;
        (renamed.epoch, renamed.stamp) = (1, 9_999_999);
        let mut invented = package_as_told(tree, id).await;
        (invented.package_id, invented.source_site) = ("PS1FFFFF".to_owned(), "S01".to_owned());
        let sister = SiteRecord {
            site_code: "S02".to_owned(),
            name: "mine".to_owned(),
            site_type: 1,
            parent: Some("PS1".to_owned()),
            server_name: "evil.example.test".to_owned(),
            signing_key: String::new(),
            endorsements: Vec::new(),
            repairs: Vec::new(),
            stamp: 9_999_999,
        };
        let moved = SiteRecord { site_code: "S03".to_owned(), ..sister.clone() };
        let target = TargetRecord {
            package_id: id.clone(),
            dp: dp("S02", "dp2"),
            epoch: 1,
            generation: 9_999_999,
            absent: true,
            version: 1,
            verify: false,
            cancelled: None,
            demanded_at: AT.to_owned(),
            correlation: None,
        };
        let theirs = DpRecord {
            dp: dp("S02", "dp2"),
            identity_guid: "x".to_owned(),
            content_url: "http://evil".to_owned(),
            agent_version: String::new(),
            stamp: 9_999_999,
        };
        let odd = DpRecord { dp: dp("S01", "../dp"), ..theirs.clone() };
        let nul = DpRecord { dp: dp("S01", "dp7"), content_url: "a\0b".to_owned(), ..theirs.clone() };
        let gone = |gone| Record::Tombstone(TombstoneRecord { gone, at: AT.to_owned() });
        let request = RequestRecord {
            id: "r1".to_owned(),
            origin: "S02".to_owned(),
            package_id: id.clone(),
            user: "admin".to_owned(),
            at: AT.to_owned(),
            correlation: None,
            call: Call::Refresh,
        };
        say(top, vec![
            Record::Site(sister),
            Record::Site(moved),
            Record::Dp(theirs),
            Record::Dp(odd),
            Record::Dp(nul),
            Record::Package(Box::new(stolen)),
            Record::Package(Box::new(renamed)),
            Record::Package(Box::new(invented)),
            Record::Target(target),
            Record::Request(request),
            gone(Gone::Dp { dp: dp("S02", "dp2"), stamp: 9_999_999 }),
            gone(Gone::Package { package_id: id.clone(), source_site: "S01".to_owned(), epoch: 9 }),
            gone(Gone::Distribution { package_id: id.clone(), dp: dp("S02", "dp2"), epoch: 1, generation: 9_999_999 }),
            gone(Gone::Site { site_code: "S02".to_owned() }),
        ]).await;

        let package = top.package(id).await.unwrap();
        assert_eq!((package.source_site.as_str(), package.fields.name.as_str()), ("PS1", "dell"));
        assert_eq!(tree.sql("PS1", rows).await, before);
        assert_eq!(tree.sql("PS1", "SELECT site_code FROM site_node ORDER BY 1").await, [["PS1"], ["S01"], ["S02"]]);
        assert_eq!(tree.sql("PS1", "SELECT name, content_url FROM dp").await, [["dp2", "http://dp2:8540"]]);
        assert_eq!(tree.sql("PS1", "SELECT server_name FROM site_node WHERE site_code = 'S02'").await, [["s02.example.test"]]);
        assert!(tree.sql("PS1", "SELECT request_id FROM site_request").await.is_empty());
        assert!(tree.sql("PS1", "SELECT object_key FROM tombstone").await.is_empty());
        assert_eq!(code(top.package("PS1FFFFF").await), "package_not_found");
    }

    async fn floods_are_refused(tree: &Tree, BRANCHES) {
        let record = Record::Tombstone(TombstoneRecord {
            gone: Gone::Site { site_code: "ZZZ".to_owned() },
            at: AT.to_owned(),
        });
        let records = vec![record; RECORDS_AT_ONCE_MAX + 1];
        let reply = RecordsReply { after: 0, revision: 5, more: false, records };
        assert_eq!(code(tree.site("PS1").apply_records(&child(), &reply).await), "invalid_field");
        let stranger = Neighbor::Child("S09".to_owned());
        let reply = RecordsReply { after: 0, revision: 5, more: false, records: Vec::new() };
        assert_eq!(code(tree.site("PS1").apply_records(&stranger, &reply).await), "site_not_found");
    }

    async fn a_request_may_do_no_more_than_an_operator(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        tree.settle().await;
        let request = |id: &str, package_id: &str| Record::Request(RequestRecord {
            id: id.to_owned(),
            origin: "S01".to_owned(),
            package_id: package_id.to_owned(),
            user: "x".repeat(200),
            at: "2099-01-01T00:00:00Z".to_owned(),
            correlation: Some("no id\n".to_owned()),
            call: Call::Assign { points: vec![dp("S09", "dp1")] },
        });
        say(tree.site("PS1"), vec![request("a", &package.package_id), request("b", "PS1EEEEE"), request("a", "PS1EEEEE")]).await;
        let odd_ids = tree.sql("PS1", "SELECT call_id FROM site_request WHERE call_id IS NOT NULL").await;
        assert!(odd_ids.is_empty(), "what is not fit for a log line is not taken over");
        let codes = tree.sql("PS1", "SELECT request_id, refused_code FROM site_request ORDER BY 1").await;
        assert_eq!(codes, [["a", "dp_not_found"], ["b", "package_not_found"]]);
    }

    async fn a_site_from_a_backup_goes_on_from_beyond_what_others_know(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&point]).await;
        tree.settle_all().await;
        let known = tree.site("PS1").link_state(&child()).await.unwrap().received;
        // The child's counter is where it was long ago, and what it told since it does not know.
        tree.sql("S01", "UPDATE counter SET value = 3 WHERE name = 'revision'").await;
        tree.sql("S01", "UPDATE site_node SET acknowledged_revision = 0").await;
        tree.settle_all().await;
        tree.install("S01", &point, id).await;
        tree.settle().await;
        let beyond = tree.site("S01").newest_revision().await.unwrap();
        assert!(beyond > known, "{beyond} {known}");
        let states = "SELECT CAST(state AS TEXT) FROM distribution";
        assert_eq!(tree.sql("PS1", states).await, [["0"]], "its reports are not taken for old ones");
        // The other way round: the parent is behind what the child has heard.
        tree.sql("PS1", "UPDATE counter SET value = 3 WHERE name = 'revision'").await;
        tree.site("PS1").redistribute(&admin(), id, &point.nal).await.unwrap();
        tree.settle_all().await;
        let told = tree.told("S01", &point, id).await.unwrap();
        assert!(matches!(told.goal, agent::Goal::Hold { verify: true, .. }), "{told:?}");
    }

    async fn a_number_that_a_backup_does_not_know_is_never_given_to_other_content(tree: &Tree, BRANCHES) {
        let point = tree.point("S01", "dp1").await;
        let stage = tree.stage("PS1");
        let package = stage.package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&point]).await;
        tree.settle_all().await;
        tree.install("S01", &point, id).await;
        tree.settle().await;
        // The second version, and another package, were made after the backup.
        let publish = async |text: &str| {
            write(&stage.source("dell", &[]).join("new.inf"), text);
            stage.site.refresh_package(&admin(), id).await.unwrap();
            stage.site.run_due_snapshots().await.unwrap();
        };
        publish("after the backup").await;
        let lost = stage.package("hp").await;
        tree.settle_all().await;
        tree.install("S01", &point, id).await;
        tree.settle_all().await;
        tree.sql("PS1", "UPDATE counter SET value = 3 WHERE name = 'revision'").await;
        tree.sql("PS1", "UPDATE counter SET value = value - 1 WHERE name = 'package'").await;
        for table in ["package_version", "package"] {
            tree.sql("PS1", &format!("DELETE FROM {table} WHERE package_id = '{}'", lost.package_id)).await;
        }
        tree.sql("PS1", &format!("DELETE FROM package_version WHERE package_id = '{id}' AND version = 2")).await;
        tree.sql("PS1", &format!("UPDATE package SET source_version = 1, stored_version = 1, content_hash = 'x' WHERE package_id = '{id}'")).await;
        tree.settle_all().await;

        publish("after the restore").await;
        tree.settle_all().await;
        let told = tree.told("S01", &point, id).await.unwrap();
        assert!(matches!(told.goal, agent::Goal::Hold { version, .. } if i64::from(version) == 1 + LOST_MAX + 1), "{told:?}");
        let other = stage.package("lenovo").await;
        assert_ne!(other.package_id, lost.package_id, "it is known elsewhere as something else");
        // It is said by everybody who has seen more, and passed over once.
        stage.site.outrun(&child(), stage.site.newest_revision().await.unwrap() + 9).await.unwrap();
        let floor = tree.sql("PS1", &format!("SELECT CAST(version_floor AS TEXT) FROM package WHERE package_id = '{id}'")).await;
        assert_eq!(floor, [[(1 + LOST_MAX).to_string()]]);
    }

    async fn a_neighbor_cannot_use_the_counter_up(tree: &Tree, BRANCHES) {
        let top = tree.site("PS1");
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let theirs = tree.stage("PS1").package("hp").await;
        top.set_source_site(&admin(), &theirs.package_id, "S01").await.unwrap();
        tree.settle().await;
        let before = top.newest_revision().await.unwrap();
        for far in [9_223_372_036_854_770_000, i64::MAX, before + LEAP_MAX + 1] {
            let error = top.records_for(&child(), far, 9).await.unwrap_err();
            assert!(error.code() == "invalid_field" && error.to_string().contains("let it join anew"), "{error}");
            assert_eq!(code(top.records_acknowledged(&child(), far).await), "invalid_field");
        }
        let reply = RecordsReply { after: 0, revision: i64::MAX, more: false, records: Vec::new() };
        assert_eq!(code(top.apply_records(&child(), &reply).await), "invalid_field");
        assert_eq!(top.newest_revision().await.unwrap(), before);

        // A package of theirs that goes back to this site, with demands whose numbers lie.
        let told = |generation: i64, version: u32| {
            let row = TargetRecord {
                package_id: theirs.package_id.clone(),
                dp: dp("S01", "dp1"),
                epoch: 2,
                generation,
                absent: false,
                version,
                verify: false,
                cancelled: None,
                demanded_at: AT.to_owned(),
                correlation: None,
            };
            Record::Target(row)
        };
        say(top, vec![told(i64::MAX, 8)]).await;
        assert!(tree.sql("PS1", "SELECT package_id FROM distribution").await.is_empty());
        say(top, vec![told(NUMBER_MAX, 1)]).await;
        tree.site("S01").set_source_site(&admin(), &theirs.package_id, "PS1").await.unwrap();
        tree.settle().await;
        assert_eq!(top.package(&theirs.package_id).await.unwrap().source_site, "PS1");
        let row = "SELECT CAST(desired_version AS TEXT) FROM distribution";
        say(top, vec![told(NUMBER_MAX, 9)]).await;
        assert!(top.newest_revision().await.unwrap() < before + 1000, "the counter is where it was");
        // A former owner that counted a thousand million more is believed.
        tree.sql("PS1", "DELETE FROM distribution").await;
        say(top, vec![told(before + 1_000_000_000, 7)]).await;
        assert_eq!(tree.sql("PS1", row).await, [["7"]]);
        assert!(top.newest_revision().await.unwrap() >= before + 1_000_000_000);
        // And writing goes on.
        top.refresh_package(&admin(), &package.package_id).await.unwrap();
        tree.assign("PS1", &package.package_id, &[&point]).await;
        tree.settle().await;
    }

    async fn who_says_again_and_again_that_a_backup_was_restored_waits(tree: &Tree, BRANCHES) {
        let top = tree.site("PS1");
        let further = async || top.newest_revision().await.unwrap() + 1000;
        for _ in 0..RESTORES_MAX {
            top.records_for(&child(), further().await, 9).await.unwrap();
        }
        assert_eq!(code(top.records_for(&child(), further().await, 9).await), "busy");
        let other = Neighbor::Child("S02".to_owned());
        top.records_for(&other, further().await, 9).await.unwrap();
        tree.stage("PS1").clock.advance(LEAP_INTERVAL);
        top.records_for(&child(), further().await, 9).await.unwrap();
        // From a backup of long ago, at a site that changes a hundred rows a second.
        tree.stage("PS1").clock.advance(LEAP_INTERVAL);
        let weeks = 12 * 7 * 24 * 3600 * 100;
        let reply = top.records_for(&child(), top.newest_revision().await.unwrap() + weeks, 9).await.unwrap();
        assert!(reply.revision > weeks && !reply.records.is_empty());
    }

    async fn what_one_call_changed_is_told_in_pages(tree: &Tree, BRANCHES) {
        const POINTS: usize = 1300;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        let top = tree.site("PS1");
        let known = top.newest_revision().await.unwrap();
        tree.sql("PS1", &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {POINTS}) \
             INSERT INTO dp (name, name_key, nal_path, identity_guid, created_at, site_code, revision) \
             SELECT 'p' || i, 'p' || i || '@S01', '[\"Display=\\\\p' || i || '\\\"]MSWNET:[\"SMS_SITE=S01\"]\\\\p' || i || '\\', 'g', 1, 'S01', 1 FROM n"
        )).await;
        let points: Vec<_> = top.distribution_points().await.unwrap().into_iter().map(|point| (String::new(), point.nal_path)).collect();
        assert_eq!(points.len(), POINTS);
        top.add_distribution_points(&admin(), id, &points).await.unwrap();
        assert_eq!(targets_told(top, known, RECORDS_MAX).await, POINTS);
        // Once they are told apart, a smaller page is smaller.
        assert_eq!(targets_told(top, known, 256).await, POINTS);
        // After a restore everything is told anew, in pages as well.
        let restored = top.newest_revision().await.unwrap() + 10_000;
        assert_eq!(targets_told(top, restored, RECORDS_MAX).await, POINTS);
    }
}

/// Reads all pages after a revision, none of which has more than so many targets. Returns how many targets there were.
async fn targets_told(site: &Site, mut after: i64, page_max: usize) -> usize {
    let mut told = std::collections::BTreeSet::new();
    loop {
        let page = site.records_for(&child(), after, page_max).await.unwrap();
        let in_page = page.records.iter().filter_map(|record| match record {
            Record::Target(target) => Some(target.dp.name.clone()),
            _ => None,
        });
        let in_page: Vec<String> = in_page.collect();
        assert!(in_page.len() <= page_max, "{} in one page", in_page.len());
        told.extend(in_page);
        if !page.more {
            return told.len();
        }
        after = page.revision;
    }
}
