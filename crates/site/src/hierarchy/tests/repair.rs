//! Damage in a child's library: fetched again from where the version came, and told upwards before and after.

use content::{Lost, VerifyReport};

use super::{THREE_LEVELS, Tree, hierarchies};
use crate::Neighbor;

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
        // What this site owns itself no neighbor can mend.
        tree.site("CAS").note_damage(&report).await.unwrap();
        assert!(tree.site("CAS").content_needs().await.unwrap().is_empty());
    }
}
