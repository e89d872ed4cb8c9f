//! What this site wants to read of its children's content. It cannot connect to them, so it says what it wants and they
//! answer.
//!
//! In memory only: whoever wants something waits here, and asks again after a restart.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::link::{WANT_BYTES_MAX, WANTS_MAX, Want, WantKind};
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::error::{Result, SiteError};
use crate::server::Site;

/// How long a want waits while not one byte of any answer comes from the child. As long as something comes, it is its turn
/// that it waits for.
pub const WANT_TIMEOUT: Duration = Duration::from_secs(120);

/// The bytes, of a range as many as came, or why there are none.
pub type WantAnswer = std::result::Result<Vec<u8>, WantRefusal>;

/// Why a child gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantRefusal {
    /// A stable code.
    pub code: String,
    /// When it is worth asking again, by the child's clock; absent where the child does not know.
    pub until: Option<Timestamp>,
    /// The child's sentence; absent where the code says enough.
    pub reason: Option<String>,
}

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
    /// When something of an answer came last, on the monotonic clock.
    heard_at: Duration,
}

#[derive(Debug)]
struct Open {
    kind: WantKind,
    package_id: String,
    priority: u8,
    answer: oneshot::Sender<WantAnswer>,
}

impl Site {
    /// Wants something of a child's content for a package of this priority, and waits for the child's answer.
    ///
    /// Errors: [`SiteError::Busy`] while the child has [`WANTS_MAX`] wants open, or where nothing comes from it for
    /// [`WANT_TIMEOUT`]; [`SiteError::InvalidField`] for a range of more than [`WANT_BYTES_MAX`] bytes.
    pub async fn want(
        &self,
        child: &str,
        package_id: &str,
        priority: u8,
        kind: WantKind,
    ) -> Result<WantAnswer> {
        if let WantKind::Range { bytes, .. } = &kind
            && !(1..=WANT_BYTES_MAX).contains(bytes)
        {
            return Err(SiteError::invalid(
                "bytes",
                format!("1 to {WANT_BYTES_MAX} bytes are wanted at once"),
            ));
        }
        let asked_at = self.clock().monotonic();
        let (waiting, mut answered) = self.wants().post(child, package_id, priority, kind)?;
        let silent = || SiteError::Busy { what: "the child site does not answer" };
        let answer = loop {
            let quiet_since = self.wants().heard_at(child).max(asked_at);
            let quiet = self.clock().monotonic().saturating_sub(quiet_since);
            if quiet >= WANT_TIMEOUT {
                break Err(silent());
            }
            tokio::select! {
                answer = &mut answered => break answer.map_err(|_| silent()),
                () = self.clock().sleep(WANT_TIMEOUT - quiet) => {}
            }
        };
        drop(waiting);
        answer
    }

