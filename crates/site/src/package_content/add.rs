//! AddDriverContent: the drivers' folders, copied into subfolders of the package's source.

use std::collections::BTreeMap;
use std::path::Path;

use content::ContentPath;
use content::tree::{SourceRoot, TreeError};

use super::files::{self, Origin, Place, StageError, Watch, own_fault};
use super::hold::{Hold, Turn, finish, still};
use super::rows::{self, Content, Held};
use super::{distinct, to_its_end};
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::package::source::SourcePathError;
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Copies the content of drivers into subfolders of the package's source, each whole or not at all.
    ///
    /// `source_paths` says where the files are: none for the drivers' own folders, one for all contents, or one for
    /// each. A folder with other files than those that were imported is passed over for the driver's own; if that has
    /// others too, nothing is added. With `refresh`, a refresh is queued with the same transaction.
    ///
    /// Contents that the package has already are left alone and the others added; then the call ends with
    /// [`SiteError::ContentInPackage`]. Its code is one that scripts take for success, so a refresh that is asked for is
    /// queued then too, if the contents changed since the last one.
    ///
    /// Errors: [`SiteError::ContentNotFound`], [`SiteError::DriverSourceChanged`], [`SiteError::SourceUnusable`],
    /// [`SiteError::SourceReadOnly`], [`SiteError::SourceFull`], [`SiteError::PackageLocked`], [`SiteError::Busy`],
    /// [`SiteError::Conflict`] if another package uses the package's source, or a folder above or below it.
    pub async fn add_driver_content(
        &self,
        actor: &Actor,
        package_id: &str,
        content_ids: &[i64],
        source_paths: &[String],
        refresh: bool,
    ) -> Result<()> {
        actor.may(Action::ChangePackages)?;
        let paths = pair(content_ids, source_paths)?;
        self.require_visible_now(actor, SecuredType::Package, package_id).await?;
        let (site, actor, package_id) = (self.clone(), actor.clone(), package_id.to_owned());
        to_its_end(async move { site.add_contents(&actor, &package_id, &paths, refresh).await }).await
    }

    /// See [`Site::add_driver_content`]; dropped on the way, it leaves what the next operation brings to its end.
    pub(super) async fn add_contents(
        &self,
        actor: &Actor,
        package_id: &str,
        paths: &BTreeMap<i64, Option<String>>,
        refresh: bool,
    ) -> Result<()> {
        let hold = self.hold_recovered(package_id, Turn::Wait).await?;
        let mut plan = match self.plan_adding(actor, &hold, paths).await {
            Ok(plan) => plan,
            Err(error) => {
                self.release_hold(hold).await;
                return Err(error);
            }
        };
        if let Err((error, left)) = self.copy_contents(actor, &hold, &mut plan, refresh).await {
            self.forget_adding(&hold, &plan, left).await;
            self.release_hold(hold).await;
            return Err(error);
        }
        if let Err(error) = self.finish_adding(actor, &hold, &plan, refresh).await {
            self.release_hold(hold).await;
            return Err(error);
        }
        if plan.already.is_empty() {
            return Ok(());
        }
        let (package_id, added) = (package_id.to_owned(), plan.new.len());
        Err(SiteError::ContentInPackage { package_id, content_ids: plan.already, added })
    }

    /// What is to be done, decided before anything is.
    async fn plan_adding(
        &self,
        actor: &Actor,
        hold: &Hold,
        paths: &BTreeMap<i64, Option<String>>,
    ) -> Result<Plan> {
        let ids: Vec<i64> = paths.keys().copied().collect();
        let mut known = self.known_contents(&ids, &actor.scopes).await?;
        if let Some(missing) = ids.iter().find(|id| !known.contains_key(id)) {
            return Err(SiteError::ContentNotFound { content_id: *missing });
        }
        let mut plan = Plan::default();
        let held = self.held_contents(hold.package_id()).await?;
        for (id, path) in paths {
            let content = known.remove(id).expect("looked up above");
            if held.iter().any(|held| held.content_id == *id) {
                plan.already.push(*id);
                continue;
            }
            let sub_folder = free_name(&content, &held, &plan.new);
            plan.new.push(New { content, sub_folder, path: path.clone(), was_there: false });
        }
        Ok(plan)
    }

    /// Writes down what is about to come, copies it, and lets it take its names. On failure, what may be left of it.
    async fn copy_contents(
        &self,
        actor: &Actor,
        hold: &Hold,
        plan: &mut Plan,
        refresh: bool,
    ) -> Result<(), (SiteError, Left)> {
        if plan.new.is_empty() {
            return Ok(());
        }
        let own = self.own_place(hold).await.map_err(|error| (error, Left::Nothing))?;
        self.begin_adding(hold, plan, (actor, refresh)).await.map_err(|error| (error, Left::Nothing))?;
        let mut places = Places::default();
        for new in &mut plan.new {
            match self.stage_content(hold, &own, new, &mut places).await {
                Ok(was_there) => new.was_there = was_there,
                Err(error) => return Err((error, self.unstage(hold, &own, plan).await)),
            }
        }
        if let Err(error) = self.still_held(hold).await {
            return Err((error, self.unstage(hold, &own, plan).await));
        }
        let named: Vec<Named> = plan.new.iter().map(|new| (new.sub_folder.clone(), new.was_there)).collect();
        let root = own.folder.clone();
        let work = move |watch: &Watch| take_names(&root, &named, watch);
        match self.visit_held(Some(hold), &own, None, work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((error, true))) => Err((own_fault(&own, &error), self.unstage(hold, &own, plan).await)),
            Ok(Err((error, false))) => Err((own_fault(&own, &error), Left::Names)),
            Err(error) => Err((error, Left::Names)),
        }
    }

    async fn still_held(&self, hold: &Hold) -> Result<()> {
        let mut tx = self.db().write().await?;
        still(&mut tx, hold).await.map(drop)
    }

    async fn begin_adding(&self, hold: &Hold, plan: &Plan, by: (&Actor, bool)) -> Result<()> {
        let mut tx = self.db().write().await?;
        still(&mut tx, hold).await?;
        for new in &plan.new {
            rows::begin_adding(&mut tx, hold.package_id(), &new.content, &new.sub_folder, by).await?;
        }
        tx.commit().await
    }

    /// Copies one content to its staging name, from the first folder that has it. True if it has its own name already.
    async fn stage_content(&self, hold: &Hold, own: &Place, new: &New, places: &mut Places) -> Result<bool> {
        let mut first_fault = None;
        for shown in new.candidates() {
            let fault = match places.find(self, &shown).await {
                Ok(place) => match self.stage_from(hold, own, new, place).await? {
                    Ok(was_there) => return Ok(was_there),
                    Err(fault) => fault,
                },
                Err(error) => SiteError::SourceUnusable { path: shown, reason: error.to_string() },
            };
            first_fault.get_or_insert(fault);
        }
        let lost = || SiteError::ContentNotFound { content_id: new.content.content_id };
        Err(first_fault.unwrap_or_else(lost))
    }

    /// The inner fault if another folder may still have it.
    async fn stage_from(
        &self,
        hold: &Hold,
        own: &Place,
        new: &New,
        place: Place,
    ) -> Result<Result<bool, SiteError>> {
        let path = place.shown.clone();
        let (root, hash) = (own.folder.clone(), new.content.content_hash.clone());
        let (name, origin) = (new.sub_folder.clone(), Origin::Folder(place.clone()));
        let folder = files::folder_path(&new.sub_folder)?;
        let work = move |watch: &Watch| {
            // A folder of that name with the same files was put there by hand, or by who died before it was written
            // down; with other files it is somebody else's.
            match files::compare(&root, &folder, &hash, watch).map_err(StageError::Target)? {
                Some(true) => Ok(true),
                Some(false) => Err(StageError::Target(TreeError::Exists { name })),
                None => files::stage(&root, &name, &hash, &origin, watch).map(|()| false),
            }
        };
        match self.visit_held(Some(hold), own, Some(&place), work).await? {
            Ok(was_there) => Ok(Ok(was_there)),
            Err(StageError::Target(error)) => Err(own_fault(own, &error)),
            Err(StageError::Origin(TreeError::Cancelled)) => Err(own_fault(own, &TreeError::Cancelled)),
            Err(StageError::Origin(error)) => {
                Ok(Err(SiteError::SourceUnusable { path, reason: error.to_string() }))
            }
            Err(StageError::Different(reason)) => {
                Ok(Err(SiteError::DriverSourceChanged { driver: new.content.name(), path, reason }))
            }
        }
    }

    /// Takes away what was copied and has no name yet.
    async fn unstage(&self, hold: &Hold, own: &Place, plan: &Plan) -> Left {
        let root = own.folder.clone();
        let names: Vec<String> = plan.new.iter().map(|new| files::new_name(&new.sub_folder)).collect();
        let removed = self.visit_held(Some(hold), own, None, move |_| {
            let root = SourceRoot::open(&root)?;
            names.iter().try_for_each(|name| root.remove(name))
        });
        if matches!(removed.await, Ok(Ok(()))) { Left::Nothing } else { Left::Copies }
    }

    /// Forgets what the call does not add. What it may have left stays, for the next operation to bring to its end.
    async fn forget_adding(&self, hold: &Hold, plan: &Plan, left: Left) {
        let forgotten = async {
            let mut tx = self.db().write().await?;
            still(&mut tx, hold).await?;
            // A folder that was there before is nobody's doing: without a row it stays what it was.
            let gone = plan.new.iter().filter(|new| match left {
                Left::Nothing => true,
                Left::Copies => new.was_there,
                Left::Names => false,
            });
            for new in gone {
                rows::delete(&mut tx, hold.package_id(), new.content.content_id).await?;
            }
            tx.commit().await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "what was not added is forgotten by the next operation");
        }
    }

    /// The contents are there: says so, and queues the refresh.
    async fn finish_adding(&self, actor: &Actor, hold: &Hold, plan: &Plan, refresh: bool) -> Result<()> {
        let now = self.now();
        let id = hold.package_id();
        let mut tx = self.db().write().await?;
        let package = finish(&mut tx, hold).await?;
        let mut messages = Vec::new();
        for new in &plan.new {
            rows::set_added(&mut tx, id, new.content.content_id, package.stored_version + 1).await?;
            let name = new.content.name();
            messages.push(Message::content_added(actor, id, &name, &new.sub_folder));
        }
        let owed = refresh && rows::owes_refresh(&mut tx, id).await?;
        if !plan.new.is_empty() || owed {
            rows::changed(&mut tx, id, refresh, actor.call.as_deref(), now).await?;
        }
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }
}

