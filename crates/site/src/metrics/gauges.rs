//! The figures that are counted when somebody asks: a few statements over indexes and small tables.

use std::collections::HashMap;
use std::path::Path;

use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::distribution::point::SILENT_AFTER;
use crate::error::Result;
use crate::package::visible;
use crate::server::Site;

/// Fault codes that are read; a distribution point may invent others.
const CODES_MAX: u64 = 1_000;

/// Figures of one moment.
pub(super) struct Gauges {
    /// By the number of the state.
    pub(super) distributions: HashMap<i64, i64>,
    pub(super) faults: Vec<(String, i64)>,
    pub(super) packages: [(&'static str, i64); 3],
    pub(super) points: [(&'static str, i64); 3],
    pub(super) queues: [(&'static str, i64); 4],
    pub(super) database_bytes: i64,
    pub(super) library_bytes: [(&'static str, i64); 3],
}

impl Site {
    pub(super) async fn gauges(&self) -> Result<Gauges> {
        let pending = || Expr::col("refresh_requested").gt(Expr::col("refresh_done"));
        let faulty = || Expr::col("source_fault_code").is_not_null();
        let waiting = self.count("package", pending().and(visible())).await?;
        let imports = self.count("driver_import", Expr::col("state").eq(0i64)).await?;
        let waiters = self.turns().waiting();
        Ok(Gauges {
            distributions: self.distributions().await?,
            faults: self.faults().await?,
            packages: [
                ("faulty", self.count("package", faulty().and(visible())).await?),
                ("refreshing", self.count("package", pending().and(visible()).and(faulty().not())).await?),
                (
                    "published",
                    self.count("package", pending().not().and(visible()).and(faulty().not())).await?,
                ),
            ],
            points: self.points().await?,
            queues: [
                ("refreshes", waiting),
                ("imports", imports),
                ("agents_waiting", i64::try_from(waiters).unwrap_or(i64::MAX)),
                ("event_readers", i64::try_from(self.event_readers().count()).unwrap_or(i64::MAX)),
            ],
            database_bytes: self.database_bytes().await?,
            library_bytes: self.library_bytes().await?,
        })
    }

    async fn count(&self, table: &'static str, which: Expr) -> Result<i64> {
        let count =
            Query::select().expr_as(Expr::cust("COUNT(*)"), "n").from(table).and_where(which).to_owned();
        self.number(&count).await
    }

    async fn number(&self, select: &SelectStatement) -> Result<i64> {
        let row = self.db().optional(select).await?;
        Ok(row.map(|row| row.get::<Option<i64>>("n")).transpose()?.flatten().unwrap_or(0))
    }

    async fn distributions(&self) -> Result<HashMap<i64, i64>> {
        let select = Query::select()
            .column("state")
            .expr_as(Expr::col("dp_id").count(), "n")
            .from("distribution")
            .group_by_col("state")
            .to_owned();
        let rows = self.db().all(&select).await?;
        rows.iter().map(|row| Ok((row.get("state")?, row.get("n")?))).collect()
    }

    async fn faults(&self) -> Result<Vec<(String, i64)>> {
        let select = Query::select()
            .column("fault_code")
            .expr_as(Expr::col("dp_id").count(), "n")
            .from("distribution")
            .and_where(Expr::col("fault_code").is_not_null())
            .group_by_col("fault_code")
            .order_by("fault_code", Order::Asc)
            .limit(CODES_MAX)
            .to_owned();
        let rows = self.db().all(&select).await?;
        rows.iter().map(|row| Ok((row.get("fault_code")?, row.get("n")?))).collect()
    }

    async fn points(&self) -> Result<[(&'static str, i64); 3]> {
        let oldest = self.now().checked_sub(SILENT_AFTER).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let oldest = oldest.as_microsecond();
        let seen = || Expr::col("last_seen_at");
        // Those of other sites are heard by their own.
        let own = || Expr::col("site_code").eq(self.identity().site_code.as_str());
        Ok([
            ("heard", self.count("dp", own().and(seen().gte(oldest))).await?),
            ("silent", self.count("dp", own().and(seen().lt(oldest))).await?),
            ("never_heard", self.count("dp", own().and(seen().is_null())).await?),
        ])
    }

    async fn database_bytes(&self) -> Result<i64> {
        if self.options().database_url.is_some() {
            let size = Expr::cust("pg_database_size(current_database())");
            return self.number(&Query::select().expr_as(size, "n").to_owned()).await;
        }
        let bytes = |name: &str| {
            let file = self.options().data_dir.join(name);
            Path::metadata(&file).map_or(0, |found| found.len())
        };
        let all: u64 = ["site.db", "site.db-wal"].into_iter().map(bytes).sum();
        Ok(i64::try_from(all).unwrap_or(i64::MAX))
    }

    /// Nothing where this process has not opened the library yet.
    async fn library_bytes(&self) -> Result<[(&'static str, i64); 3]> {
        let stats = match self.library_cell().get() {
            Some(_) => self.content_stats().await?,
            None => content::Stats::default(),
        };
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok([
            ("files", number(stats.logical_bytes)),
            ("packs", number(stats.pack_bytes)),
            ("retired_packs", number(stats.retired_pack_bytes)),
        ])
    }
}
