//! Rows that one call changed have one revision, and a page of records ends between two revisions. Where there are too many
//! of one for a page they get revisions of their own, as if they had changed again: to be told twice does no harm.

use agent::link::RECORDS_MAX;
use sea_query::{Expr, ExprTrait, Order, Query, Value};

use super::requests;
use crate::db::{Row, Tx, counter};
use crate::error::Result;
use crate::server::Site;

/// Rows of one kind and one revision that a page takes.
pub(super) const TOGETHER_MAX: usize = RECORDS_MAX;
/// Rows that get one revision where there were too many of one.
const GROUP_ROWS_MAX: usize = 256;

/// A table's revision, and what names a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    table: &'static str,
    pub(super) revision: &'static str,
    /// The first part of the key, where it has two.
    outer: Option<&'static str>,
    key: &'static str,
    /// What comes before the key where rows of one revision are in an order.
    before_key: Option<&'static str>,
    has_number: bool,
}

pub(super) const DPS: Stamp =
    Stamp { table: "dp", revision: "revision", outer: None, key: "id", before_key: None, has_number: true };
pub(super) const PACKAGES: Stamp = Stamp {
    table: "package",
    revision: "revision",
    outer: None,
    key: "package_id",
    before_key: None,
    has_number: false,
};
pub(super) const TARGETS: Stamp = Stamp {
    table: "distribution",
    revision: "revision",
    outer: Some("package_id"),
    key: "dp_id",
    before_key: None,
    has_number: true,
};
pub(super) const REPORTS: Stamp = Stamp { revision: "report_revision", ..TARGETS };
pub(super) const REQUESTS: Stamp = Stamp {
    table: "site_request",
    revision: requests::ORDER[0],
    outer: None,
    key: requests::ORDER[2],
    before_key: Some(requests::ORDER[1]),
    has_number: false,
};
pub(super) const TOMBSTONES: Stamp = Stamp {
    table: "tombstone",
    revision: "revision",
    outer: Some("kind"),
    key: "object_key",
    before_key: None,
    has_number: false,
};

/// Every kind of row that there may be many of.
pub(super) const STAMPS: [Stamp; 6] = [DPS, PACKAGES, TARGETS, REPORTS, REQUESTS, TOMBSTONES];

impl Site {
    /// Gives the rows of one revision revisions of their own.
    pub(super) async fn spread(&self, stamp: Stamp, revision: i64) -> Result<()> {
        let mut tx = self.db().write().await?;
        let rows = spread(&mut tx, stamp, revision).await?;
        tx.commit().await?;
        tracing::info!(table = stamp.table, revision, rows, "told in pages");
        Ok(())
    }
}

/// As [`Site::spread`]; returns how many rows there were.
pub(super) async fn spread(tx: &mut Tx, stamp: Stamp, revision: i64) -> Result<usize> {
    let mut select = Query::select();
    select.from(stamp.table).and_where(Expr::col(stamp.revision).eq(revision));
    select.columns(stamp.outer.into_iter().chain([stamp.key]));
    for column in stamp.outer.into_iter().chain(stamp.before_key).chain([stamp.key]) {
        select.order_by(column, Order::Asc);
    }
    let rows = tx.all(&select).await?;
    let outer = |row: &Row| stamp.outer.and_then(|outer| row.get::<String>(outer).ok());
    let groups: Vec<&[Row]> = rows
        .chunk_by(|one, other| outer(one) == outer(other))
        .flat_map(|rows| rows.chunks(GROUP_ROWS_MAX))
        .collect();
    let count = i64::try_from(groups.len()).expect("rows fit in memory");
    let before = counter::raise(tx, "revision", count).await? - count;
    for (own, group) in (before + 1..).zip(groups) {
        let keys = group.iter().map(|row| stamp.key_of(row)).collect::<Result<Vec<_>>>()?;
        let mut update = Query::update();
        update
            .table(stamp.table)
            .value(stamp.revision, own)
            .and_where(Expr::col(stamp.revision).eq(revision))
            .and_where(Expr::col(stamp.key).is_in(keys));
        if let (Some(column), Some(value)) = (stamp.outer, outer(&group[0])) {
            update.and_where(Expr::col(column).eq(value));
        }
        tx.execute(&update).await?;
    }
    Ok(rows.len())
}

impl Stamp {
    /// What rows of one revision are told by, where their order matters.
    pub(super) fn order(self) -> impl Iterator<Item = &'static str> {
        self.before_key.into_iter().flat_map(move |first| [first, self.key])
    }

    fn key_of(self, row: &Row) -> Result<Value> {
        Ok(match self.has_number {
            true => row.get::<i64>(self.key)?.into(),
            false => row.get::<String>(self.key)?.into(),
        })
    }
}
