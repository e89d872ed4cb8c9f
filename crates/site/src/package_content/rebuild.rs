//! RebuildPackage: every content of a package as it was imported, again.

use std::path::Path;
use std::sync::Arc;

use content::tree::{SourceRoot, TreeError};
use content::{ContentPath, Manifest};

use super::add::Places;
use super::files::{self, Origin, Place, StageError, Watch, own_fault};
use super::hold::{Hold, Turn, still};
use super::recover::clean;
use super::rows::{self, Held, State};
use super::to_its_end;
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor, Scopes};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// A content that was not as it was imported, and is again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltContent {
    /// The content.
    pub content_id: i64,
    /// Its subfolder of the package's source.
    pub sub_folder: String,
    /// Where its files came from.
    pub from: RestoredFrom,
}

/// Where the files of a content came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoredFrom {
    /// A folder, as the caller or the driver names it.
    Folder(String),
    /// The package's stored version in the content library.
    StoredVersion(u32),
}

impl Site {
    /// Copies every content of a package again that is not there as it was imported.
    ///
    /// Files come from `source_path` where that is given (its subfolder of the content's name, else itself), from the
    /// drivers' folders, and where neither has them any more from the package's stored version in the content library.
    /// What was restored from where is returned and written as audit messages; a refresh is queued if anything was.
    ///
    /// Errors: [`SiteError::ContentLost`] if no good copy is left anywhere; nothing is changed then. Otherwise as
    /// [`Site::add_driver_content`].
    pub async fn rebuild_package(
        &self,
        actor: &Actor,
        package_id: &str,
        source_path: Option<&str>,
    ) -> Result<Vec<RebuiltContent>> {
        actor.may(Action::ChangePackages)?;
        self.require_visible_now(actor, SecuredType::Package, package_id).await?;
        let (site, actor, package_id) = (self.clone(), actor.clone(), package_id.to_owned());
        let path = source_path.filter(|path| !path.is_empty()).map(str::to_owned);
        to_its_end(async move { site.rebuild_contents(&actor, &package_id, path.as_deref()).await }).await
    }

    /// See [`Site::rebuild_package`]; dropped on the way, it leaves what the next operation brings to its end.
    pub(super) async fn rebuild_contents(
        &self,
        actor: &Actor,
        package_id: &str,
        source_path: Option<&str>,
    ) -> Result<Vec<RebuiltContent>> {
        let hold = self.hold_recovered(package_id, Turn::Wait).await?;
        match self.replace_contents(actor, &hold, source_path).await {
            Ok((own, rebuilt)) => {
                if let Err(error) = self.finish_rebuilding(actor, &hold, &rebuilt).await {
                    self.release_hold(hold).await;
                    return Err(error);
                }
                self.clean_up(&hold, &own).await;
                self.release_hold(hold).await;
                Ok(rebuilt)
            }
            Err(error) => {
                if let Ok(own) = self.own_place(&hold).await
                    && !self.is_half_changed(&hold).await
                {
                    self.clean_up(&hold, &own).await;
                }
                self.release_hold(hold).await;
                Err(error)
            }
        }
    }

    async fn is_half_changed(&self, hold: &Hold) -> bool {
        let held = self.held_contents(hold.package_id()).await;
        held.map_or(true, |held| held.iter().any(|held| held.state != State::There))
    }

    async fn clean_up(&self, hold: &Hold, own: &Place) {
        let cleaned = async {
            let held = self.held_contents(hold.package_id()).await?;
            let names: Vec<String> = held.into_iter().map(|held| held.sub_folder).collect();
            let root = own.folder.clone();
            self.visit_held(Some(hold), own, None, move |_| clean(&root, &names)).await
        };
        if let Err(error) = cleaned.await {
            tracing::warn!(%error, "leftovers stay in a package's source");
        }
    }

    async fn replace_contents(
        &self,
        actor: &Actor,
        hold: &Hold,
        source_path: Option<&str>,
    ) -> Result<(Place, Vec<RebuiltContent>)> {
        let own = self.own_place(hold).await?;
        let mut search = Search::new(source_path, &actor.scopes);
        let mut rebuilt = Vec::new();
        for held in self.held_contents(hold.package_id()).await? {
            if self.is_intact(hold, &own, &held).await? {
                continue;
            }
            let from = self.stage_again(hold, &own, &held, &mut search).await?;
            let (content_id, sub_folder) = (held.content_id, held.sub_folder);
            rebuilt.push(RebuiltContent { content_id, sub_folder, from });
        }
        if rebuilt.is_empty() {
            return Ok((own, rebuilt));
        }
        let mut tx = self.db().write().await?;
        still(&mut tx, hold).await?;
        for content in &rebuilt {
            rows::begin(&mut tx, hold.package_id(), content.content_id, State::Replacing, (actor, true))
                .await?;
        }
        tx.commit().await?;
        let root = own.folder.clone();
        let names: Vec<String> = rebuilt.iter().map(|content| content.sub_folder.clone()).collect();
        let work = move |watch: &Watch| swap_all(&root, &names, watch);
        let swapped = self.visit_held(Some(hold), &own, None, work).await?;
        swapped.map_err(|error| own_fault(&own, &error))?;
        Ok((own, rebuilt))
    }

    async fn is_intact(&self, hold: &Hold, own: &Place, held: &Held) -> Result<bool> {
        let (root, folder) = (own.folder.clone(), files::folder_path(&held.sub_folder)?);
        let hash = held.content_hash.clone();
        let compared = self
            .visit_held(Some(hold), own, None, move |watch| files::compare(&root, &folder, &hash, watch))
            .await?;
        match compared {
            Ok(found) => Ok(found == Some(true)),
            // What cannot be read is made anew.
            Err(TreeError::Unreadable { .. } | TreeError::Changing { .. }) => Ok(false),
            Err(error) => Err(own_fault(own, &error)),
        }
    }

