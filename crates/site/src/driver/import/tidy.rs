//! Forgetting: imports that ended long ago, and unpacked archives that no driver needs.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Func, LikeExpr, Order, Query};

use super::place::unpacked_share;
use super::request::ImportState;
use crate::error::{Result, SiteError};
use crate::library::blocking;
use crate::server::Site;

/// How long an import that has ended is remembered.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Ended imports that are remembered; beyond it the oldest go earlier. Each may have 250,000 items.
const KEPT_MAX: u64 = 200;
/// Imports that are forgotten in one transaction, since each may have many items.
const FORGOTTEN_AT_ONCE_MAX: u64 = 4;

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
        loop {
            let mut tx = self.db().write().await?;
            let beyond: Option<i64> =
                tx.optional(&beyond).await?.map(|row| row.get("import_id")).transpose()?;
            let old = Expr::col("finished_at").lt(oldest.as_microsecond());
            let due = Query::select()
                .column("import_id")
                .from("driver_import")
                .and_where(ended.clone().and(old.or(Expr::col("import_id").lte(beyond.unwrap_or(0)))))
                .order_by("import_id", Order::Asc)
                .limit(FORGOTTEN_AT_ONCE_MAX)
                .to_owned();
            let due = tx.all(&due).await?;
            if due.is_empty() {
                return Ok(());
            }
            let due = due.iter().map(|row| row.get("import_id")).collect::<Result<Vec<i64>>>()?;
            for table in ["driver_import_item", "driver_import"] {
                let theirs = Expr::col("import_id").is_in(due.iter().copied());
                tx.execute(Query::delete().from_table(table).and_where(theirs)).await?;
            }
            tx.commit().await?;
        }
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
                removed.map_err(SiteError::io(&path))?;
                tracing::info!(archive = name, "unpacked archive removed");
            }
            Ok(())
        })
        .await
    }

    /// The names of the folders that drivers lie in, in lower case.
    async fn needed_archives(&self) -> Result<HashSet<String>> {
        let share = format!("{}\\", unpacked_share(&self.identity().server_name)).to_lowercase();
        let escaped = share.replace('\\', r"\\").replace('_', r"\_");
        let within = LikeExpr::new(format!("{escaped}%")).escape('\\');
        let select = Query::select()
            .distinct()
            .column("content_source_path")
            .from("driver")
            .and_where(Expr::from(Func::lower(Expr::col("content_source_path"))).like(within))
            .to_owned();
        let mut names = HashSet::new();
        for row in self.db().all(&select).await? {
            let path = row.get::<String>("content_source_path")?.to_lowercase();
            let name = path.get(share.len()..).and_then(|rest| rest.split(['\\', '/']).next());
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }
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
            stage.site.forget_unpacked().await.unwrap();
            assert_eq!(std::fs::read_dir(&unpacked).unwrap().count(), 1);
            stage.site.delete_driver(&admin(), 16_777_217).await.unwrap();
            stage.site.forget_unpacked().await.unwrap();
            assert_eq!(std::fs::read_dir(&unpacked).unwrap().count(), 0);
        }
    }
}
