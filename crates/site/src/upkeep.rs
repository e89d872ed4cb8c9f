//! Looking after the content library: its sizes, its health, what it no longer needs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::path::PathBuf;

use content::{CollectReport, ManifestId, Stats, VerifyReport, VoidMonitor};
use sea_query::{Expr, ExprTrait, JoinType, Query};

use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::library::{blocking, detached, library_failed, manifest_id};
use crate::package::source::SourcePath;
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Sizes of the content library. Everybody may look.
    pub async fn content_stats(&self) -> Result<Stats> {
        let library = self.library().await?;
        blocking(move || library.stats().map_err(library_failed)).await
    }

    /// Deletes content that no kept version needs, except what a transfer may still read.
    /// Errors: [`crate::SiteError::AccessDenied`].
    pub async fn collect_content(&self, actor: &Actor) -> Result<CollectReport> {
        actor.may(Action::MaintainContent)?;
        self.note_upkeep(actor, "Collect").await?;
        self.collect().await
    }

    /// Writes the audit message of a change of the content library, which is no part of the database.
    pub(crate) async fn note_upkeep(&self, actor: &Actor, method: &str) -> Result<()> {
        let mut tx = self.db().write().await?;
        let message = Message::called(actor, "Haulier_ContentLibrary", method, &self.identity().site_code);
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }

    /// Repairs what a verification found lost from the sources of the versions concerned, as far as these
    /// answer. No source is touched for anything else.
    pub(crate) async fn mend_from_sources(&self, report: VerifyReport) -> Result<VerifyReport> {
        let concerned: BTreeSet<ManifestId> = report.lost.iter().map(|lost| lost.manifest).collect();
        let sources = self.sources_of(&concerned).await?;
        if sources.is_empty() {
            return Ok(report);
        }
        let library = self.library().await?;
        let mend = move || library.verify_objects(&[], &VoidMonitor, &sources).map_err(library_failed);
        let mended = detached(mend)?.await.unwrap_or(Err(SiteError::Stopped))?;
        Ok(VerifyReport {
            chunks_repaired: report.chunks_repaired + mended.chunks_repaired,
            lost: mended.lost,
            more: report.more || mended.more,
            ..report
        })
    }

    /// Where the files of kept versions came from. A folder that moved or changed does no harm: what it gives
    /// is checked against the version's hashes.
    async fn sources_of(&self, manifests: &BTreeSet<ManifestId>) -> Result<Vec<(ManifestId, PathBuf)>> {
        if manifests.is_empty() {
            return Ok(Vec::new());
        }
        let select = Query::select()
            .column(("v", "manifest_id"))
            .column(("p", "pkg_source_path"))
            .from_as("package_version", "v")
            .join_as(
                JoinType::InnerJoin,
                "package",
                "p",
                Expr::col(("p", "package_id")).equals(("v", "package_id")),
            )
            .and_where(Expr::col(("v", "retained")).eq(1i64))
            // Only a package's own site reads its source; for another the path may be somebody else's folder.
            .and_where(Expr::col(("p", "source_site")).eq(self.identity().site_code.as_str()))
            .to_owned();
        let mut located = BTreeMap::new();
        let mut sources = Vec::new();
        for row in self.db().all(&select).await? {
            let id = manifest_id(&row.get::<String>("manifest_id")?)?;
            if !manifests.contains(&id) {
                continue;
            }
            let path: String = row.get("pkg_source_path")?;
            if !located.contains_key(&path) {
                let folder = match SourcePath::parse(&path, &self.options().shares) {
                    Ok(source) => self.locate(&source, pending()).await.ok(),
                    Err(_) => None,
                };
                located.insert(path.clone(), folder);
            }
            sources.extend(located[&path].clone().map(|folder| (id, folder)));
        }
        Ok(sources)
    }
}
