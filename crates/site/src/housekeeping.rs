//! What a running site does besides snapshots: forget what is old, collect what nobody needs, watch for
//! changes that other processes make.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use tokio_util::sync::CancellationToken;

use crate::access::closed;
use crate::change::WATCH_INTERVAL;
use crate::distribution::seen::SEEN_INTERVAL;
use crate::driver::import::worker::IMPORTS_MAX;
use crate::error::{Result, SiteError};
use crate::hierarchy::tombstone;
use crate::hierarchy::topology::Topology;
use crate::library::error_chain;
use crate::server::Site;
use crate::snapshot::worker::SNAPSHOTS_MAX;
use crate::status::{self, MessageType};

/// Held by the process that runs the workers.
const LOCK_FILE: &str = "workers.lock";
/// How often an idle worker looks for due snapshots: retries, and requests of other processes.
const SNAPSHOT_POLL: Duration = Duration::from_secs(2);

/// How often the housekeeper runs.
pub(crate) const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How long an enrolment token is remembered after its end, so that a late or second use is told from a wrong one.
const ENDED_TOKEN_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long content that nobody needs stays, so that transfers under way end undisturbed.
pub(crate) const COLLECT_GRACE: Duration = Duration::from_secs(60 * 60);

impl Site {
    /// Does all background work of a site server until `cancel`: snapshots, housekeeping, watching.
    ///
    /// Returns when what was under way has come to a safe end. Errors: [`SiteError::AlreadyRunning`] if
    /// another process does the same for this data folder, or what kept the library from opening.
    pub async fn run_workers(&self, cancel: CancellationToken) -> Result<()> {
        let _lock = self.lock_data_folder()?;
        self.end_leases_of(self.server_id()).await?;
        self.end_import_leases_of(self.server_id()).await?;
        let interrupted = self.end_holds_of(self.server_id()).await?;
        self.library().await?;
        let snapshots = (0..SNAPSHOTS_MAX).map(|_| self.take_snapshots(&cancel));
        let imports = (0..IMPORTS_MAX).map(|_| Box::pin(self.take_imports(&cancel)));
        tokio::join!(
            join_all(snapshots),
            join_all(imports),
            Box::pin(self.keep_house(&cancel)),
            Box::pin(self.mend_contents(interrupted, &cancel)),
            self.watch(&cancel),
            self.keep_signs_of_life(&cancel),
            self.mend_suspects(&cancel),
            Box::pin(self.follow_inbox(&cancel)),
            Box::pin(self.follow_schedules(&cancel)),
            Box::pin(self.follow_validations(&cancel)),
            Box::pin(self.follow_verification(&cancel))
        );
        Ok(())
    }

    /// Keeps the site from being run on this data folder until what is returned is dropped.
    ///
    /// Errors: [`SiteError::AlreadyRunning`] while a process runs it.
    pub fn hold_folder(&self) -> Result<File> {
        self.lock_data_folder()
    }

    fn lock_data_folder(&self) -> Result<File> {
        lock_folder(&self.options().data_dir)
    }

    async fn take_snapshots(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            match self.work_once(cancel).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(error = error_chain(&error), "snapshot worker"),
            }
            tokio::select! {
                () = self.snapshot_wake().notified() => {}
                () = self.clock().sleep(SNAPSHOT_POLL) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    async fn keep_house(&self, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let done = [
                self.forget_old().await,
                self.forget_handed_over().await.map(drop),
                self.forget_imports().await,
                self.forget_unpacked().await,
                self.release_unneeded().await.map(drop),
                self.collect().await.map(drop),
            ];
            for done in done {
                if let Err(error) = done {
                    tracing::error!(error = error_chain(&error), "housekeeping");
                }
            }
            self.pause(HOUSEKEEPING_INTERVAL, cancel).await;
        }
    }

    /// Brings to their end what changes of packages' contents left half done: at once, and again as long as a source did
    /// not answer.
    async fn mend_contents(&self, mut interrupted: Vec<String>, cancel: &CancellationToken) {
        while !cancel.is_cancelled() {
            let recovering = self.recover_contents(std::mem::take(&mut interrupted));
            let recovered = tokio::select! {
                recovered = recovering => recovered,
                // What is under way then is brought to its end at the next start.
                () = cancel.cancelled() => return,
            };
            if let Err(error) = recovered {
                tracing::error!(error = error_chain(&error), "package contents");
            }
            self.pause(HOUSEKEEPING_INTERVAL, cancel).await;
        }
    }

