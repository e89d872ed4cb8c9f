//! Forgetting: imports that ended long ago, and unpacked archives that no driver needs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use super::request::{ImportState, by_id};
use crate::error::{Result, SiteError};
use crate::library::blocking;
use crate::server::Site;

/// How long an import that has ended is remembered.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Ended imports that are remembered; beyond it the oldest go earlier. Each may have 250,000 items.
const KEPT_MAX: u64 = 200;
/// Items that are deleted in one transaction, so that nobody waits long for the one writer.
const ITEMS_AT_ONCE_MAX: i64 = 5_000;
/// Drivers that are asked for their paths in one statement.
const DRIVERS_AT_ONCE_MAX: u64 = 5_000;

impl Site {
    /// Forgets imports that ended long ago, and those beyond the number that is kept.
    pub(crate) async fn forget_imports(&self) -> Result<()> {
        let oldest = self.now().checked_sub(KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
        let ended = Expr::col("state").gt(ImportState::Running as i64);
        let beyond = Query::select()
            .column("import_id")
            .from("driver_import")
            .and_where(ended.clone())
            .order_by("import_id", Order::Desc)
            .limit(1)
            .offset(KEPT_MAX)
            .to_owned();
        while let Some(import_id) = self.forgettable(&beyond, &ended, oldest).await? {
            while self.forget_items(import_id).await? {}
        }
        Ok(())
    }

    /// The oldest import that may be forgotten.
    async fn forgettable(
        &self,
        beyond: &SelectStatement,
        ended: &Expr,
        oldest: Timestamp,
    ) -> Result<Option<i64>> {
        let beyond: Option<i64> =
            self.db().optional(beyond).await?.map(|row| row.get("import_id")).transpose()?;
        let old = Expr::col("finished_at").lt(oldest.as_microsecond());
        let due = Query::select()
            .column("import_id")
            .from("driver_import")
            .and_where(ended.clone().and(old.or(Expr::col("import_id").lte(beyond.unwrap_or(0)))))
            .order_by("import_id", Order::Asc)
            .limit(1)
            .to_owned();
        self.db().optional(&due).await?.map(|row| row.get("import_id")).transpose()
    }

    /// Deletes some items of an import, or the import if it has none. Returns whether it is still there.
    async fn forget_items(&self, import_id: i64) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let first = Query::select()
            .expr_as(Expr::col("item").min(), "first")
            .from("driver_import_item")
            .and_where(by_id(import_id))
            .to_owned();
        let first: Option<i64> = tx.optional(&first).await?.map_or(Ok(None), |row| row.get("first"))?;
        let mut delete = Query::delete();
        match first {
            Some(first) => delete
                .from_table("driver_import_item")
                .and_where(by_id(import_id))
                .and_where(Expr::col("item").lt(first.saturating_add(ITEMS_AT_ONCE_MAX))),
            None => delete.from_table("driver_import").and_where(by_id(import_id)),
        };
        tx.execute(&delete).await?;
        tx.commit().await?;
        Ok(first.is_some())
    }

    /// Deletes what archives were unpacked into, where no driver is any more. While an import runs, nothing is.
    pub(crate) async fn forget_unpacked(&self) -> Result<()> {
        let Some(_alone) = self.unpacking().alone() else { return Ok(()) };
        let folder = self.unpacked_folder();
        if !folder.is_dir() {
            return Ok(());
        }
        let needed = self.needed_archives().await?;
        blocking(move || {
            for entry in std::fs::read_dir(&folder).map_err(SiteError::io(&folder))? {
                let path: PathBuf = entry.map_err(SiteError::io(&folder))?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
                if needed.contains(&name) {
                    continue;
                }
                let removed =
                    if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                match removed {
                    Ok(()) => tracing::info!(archive = name, "unpacked archive removed"),
                    // It must not keep the others; the next time tries again.
                    Err(error) => tracing::warn!(%error, archive = name, "unpacked archive not removed"),
                }
            }
            Ok(())
        })
        .await
    }

    /// The parts of the paths of all drivers that may be names of archives, in lower case.
    ///
    /// Clients write these paths and may spell them in many ways, through any share or as a local path; the name, a
    /// SHA-256, stands in each of them and nowhere else by chance.
    async fn needed_archives(&self) -> Result<HashSet<String>> {
        let (mut names, mut last) = (HashSet::new(), 0i64);
        loop {
            let select = Query::select()
                .columns(["ci_id", "content_source_path"])
                .from("driver")
                .and_where(Expr::col("ci_id").gt(last))
                .order_by("ci_id", Order::Asc)
                .limit(DRIVERS_AT_ONCE_MAX)
                .to_owned();
            let rows = self.db().all(&select).await?;
            let Some(end) = rows.last() else { return Ok(names) };
            last = end.get("ci_id")?;
            for row in rows {
                let path = row.get::<String>("content_source_path")?.to_lowercase();
                names.extend(path.split(['\\', '/']).filter(|part| is_sha256(part)).map(str::to_owned));
            }
        }
    }
}

