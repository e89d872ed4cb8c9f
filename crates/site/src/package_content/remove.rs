//! RemoveDriverContent: subfolders taken out of the package's source.

use std::path::Path;

use content::tree::{SourceRoot, TreeError};

use super::files::{self, Place, Watch, own_fault};
use super::hold::{Hold, Turn, still};
use super::recover::clean;
use super::rows::{self, Held, State};
use super::{distinct, to_its_end};
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

impl Site {
    /// Takes contents and their subfolders out of a package. The drivers stay in the catalog.
    ///
    /// All of them or none. With `refresh`, a refresh is queued with the same transaction.
    ///
    /// Errors: [`SiteError::ContentNotInPackage`], and as [`Site::add_driver_content`].
    pub async fn remove_driver_content(
        &self,
        actor: &Actor,
        package_id: &str,
        content_ids: &[i64],
        refresh: bool,
    ) -> Result<()> {
        actor.may(Action::ChangePackages)?;
        let ids = distinct(content_ids)?;
        self.require_visible_now(actor, SecuredType::Package, package_id).await?;
        let (site, actor, package_id) = (self.clone(), actor.clone(), package_id.to_owned());
        to_its_end(async move { site.remove_contents(&actor, &package_id, &ids, refresh).await }).await
    }

    /// See [`Site::remove_driver_content`]; dropped on the way, it leaves what the next operation brings to its end.
    pub(super) async fn remove_contents(
        &self,
        actor: &Actor,
        package_id: &str,
        ids: &[i64],
        refresh: bool,
    ) -> Result<()> {
        let hold = self.hold_recovered(package_id, Turn::Wait).await?;
        let begun = async {
            let own = self.own_place(&hold).await?;
            let gone = self.begin_removing(actor, &hold, ids, refresh).await?;
            Ok((own, gone))
        };
        let (own, gone) = match begun.await {
            Ok(begun) => begun,
            Err(error) => {
                self.release_hold(hold).await;
                return Err(error);
            }
        };
        if let Err(error) = self.rename_away(&hold, &own, &gone).await {
            self.release_hold(hold).await;
            return Err(error);
        }
        // As long as the rows say which files they are. What is left does no harm.
        let (root, names) = (own.folder.clone(), names(&gone));
        if let Err(error) = self.visit_held(Some(&hold), &own, None, move |_| clean(&root, &names)).await {
            tracing::warn!(%error, "a removed content's files stay");
        }
        let finished = self.finish_removing(actor, &hold, &gone, refresh).await;
        self.release_hold(hold).await;
        finished
    }

    async fn begin_removing(
        &self,
        actor: &Actor,
        hold: &Hold,
        ids: &[i64],
        refresh: bool,
    ) -> Result<Vec<Held>> {
        let id = hold.package_id();
        let held = self.held_contents(id).await?;
        let mut gone = Vec::with_capacity(ids.len());
        for content_id in ids {
            let missing =
                || SiteError::ContentNotInPackage { package_id: id.to_owned(), content_id: *content_id };
            gone.push(held.iter().find(|held| held.content_id == *content_id).ok_or_else(missing)?.clone());
        }
        let mut tx = self.db().write().await?;
        still(&mut tx, hold).await?;
        for held in &gone {
            rows::begin(&mut tx, id, held.content_id, State::Removing, (actor, refresh)).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Gives the subfolders names that no snapshot sees: all of them or, if the disk refuses, none.
    async fn rename_away(&self, hold: &Hold, own: &Place, gone: &[Held]) -> Result<()> {
        let (root, names) = (own.folder.clone(), names(gone));
        let work = move |watch: &Watch| rename_all(&root, &names, watch);
        let renamed = self.visit_held(Some(hold), own, None, work).await?;
        let (error, undone) = match renamed {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        if undone {
            let kept = async {
                let mut tx = self.db().write().await?;
                still(&mut tx, hold).await?;
                for held in gone {
                    rows::set_there(&mut tx, hold.package_id(), held.content_id).await?;
                }
                tx.commit().await
            };
            kept.await?;
        }
        Err(own_fault(own, &error))
    }

    async fn finish_removing(&self, actor: &Actor, hold: &Hold, gone: &[Held], refresh: bool) -> Result<()> {
        let (id, now) = (hold.package_id(), self.now());
        let mut messages = Vec::with_capacity(gone.len());
        for held in gone {
            let drivers = self.drivers_of(held.content_id, &actor.scopes).await?;
            let name = drivers.first().map_or(held.sub_folder.as_str(), |driver| driver.name.as_str());
            messages.push(Message::content_removed(actor, id, name, &held.sub_folder));
        }
        let mut tx = self.db().write().await?;
        still(&mut tx, hold).await?;
        for held in gone {
            rows::delete(&mut tx, id, held.content_id).await?;
        }
        rows::changed(&mut tx, id, refresh, actor.call.as_deref(), now).await?;
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }
}

fn names(held: &[Held]) -> Vec<String> {
    held.iter().map(|held| held.sub_folder.clone()).collect()
}

/// On failure, whether everything has its name again.
fn rename_all(root: &Path, names: &[String], watch: &Watch) -> Result<(), (TreeError, bool)> {
    let root = SourceRoot::open(root).map_err(|error| (error, true))?;
    let mut done: Vec<&String> = Vec::new();
    for name in names {
        // Whoever has the right now brings it to its end.
        watch.check().map_err(|error| (error, done.is_empty()))?;
        let away = rename_one(&root, name);
        match away {
            Ok(true) => done.push(name),
            // Somebody deleted it by hand.
            Ok(false) => {}
            Err(error) => {
                let undone = done.iter().all(|name| root.rename(&files::old_name(name), name).is_ok());
                return Err((error, undone));
            }
        }
    }
    Ok(())
}

fn rename_one(root: &SourceRoot, name: &str) -> Result<bool, TreeError> {
    let old = files::old_name(name);
    root.remove(&old)?;
    match root.rename(name, &old) {
        Ok(()) => Ok(true),
        Err(TreeError::Unwritable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
