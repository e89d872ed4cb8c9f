//! What was left half done, brought to its end: when a site server starts, and before each operation.
//!
//! The rows say what was about to happen; the folders say how far it came:
//!
//! | row | folder of its name | then |
//! | --- | --- | --- |
//! | adding | there, with the content | it is added |
//! | adding | not there, or another's | it is not |
//! | removing | there | it is renamed away; it is removed |
//! | removing | not there | it is removed |
//! | replacing | there | it is the old one or the new one, both whole |
//! | replacing | not there | the new one takes its name, else the old one has it back |
//!
//! A refresh that was asked for with the operation is queued with its end.

use std::collections::BTreeSet;
use std::path::Path;

use content::tree::{SourceRoot, TreeError};

use super::files::{self, Place, Watch, own_fault};
use super::hold::{Hold, still};
use super::rows::{self, Held, State};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::server::Site;

/// What became of a content whose operation did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Added,
    NotAdded,
    Removed,
    Replaced,
}

impl Site {
    /// The right to change a package's contents, once nothing is half done.
    pub(super) async fn hold_recovered(&self, package_id: &str) -> Result<Hold> {
        let hold = self.hold_contents(package_id).await?;
        match self.recover(&hold).await {
            Ok(()) => Ok(hold),
            Err(error) => {
                self.release_hold(hold).await;
                Err(error)
            }
        }
    }

    /// Brings to its end what an earlier process of this server left half done. A package whose source does not
    /// answer waits for its next operation.
    pub(crate) async fn recover_contents(&self) -> Result<()> {
        let mut packages: BTreeSet<String> = self.end_holds_of(self.server_id()).await?.into_iter().collect();
        packages.extend(self.packages_half_changed().await?);
        for package_id in packages {
            match self.hold_recovered(&package_id).await {
                Ok(hold) => self.release_hold(hold).await,
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(package = package_id, error, "contents stay half changed for now");
                }
            }
        }
        Ok(())
    }

    async fn recover(&self, hold: &Hold) -> Result<()> {
        let held = self.held_contents(hold.package_id()).await?;
        let open: Vec<Held> = held.into_iter().filter(|held| held.state != State::There).collect();
        let own = match self.own_place(hold).await {
            Ok(own) => own,
            // Without a folder there is nothing in it; whoever needs it says so.
            Err(_) if open.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        };
        let ends = self.end_folders(hold, &own, &open).await?;
        if ends.is_empty() {
            return Ok(());
        }
        self.end_rows(hold, &open, &ends).await
    }

    async fn end_folders(&self, hold: &Hold, own: &Place, open: &[Held]) -> Result<Vec<End>> {
        let (root, rows) = (own.folder.clone(), open.to_vec());
        let work = move |watch: &Watch| {
            let ends =
                rows.iter().map(|held| end_folder(&root, held, watch)).collect::<Result<Vec<_>, _>>()?;
            clean(&root);
            Ok(ends)
        };
        let ended = self.visit_held(Some(hold), own, None, work).await?;
        ended.map_err(|error: RecoverError| match error {
            RecoverError::Tree(error) => own_fault(own, &error),
            RecoverError::Row(error) => error,
        })
    }

    async fn end_rows(&self, hold: &Hold, open: &[Held], ends: &[End]) -> Result<()> {
        let (id, now) = (hold.package_id(), self.now());
        let mut tx = self.db().write().await?;
        let package = still(&mut tx, hold).await?;
        let (mut any_changed, mut refresh) = (false, false);
        for (held, end) in open.iter().zip(ends) {
            match end {
                End::Added => {
                    rows::set_added(&mut tx, id, held.content_id, package.stored_version + 1).await?;
                }
                End::NotAdded | End::Removed => rows::delete(&mut tx, id, held.content_id).await?,
                End::Replaced => {
                    rows::set_state(&mut tx, id, held.content_id, State::There, false).await?;
                }
            }
            any_changed |= *end != End::NotAdded;
            refresh |= held.refresh && *end != End::NotAdded;
            tracing::info!(package = id, content = held.content_id, ?end, "a half done change was ended");
        }
        if any_changed {
            rows::changed(&mut tx, id, refresh, now).await?;
        }
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }
}

enum RecoverError {
    Tree(TreeError),
    Row(SiteError),
}

impl From<TreeError> for RecoverError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

fn end_folder(path: &Path, held: &Held, watch: &Watch) -> Result<End, RecoverError> {
    let root = SourceRoot::open(path)?;
    let folder = files::folder_path(&held.sub_folder).map_err(RecoverError::Row)?;
    let (new, old) = (files::new_name(&held.sub_folder), files::old_name(&held.sub_folder));
    match held.state {
        State::There | State::Adding => match files::compare(path, &folder, &held.content_hash, watch)? {
            Some(true) => Ok(End::Added),
            _ => Ok(End::NotAdded),
        },
        State::Removing => {
            if root.has_folder(&folder)? {
                root.remove(&old)?;
                root.rename(&held.sub_folder, &old)?;
            }
            Ok(End::Removed)
        }
        State::Replacing => {
            if !root.has_folder(&folder)? {
                let staged = root.staged()?;
                if let Some(from) = [new, old].iter().find(|name| staged.contains(name)) {
                    root.rename(from, &held.sub_folder)?;
                }
            }
            Ok(End::Replaced)
        }
    }
}

/// Removes what is under way no longer. What cannot be removed does no harm: no snapshot has it.
pub(super) fn clean(root: &Path) {
    let cleaned =
        SourceRoot::open(root).and_then(|root| root.staged()?.iter().try_for_each(|name| root.remove(name)));
    if let Err(error) = cleaned {
        tracing::warn!(%error, "leftovers stay in a package's source");
    }
}
