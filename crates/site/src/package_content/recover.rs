//! What was left half done, brought to its end: when a site server starts, now and then, before each operation, and
//! before each snapshot.
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
//! | replacing | nor the others | it is lost: no snapshot is taken until it is rebuilt or removed |
//!
//! A refresh that was asked for with the operation is queued with its end, and who asked for it is in the audit.

use std::collections::BTreeSet;
use std::path::Path;

use content::tree::{SourceRoot, TreeError};
use futures_util::StreamExt;

use super::files::{self, Place, Watch, own_fault};
use super::hold::{Hold, Turn, still};
use super::rows::{self, Held, State};
use crate::access::{Actor, Role};
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::server::Site;
use crate::status::{self, Message};

/// Packages at once whose contents are brought to their end.
const RECOVERIES_MAX: usize = 8;
/// In the audit, for what was begun before names were kept.
const NOBODY_KNOWN: &str = "(unknown)";
/// In the audit: where a rebuild that did not end had the files from.
const INTERRUPTED: &str = "the whole copy that an interrupted rebuild left";

/// What became of a content whose operation did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Added,
    NotAdded,
    Removed,
    Replaced,
    /// No copy of it is left in the source.
    Lost,
}

impl Site {
    /// The right to change a package's contents, once nothing is half done.
    pub(super) async fn hold_recovered(&self, package_id: &str, turn: Turn) -> Result<Hold> {
        let hold = self.hold_contents(package_id, turn).await?;
        match self.recover(&hold).await {
            Ok(()) => Ok(hold),
            Err(error) => {
                self.release_hold(hold).await;
                Err(error)
            }
        }
    }