    /// Writes who was heard of, and ends the leases of workers that were not.
    async fn keep_signs_of_life(&self, cancel: &CancellationToken) {
        loop {
            let last = cancel.is_cancelled();
            for done in [self.write_seen().await, self.end_dead_leases().await] {
                if let Err(error) = done {
                    tracing::error!(error = error_chain(&error), "signs of life");
                }
            }
            if last {
                return;
            }
            self.pause(SEEN_INTERVAL, cancel).await;
        }
    }

    async fn watch(&self, cancel: &CancellationToken) {
        let mut seen = 0;
        while !cancel.is_cancelled() {
            match self.watch_changes(seen).await {
                Ok(newest) => seen = newest,
                Err(error) => tracing::error!(error = error_chain(&error), "watching for changes"),
            }
            self.pause(WATCH_INTERVAL, cancel).await;
        }
    }

    async fn pause(&self, duration: Duration, cancel: &CancellationToken) {
        tokio::select! {
            () = self.clock().sleep(duration) => {}
            () = cancel.cancelled() => {}
        }
    }

    /// One round of housekeeping in the database.
    pub(crate) async fn forget_old(&self) -> Result<()> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let ended_before = |table: &'static str, time: Timestamp| {
            let expired = Expr::col("expires_at").lte(time.as_microsecond());
            Query::delete().from_table(table).and_where(expired).to_owned()
        };
        tx.execute(&ended_before("api_token", now)).await?;
        closed::forget_ended(&mut tx, now).await?;
        let long_ago = now.checked_sub(ENDED_TOKEN_KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
        tx.execute(&ended_before("enrol_token", long_ago)).await?;
        tx.execute(&ended_before("site_token", long_ago)).await?;
        let topology = Topology::load(&mut tx, self).await?;
        tombstone::forget_old(&mut tx, &topology, now).await?;
        tx.commit().await?;
        self.forget_messages_before(now, status::FORGOTTEN_MAX).await?;
        self.forget_messages_beyond(status::KEPT_MAX).await
    }

    /// Forgets messages that were kept long enough, at most so many, a few in a transaction.
    async fn forget_messages_before(&self, now: Timestamp, messages_max: u64) -> Result<()> {
        let oldest = now.checked_sub(self.status_kept_for()).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut forgotten = 0;
        while forgotten < messages_max {
            let some = Query::select()
                .column("id")
                .from("status_message")
                .and_where(Expr::col("at").lt(oldest.as_microsecond()))
                .order_by("at", Order::Asc)
                .limit(Ord::min(status::FORGOTTEN_AT_ONCE_MAX, messages_max - forgotten))
                .to_owned();
            let went = self.forget_messages(some).await?;
            if went == 0 {
                return Ok(());
            }
            forgotten += went;
        }
        Ok(())
    }

    /// Forgets these few messages, in a transaction of their own, so that no change waits long; returns how many went.
    async fn forget_messages(&self, some: SelectStatement) -> Result<u64> {
        let delete = Query::delete()
            .from_table("status_message")
            .and_where(Expr::col("id").in_subquery(some))
            .to_owned();
        let mut tx = self.db().write().await?;
        let went = tx.execute(&delete).await?;
        tx.commit().await?;
        Ok(went)
    }

    /// Forgets the oldest messages beyond so many audit messages and so many others.
    async fn forget_messages_beyond(&self, kept_max: u64) -> Result<()> {
        for is_audit in [true, false] {
            let kind = || {
                let kind = Expr::col("message_type");
                let audit = i64::from(MessageType::Audit.number());
                if is_audit { kind.eq(audit) } else { kind.ne(audit) }
            };
            let first_beyond = Query::select()
                .column("id")
                .from("status_message")
                .and_where(kind())
                .order_by("id", Order::Desc)
                .limit(1)
                .offset(kept_max)
                .to_owned();
            // Counted outside of a transaction, which would hold up every change meanwhile.
            let Some(row) = self.db().optional(&first_beyond).await? else { continue };
            let newest_beyond: i64 = row.get("id")?;
            let some = Query::select()
                .column("id")
                .from("status_message")
                .and_where(kind())
                .and_where(Expr::col("id").lte(newest_beyond))
                .order_by("id", Order::Asc)
                .limit(status::FORGOTTEN_AT_ONCE_MAX)
                .to_owned();
            while self.forget_messages(some.clone()).await? > 0 {}
        }
        Ok(())
    }

    /// The manifests that some package version needs, one entry for each version.
    pub(crate) async fn live_manifests(&self) -> Result<Vec<String>> {
        let live = Query::select()
            .column("manifest_id")
            .from("package_version")
            .and_where(Expr::col("retained").eq(1i64))
            .to_owned();
        self.db().all(&live).await?.iter().map(|row| row.get("manifest_id")).collect()
    }

    /// Manifests of versions that other sites offer and that were never let go of here. One that is here before it is
    /// needed, by a prestaged file, stays.
    pub(crate) async fn offered_manifests(&self) -> Result<Vec<String>> {
        let let_go = Query::select()
            .column(("v", "version"))
            .from_as("package_version", "v")
            .and_where(Expr::col(("v", "package_id")).equals(("offered_version", "package_id")))
            .and_where(Expr::col(("v", "version")).equals(("offered_version", "version")))
            .and_where(Expr::col(("v", "retained")).eq(0i64))
            .to_owned();
        let offered = Query::select()
            .column("manifest_id")
            .from("offered_version")
            .and_where(Expr::exists(let_go).not())
            .to_owned();
        self.db().all(&offered).await?.iter().map(|row| row.get("manifest_id")).collect()
    }
}

