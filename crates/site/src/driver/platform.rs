//! The Windows releases that drivers can be for, as rows that queries read.

use ::driver::platform::{PLATFORMS, Platform};
use sea_query::{Expr, ExprTrait, OnConflict, Order, Query, Value};

use super::store::write_rows;
use crate::access::{Action, Actor};
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

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

/// What names a platform: the keys of SMS_SupportedPlatforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformKey {
    /// `OSName`, for example `Win NT`.
    pub name: String,
    /// `OSPlatform`, for example `x64`.
    pub platform: String,
    /// `OSMinVersion`.
    pub min_version: String,
    /// `OSMaxVersion`.
    pub max_version: String,
}

impl Site {
    /// Says whether a platform is offered as supported. What drivers are found to support does not depend on it.
    ///
    /// Errors: [`SiteError::AccessDenied`], [`SiteError::PlatformNotFound`].
    pub async fn set_platform_supported(
        &self,
        actor: &Actor,
        key: &PlatformKey,
        is_supported: bool,
    ) -> Result<()> {
        actor.may(Action::ChangeDriverCatalog)?;
        let mut tx = self.db().write().await?;
        let select = Query::select()
            .columns(["platform_id", "display_text"])
            .from("supported_platform")
            .and_where(Expr::col("os_name").eq(key.name.as_str()))
            .and_where(Expr::col("os_platform").eq(key.platform.as_str()))
            .and_where(Expr::col("os_min_version").eq(key.min_version.as_str()))
            .and_where(Expr::col("os_max_version").eq(key.max_version.as_str()))
            .to_owned();
        let row = tx.optional(&select).await?.ok_or(SiteError::PlatformNotFound)?;
        let choice = Query::insert()
            .into_table("platform_choice")
            .columns(["platform_id", "is_supported"])
            .values_panic([row.get::<String>("platform_id")?.into(), i64::from(is_supported).into()])
            .on_conflict(OnConflict::column("platform_id").update_column("is_supported").to_owned())
            .to_owned();
        tx.execute(&choice).await?;
        let name: String = row.get("display_text")?;
        let message = Message::changed(actor, "SMS_SupportedPlatforms", &name, &["IsSupported"]);
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }
}

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
