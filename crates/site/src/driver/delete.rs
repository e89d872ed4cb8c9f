//! Deleting a driver. What packages hold of its content stays there until they are updated.

use sea_query::{Expr, ExprTrait, Query};

use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::error::Result;
use crate::folder;
use crate::lock;
use crate::server::Site;
use crate::status::{self, Message};

/// What hangs below a driver, by CI_ID.
const TABLES: [&str; 6] =
    ["driver_category", "driver_platform", "driver_device", "driver_models", "driver_document", "driver"];

impl Site {
    /// Deletes a driver from the catalog. The same driver imported again has the same CI_UniqueID.
    ///
    /// Errors: [`SiteError::DriverNotFound`](crate::SiteError::DriverNotFound),
    /// [`SiteError::AccessDenied`](crate::SiteError::AccessDenied).
    pub async fn delete_driver(&self, actor: &Actor, ci_id: i64) -> Result<()> {
        actor.may(Action::ChangeDrivers)?;
        let mut tx = self.db().write().await?;
        let driver = self.visible_driver(&mut tx, actor, ci_id).await?;
        let object = lock::driver_object(ci_id);
        lock::require_unlocked_for(&mut tx, self, actor, &object, self.now()).await?;
        lock::forget(&mut tx, &object).await?;
        folder::leave_driver(&mut tx, &driver.unique_id).await?;
        for table in TABLES {
            tx.execute(Query::delete().from_table(table).and_where(Expr::col("ci_id").eq(ci_id))).await?;
        }
        forget_content(&mut tx, driver.content_id).await?;
        let message = Message::driver_deleted(actor, &driver.unique_id, &driver.display_name)
            .about(SecuredType::Driver, ci_id.to_string());
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }
}

/// Deletes the row of a content that no driver and no package has any more.
pub(crate) async fn forget_content(tx: &mut Tx, content_id: i64) -> Result<()> {
    for table in ["driver", "package_content"] {
        let holder = Query::select()
            .column("content_id")
            .from(table)
            .and_where(Expr::col("content_id").eq(content_id))
            .limit(1)
            .to_owned();
        if tx.optional(&holder).await?.is_some() {
            return Ok(());
        }
    }
    let unused = Expr::col("content_id").eq(content_id);
    tx.execute(Query::delete().from_table("driver_content").and_where(unused)).await?;
    Ok(())
}
