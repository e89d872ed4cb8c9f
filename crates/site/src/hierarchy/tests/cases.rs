//! What administrators see of a hierarchy.

use std::time::Duration;

use agent::{Event, Goal};

use super::{BRANCHES, THREE_LEVELS, Tree, hierarchies};
use crate::Neighbor;
use crate::access::Actor;
use crate::distribution::state::State;
use crate::stage::{admin, code, failed, installed, with_source, write};

const STATES: &str = "SELECT CAST(d.state AS TEXT), CAST(d.installed_version AS TEXT) FROM distribution d";

async fn refresh(tree: &Tree, owner: &str, source: &str, text: &str, package_id: &str) {
    write(&tree.stage(owner).source(source, &[]).join("new.inf"), text);
    tree.site(owner).refresh_package(&admin(), package_id).await.unwrap();
    tree.site(owner).run_due_snapshots().await.unwrap();
}

hierarchies! {
    async fn a_package_reaches_a_child_s_distribution_point_and_its_status_comes_back(tree: &Tree, THREE_LEVELS) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        // Bytes go nowhere until somebody below is targeted.
        assert_eq!(tree.carry().await, 0);
        assert_eq!(tree.site("S01").package(id).await.unwrap().fields.name, "dell");
        tree.assign("CAS", id, &[&dp]).await;
        tree.settle().await;
        assert_eq!(tree.told("S01", &dp, id).await, None, "the bytes are not there yet");
        assert!(tree.site("PS2").content_needs().await.unwrap().is_empty(), "nobody below needs them");
        let needs = tree.site("PS1").content_needs().await.unwrap();
        assert_eq!((needs.len(), &needs[0].from, needs[0].version), (1, &Neighbor::Parent, 1));
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &dp, id).await, 1);
        tree.settle().await;
        for site in ["S01", "PS1", "CAS"] {
            assert_eq!(tree.sql(site, STATES).await, [["0", "1"]], "{site}");
        }
        assert!(tree.sql("PS2", STATES).await.is_empty(), "it has nothing to do with it");
        // The message is the distribution point's site's, at the owner too.
        let said = tree.sql("CAS", "SELECT \"SiteCode\" FROM \"SMS_StatusMessage\" WHERE \"MessageID\" = 2330").await;
        assert_eq!(said, [["S01"]]);
        let summary = tree.sql("CAS", &format!(
            "SELECT \"SiteCode\", CAST(\"Targeted\" AS TEXT), CAST(\"Installed\" AS TEXT) \
             FROM \"SMS_PackageStatusDetailSummarizer\" WHERE \"PackageID\" = '{id}' ORDER BY 1")).await;
        assert_eq!(summary, [["CAS", "0", "0"], ["S01", "1", "1"]]);
        let sites = tree.sql("S01", "SELECT \"SiteCode\", \"ReportingSiteCode\", CAST(\"Type\" AS TEXT) FROM \"SMS_Site\" ORDER BY 1").await;
        assert_eq!(sites, [["CAS", "", "4"], ["PS1", "CAS", "2"], ["PS2", "CAS", "2"], ["S01", "PS1", "1"]]);
        let points = tree.sql("PS2", "SELECT \"SiteCode\", \"ServerName\" FROM \"SMS_DistributionPointInfo\"").await;
        assert_eq!(points, [["S01", "dp1"]]);
        // Called two levels below the owner; the bytes pass the site between, which needs them for its child only.
        write(&tree.stage("CAS").source("dell", &[]).join("new.inf"), "new");
        tree.site("S01").refresh_package(&admin(), id).await.unwrap();
        tree.settle().await;
        assert_eq!(tree.site("CAS").run_due_snapshots().await.unwrap(), 1);
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &dp, id).await, 2);
        tree.settle().await;
        assert_eq!(tree.sql("CAS", STATES).await, [["0", "2"]]);
    }

    async fn a_child_that_was_away_for_ten_refreshes_needs_one_version(tree: &Tree, BRANCHES) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&dp]).await;
        tree.settle_all().await;
        tree.install("S01", &dp, id).await;
        tree.settle().await;
        for round in 0..10 {
            refresh(tree, "PS1", "dell", &round.to_string(), id).await;
        }
        let down = tree.down("S01", "PS1", 512).await;
        let about = |kind: fn(&agent::link::Record) -> bool| down.records.iter().filter(|r| kind(r)).count();
        assert_eq!(about(|r| matches!(r, agent::link::Record::Package(_))), 1);
        assert_eq!(about(|r| matches!(r, agent::link::Record::Target(_))), 1);
        tree.settle().await;
        let needs = tree.site("S01").content_needs().await.unwrap();
        assert_eq!(needs.iter().map(|need| need.version).collect::<Vec<_>>(), [11]);
        assert_eq!(tree.carry().await, 1);
        assert_eq!(tree.install("S01", &dp, id).await, 11);
        tree.settle().await;
        assert_eq!(tree.sql("PS1", STATES).await, [["0", "11"]]);
        // A need that was looked up before is nothing any more.
        assert_eq!(tree.site("S01").version_arrived(&needs[0], 1).await.unwrap(), None);
    }

    async fn calls_reach_the_owner_through_two_hops_and_their_outcome_comes_back(tree: &Tree, THREE_LEVELS) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS2").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("S01", id, &[&dp]).await;
        assert!(tree.sql("S01", STATES).await.is_empty(), "the owner decides");
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &dp, id).await, 1);
        tree.settle().await;
        assert_eq!(tree.sql("PS2", STATES).await, [["0", "1"]], "a report reaches the owner in a sister branch");
        write(&tree.stage("PS2").source("dell", &[]).join("new.inf"), "new");
        for _ in 0..3 {
            let caller = Actor { call: Some("job-17".to_owned()), ..admin() };
            tree.site("S01").refresh_package(&caller, id).await.unwrap();
        }
        let open = "SELECT origin, user_name FROM site_request WHERE done_at IS NULL";
        assert_eq!(tree.sql("S01", open).await.len(), 1, "the same call waits once");
        tree.settle().await;
        tree.site("PS2").run_due_snapshots().await.unwrap();
        tree.settle_all().await;
        let told = tree.told("S01", &dp, id).await.unwrap();
        assert_eq!(told.correlation.as_deref(), Some("job-17"), "by the owner and back, in another branch");
        assert_eq!(tree.install("S01", &dp, id).await, 2);
        // What the owner refuses is said where the call was made.
        tree.site("S01").remove_from_distribution_point(&admin(), id, &dp.nal).await.unwrap();
        tree.settle().await;
        tree.report("S01", &dp, id, Event::Removed).await;
        tree.settle().await;
        for site in tree.codes() {
            assert!(tree.sql(site, STATES).await.is_empty(), "{site}");
            assert!(tree.sql(site, open).await.is_empty(), "{site}");
        }
        tree.site("S01").validate(&admin(), id, &dp.nal).await.unwrap();
        tree.settle().await;
        let last = *tree.stage("S01").message_ids().await.last().unwrap();
        assert_eq!(last, 39060, "the owner refused it");
        let audit = tree.sql("PS2", "SELECT user_name FROM status_message WHERE message_id = 30009").await;
        assert_eq!(audit, [["admin (S01)"]]);
    }

    async fn what_only_the_owner_may_is_refused_elsewhere(tree: &Tree, BRANCHES) {
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        let child = tree.site("S01");
        let change = crate::PackageChange { name: Some("x".to_owned()), ..Default::default() };
        assert_eq!(code(child.update_package(&admin(), id, change).await), "package_locked");
        assert_eq!(code(child.delete_package(&admin(), id).await), "package_locked");
        let error = child.unlock(&admin(), id).await.unwrap_err();
        assert_eq!(error.code(), "package_locked");
        assert!(error.to_string().contains("PS1") && error.to_string().contains("SetSourceSite"), "{error}");
        assert_eq!(code(child.create_package(&admin(), with_source("hp")).await), "conflict");
        assert_eq!(code(child.records_for(&Neighbor::Child("S02".to_owned()), 0, 9).await), "site_not_found");
    }

    async fn a_package_goes_to_another_owner_with_what_was_demanded(tree: &Tree, THREE_LEVELS) {
        let (one, two) = (tree.point("S01", "dp1").await, tree.point("PS1", "dp1").await);
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&one]).await;
        tree.settle_all().await;
        tree.install("S01", &one, id).await;
        tree.settle().await;
        // Demanded and given away before anybody hears of it.
        tree.assign("PS1", id, &[&two]).await;
        tree.site("PS1").set_source_site(&admin(), id, "ps2").await.unwrap();
        tree.settle_all().await;
        for site in tree.codes() {
            assert_eq!(tree.site(site).package(id).await.unwrap().source_site, "PS2", "{site}");
        }
        assert_eq!(tree.sql("PS2", &format!("{STATES} ORDER BY 1")).await, [["0", "1"], ["1", "0"]]);
        assert_eq!(tree.sql("S01", STATES).await, [["0", "1"]], "what is installed stays so");
        tree.install("PS1", &two, id).await;
        tree.settle().await;
        assert_eq!(tree.sql("PS2", STATES).await, [["0", "1"], ["0", "1"]]);
        // The new owner goes on counting, from a source of its own.
        tree.stage("PS2").source("dell", &[("other.inf", "other")]);
        tree.site("PS2").refresh_package(&admin(), id).await.unwrap();
        assert_eq!(tree.site("PS2").run_due_snapshots().await.unwrap(), 1);
        tree.settle_all().await;
        assert_eq!(tree.install("S01", &one, id).await, 2);
        assert_eq!(tree.install("PS1", &two, id).await, 2);
        tree.settle().await;
        assert_eq!(tree.sql("PS2", STATES).await, [["0", "2"], ["0", "2"]]);
        let sister = tree.site("PS1").unlock(&admin(), id).await.unwrap_err();
        assert_eq!(sister.code(), "package_locked");
        assert!(sister.to_string().contains("at site PS2 or CAS"), "{sister}");
        let nobody = tree.site("PS2").set_source_site(&admin(), id, "PS9").await.unwrap_err();
        assert!(nobody.code() == "invalid_field" && nobody.to_string().contains("it has CAS, PS1, PS2, S01"), "{nobody}");
        tree.site("CAS").unlock(&admin(), id).await.unwrap();
        tree.settle().await;
        assert_eq!(tree.site("PS2").package(id).await.unwrap().source_site, "CAS", "a site above may");
    }

    async fn a_deleted_package_goes_everywhere_once_nobody_holds_it(tree: &Tree, BRANCHES) {
        let (one, two) = (tree.point("S01", "dp1").await, tree.point("S02", "dp1").await);
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&one, &two]).await;
        tree.settle_all().await;
        tree.install("S01", &one, id).await;
        tree.site("PS1").delete_package(&admin(), id).await.unwrap();
        tree.settle().await;
        assert_eq!(code(tree.site("S02").package(id).await), "package_not_found");
        assert_eq!(tree.told("S01", &one, id).await.unwrap().goal, Goal::Absent);
        tree.report("S01", &one, id, Event::Removed).await;
        tree.settle().await;
        let rows = "SELECT package_id FROM package";
        assert_eq!(tree.sql("PS1", rows).await.len(), 1, "it waits for the other one");
        tree.site("S02").remove_dp(&admin(), "dp1").await.unwrap();
        tree.settle().await;
        for site in tree.codes() {
            assert!(tree.sql(site, rows).await.is_empty(), "{site}");
        }
        assert_eq!(tree.site("PS1").distribution_points().await.unwrap().len(), 1);
        tree.point("S02", "dp1").await;
        tree.settle().await;
        assert_eq!(tree.site("S01").distribution_points().await.unwrap().len(), 2, "it came back");
    }

    async fn a_point_of_another_site_is_not_taken_for_an_own_one_of_its_name(tree: &Tree, BRANCHES) {
        let (own, below) = (tree.point("PS1", "dp1").await, tree.point("S01", "dp1").await);
        tree.settle().await;
        let site = tree.site("PS1");
        let nal: crate::NalPath = below.nal.parse().unwrap();
        let to = |name: &str| crate::RouteTarget::DistributionPoint(name.to_owned());
        let limits = crate::RouteSettings::default();
        for error in [
            site.remove_dp_of(&admin(), &nal).await.unwrap_err(),
            site.revoke_dp_of(&admin(), &nal).await.unwrap_err(),
            site.remove_dp(&admin(), "dp1@S01").await.unwrap_err(),
            site.revoke_dp(&admin(), "DP1@s01").await.unwrap_err(),
            site.set_route(&admin(), &to("dp1@S01"), &limits).await.unwrap_err(),
        ] {
            assert!(error.code() == "conflict" && error.to_string().contains("belongs to site S01"), "{error}");
        }
        assert_eq!(site.distribution_points().await.unwrap().len(), 2);
        let known = || site.authenticate_agent(crate::AgentCredential::Secret(&own.secret));
        assert_eq!(known().await.unwrap(), own.id);
        site.set_route(&admin(), &to("dp1@ps1"), &limits).await.unwrap();
        assert_eq!(tree.sql("PS1", "SELECT CAST(dp_id AS TEXT) FROM route").await, [[own.id.0.to_string()]]);
        site.revoke_dp(&admin(), "dp1@PS1").await.unwrap();
        assert_eq!(code(known().await), "agent_unknown");
        site.remove_dp_of(&admin(), &own.nal.parse().unwrap()).await.unwrap();
        assert_eq!(site.distribution_points().await.unwrap().len(), 1);
        assert_eq!(code(site.set_route(&admin(), &to("dp1"), &limits).await), "conflict", "it has none itself");
        for name in ["dp9", "dp1@PS1", "dp1@S09", "@"] {
            assert_eq!(code(site.set_route(&admin(), &to(name), &limits).await), "dp_not_found", "{name}");
        }
    }

    async fn sites_above_see_a_transfer_as_its_own_site_does(tree: &Tree, THREE_LEVELS) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("CAS", id, &[&dp]).await;
        tree.settle_all().await;
        tree.report("S01", &dp, id, Event::Started { version: 1, attempt: 1 }).await;
        for (bytes_done, bytes_received, files_done) in [(1_000, 500, 3), (5_000, 2_500, 7)] {
            for site in ["S01", "PS1", "CAS"] {
                tree.stage(site).clock.advance(Duration::from_secs(2));
            }
            let progress = Event::Progress {
                version: 1, bytes_done, bytes_total: 9_000, bytes_received, files_done: Some(files_done), files_total: Some(12),
            };
            tree.report("S01", &dp, id, progress).await;
        }
        tree.settle().await;
        let columns = [
            "StateName", "BytesDone", "BytesTotal", "BytesReceived", "FilesDone", "FilesTotal", "BytesPerSecond", "BytesReceivedPerSecond",
            "SecondsLeft",
        ];
        let columns = columns.map(|column| format!("COALESCE(CAST(\"{column}\" AS TEXT), '')")).join(", ");
        let seen = format!("SELECT {columns} FROM \"Haulier_DistributionState\"");
        for site in ["S01", "PS1", "CAS"] {
            let expect = ["install pending", "5000", "9000", "2500", "7", "12", "2000", "1000", "2"];
            assert_eq!(tree.sql(site, &seen).await, [expect], "{site}");
        }
        tree.install("S01", &dp, id).await;
        tree.settle().await;
        let after = tree.sql("S01", &seen).await;
        assert_eq!((after[0][0].as_str(), after[0][6].as_str()), ("installed", "0"), "nothing is transferred any more");
        assert_eq!(tree.sql("CAS", &seen).await, after);
    }

    async fn what_is_shown_as_awaited_is_what_the_site_needs(tree: &Tree, THREE_LEVELS) {
        const AWAITED: &str = r#"SELECT "PackageID" FROM "Haulier_PackageState" WHERE "IsAwaited" = 1"#;
        let mut needed = 0;
        for owner in ["CAS", "PS1"] {
            for (number, target) in tree.codes().into_iter().enumerate() {
                let dp = tree.point(target, &format!("{owner}{number}")).await;
                let package = tree.stage(owner).package(&format!("to {target}")).await;
                tree.settle().await;
                tree.assign(owner, &package.package_id, &[&dp]).await;
                tree.settle().await;
                for site in tree.codes() {
                    let needs = tree.site(site).content_needs().await.unwrap();
                    let needs: Vec<_> = needs.into_iter().map(|need| vec![need.package_id]).collect();
                    assert_eq!(tree.sql(site, AWAITED).await, needs, "{owner} to {target}, at {site}");
                    needed += needs.len();
                }
                tree.settle_all().await;
                for site in tree.codes() {
                    assert!(tree.sql(site, AWAITED).await.is_empty(), "{site}: it came");
                }
            }
        }
        // CAS to PS1, PS2 and through PS1 to S01; PS1 to CAS, through it to PS2, and to S01.
        assert_eq!(needed, 1 + 1 + 2 + 1 + 2 + 1);
    }

    async fn faults_and_cancellations_are_told_upwards(tree: &Tree, BRANCHES) {
        let dp = tree.point("S01", "dp1").await;
        let package = tree.stage("PS1").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("PS1", id, &[&dp]).await;
        tree.settle_all().await;
        tree.stage("S01").clock.advance(Duration::from_secs(1));
        tree.stage("PS1").clock.advance(Duration::from_secs(1));
        tree.report("S01", &dp, id, Event::Started { version: 1, attempt: 1 }).await;
        tree.report("S01", &dp, id, failed(1)).await;
        tree.settle().await;
        let status = tree.site("PS1").distribution_status(Some(id)).await.unwrap().remove(0);
        assert_eq!((status.state, status.attempts, status.fault.unwrap().code.as_str()), (State::InstallRetrying, 1, "disk_full"));
        let said = tree.stage("PS1").message_ids().await;
        assert!(said.contains(&2342) && said.contains(&2328), "{said:?}");
        tree.site("PS1").cancel_distribution(&admin(), id, &dp.nal).await.unwrap();
        tree.settle().await;
        assert!(tree.told("S01", &dp, id).await.unwrap().cancelled);
        assert_eq!(tree.sql("S01", STATES).await, [["3", "0"]]);
        tree.site("PS1").redistribute(&admin(), id, &dp.nal).await.unwrap();
        tree.settle().await;
        let told = tree.told("S01", &dp, id).await.unwrap();
        assert!(matches!(told.goal, Goal::Hold { verify: true, .. }) && !told.cancelled);
        tree.report("S01", &dp, id, installed(1)).await;
        tree.settle().await;
        assert_eq!(tree.sql("PS1", STATES).await, [["0", "1"]]);
        let before = tree.stage("PS1").message_ids().await;
        tree.settle().await;
        assert_eq!(tree.stage("PS1").message_ids().await, before, "nothing is said twice");
    }
}
