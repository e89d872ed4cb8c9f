//! After a backup was restored: numbers that were given away since it was made, and that stand for something elsewhere.
//!
//! Other sites may hold a version, or a whole package, that this database has never heard of. The same number for other content
//! would be taken for what they have, so none that may have been used is given again once a neighbor says that it knows more.
//! Distribution points tell versions apart by their manifests, and one that lies about it would change everybody's numbers.

use std::sync::atomic::{AtomicBool, Ordering};

use sea_query::{Expr, ExprTrait, Query};

use crate::db::{Tx, counter};
use crate::error::Result;
use crate::server::Site;

/// Versions of one package, and packages, that a site makes at most between two backups.
pub(crate) const LOST_MAX: i64 = 1_000;

/// Whether this run has passed over the numbers. Once is enough: nobody restores a database under a running site. And it is all
/// that somebody who lies about it brings about.
#[derive(Debug, Default)]
pub(crate) struct Restored(AtomicBool);

impl Restored {
    fn is_known(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// After the transaction of [`pass_over_numbers`].
    pub(crate) fn committed(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// No package of this site, and no version of one, gets a number that may have been used since the backup was made.
pub(crate) async fn pass_over_numbers(tx: &mut Tx, site: &Site) -> Result<()> {
    if site.restored().is_known() {
        return Ok(());
    }
    tracing::warn!(
        skipped = LOST_MAX,
        "this site's database was restored from a backup: packages and versions go on with numbers beyond those that may be lost"
    );
    let own = site.identity().site_code.as_str();
    let floor = Query::update()
        .table("package")
        .value("version_floor", Expr::col("source_version").add(LOST_MAX))
        .and_where(Expr::col("source_site").eq(own))
        .to_owned();
    tx.execute(&floor).await?;
    counter::raise(tx, "package", LOST_MAX).await?;
    Ok(())
}