    /// Stages a content from the first place that has it.
    async fn stage_again(
        &self,
        hold: &Hold,
        own: &Place,
        held: &Held,
        search: &mut Search<'_>,
    ) -> Result<RestoredFrom> {
        let mut tried = Vec::new();
        for place in search.folders(self, held, &mut tried).await? {
            let shown = place.shown.clone();
            match self.stage_one(hold, own, held, Origin::Folder(place)).await? {
                None => return Ok(RestoredFrom::Folder(shown)),
                Some(why) => tried.push(format!("{shown}: {why}")),
            }
        }
        let version = hold.package.stored_version;
        match search.stored(self, hold).await {
            Ok(manifest) => {
                let library = self.library().await?;
                let sub_folder = held.sub_folder.clone();
                let origin = Origin::Library { library, manifest, sub_folder };
                match self.stage_one(hold, own, held, origin).await? {
                    None => return Ok(RestoredFrom::StoredVersion(version)),
                    Some(why) => tried.push(format!("version {version}: {why}")),
                }
            }
            Err(error) => tried.push(error.to_string()),
        }
        Err(SiteError::ContentLost {
            package_id: hold.package_id().to_owned(),
            content_id: held.content_id,
            reason: tried.join("; "),
        })
    }

    /// `Some` reason if the place does not have it.
    async fn stage_one(
        &self,
        hold: &Hold,
        own: &Place,
        held: &Held,
        origin: Origin,
    ) -> Result<Option<String>> {
        let (root, name, hash) = (own.folder.clone(), held.sub_folder.clone(), held.content_hash.clone());
        let other = match &origin {
            Origin::Folder(place) => Some(place.clone()),
            Origin::Library { .. } => None,
        };
        let work = move |watch: &Watch| files::stage(&root, &name, &hash, &origin, watch);
        match self.visit_held(Some(hold), own, other.as_ref(), work).await? {
            Ok(()) => Ok(None),
            Err(StageError::Target(error)) => Err(own_fault(own, &error)),
            Err(StageError::Origin(TreeError::Cancelled)) => Err(own_fault(own, &TreeError::Cancelled)),
            Err(other) => Ok(Some(other.to_string())),
        }
    }

    async fn finish_rebuilding(&self, actor: &Actor, hold: &Hold, rebuilt: &[RebuiltContent]) -> Result<()> {
        let (id, now) = (hold.package_id(), self.now());
        let mut tx = self.db().write().await?;
        let package = still(&mut tx, hold).await?;
        let mut messages = Vec::with_capacity(rebuilt.len() + 1);
        for content in rebuilt {
            rows::set_there(&mut tx, id, content.content_id).await?;
            let from = match &content.from {
                RestoredFrom::Folder(path) => path.clone(),
                RestoredFrom::StoredVersion(version) => format!("version {version} in the content library"),
            };
            messages.push(Message::content_restored(actor, id, &content.sub_folder, &from));
        }
        if !rebuilt.is_empty() {
            rows::changed(&mut tx, id, true, actor.call.as_deref(), now).await?;
        }
        messages.push(Message::package_rebuilt(actor, id, &package.fields.name, rebuilt.len()));
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }
}

/// Where contents are looked for, found once for all of them.
struct Search<'a> {
    given: Option<&'a str>,
    /// Whose drivers' folders are looked at.
    scopes: &'a Scopes,
    places: Places,
    stored: Option<Arc<Manifest>>,
}

impl<'a> Search<'a> {
    fn new(given: Option<&'a str>, scopes: &'a Scopes) -> Self {
        Self { given, scopes, places: Places::default(), stored: None }
    }

    /// The folders that may have the content; `tried` says which could not be found.
    async fn folders(&mut self, site: &Site, held: &Held, tried: &mut Vec<String>) -> Result<Vec<Place>> {
        let mut paths = Vec::new();
        if let Some(given) = self.given {
            let separator = if given.starts_with('/') { '/' } else { '\\' };
            paths.push(format!("{}{separator}{}", given.trim_end_matches(['/', '\\']), held.sub_folder));
            paths.push(given.to_owned());
        }
        for driver in site.drivers_of(held.content_id, self.scopes).await? {
            if !paths.contains(&driver.content_source_path) {
                paths.push(driver.content_source_path);
            }
        }
        let mut found = Vec::new();
        for path in paths {
            match self.places.find(site, &path).await {
                Ok(place) => found.push(place),
                Err(error) => tried.push(format!("{path}: {error}")),
            }
        }
        Ok(found)
    }

    async fn stored(&mut self, site: &Site, hold: &Hold) -> Result<Arc<Manifest>> {
        if let Some(manifest) = &self.stored {
            return Ok(Arc::clone(manifest));
        }
        let manifest = site.stored_manifest(hold.package_id(), hold.package.stored_version).await?;
        self.stored = Some(Arc::clone(&manifest));
        Ok(manifest)
    }
}

/// Lets new folders take the places of old ones, once they are durable. Where that takes two steps, the row says how to
/// go on between them.
fn swap_all(root: &Path, names: &[String], watch: &Watch) -> Result<(), TreeError> {
    let root = SourceRoot::open(root)?;
    root.sync()?;
    for name in names {
        watch.check()?;
        let folder = ContentPath::new(name).map_err(|why| TreeError::Name {
            folder: ".".to_owned(),
            name: name.clone(),
            why,
        })?;
        if root.has_folder(&folder)? {
            if root.exchange(&files::new_name(name), name)? {
                continue;
            }
            root.remove(&files::old_name(name))?;
            root.rename(name, &files::old_name(name))?;
        }
        root.rename(&files::new_name(name), name)?;
    }
    Ok(())
}
