//! Drivers in packages: each content in a subfolder of its own of the package's source.
//!
//! A content is there whole or not at all, whenever the process ends. What an operation is about to do is in the
//! database before it does it (`rows`); the copy is made under a name that no snapshot sees, made durable, and takes
//! its own name in one step; then the database says that it is there. Whoever comes next brings what was left half
//! done to its end (`recover`): a folder that has its own name is complete. One operation changes a package's
//! contents at a time, here and at other servers of the site (`hold`).
//!
//! Operations run as tasks of their own, so that a client that hangs up does not leave them half done.

mod add;
mod check;
mod files;
mod hold;
mod owner;
mod rebuild;
mod recover;
mod remove;
mod rows;
mod validate;

#[cfg(test)]
pub(crate) mod tests;

pub use check::{FOLDER_IN_USE, FOLDER_NOT_ACCESSIBLE, FOLDER_NOT_EMPTY, FOLDER_NOT_UNC};
pub(crate) use files::{Place, StoredFile, Watch, content_hash};
pub(crate) use hold::{ContentWork, is_held};
pub(crate) use owner::{give_to, require_unlocked};
pub use rebuild::{RebuiltContent, RestoredFrom};
pub(crate) use rows::{Content, any_unsettled, contents_of, settle};
pub(crate) use validate::COMPARISONS_MAX;

use std::future::Future;

use crate::error::{Result, SiteError};

/// Contents in one call.
const CONTENTS_AT_ONCE_MAX: usize = 1000;

/// Runs an operation to its end, whether or not anybody still waits for it.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.unwrap_or(Err(SiteError::Stopped))
}

/// The ids of a call, each once.
fn distinct(content_ids: &[i64]) -> Result<Vec<i64>> {
    let ids: std::collections::BTreeSet<i64> = content_ids.iter().copied().collect();
    if ids.is_empty() || ids.len() > CONTENTS_AT_ONCE_MAX {
        let reason = format!("1 to {CONTENTS_AT_ONCE_MAX} contents are needed");
        return Err(SiteError::invalid("ContentIDs", reason));
    }
    Ok(ids.into_iter().collect())
}
