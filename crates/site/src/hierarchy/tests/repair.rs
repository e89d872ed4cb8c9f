//! Damage in a child's library: fetched again from where the version came, and told upwards before and after.

use agent::Event;
use content::{Lost, VerifyReport};

use super::{THREE_LEVELS, Tree, hierarchies};
use crate::Neighbor;
use crate::stage::admin;

const SAID: &str = "SELECT \"SiteCode\" FROM \"SMS_StatusMessage\" WHERE \"MessageID\" = 39074";
const INSERTS: &str = "SELECT inserts FROM status_message WHERE message_id = 39074 ORDER BY id";

hierarchies! {
    async fn a_repair_is_told_upwards_before_and_after(tree: &Tree, THREE_LEVELS) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("CAS", id, &[&point]).await;
        tree.settle_all().await;
        let child = tree.site("S01");
        let manifest = child.package_history(id).await.unwrap()[0].manifest.parse().unwrap();
        let lost = |file: &str| Lost { manifest, file: Some(file.to_owned()) };
        let report = VerifyReport { lost: vec![lost("a.sys"), lost("b.sys")], ..VerifyReport::default() };
        child.note_damage(&report).await.unwrap();
        // Found once more before it is mended: said once.
        child.note_damage(&report).await.unwrap();
        let needs = child.content_needs().await.unwrap();
        assert_eq!((needs.len(), &needs[0].from, needs[0].version, needs[0].is_repair), (1, &Neighbor::Parent, 1, true));
        tree.settle().await;
        for site in ["S01", "PS1", "CAS"] {
            assert_eq!(tree.sql(site, SAID).await, [["S01"]], "{site}");
        }
        let released = child.version_arrived(&needs[0], 1).await.unwrap().unwrap();
        assert_eq!(released, std::slice::from_ref(&needs[0].manifest), "it was retained once more");
        assert!(child.content_needs().await.unwrap().is_empty());
        tree.settle().await;
        tree.settle().await;
        let expect = [
            [format!(r#"["S01","{id}","1","a.sys, b.sys","it is fetched again from site PS1"]"#)],
            [format!(r#"["S01","{id}","1","a.sys, b.sys","it is repaired from site PS1"]"#)],
        ];
        for site in ["S01", "PS1", "CAS"] {
            assert_eq!(tree.sql(site, INSERTS).await, expect, "{site}");
        }
        assert!(tree.sql("PS2", SAID).await.is_empty(), "it does not concern a sister");
        // The owner's copy, too: who got the version from it has it.
        let owner = tree.site("CAS");
        owner.note_damage(&report).await.unwrap();
        assert!(owner.content_needs().await.unwrap().is_empty(), "nobody says that he has it");
        tree.install("S01", &point, id).await;
        tree.settle().await;
        owner.note_damage(&report).await.unwrap();
        let needs = owner.content_needs().await.unwrap();
        let from = Neighbor::Child("PS1".to_owned());
        assert_eq!((needs.len(), &needs[0].from, needs[0].is_repair), (1, &from, true));
        owner.version_arrived(&needs[0], 1).await.unwrap();
        assert!(owner.content_needs().await.unwrap().is_empty());
        let said = tree.sql("CAS", INSERTS).await;
        assert!(said.last().unwrap()[0].contains("it is repaired from site PS1"), "{said:?}");
    }

    async fn what_a_distribution_point_finds_wrong_is_told_upwards_before_and_after(tree: &Tree, THREE_LEVELS) {
        let point = tree.point("S01", "dp1").await;
        let package = tree.stage("CAS").package("dell").await;
        let id = &package.package_id;
        tree.settle().await;
        tree.assign("CAS", id, &[&point]).await;
        tree.settle_all().await;
        tree.install("S01", &point, id).await;
        tree.settle().await;
        tree.site("CAS").validate(&admin(), id, &point.nal).await.unwrap();
        tree.settle().await;
        for code in ["S01", "PS1", "CAS"] {
            tree.stage(code).clock.advance(std::time::Duration::from_secs(5));
        }
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let damage = Event::Damaged {
            version: 1, files_verified: 9, damaged: names(&["a.sys", "b\0.sys"]), missing: names(&["c.sys"]),
        };
        tree.report("S01", &point, id, damage).await;
        tree.settle().await;
        let said = "SELECT CAST(message_id AS TEXT), COALESCE(dp_name, ''), inserts FROM status_message \
                    WHERE message_id IN (2382, 2385, 39090) ORDER BY id";
        for site in ["S01", "PS1", "CAS"] {
            let said = tree.sql(site, said).await;
            assert_eq!(said.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["2382", "2385"], "{site}");
            assert!(said.iter().all(|row| row[1] == "dp1"), "{site}: {said:?}");
            assert!(said[0][2].contains("a.sys") && said[1][2].contains("c.sys"), "{site}: {said:?}");
        }
        let repaired = Event::Verified { version: 1, files_verified: 9, files_repaired: names(&["a.sys", "b.sys", "c.sys"]) };
        tree.report("S01", &point, id, repaired).await;
        tree.settle().await;
        tree.settle().await;
        for site in ["PS1", "CAS"] {
            let said = tree.sql(site, said).await;
            assert_eq!(said.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["2382", "2385", "39090", "39090"], "{site}");
        }
        assert!(tree.sql("PS2", said).await.is_empty(), "it does not concern a sister");
    }
}
