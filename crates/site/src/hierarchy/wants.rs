//! What this site wants to read of its children's content. It cannot connect to them, so it says what it wants and they
//! answer.
//!
//! In memory only: whoever wants something waits here, and asks again after a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::link::{WANT_BYTES_MAX, WANTS_MAX, Want, WantKind};
use tokio::sync::{oneshot, watch};

use crate::error::{Result, SiteError};
use crate::server::Site;

/// How long a want waits for its answer.
pub const WANT_TIMEOUT: Duration = Duration::from_secs(120);

/// The bytes, or the code of the refusal.
pub type WantAnswer = std::result::Result<Vec<u8>, String>;

/// Open wants of all children.
#[derive(Debug, Default)]
pub(crate) struct Wants(Mutex<Boards>);

#[derive(Debug, Default)]
struct Boards {
    last_id: u64,
    of: HashMap<String, Board>,
}

#[derive(Debug, Default)]
struct Board {
    open: BTreeMap<u64, Open>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Open {
    kind: WantKind,
    answer: oneshot::Sender<WantAnswer>,
}

impl Site {
    /// Wants something of a child's content, and waits for the child's answer.
    ///
    /// Errors: [`SiteError::Busy`] while the child has [`WANTS_MAX`] wants open, or where it does not answer within
    /// [`WANT_TIMEOUT`]; [`SiteError::InvalidField`] for a range of more than [`WANT_BYTES_MAX`] bytes.
    pub async fn want(&self, child: &str, kind: WantKind) -> Result<WantAnswer> {
        if let WantKind::Range { bytes, .. } = &kind
            && !(1..=WANT_BYTES_MAX).contains(bytes)
        {
            return Err(SiteError::invalid(
                "bytes",
                format!("1 to {WANT_BYTES_MAX} bytes are wanted at once"),
            ));
        }
        let (waiting, answered) = self.wants().post(child, kind)?;
        let silent = SiteError::Busy { what: "the child site does not answer" };
        let answer = tokio::select! {
            answer = answered => answer.map_err(|_| silent),
            () = self.clock().sleep(WANT_TIMEOUT) => Err(silent),
        };
        drop(waiting);
        answer
    }

    /// The open wants of a child, oldest first; with none, those that there are after at most `wait`.
    pub async fn open_wants(&self, child: &str, wait: Duration) -> Vec<Want> {
        let mut changed = self.wants().subscribe(child);
        let mut end = self.clock().sleep(wait.min(Duration::from_secs(agent::WAIT_S_MAX)));
        loop {
            let wants = self.wants().open(child);
            if !wants.is_empty() {
                return wants;
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = &mut end => return Vec::new(),
            }
        }
    }

    /// The child's answer to one of its wants. Returns false if nobody waits for it any more.
    pub fn answer_want(&self, child: &str, id: u64, answer: WantAnswer) -> bool {
        let open = self.wants().lock().of.get_mut(child).and_then(|board| board.open.remove(&id));
        open.is_some_and(|open| open.answer.send(answer).is_ok())
    }

    /// The most bytes that the answer to a want may have; absent where nobody waits for it.
    #[must_use]
    pub fn want_bytes_max(&self, child: &str, id: u64) -> Option<u64> {
        let boards = self.wants().lock();
        Some(match boards.of.get(child)?.open.get(&id)?.kind {
            WantKind::Range { bytes, .. } => bytes,
            WantKind::Route { .. } | WantKind::Root { .. } => WANT_BYTES_MAX,
        })
    }
}

/// Takes its want off the board when whoever waited has the answer, or gave up.
struct Waiting<'w> {
    wants: &'w Wants,
    child: String,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(board) = self.wants.lock().of.get_mut(&self.child) {
            board.open.remove(&self.id);
        }
    }
}

impl Wants {
    fn lock(&self) -> MutexGuard<'_, Boards> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, child: &str, kind: WantKind) -> Result<(Waiting<'_>, oneshot::Receiver<WantAnswer>)> {
        let mut boards = self.lock();
        boards.last_id += 1;
        let id = boards.last_id;
        let board = boards.of.entry(child.to_owned()).or_default();
        if board.open.len() >= WANTS_MAX {
            return Err(SiteError::Busy { what: "the child site has many wants to answer" });
        }
        let (answer, answered) = oneshot::channel();
        board.open.insert(id, Open { kind, answer });
        board.changed.send_replace(());
        Ok((Waiting { wants: self, child: child.to_owned(), id }, answered))
    }

    fn subscribe(&self, child: &str) -> watch::Receiver<()> {
        self.lock().of.entry(child.to_owned()).or_default().changed.subscribe()
    }

    fn open(&self, child: &str) -> Vec<Want> {
        let boards = self.lock();
        let open = boards.of.get(child).map(|board| &board.open).into_iter().flatten();
        open.map(|(id, open)| Want { id: *id, kind: open.kind.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    on_both! {
        async fn wants_are_answered_refused_given_up_and_bounded(stage: &Stage) {
            let site = &stage.site;
            let root = || WantKind::Root { manifest: "ab".to_owned() };
            let ask = async |answer: WantAnswer| {
                let child = async {
                    let open = site.open_wants("S01", Duration::from_secs(60)).await;
                    assert_eq!(open.len(), 1);
                    assert!(!site.answer_want("S02", open[0].id, Ok(Vec::new())), "it is not that child's");
                    assert_eq!(site.want_bytes_max("S01", open[0].id), Some(WANT_BYTES_MAX));
                    assert!(site.answer_want("S01", open[0].id, answer.clone()));
                    assert!(!site.answer_want("S01", open[0].id, answer), "it is answered");
                };
                tokio::join!(site.want("S01", root()), child).0.unwrap()
            };
            assert_eq!(ask(Ok(b"bytes".to_vec())).await, Ok(b"bytes".to_vec()));
            assert_eq!(ask(Err("object_not_found".to_owned())).await, Err("object_not_found".to_owned()));
            let long = WantKind::Range { pack: "ab".to_owned(), from: 0, bytes: WANT_BYTES_MAX + 1 };
            assert_eq!(site.want("S01", long).await.unwrap_err().code(), "invalid_field");
            let mut waiting: Vec<_> = (0..WANTS_MAX).map(|_| site.wants().post("S01", root()).unwrap()).collect();
            assert_eq!(site.want("S01", root()).await.unwrap_err().code(), "busy");
            site.wants().post("S02", root()).unwrap();
            waiting.pop();
            let silent = async {
                while site.wants().open("S01").len() < WANTS_MAX {
                    tokio::task::yield_now().await;
                }
                stage.clock.advance(WANT_TIMEOUT);
            };
            assert_eq!(tokio::join!(site.want("S01", root()), silent).0.unwrap_err().code(), "busy");
            waiting.clear();
            assert!(site.wants().open("S01").is_empty(), "nobody waits any more");
        }
    }
}