fn is_sha256(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::import::ImportRequest;
    use crate::driver::import::ImportSource;
    use crate::inf::driver_folder;
    use crate::stage::{Stage, admin};

    async fn import(stage: &Stage, path: &str) -> i64 {
        let sources = vec![ImportSource::Path(path.to_owned())];
        let request = ImportRequest { sources, ..ImportRequest::default() };
        stage.site.start_import(&admin(), request).await.unwrap()
    }

    async fn ids(stage: &Stage) -> Vec<i64> {
        let select = Query::select()
            .column("import_id")
            .from("driver_import")
            .order_by("import_id", Order::Asc)
            .to_owned();
        stage.site.db().all(&select).await.unwrap().iter().map(|row| row.get("import_id").unwrap()).collect()
    }

    on_both! {
        async fn old_imports_are_forgotten(stage: &Stage) {
            let path = driver_folder(stage, "a", "VEN_1");
            for _ in 0..6 {
                import(stage, &path).await;
            }
            assert_eq!(stage.site.run_due_imports().await.unwrap(), 6);
            let open = import(stage, &path).await;
            stage.site.forget_imports().await.unwrap();
            assert_eq!(ids(stage).await.len(), 7);
            stage.clock.advance(KEPT_FOR + Duration::from_secs(1));
            stage.site.forget_imports().await.unwrap();
            assert_eq!(ids(stage).await, [open]);
            let driver = stage.site.driver(16_777_217).await.unwrap();
            assert_eq!(driver.inf_file, "nic.inf");
        }

        async fn an_import_is_forgotten_in_small_steps(stage: &Stage) {
            let id = import(stage, &driver_folder(stage, "a", "VEN_1")).await;
            stage.site.run_due_imports().await.unwrap();
            let columns = "import_id, item, source_index, path, outcome, error_code, reason, diagnostics";
            let count = 2 * ITEMS_AT_ONCE_MAX + 1;
            let items = format!(
                "INSERT INTO driver_import_item ({columns}) WITH RECURSIVE n(item) AS
                 (SELECT 2 UNION ALL SELECT item + 1 FROM n WHERE item < {count})
                 SELECT {id}, item, 0, 'x' || item, 0, 0, '', '' FROM n"
            );
            stage.raw_sql(items).await;
            let mut steps = 0;
            while stage.site.forget_items(id).await.unwrap() {
                steps += 1;
            }
            assert_eq!((steps, ids(stage).await.len()), (3, 0));
        }

        async fn imports_beyond_the_limit_are_forgotten(stage: &Stage) {
            let missing = r"\\srv\src\missing";
            for _ in 0..KEPT_MAX + 3 {
                import(stage, missing).await;
            }
            stage.site.run_due_imports().await.unwrap();
            stage.site.forget_imports().await.unwrap();
            let left = ids(stage).await;
            assert_eq!((left.len() as u64, left[0]), (KEPT_MAX, 4));
        }

        async fn unpacked_archives_stay_as_long_as_a_driver_needs_them(stage: &Stage) {
            driver_folder(stage, "a", "VEN_1");
            let hash = "a".repeat(64);
            let unpacked = stage.options.data_dir.join("drivers");
            let (kept, gone) = (unpacked.join(&hash), unpacked.join("b".repeat(64)));
            for folder in [&kept, &gone] {
                std::fs::create_dir_all(folder).unwrap();
            }
            for file in ["nic.inf", "nic.sys"] {
                std::fs::copy(stage.source("a", &[]).join(file), kept.join(file)).unwrap();
            }
            std::fs::write(unpacked.join(".fetch-1-0"), "half a pack").unwrap();
            import(stage, &format!(r"\\SRV.example.test\haulierdrivers$\{hash}")).await;
            stage.site.run_due_imports().await.unwrap();
            let importing = stage.site.unpacking().import().await;
            stage.site.forget_unpacked().await.unwrap();
            assert!(gone.is_dir(), "not while an import runs");
            drop(importing);
            // However a client has spelled the path.
            let local = format!("{}/./{hash}", unpacked.display()).replace("/./", "//");
            for path in [
                format!(r"\\SRV.example.test\haulierdrivers$\{hash}"),
                format!(r"//srv.example.test/HAULIERDrivers$//{}", hash.to_uppercase()),
                local,
            ] {
                let moved = Query::update().table("driver").value("content_source_path", path.as_str()).to_owned();
                let mut tx = stage.site.db().write().await.unwrap();
                assert_eq!(tx.execute(&moved).await.unwrap(), 1);
                tx.commit().await.unwrap();
                stage.site.forget_unpacked().await.unwrap();
                assert_eq!(std::fs::read_dir(&unpacked).unwrap().count(), 1, "{path}");
            }
            stage.site.delete_driver(&admin(), 16_777_217).await.unwrap();
            stage.site.forget_unpacked().await.unwrap();
            assert_eq!(std::fs::read_dir(&unpacked).unwrap().count(), 0);
        }
    }
}