    /// Brings to its end what was left half done, in these packages and all others that have such; none waits for
    /// another. A package whose source does not answer waits for the next time.
    pub(crate) async fn recover_contents(&self, interrupted: Vec<String>) -> Result<()> {
        let mut packages: BTreeSet<String> = interrupted.into_iter().collect();
        packages.extend(self.packages_half_changed().await?);
        let recover = async |package_id: String| match self.hold_recovered(&package_id, Turn::Skip).await {
            Ok(hold) => self.release_hold(hold).await,
            // Somebody is at work on it, and does this first.
            Err(SiteError::Busy { .. }) => {}
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(package = package_id, error, "contents stay half changed for now");
            }
        };
        futures_util::stream::iter(packages).for_each_concurrent(RECOVERIES_MAX, recover).await;
        Ok(())
    }

    /// Brings to its end what is half done in a package whose source is about to be read.
    ///
    /// Errors: [`SiteError::ContentLost`], [`SiteError::Busy`] while a content is being replaced, and what keeps the
    /// source from being changed.
    pub(crate) async fn settle_before_snapshot(&self, package_id: &str) -> Result<()> {
        let held = self.held_contents(package_id).await?;
        if held.iter().all(|held| held.state == State::There) {
            return Ok(());
        }
        match self.hold_recovered(package_id, Turn::Skip).await {
            Ok(hold) => self.release_hold(hold).await,
            // Whatever is being added or removed meanwhile is there or is not, but whole.
            Err(SiteError::Busy { .. }) => return self.refuse_replacing(package_id).await,
            Err(error) => return Err(error),
        }
        let held = self.held_contents(package_id).await?;
        let Some(lost) = held.into_iter().find(|held| held.state == State::Replacing) else { return Ok(()) };
        Err(SiteError::ContentLost {
            package_id: package_id.to_owned(),
            content_id: lost.content_id,
            reason: format!(
                "subfolder `{}` is gone; rebuild the package, or remove the driver",
                lost.sub_folder
            ),
        })
    }

    /// A reading of the source is good for nothing while a content may be between its two names.
    pub(crate) async fn refuse_replacing(&self, package_id: &str) -> Result<()> {
        let held = self.held_contents(package_id).await?;
        if held.iter().any(|held| held.state == State::Replacing) {
            return Err(SiteError::Busy { what: "the package's drivers are being rebuilt" });
        }
        Ok(())
    }

    async fn recover(&self, hold: &Hold) -> Result<()> {
        let held = self.held_contents(hold.package_id()).await?;
        let names = held.iter().map(|held| held.sub_folder.clone()).collect();
        let open: Vec<Held> = held.into_iter().filter(|held| held.state != State::There).collect();
        let own = match self.own_place(hold).await {
            Ok(own) => own,
            // Without a folder there is nothing in it; whoever needs it says so.
            Err(_) if open.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        };
        let ends = self.end_folders(hold, &own, &open, names).await?;
        if ends.iter().all(|end| *end == End::Lost) {
            return Ok(());
        }
        self.end_rows(hold, &open, &ends).await
    }

    async fn end_folders(
        &self,
        hold: &Hold,
        own: &Place,
        open: &[Held],
        names: Vec<String>,
    ) -> Result<Vec<End>> {
        let (root, rows) = (own.folder.clone(), open.to_vec());
        let work = move |watch: &Watch| {
            let ends =
                rows.iter().map(|held| end_folder(&root, held, watch)).collect::<Result<Vec<_>, _>>()?;
            clean(&root, &names);
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
        let mut messages = Vec::new();
        for (held, end) in open.iter().zip(ends) {
            messages.extend(self.tell_end(id, held, *end).await?);
        }
        let mut tx = self.db().write().await?;
        let package = still(&mut tx, hold).await?;
        let (mut any_changed, mut refresh) = (false, false);
        for (held, end) in open.iter().zip(ends) {
            match end {
                End::Added => {
                    rows::set_added(&mut tx, id, held.content_id, package.stored_version + 1).await?;
                }
                End::NotAdded | End::Removed => rows::delete(&mut tx, id, held.content_id).await?,
                End::Replaced => rows::set_there(&mut tx, id, held.content_id).await?,
                End::Lost => {}
            }
            let is_changed = !matches!(end, End::NotAdded | End::Lost);
            any_changed |= is_changed;
            refresh |= held.refresh && is_changed;
            tracing::info!(package = id, content = held.content_id, ?end, "a half done change was ended");
        }
        if any_changed {
            rows::changed(&mut tx, id, refresh, None, now).await?;
        }
        status::add_all(&mut tx, now, messages).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(())
    }

    async fn tell_end(&self, package_id: &str, held: &Held, end: End) -> Result<Option<Message>> {
        let name = held.actor.clone().unwrap_or_else(|| NOBODY_KNOWN.to_owned());
        // The role was asked for when the change was begun; a message has the name only.
        let actor = Actor::new(name, Role::FullAdministrator);
        let folder = &held.sub_folder;
        Ok(match end {
            End::NotAdded | End::Lost => None,
            End::Replaced => Some(Message::content_restored(&actor, package_id, folder, INTERRUPTED)),
            End::Added | End::Removed => {
                let drivers = self.drivers_of(held.content_id, &actor.scopes).await?;
                let driver = drivers.first().map_or(folder.as_str(), |driver| driver.name.as_str());
                Some(match end {
                    End::Added => Message::content_added(&actor, package_id, driver, folder),
                    _ => Message::content_removed(&actor, package_id, driver, folder),
                })
            }
        })
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
                watch.check()?;
                root.rename(&held.sub_folder, &old)?;
            }
            Ok(End::Removed)
        }
        State::Replacing => {
            if !root.has_folder(&folder)? {
                let staged = root.staged()?;
                let Some(from) = [new, old].into_iter().find(|name| staged.contains(name)) else {
                    tracing::error!(
                        folder = held.sub_folder,
                        "no copy of a driver is left in a package's source"
                    );
                    return Ok(End::Lost);
                };
                watch.check()?;
                root.rename(&from, &held.sub_folder)?;
            }
            Ok(End::Replaced)
        }
    }
}

/// Removes what is under way no longer for these subfolders; anything else is another's. What cannot be removed does no
/// harm: no snapshot has it.
pub(super) fn clean(root: &Path, sub_folders: &[String]) {
    let own: BTreeSet<String> =
        sub_folders.iter().flat_map(|name| [files::new_name(name), files::old_name(name)]).collect();
    let cleaned = SourceRoot::open(root).and_then(|root| {
        root.staged()?.iter().filter(|name| own.contains(*name)).try_for_each(|name| root.remove(name))
    });
    if let Err(error) = cleaned {
        tracing::warn!(%error, "leftovers stay in a package's source");
    }
}
