//! Hearing that something happened, without asking all the time: for whoever watches status messages and distributions.
//!
//! Where a reader is, is two numbers: of the newest status message, and of the newest change of a distribution. What lies
//! behind them it asks like anything else, so that nothing is kept for a reader that is slow or gone.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};

use crate::access::Actor;
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Readers of events at once.
pub const EVENT_READERS_MAX: usize = 128;
/// Readers of events of one user at once.
pub const EVENT_READERS_OF_USER_MAX: usize = 16;
/// How often a reader looks for what another process of the site did.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where a reader of events is. As text `RECORD-REVISION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCursor {
    /// The status messages up to this record number are known.
    pub record_id: i64,
    /// The changes of distributions up to this revision are known.
    pub revision: i64,
}

/// A text is no [`EventCursor`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place among the events; a record number is needed, or what an event had as its id")]
pub struct EventCursorError(String);

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.record_id, self.revision)
    }
}

/// A record number alone leaves the revision open: see [`Site::event_cursor`].
impl FromStr for EventCursor {
    type Err = EventCursorError;

    fn from_str(text: &str) -> std::result::Result<Self, EventCursorError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse::<i64>().ok()).flatten()
        };
        let read = match text.split_once('-') {
            Some((record, revision)) => number(record).zip(number(revision)),
            None => number(text).map(|record| (record, i64::MAX)),
        };
        let (record_id, revision) = read.ok_or_else(|| EventCursorError(text.chars().take(64).collect()))?;
        Ok(Self { record_id, revision })
    }
}

/// A reader of events, as long as it lives.
#[derive(Debug)]
pub struct EventReader {
    readers: EventReaders,
    user: String,
}

/// Who reads events now, and how often.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventReaders(Arc<Mutex<HashMap<String, usize>>>);

impl EventReaders {
    fn take(&self, user: &str) -> Result<EventReader> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(user).copied().unwrap_or(0);
        if own >= EVENT_READERS_OF_USER_MAX || counts.values().sum::<usize>() >= EVENT_READERS_MAX {
            return Err(SiteError::Busy { what: "too many readers of events" });
        }
        counts.insert(user.to_owned(), own + 1);
        Ok(EventReader { readers: self.clone(), user: user.to_owned() })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        let mut counts = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

impl Site {
    /// A place among the readers of events. Errors: [`SiteError::Busy`] while too many read.
    pub fn read_events(&self, actor: &Actor) -> Result<EventReader> {
        self.event_readers().take(&actor.name)
    }

    /// Where things stand now, or where a reader was that goes on. A number that this site never gave (its database was
    /// restored) counts as the present one.
    pub async fn event_cursor(&self, known: Option<EventCursor>) -> Result<EventCursor> {
        let now = self.newest_event().await?;
        let Some(known) = known else { return Ok(now) };
        let or_now = |known: i64, now: i64| if known <= now { known } else { now };
        let (record_id, revision) =
            (or_now(known.record_id, now.record_id), or_now(known.revision, now.revision));
        Ok(EventCursor { record_id, revision })
    }

    /// Waits until something happened after `seen`, at most `wait`; gives where things stand then.
    pub async fn wait_for_events(&self, seen: EventCursor, wait: Duration) -> Result<EventCursor> {
        // The order matters: who subscribes after looking misses what comes between.
        let mut news = self.changes().news();
        let mut end = self.clock().sleep(wait);
        loop {
            let now = self.event_cursor(None).await?;
            if now.record_id > seen.record_id || now.revision > seen.revision {
                return Ok(now);
            }
            tokio::select! {
                _ = news.changed() => {}
                () = self.clock().sleep(LOOK_INTERVAL) => {}
                () = &mut end => return Ok(seen),
            }
        }
    }

    /// Both numbers of one moment, so that a change never comes in halves.
    async fn newest_event(&self) -> Result<EventCursor> {
        let record = Query::select().expr(Expr::col("id").max()).from("status_message").to_owned();
        let newest = Query::select()
            .expr_as(Expr::SubQuery(None, Box::new(record.into())), "record_id")
            .column("value")
            .from("counter")
            .and_where(Expr::col("name").eq("revision"))
            .to_owned();
        let row = self.db().optional(&newest).await?.ok_or_else(|| SiteError::corrupt("counter"))?;
        Ok(EventCursor {
            record_id: row.get::<Option<i64>>("record_id")?.unwrap_or(0),
            revision: row.get("value")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let all = EventCursor { record_id: 7, revision: i64::MAX };
        for (text, expect) in [
            ("7-12", Some(EventCursor { record_id: 7, revision: 12 })),
            ("0-0", Some(EventCursor::default())),
            ("7", Some(all)),
            ("", None),
            ("-", None),
            ("7-", None),
            ("-7", None),
            ("+7", None),
            ("7-1-2", None),
            ("99999999999999999999", None),
            ("x", None),
        ] {
            assert_eq!(text.parse::<EventCursor>().ok(), expect, "{text}");
            if let Some(cursor) = expect.filter(|cursor| cursor.revision < i64::MAX) {
                assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn readers_are_counted_for_each_user_and_in_all() {
        let readers = EventReaders::default();
        let mut ada: Vec<_> = (0..EVENT_READERS_OF_USER_MAX).map(|_| readers.take("ada").unwrap()).collect();
        assert_eq!(readers.take("ada").unwrap_err().code(), "busy");
        let mut others: Vec<_> =
            (ada.len()..EVENT_READERS_MAX).map(|n| readers.take(&format!("u{}", n / 8)).unwrap()).collect();
        assert_eq!(readers.take("ben").unwrap_err().code(), "busy", "there are places for no more");
        ada.pop();
        others.extend(readers.take("ben"));
        drop((ada, others));
        assert!(readers.0.lock().unwrap().is_empty(), "who has none is forgotten");
    }

    on_both! {
        async fn what_happens_wakes_who_waits(stage: &Stage) {
            let now = stage.site.event_cursor(None).await.unwrap();
            let unheard = EventCursor { record_id: now.record_id + 9, revision: i64::MAX };
            assert_eq!(stage.site.event_cursor(Some(unheard)).await.unwrap(), now);
            assert_eq!(stage.site.event_cursor(Some(EventCursor::default())).await.unwrap(), EventCursor::default());
            let package = stage.package("dell").await;
            let point = stage.point("dp1").await;
            let seen = stage.site.event_cursor(None).await.unwrap();
            // The clock stands still: nothing but the change itself can end the wait.
            let waiting = stage.site.wait_for_events(seen, Duration::from_secs(60));
            let points = [&point];
            let (heard, ()) = tokio::join!(waiting, stage.assign(&package, &points));
            let heard = heard.unwrap();
            assert!(heard.record_id > seen.record_id && heard.revision > seen.revision);
            let waiting = stage.site.wait_for_events(heard, Duration::from_secs(60));
            let progress = agent::Event::Progress { version: 1, bytes_done: 1, bytes_total: 2, bytes_received: 0, files_done: None, files_total: None };
            let (again, ()) = tokio::join!(waiting, stage.report(&package, &point, progress));
            assert!(again.unwrap().revision > heard.revision, "progress is news too");
        }
    }
}