    /// The open wants of a child, the urgent first, then the oldest; with none, those that there are after at most `wait`.
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
        self.want_progress(child);
        let open = self.wants().lock().of.get_mut(child).and_then(|board| board.open.remove(&id));
        open.is_some_and(|open| open.answer.send(answer).is_ok())
    }

    /// Something of an answer came: the child lives, and what it has not come to yet waits on.
    pub fn want_progress(&self, child: &str) {
        let now = self.clock().monotonic();
        if let Some(board) = self.wants().lock().of.get_mut(child) {
            board.heard_at = now;
        }
    }

    /// An answer broke off. What came of a range is good for what it is, and the rest is wanted anew. Returns whether it was
    /// taken.
    pub fn answer_want_in_part(&self, child: &str, id: u64, bytes: Vec<u8>) -> bool {
        let is_range = |open: &Open| matches!(open.kind, WantKind::Range { .. });
        let boards = self.wants().lock();
        let is_taken = boards.of.get(child).and_then(|board| board.open.get(&id)).is_some_and(is_range);
        drop(boards);
        is_taken && !bytes.is_empty() && self.answer_want(child, id, Ok(bytes))
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

    fn post(
        &self,
        child: &str,
        package_id: &str,
        priority: u8,
        kind: WantKind,
    ) -> Result<(Waiting<'_>, oneshot::Receiver<WantAnswer>)> {
        let mut boards = self.lock();
        boards.last_id += 1;
        let id = boards.last_id;
        let board = boards.of.entry(child.to_owned()).or_default();
        if board.open.len() >= WANTS_MAX {
            return Err(SiteError::Busy { what: "the child site has many wants to answer" });
        }
        let (answer, answered) = oneshot::channel();
        board.open.insert(id, Open { kind, package_id: package_id.to_owned(), priority, answer });
        board.changed.send_replace(());
        Ok((Waiting { wants: self, child: child.to_owned(), id }, answered))
    }

    fn subscribe(&self, child: &str) -> watch::Receiver<()> {
        self.lock().of.entry(child.to_owned()).or_default().changed.subscribe()
    }

    /// Nobody answers any more: whoever waits hears of it.
    pub(super) fn forget(&self, child: &str) {
        self.lock().of.remove(child);
    }

    fn heard_at(&self, child: &str) -> Duration {
        self.lock().of.get(child).map_or(Duration::ZERO, |board| board.heard_at)
    }

    fn open(&self, child: &str) -> Vec<Want> {
        let boards = self.lock();
        let mut open: Vec<_> = boards.of.get(child).map(|board| &board.open).into_iter().flatten().collect();
        open.sort_by_key(|(id, open)| (open.priority, **id));
        let want = |(id, open): (&u64, &Open)| Want {
            id: *id,
            package_id: Some(open.package_id.clone()),
            kind: open.kind.clone(),
        };
        open.into_iter().map(want).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> WantKind {
        WantKind::Root { manifest: "ab".to_owned() }
    }

    fn range() -> WantKind {
        WantKind::Range { pack: "ab".to_owned(), from: 0, bytes: 10 }
    }

    on_both! {
        async fn wants_are_answered_refused_given_up_and_bounded(stage: &Stage) {
            let site = &stage.site;
            let ask = async |answer: WantAnswer| {
                let child = async {
                    let open = site.open_wants("S01", Duration::from_secs(60)).await;
                    assert_eq!(open.len(), 1);
                    assert_eq!(open[0].package_id.as_deref(), Some("S0100001"));
                    assert!(!site.answer_want("S02", open[0].id, Ok(Vec::new())), "it is not that child's");
                    assert_eq!(site.want_bytes_max("S01", open[0].id), Some(WANT_BYTES_MAX));
                    assert!(!site.answer_want_in_part("S01", open[0].id, vec![1]), "half a root is none");
                    assert!(site.answer_want("S01", open[0].id, answer.clone()));
                    assert!(!site.answer_want("S01", open[0].id, answer), "it is answered");
                };
                tokio::join!(site.want("S01", "S0100001", 2, root()), child).0.unwrap()
            };
            assert_eq!(ask(Ok(b"bytes".to_vec())).await, Ok(b"bytes".to_vec()));
            let refusal = WantRefusal { code: "object_not_found".to_owned(), until: None, reason: None };
            assert_eq!(ask(Err(refusal.clone())).await, Err(refusal));
            let long = WantKind::Range { pack: "ab".to_owned(), from: 0, bytes: WANT_BYTES_MAX + 1 };
            assert_eq!(site.want("S01", "P", 2, long).await.unwrap_err().code(), "invalid_field");
            let post = |priority| site.wants().post("S01", "P", priority, root()).unwrap();
            let mut waiting: Vec<_> = (0..WANTS_MAX).map(|_| post(2)).collect();
            assert_eq!(site.want("S01", "P", 1, root()).await.unwrap_err().code(), "busy");
            site.wants().post("S02", "P", 2, root()).unwrap();
            waiting.pop();
            let urgent = post(1);
            let first = site.wants().open("S01")[0].id;
            assert_eq!(first, urgent.0.id, "the urgent is answered first, though it came last");
            drop(urgent);
            let silent = async {
                while site.wants().open("S01").len() < WANTS_MAX {
                    tokio::task::yield_now().await;
                }
                stage.clock.advance(WANT_TIMEOUT);
            };
            let given_up = tokio::join!(site.want("S01", "P", 2, root()), silent).0;
            assert_eq!(given_up.unwrap_err().code(), "busy");
            waiting.clear();
            assert!(site.wants().open("S01").is_empty(), "nobody waits any more");
        }

        async fn a_want_lives_as_long_as_something_comes(stage: &Stage) {
            let site = &stage.site;
            let child = async {
                let open = loop {
                    let open = site.wants().open("S01");
                    if open.len() == 2 {
                        break open;
                    }
                    tokio::task::yield_now().await;
                };
                // A slow line: ten minutes, and never two without a byte.
                for _ in 0..10 {
                    stage.clock.advance(WANT_TIMEOUT / 2);
                    site.want_progress("S01");
                    for _ in 0..20 {
                        tokio::task::yield_now().await;
                    }
                }
                assert_eq!(site.wants().open("S01").len(), 2, "both wait still");
                assert!(site.answer_want_in_part("S01", open[0].id, vec![1, 2, 3]), "it broke off");
                assert!(!site.answer_want_in_part("S01", open[1].id, Vec::new()), "nothing came of it");
                assert!(site.answer_want("S01", open[1].id, Ok(vec![4])));
            };
            let (one, two, ()) = tokio::join!(
                site.want("S01", "P", 2, range()),
                site.want("S01", "P", 2, range()),
                child
            );
            assert_eq!((one.unwrap(), two.unwrap()), (Ok(vec![1, 2, 3]), Ok(vec![4])));
        }
    }
}