/// Holds a data folder as the process does that runs its site. Errors: [`SiteError::AlreadyRunning`].
pub(crate) fn lock_folder(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let file = File::create(&path).map_err(SiteError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SiteError::AlreadyRunning),
        Err(TryLockError::Error(error)) => Err(SiteError::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::admin;
    use crate::status::{Message, add_all};

    on_both! {
        async fn a_run_forgets_so_many_messages_for_their_age_and_no_more(stage: &Stage) {
            const DAY: Duration = Duration::from_secs(24 * 60 * 60);
            let options = crate::SiteOptions { status_kept_days: Some(7), ..stage.options.clone() };
            let site = Site::open(&options, stage.clock.clone()).await.unwrap();
            for (count, days) in [(5, 3), (2, 4)] {
                let mut tx = site.db().write().await.unwrap();
                let messages = (0..count).map(|n| Message::created(&admin(), "SMS_Package", &n.to_string())).collect();
                add_all(&mut tx, site.now(), messages).await.unwrap();
                tx.commit().await.unwrap();
                stage.clock.advance(DAY * days);
            }
            // All are younger than a week, by a moment.
            for (later, messages_max, left) in [(0, 9, 7), (1, 3, 4), (0, 3, 2), (0, 9, 2), (3, 9, 0)] {
                stage.clock.advance(DAY * later);
                site.forget_messages_before(site.now(), messages_max).await.unwrap();
                assert_eq!(stage.message_ids().await.len(), left, "{later} {messages_max}");
            }
            site.close().await;
            for days in [0, 3651] {
                let options = crate::SiteOptions { status_kept_days: Some(days), ..stage.options.clone() };
                let refused = Site::open(&options, stage.clock.clone()).await;
                assert_eq!(refused.map(drop).unwrap_err().code(), "invalid_option", "{days}");
            }
        }

        async fn other_messages_do_not_push_audit_messages_out(stage: &Stage) {
            let audit = |id: &str| Message::created(&admin(), "SMS_Package", id);
            let other = |id: &str| Message { kind: MessageType::Milestone, ..audit(id) };
            let mut tx = stage.site.db().write().await.unwrap();
            let messages = vec![audit("a"), audit("b"), other("c"), audit("d"), other("e"), other("f"), other("g"), other("h")];
            add_all(&mut tx, stage.site.now(), messages).await.unwrap();
            tx.commit().await.unwrap();
            let left = async || {
                let select = Query::select().column("inserts").from("status_message").order_by("id", Order::Asc).to_owned();
                let rows = stage.site.db().all(&select).await.unwrap();
                let object = |row: &crate::db::Row| {
                    let inserts: Vec<String> = serde_json::from_str(&row.get::<String>("inserts").unwrap()).unwrap();
                    inserts.last().unwrap().clone()
                };
                rows.iter().map(object).collect::<String>()
            };
            for (kept_max, expect) in [(5, "abcdefgh"), (3, "abdfgh"), (2, "bdgh"), (2, "bdgh")] {
                stage.site.forget_messages_beyond(kept_max).await.unwrap();
                assert_eq!(left().await, expect, "{kept_max}");
            }
        }
    }
}
