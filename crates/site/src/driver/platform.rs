//! The Windows releases that drivers can be for, as rows that queries read.

use ::driver::platform::{PLATFORMS, Platform};
use sea_query::{Order, Query, Value};

use super::store::write_rows;
use crate::db::{Row, Tx};
use crate::error::Result;

const COLUMNS: [&str; 11] = [
    "platform_id",
    "position",
    "display_text",
    "os_name",
    "os_platform",
    "os_min_version",
    "os_max_version",
    "condition_xml",
    "resource_dll",
    "string_id",
    "is_supported",
];

/// Makes the rows those of this program's table. Nothing is written if they are.
pub(crate) async fn seed(tx: &mut Tx) -> Result<()> {
    let stored = Query::select()
        .columns(COLUMNS)
        .from("supported_platform")
        .order_by("position", Order::Asc)
        .to_owned();
    let stored = tx.all(&stored).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let wanted: Vec<_> =
        (0i64..).zip(PLATFORMS).map(|(position, platform)| row(position, platform)).collect();
    if stored == wanted {
        return Ok(());
    }
    tx.execute(Query::delete().from_table("supported_platform")).await?;
    write_rows(tx, "supported_platform", &COLUMNS, wanted).await
}

fn row(position: i64, platform: &Platform) -> Vec<Value> {
    vec![
        platform.id.into(),
        position.into(),
        platform.display_text.into(),
        platform.name.into(),
        platform.platform.into(),
        platform.min_version.into(),
        platform.max_version.into(),
        platform.condition().into(),
        platform.resource_dll.into(),
        i64::from(platform.string_id).into(),
        i64::from(platform.is_supported).into(),
    ]
}

fn read(row: &Row) -> Result<Vec<Value>> {
    let integers = ["position", "string_id", "is_supported"];
    let read = |column: &&str| -> Result<Value> {
        Ok(match integers.contains(column) {
            true => row.get::<i64>(column)?.into(),
            false => row.get::<String>(column)?.into(),
        })
    };
    COLUMNS.iter().map(read).collect()
}
