//! Whether files are where they should be: a new source of a whole package, and one content of one.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use content::tree::{Tree, TreeError};
use content::{ContentPath, FileEntry, Manifest};
use sea_query::Query;
use tokio::sync::OwnedSemaphorePermit;

use super::files::{self, Place, Watch, own_fault};
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::library::{blocking, library_failed, manifest_id};
use crate::package::by_id;
use crate::package::source::SourcePath;
use crate::server::Site;
use crate::snapshot::claim::select_manifest;
use crate::status::{self, Message};

use super::owner::require_unlocked;

/// Folders that are compared at once, whoever asks: each comparison reads all of its files.
pub(crate) const COMPARISONS_MAX: usize = 4;
/// Differences that an error lists.
const DIFFERENCES_MAX: usize = 5;

impl Site {
    /// Looks whether a folder holds every file of the package's stored version with the same SHA-256, and every content
    /// that was added since. More files are no fault. If it does, a later change of `StoredPkgPath` to this path moves the
    /// package's source there, unless the contents or the stored version changed in between.
    ///
    /// Errors: [`SiteError::SourceDiffers`] with the first differences, [`SiteError::SourceUnusable`],
    /// [`SiteError::Conflict`] if no version is stored yet, [`SiteError::PackageLocked`], [`SiteError::Busy`].
    pub async fn validate_new_package_source(
        &self,
        actor: &Actor,
        package_id: &str,
        path: &str,
    ) -> Result<()> {
        actor.may(Action::ChangePackages)?;
        let _turn = self.comparison()?;
        self.require_visible_now(actor, SecuredType::Package, package_id).await?;
        let package = self.package(package_id).await?;
        require_unlocked(self, &package)?;
        let unusable = |reason: String| SiteError::SourceUnusable { path: path.to_owned(), reason };
        let place = self.place(path).await.map_err(|error| unusable(error.to_string()))?;
        let manifest = self.stored_manifest(package_id, package.stored_version).await?;
        let unpublished = self.unpublished(package_id).await?;
        let compared = self.visit_held(None, &place, None, {
            let folder = place.folder.clone();
            move |watch| differences(&folder, &manifest, &unpublished, watch)
        });
        let found = compared.await?.map_err(|error| unusable(error.to_string()))?;
        if let Some(differences) = found {
            let (package_id, path) = (package_id.to_owned(), path.to_owned());
            return Err(SiteError::SourceDiffers { package_id, path, differences });
        }
        let mut tx = self.db().write().await?;
        let now_stored = self.visible_package(&mut tx, actor, package_id).await?;
        if now_stored.content_hash != package.content_hash {
            let reason = format!("package {package_id} got a new version meanwhile; repeat the call");
            return Err(SiteError::Conflict { reason });
        }
        let update = Query::update()
            .table("package")
            .value("validated_source", path)
            .value("validated_hash", package.content_hash)
            .and_where(by_id(package_id))
            .to_owned();
        tx.execute(&update).await?;
        let message = Message::source_validated(actor, package_id, &package.fields.name, path);
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }

    /// Whether all files of a content are in the package's source, as they were imported. Everybody may look.
    ///
    /// Errors: [`SiteError::ContentNotInPackage`], [`SiteError::SourceUnusable`], [`SiteError::Busy`].
    pub async fn is_content_valid(&self, package_id: &str, content_id: i64) -> Result<bool> {
        let _turn = self.comparison()?;
        let package = self.package(package_id).await?;
        let held = self.held_contents(package_id).await?;
        let missing = || SiteError::ContentNotInPackage { package_id: package_id.to_owned(), content_id };
        let held = held.into_iter().find(|held| held.content_id == content_id).ok_or_else(missing)?;
        let shown = package.fields.pkg_source_path;
        let unusable = |reason: String| SiteError::SourceUnusable { path: shown.clone(), reason };
        let source =
            SourcePath::parse(&shown, &self.options().shares).map_err(|e| unusable(e.to_string()))?;
        let folder = self.locate(&source, pending()).await.map_err(|error| unusable(error.to_string()))?;
        let place = Place { source, folder: folder.clone(), shown };
        let path = files::folder_path(&held.sub_folder)?;
        let compare = move |watch: &Watch| files::compare(&folder, &path, &held.content_hash, watch);
        match self.visit_held(None, &place, None, compare).await? {
            Ok(found) => Ok(found == Some(true)),
            Err(error) => Err(own_fault(&place, &error)),
        }
    }

    /// A thread that is left behind gives its turn back: how many of those there may be is bounded by itself.
    fn comparison(&self) -> Result<OwnedSemaphorePermit> {
        let turn = Arc::clone(self.comparisons()).try_acquire_owned();
        turn.map_err(|_| SiteError::Busy { what: "many folders are being compared" })
    }

    /// The manifest of a stored version.
    pub(crate) async fn stored_manifest(&self, package_id: &str, version: u32) -> Result<Arc<Manifest>> {
        let row = self.db().optional(&select_manifest(package_id, version)).await?;
        let id: Option<String> = row.map(|row| row.get("manifest_id")).transpose()?;
        let none = || SiteError::Conflict {
            reason: format!("package {package_id} has no stored version yet; refresh it first"),
        };
        let id = manifest_id(&id.ok_or_else(none)?)?;
        let library = self.library().await?;
        blocking(move || library.manifest(id).map(Arc::new).map_err(library_failed)).await
    }
}

/// The first files and contents that are not there as the version, or else their rows, have them; `None` if all are.
fn differences(
    folder: &Path,
    manifest: &Manifest,
    unpublished: &[(String, String)],
    watch: &Watch,
) -> Result<Option<String>, TreeError> {
    let tree = Tree::open(folder)?;
    let files = manifest.files().map(|file| (file.path.to_string(), difference(&tree, file, watch)));
    let contents = unpublished.iter().map(|(name, hash)| {
        let compared =
            ContentPath::new(name).ok().map_or(Ok(None), |path| files::compare(folder, &path, hash, watch));
        let what = compared.map(|same| match same {
            Some(true) => None,
            Some(false) => Some("has other files"),
            None => Some("is missing"),
        });
        (name.clone(), what)
    });
    let mut found = Vec::new();
    for (path, what) in files.chain(contents) {
        let Some(what) = what? else { continue };
        if found.len() == DIFFERENCES_MAX {
            found.push("and more".to_owned());
            break;
        }
        found.push(format!("`{path}` {what}"));
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

fn difference(tree: &Tree, file: &FileEntry, watch: &Watch) -> Result<Option<&'static str>, TreeError> {
    match tree.hash(&file.path, watch)? {
        None => Ok(Some("is missing")),
        Some(found) if found.hash == file.hash => Ok(None),
        Some(_) => Ok(Some("has other bytes")),
    }
}