/// What a call comes to.
#[derive(Debug, Default)]
struct Plan {
    new: Vec<New>,
    already: Vec<i64>,
}

/// A content to be added.
#[derive(Debug)]
struct New {
    content: Content,
    sub_folder: String,
    /// Where the caller says that it is.
    path: Option<String>,
    /// Whether a folder with these files had its name before.
    was_there: bool,
}

/// What an addition that failed may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// Copies that have no names yet.
    Copies,
    /// Copies, some with their names.
    Names,
}

/// A subfolder's name, and whether it was there before.
type Named = (String, bool);

impl New {
    /// Where to look for it, each once.
    fn candidates(&self) -> Vec<String> {
        let own = self.content.drivers.iter().map(|driver| driver.content_source_path.clone());
        let mut paths: Vec<String> = Vec::new();
        for path in self.path.clone().into_iter().chain(own) {
            if !path.is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }
}

/// Folders that were found in this call.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, Result<Place, SourcePathError>>);

impl Places {
    pub(super) async fn find(&mut self, site: &Site, shown: &str) -> Result<Place, SourcePathError> {
        if let Some(found) = self.0.get(shown) {
            return found.clone();
        }
        let found = site.place(shown).await;
        self.0.insert(shown.to_owned(), found.clone());
        found
    }
}

/// The ids of a call, each with the path that belongs to it.
fn pair(content_ids: &[i64], source_paths: &[String]) -> Result<BTreeMap<i64, Option<String>>> {
    let ids = distinct(content_ids)?;
    let path_of = |at: usize| source_paths.get(at).filter(|path| !path.is_empty()).cloned();
    match source_paths.len() {
        0 | 1 => Ok(ids.into_iter().map(|id| (id, path_of(0))).collect()),
        count if count == content_ids.len() => {
            Ok(content_ids.iter().enumerate().map(|(at, id)| (*id, path_of(at))).collect())
        }
        count => {
            let reason = format!("one path for all contents or one for each is needed, not {count}");
            Err(SiteError::invalid("ContentSourcePath", reason))
        }
    }
}

/// A name that no other content of the package has; the longer hash only if the first digits of two are the same.
fn free_name(content: &Content, held: &[Held], new: &[New]) -> String {
    let name = content.sub_folder();
    let folded = content::fold(&name);
    let taken = held.iter().map(|held| &held.sub_folder).chain(new.iter().map(|new| &new.sub_folder));
    if taken.into_iter().any(|taken| content::fold(taken) == folded) {
        return format!("driver_{}", content.content_hash);
    }
    name
}

/// Lets what was copied take its names, once it is durable. On failure, whether nothing has its name.
fn take_names(root: &Path, named: &[Named], watch: &Watch) -> Result<(), (TreeError, bool)> {
    let root = SourceRoot::open(root).map_err(|error| (error, true))?;
    root.sync().map_err(|error| (error, true))?;
    let mut done: Vec<&String> = Vec::new();
    for (name, was_there) in named {
        // Whoever has the right now brings it to its end.
        watch.check().map_err(|error| (error, done.is_empty()))?;
        let taken =
            if *was_there { still_there(&root, name) } else { root.rename(&files::new_name(name), name) };
        match taken {
            Ok(()) if *was_there => {}
            Ok(()) => done.push(name),
            Err(error) => {
                let undone = done.iter().all(|name| root.rename(name, &files::new_name(name)).is_ok());
                return Err((error, undone));
            }
        }
    }
    Ok(())
}

/// A folder that was compared before may be gone since.
fn still_there(root: &SourceRoot, name: &str) -> Result<(), TreeError> {
    let is_there = ContentPath::new(name).is_ok_and(|path| root.has_folder(&path).unwrap_or(false));
    if is_there { Ok(()) } else { Err(TreeError::Changing { path: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[i64], paths: &[&str], expect: Result<&[(i64, Option<&str>)], &str>) {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let got = pair(ids, &paths).map_err(|error| error.code());
        let expect = expect.map(|pairs| pairs.iter().map(|(id, p)| (*id, p.map(str::to_owned))).collect());
        assert_eq!(got, expect, "{ids:?} {paths:?}");
    }

    #[test]
    fn a_copy_that_somebody_took_away_is_no_addition() {
        let folder = tempfile::tempdir().unwrap();
        let named = ["a", "b"].map(|name| (name.to_owned(), false));
        let staged = |name: &str| folder.path().join(files::new_name(name));
        std::fs::create_dir(staged("a")).unwrap();
        let failed = take_names(folder.path(), &named, &Watch::default()).unwrap_err();
        assert!(matches!(failed, (TreeError::Unwritable { .. }, true)), "{failed:?}");
        assert!(staged("a").exists() && !folder.path().join("a").exists(), "the other is taken back");
        let found = [("a".to_owned(), false), ("b".to_owned(), true)];
        let failed = take_names(folder.path(), &found, &Watch::default()).unwrap_err();
        assert!(matches!(failed, (TreeError::Changing { .. }, true)), "{failed:?}");
        std::fs::create_dir(staged("b")).unwrap();
        take_names(folder.path(), &named, &Watch::default()).unwrap();
        assert!(folder.path().join("a").exists() && folder.path().join("b").exists());
    }

    #[test]
    fn one_path_serves_all_and_more_go_by_place() {
        check(&[1], &[], Ok(&[(1, None)]));
        check(&[2, 1, 2], &["a"], Ok(&[(1, Some("a")), (2, Some("a"))]));
        check(&[2, 1], &["a", "b"], Ok(&[(1, Some("b")), (2, Some("a"))]));
        check(&[1, 2], &["", "b"], Ok(&[(1, None), (2, Some("b"))]));
        check(&[1, 2, 3], &["a", "b"], Err("invalid_field"));
        check(&[1], &["a", "b"], Err("invalid_field"));
        check(&[], &["a"], Err("invalid_field"));
    }
}
