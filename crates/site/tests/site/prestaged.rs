//! Prestaged files at a site: who may write and take them, which versions are taken, and how long they stay.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use content::VoidMonitor;
use content::prestage::Label;
use site::{Actor, Package, Role, SiteError};
use tokio_util::sync::CancellationToken;

use crate::stage::{Stage, admin, code};

/// Exports the package's stored version.
async fn export(stage: &Stage, actor: &Actor, package: &Package) -> Result<(Label, PathBuf), SiteError> {
    let path = stage.options.data_dir.join("version.hcp");
    let file = File::create(&path).unwrap();
    let monitor = Arc::new(VoidMonitor);
    let (label, exported) =
        stage.site.export_version(actor, &package.package_id, None, file, monitor).await?;
    assert_eq!(exported.bytes, std::fs::metadata(&path).unwrap().len());
    Ok((label, path))
}

/// Says that another site offers the version of the label, as its record would.
async fn offer(stage: &Stage, label: &Label) {
    let sql = format!(
        "DELETE FROM offered_version; INSERT INTO offered_version \
         (package_id, version, manifest_id, content_hash, files, folders, bytes, published_at) \
         VALUES ('{}', {}, '{}', 'AA', 1, 0, 1, 0)",
        label.package_id, label.version, label.manifest
    );
    stage.raw_sql(sql).await;
}

async fn import(stage: &Stage, file: &Path) -> Result<bool, SiteError> {
    let (_, imported) = stage.site.import_prestaged(&admin(), file).await?;
    Ok(imported.already_held)
}

/// Time passes, and the collector runs, which forgets and then removes.
async fn much_later(stage: &Stage) {
    for _ in 0..3 {
        stage.clock.advance(Duration::from_secs(2 * 60 * 60));
        stage.site.collect_content(&admin()).await.unwrap();
    }
}

on_both! {
    async fn a_version_is_given_away_by_who_may_maintain_content(stage: &Stage) {
        let package = stage.package("dell").await;
        for role in [Role::Reader, Role::Author, Role::Operator] {
            assert_eq!(code(export(stage, &stage.actor(role), &package).await), "access_denied", "{role:?}");
        }
        let (label, path) = export(stage, &admin(), &package).await.unwrap();
        assert_eq!((label.package_id.as_str(), label.version, label.name.as_str()), (package.package_id.as_str(), 1, "dell"));
        assert_eq!((label.source_site.as_str(), label.ownership_epoch), ("PS1", 1));
        assert!(stage.message_ids().await.contains(&39053), "it is audited");
        let file = File::create(&path).unwrap();
        let monitor = Arc::new(VoidMonitor);
        let missing = stage.site.export_version(&admin(), &package.package_id, Some(7), file, monitor).await;
        assert_eq!(code(missing), "version_not_found");
        assert_eq!(code(stage.site.import_prestaged(&stage.actor(Role::Operator), &path).await), "access_denied");
    }

    async fn an_offered_version_that_came_by_hand_stays_until_it_is_offered_no_more(stage: &Stage) {
        // Another site, whose package has the same ID and other content.
        let other = Stage::set(BackEnd::Sqlite).await;
        let theirs = other.package("lenovo").await;
        let (label, file) = export(&other, &admin(), &theirs).await.unwrap();
        assert_eq!(code(import(stage, &file).await), "version_not_offered", "no such package");
        let ours = stage.package("dell").await;
        assert_eq!(ours.package_id, theirs.package_id);
        assert_eq!(code(import(stage, &file).await), "version_not_offered", "other content under the same number");
        offer(stage, &label).await;
        assert!(!import(stage, &file).await.unwrap());
        much_later(stage).await;
        assert!(import(stage, &file).await.unwrap(), "it waits until it is needed");
        stage.raw_sql("DELETE FROM offered_version".to_owned()).await;
        much_later(stage).await;
        offer(stage, &label).await;
        assert!(!import(stage, &file).await.unwrap(), "it went when nobody offered it");
        other.strike().await;
    }

    async fn a_running_site_takes_in_what_it_is_handed(stage: &Stage) {
        let package = stage.package("dell").await;
        let (_, file) = export(stage, &admin(), &package).await.unwrap();
        let inbox = content::prestage::Inbox::of(&stage.options.data_dir);
        let bad = stage.options.data_dir.join("bad.hcp");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.truncate(bytes.len() - 1);
        std::fs::write(&bad, bytes).unwrap();
        let tickets = [inbox.put(&file).unwrap(), inbox.put(&bad).unwrap()];
        let stop = CancellationToken::new();
        let watching = async {
            let mut codes = Vec::new();
            for ticket in &tickets {
                let answer = loop {
                    if let Some(answer) = ticket.answer().unwrap() {
                        break answer;
                    }
                    stage.clock.advance(Duration::from_secs(1));
                    tokio::task::yield_now().await;
                };
                codes.push(answer.code);
            }
            stop.cancel();
            codes
        };
        let (ran, codes) = tokio::join!(stage.site.run_workers(stop.clone()), watching);
        ran.unwrap();
        assert_eq!(codes, ["already_held", "format_malformed"]);
    }
}
