//! How a package goes to another owner, and what every site does when it hears of it.

use agent::link::{FORMER_OWNERS_MAX, FormerOwner};
use sea_query::{Expr, ExprTrait, Func, Query};

use super::rows;
use crate::db::{Tx, counter};
use crate::error::Result;
use crate::package::by_id;

/// Who had the package, and who has it now.
pub(crate) struct Change<'c> {
    pub(crate) package_id: &'c str,
    pub(crate) from: &'c str,
    pub(crate) to: &'c str,
    /// The epoch that ended.
    pub(crate) epoch_before: i64,
}

/// The former owners of a package, as its row has them, with one more.
pub(crate) fn with_former(stored: &str, site_code: &str, epoch: i64) -> Result<String> {
    let mut former: Vec<FormerOwner> = rows::from_json(stored, "package.former_owners")?;
    former.push(FormerOwner { epoch, site_code: site_code.to_owned() });
    let surplus = former.len().saturating_sub(FORMER_OWNERS_MAX);
    former.drain(..surplus);
    Ok(rows::json(&former))
}

/// Brings this site's rows to the new owner: what a former owner demanded is handed over, the new one goes on from it,
/// and everybody reports and asks anew in the new direction.
pub(crate) async fn follow(tx: &mut Tx, own: &str, change: Change<'_>) -> Result<()> {
    let Change { package_id, from, to, epoch_before } = change;
    let revision = counter::next(tx, "revision").await?;
    let mut update = Query::update();
    update.table("distribution").value("revision", revision).value("report_revision", revision);
    if from == own {
        update.value("owner_epoch", epoch_before).value("owner_generation", Expr::col("generation"));
    }
    if to == own {
        let higher = Expr::col("owner_generation").gt(Expr::col("generation"));
        let generation = Expr::case(higher, Expr::col("owner_generation")).finally(Expr::col("generation"));
        update.value("generation", generation);
    }
    tx.execute(&update.and_where(by_id(package_id)).to_owned()).await?;
    if to == own {
        let highest = Query::select()
            .expr_as(Func::max(Expr::col("generation")), "highest")
            .from("distribution")
            .and_where(by_id(package_id))
            .to_owned();
        let highest: Option<i64> = tx.optional(&highest).await?.map_or(Ok(None), |row| row.get("highest"))?;
        counter::at_least(tx, "revision", highest.unwrap_or_default()).await?;
    }
    let waiting = Query::update()
        .table("site_request")
        .value("revision", revision)
        .and_where(by_id(package_id))
        .and_where(Expr::col("done_at").is_null())
        .to_owned();
    tx.execute(&waiting).await?;
    Ok(())
}
