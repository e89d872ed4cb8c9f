//! Looking after the content library: its sizes, its health, what it no longer needs.

use std::path::PathBuf;
use std::sync::Arc;

use content::{CollectReport, ManifestId, Stats, VerifyReport, VoidMonitor};
use sea_query::{Expr, ExprTrait, JoinType, Query};

use crate::access::{Action, Actor};
use crate::error::Result;
use crate::library::{blocking, library_failed, manifest_id};
use crate::package::source::SourcePath;
use crate::server::Site;

impl Site {
    /// Sizes of the content library. Everybody may look.
    pub async fn content_stats(&self) -> Result<Stats> {
        let library = self.library().await?;
        blocking(move || library.stats().map_err(library_failed)).await
    }

    /// Checks every stored byte against its hash, and repairs what other copies or unchanged source folders
    /// still have. Errors: [`crate::SiteError::AccessDenied`].
    pub async fn verify_content(&self, actor: &Actor) -> Result<VerifyReport> {
        actor.may(Action::MaintainContent)?;
        let library = self.library().await?;
        let sources = self.sources_of_kept_versions().await?;
        blocking(move || library.verify(&VoidMonitor, &sources).map_err(library_failed)).await
    }

    /// Deletes content that no kept version needs, except what a transfer may still read.
    /// Errors: [`crate::SiteError::AccessDenied`].
    pub async fn collect_content(&self, actor: &Actor) -> Result<CollectReport> {
        actor.may(Action::MaintainContent)?;
        self.collect().await
    }

    /// Where the files of each kept version came from. A folder that moved or changed does no harm: what it
    /// gives is checked against the version's hashes.
    pub(crate) async fn sources_of_kept_versions(&self) -> Result<Vec<(ManifestId, PathBuf)>> {
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
            .to_owned();
        let mut kept: Vec<(ManifestId, String)> = Vec::new();
        for row in self.db().all(&select).await? {
            kept.push((
                manifest_id(&row.get::<String>("manifest_id")?)?,
                row.get::<String>("pkg_source_path")?,
            ));
        }
        let options = Arc::new(self.options().clone());
        blocking(move || {
            let located = kept.into_iter().filter_map(|(manifest, path)| {
                let folder = SourcePath::parse(&path, &options.shares).ok()?.locate(&options).ok()?;
                Some((manifest, folder))
            });
            Ok(located.collect())
        })
        .await
    }
}
