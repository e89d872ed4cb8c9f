//! Writing what was read: drivers, what became of their INF files, and progress, in one transaction.

use std::collections::{BTreeMap, HashSet};

use ::driver::DriverFacts;
use sea_query::{Expr, ExprTrait, Query, Value};

use super::claim::{Claim, held, is_held};
use super::read::{Item, Outcome, Refusal, Verdict};
use super::request::{Duplicates, ImportState, by_id, progress};
use crate::access::scope::{self, SecuredType};
use crate::db::Tx;
use crate::driver::category::{self, ChangedBy};
use crate::driver::create::DriverFields;
use crate::driver::store::{self, Entry, lines, write_rows};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// What was found in one INF file, as it is written.
struct Written {
    outcome: Outcome,
    error_code: u32,
    reason: String,
    diagnostics: String,
    ci_id: Option<i64>,
}

impl Site {
    /// Writes a batch. Returns false if the claim is lost; then nothing is written.
    ///
    /// A driver that the database refuses is written down as such, and the others are imported all the same.
    pub(super) async fn record(&self, claim: &Claim, source: usize, mut items: Vec<Item>) -> Result<bool> {
        match self.write_batch(claim, source, &items).await {
            Err(SiteError::Database(error)) if is_refusal(&*error) => {
                tracing::warn!(%error, "a batch of drivers is written one by one")
            }
            done => return done,
        }
        for item in &mut items {
            let one = std::slice::from_ref(&*item);
            let held = match self.write_batch(claim, source, one).await {
                Err(SiteError::Database(error)) if is_refusal(&*error) => {
                    tracing::error!(%error, path = item.path, "driver not stored");
                    let reason = "the site cannot store it; the site's log says why".to_owned();
                    let refusal =
                        Refusal { outcome: Outcome::Invalid, error_code: 13, ..Refusal::source(reason) };
                    item.verdict = Verdict::Refused(refusal);
                    self.write_batch(claim, source, std::slice::from_ref(&*item)).await?
                }
                done => done?,
            };
            if !held {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn write_batch(&self, claim: &Claim, source: usize, items: &[Item]) -> Result<bool> {
        let mut tx = self.db().write().await?;
        if !is_held(&mut tx, claim).await? {
            return Ok(false);
        }
        let ids = self.write_drivers(&mut tx, claim, items).await?;
        let written: Vec<Written> = items.iter().map(|item| self.written(claim, item, &ids)).collect();
        let count = |wanted: &[Outcome]| -> i64 {
            let counted = written.iter().filter(|one| wanted.contains(&one.outcome)).count();
            i64::try_from(counted).unwrap_or(i64::MAX)
        };
        let already = count(&[Outcome::AlreadyImported, Outcome::Skipped]);
        let (all, imported) = (i64::try_from(items.len()).unwrap_or(i64::MAX), count(&[Outcome::Imported]));
        let folders = items.iter().filter(|item| item.is_folder()).count();
        let infs = all - i64::try_from(folders).unwrap_or(i64::MAX);
        let update = held(claim)
            .value("infs_done", Expr::col("infs_done").add(infs))
            .value("imported", Expr::col("imported").add(imported))
            .value("already_imported", Expr::col("already_imported").add(already))
            .value("failed", Expr::col("failed").add(all - imported - already))
            .to_owned();
        tx.execute(&update).await?;
        let paths = items.iter().map(|item| item.path.as_str());
        write_items(&mut tx, claim.import_id, source, paths.zip(&written)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes the drivers that are new, and does what is wanted with the others. Returns what to say of each
    /// CI_UniqueID: its CI_ID and whether it is new.
    async fn write_drivers(
        &self,
        tx: &mut Tx,
        claim: &Claim,
        items: &[Item],
    ) -> Result<BTreeMap<String, (i64, Option<String>)>> {
        let drivers: Vec<(String, &Item)> = items
            .iter()
            .filter_map(|item| item.facts().map(|facts| (self.driver_unique_id(&facts.id), item)))
            .collect();
        let wanted: Vec<String> = drivers.iter().map(|(unique_id, _)| unique_id.clone()).collect();
        let mut existing = store::existing(tx, &wanted).await?;
        let scopes =
            scope::creators_scopes(tx, SecuredType::DriverImport, &claim.import_id.to_string()).await?;
        let fields = DriverFields { is_enabled: claim.enable, ..DriverFields::default() };
        let mut seen = HashSet::new();
        let new: Vec<&(String, &Item)> = drivers
            .iter()
            .filter(|(unique_id, _)| !existing.contains_key(unique_id) && seen.insert(unique_id.clone()))
            .collect();
        let entries: Vec<Entry<'_>> = new.iter().filter_map(|(_, item)| item.entry(&fields)).collect();
        let ids = store::insert(tx, self, &claim.requested_by, self.now(), &entries).await?;
        let keys: Vec<String> = ids.iter().map(i64::to_string).collect();
        scope::enter_all(tx, &scopes, SecuredType::Driver, &keys).await?;
        // What does not exist for whoever asked is neither touched nor named.
        let keys: Vec<String> = existing.values().map(i64::to_string).collect();
        let visible = scope::visible_among(tx, &scopes, SecuredType::Driver, &keys).await?;
        existing.retain(|_, ci_id| visible.contains(&ci_id.to_string()));
        let categories = category::existing_ids(tx, &claim.categories).await?;
        if !categories.is_empty() {
            category::assign(tx, &ids, &categories, None).await?;
        }
        let by = Some(ChangedBy { name: &claim.requested_by, at: self.now() });
        let known: Vec<i64> = existing.values().copied().collect();
        match claim.duplicates {
            Duplicates::AppendCategories if !categories.is_empty() => {
                category::assign(tx, &known, &categories, by).await?;
            }
            Duplicates::OverwriteCategories => category::replace(tx, &known, &categories, by).await?,
            _ => {}
        }
        let imported = new
            .iter()
            .zip(&ids)
            .map(|((unique_id, item), id)| (unique_id.clone(), (*id, Some(item.path.clone()))));
        let already = existing.into_iter().map(|(unique_id, id)| (unique_id, (id, None)));
        Ok(imported.chain(already).collect())
    }

    fn written(&self, claim: &Claim, item: &Item, ids: &BTreeMap<String, (i64, Option<String>)>) -> Written {
        let facts = match &item.verdict {
            Verdict::Refused(refusal) => return Written::refused(refusal),
            Verdict::Driver { facts, .. } => facts,
        };
        let diagnostics = lines(facts.diagnostics.iter().map(ToString::to_string));
        let Some((id, path)) = ids.get(&self.driver_unique_id(&facts.id)) else {
            return Written::out_of_scope(&facts.inf_file);
        };
        let ci_id = Some(*id);
        // Of two INF files in one batch that are the same driver, the first one is the driver.
        let is_new = path.as_ref() == Some(&item.path);
        let named = !claim.categories.is_empty();
        let (outcome, error_code, reason) = match claim.duplicates {
            _ if is_new => (Outcome::Imported, 0, ""),
            Duplicates::AppendCategories if !named => {
                (Outcome::AlreadyImported, 183, "the driver is there already")
            }
            Duplicates::OverwriteCategories if !named => {
                (Outcome::AlreadyImported, 183, "the driver that is there has no categories now")
            }
            Duplicates::AppendCategories => {
                (Outcome::AlreadyImported, 183, "the categories were added to the driver that is there")
            }
            Duplicates::KeepCategories => (Outcome::AlreadyImported, 183, "the driver that is there is kept"),
            Duplicates::OverwriteCategories => {
                (Outcome::AlreadyImported, 183, "the driver that is there has these categories now")
            }
            Duplicates::Skip => (Outcome::Skipped, 183, "the driver is there already"),
        };
        Written { outcome, error_code, reason: reason.to_owned(), diagnostics, ci_id }
    }

    /// Tells how much a source holds. Returns false if the claim is lost.
    pub(super) async fn record_found(&self, claim: &Claim, files: u64, infs: u64) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let update = held(claim)
            .value("files", Expr::col("files_before").add(files.cast_signed()))
            .value("infs_found", Expr::col("infs_before").add(infs.cast_signed()))
            .to_owned();
        let held = tx.execute(&update).await? == 1;
        tx.commit().await?;
        Ok(held)
    }

    /// Marks a source as done, or as one that cannot be read. Returns false if the claim is lost.
    pub(super) async fn finish_source(
        &self,
        claim: &Claim,
        source: usize,
        refusal: Option<Refusal>,
    ) -> Result<bool> {
        let mut tx = self.db().write().await?;
        let done = i64::try_from(source + 1).unwrap_or(i64::MAX);
        let update = held(claim)
            .value("sources_done", done)
            .value("files_before", Expr::col("files"))
            .value("infs_before", Expr::col("infs_found"))
            .value("failed", Expr::col("failed").add(i64::from(refusal.is_some())))
            .to_owned();
        if tx.execute(&update).await? != 1 {
            return Ok(false);
        }
        if let Some(refusal) = &refusal {
            let written = [Written::refused(refusal)];
            write_items(&mut tx, claim.import_id, source, std::iter::once("").zip(&written)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Ends an import. Nothing happens if the claim is lost.
    pub(super) async fn finish_import(&self, claim: &Claim, cancelled: bool) -> Result<()> {
        let now = self.now();
        let mut tx = self.db().write().await?;
        let fault = if cancelled { None } else { only_faults(&mut tx, claim).await? };
        let state = match &fault {
            _ if cancelled => ImportState::Cancelled,
            Some(_) => ImportState::Failed,
            None => ImportState::Done,
        };
        let update = held(claim)
            .value("state", state as i64)
            .value("finished_at", now.as_microsecond())
            .value("fault_code", if fault.is_some() { "sources_failed" } else { "" })
            .value("fault_text", fault.as_deref().unwrap_or_default())
            .value("lease_owner", Option::<String>::None)
            .value("lease_until", Option::<i64>::None)
            .to_owned();
        if tx.execute(&update).await? != 1 {
            return Ok(());
        }
        let end = progress(&mut tx, claim.import_id).await?;
        let message = match fault {
            Some(reason) => Message::import_failed(claim.import_id, &reason),
            None => Message::import_ended(claim.import_id, end.imported, end.already_imported, end.failed),
        };
        status::add(&mut tx, now, message).await?;
        tx.commit().await
    }
}

/// Whether the database refuses these rows, now and for ever: PostgreSQL's classes of data exceptions, violated
/// constraints and exceeded limits, SQLite's primary codes of the same. Anything else is the database's own trouble,
/// and the import goes on where it stood when its lease ends.
fn is_refusal(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    const POSTGRES_CLASSES: [&str; 3] = ["22", "23", "54"];
    /// SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH.
    const SQLITE_CODES: [u32; 3] = [18, 19, 20];
    let Some(error) = error.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error) else {
        return false;
    };
    let code = error.code().unwrap_or_default();
    match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        Some(_) => code.parse::<u32>().is_ok_and(|code| SQLITE_CODES.contains(&(code & 0xFF))),
        None => code.get(..2).is_some_and(|class| POSTGRES_CLASSES.contains(&class)),
    }
}

/// Why none of the sources could be read, if so.
async fn only_faults(tx: &mut Tx, claim: &Claim) -> Result<Option<String>> {
    let select = Query::select()
        .column("reason")
        .from("driver_import_item")
        .and_where(by_id(claim.import_id))
        .and_where(Expr::col("outcome").eq(Outcome::SourceFailed as i64))
        .to_owned();
    let failed = tx.all(&select).await?;
    match failed.first() {
        Some(first) if failed.len() == claim.sources.len() => Ok(Some(first.get("reason")?)),
        _ => Ok(None),
    }
}

const ITEM_COLUMNS: [&str; 9] =
    ["import_id", "item", "source_index", "path", "outcome", "error_code", "reason", "diagnostics", "ci_id"];

async fn write_items<'a>(
    tx: &mut Tx,
    import_id: i64,
    source: usize,
    items: impl Iterator<Item = (&'a str, &'a Written)>,
) -> Result<()> {
    let last = Query::select()
        .expr_as(Expr::col("item").max(), "last")
        .from("driver_import_item")
        .and_where(by_id(import_id))
        .to_owned();
    let last: Option<i64> = tx.optional(&last).await?.map_or(Ok(None), |row| row.get("last"))?;
    let source = i64::try_from(source).unwrap_or(i64::MAX);
    let row = |(number, (path, one)): (i64, (&str, &Written))| -> Vec<Value> {
        vec![
            import_id.into(),
            number.into(),
            source.into(),
            path.into(),
            (one.outcome as i64).into(),
            i64::from(one.error_code).into(),
            one.reason.as_str().into(),
            one.diagnostics.as_str().into(),
            one.ci_id.into(),
        ]
    };
    let rows = (last.unwrap_or(0) + 1..).zip(items).map(row).collect();
    write_rows(tx, "driver_import_item", &ITEM_COLUMNS, rows).await
}

impl Written {
    fn out_of_scope(inf: &str) -> Self {
        let reason = SiteError::DriverOutOfScope { inf: inf.to_owned() }.to_string();
        let (outcome, error_code) = (Outcome::Invalid, 5);
        Self { outcome, error_code, reason, diagnostics: String::new(), ci_id: None }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self {
            outcome: refusal.outcome,
            error_code: refusal.error_code,
            reason: refusal.reason.clone(),
            diagnostics: refusal.diagnostics.clone(),
            ci_id: None,
        }
    }
}

impl Item {
    /// Whether it is a folder that was not read.
    fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    fn facts(&self) -> Option<&DriverFacts> {
        match &self.verdict {
            Verdict::Driver { facts, .. } => Some(facts),
            Verdict::Refused(_) => None,
        }
    }

    fn entry<'a>(&'a self, fields: &'a DriverFields) -> Option<Entry<'a>> {
        match &self.verdict {
            Verdict::Driver { facts, sdm_package_xml, content_source_path } => {
                Some(Entry { facts, sdm_package_xml, content_source_path, fields })
            }
            Verdict::Refused(_) => None,
        }
    }

    /// Device ids that it brings.
    pub(super) fn ids(&self) -> usize {
        let devices = self.facts().into_iter().flat_map(|facts| &facts.models).flat_map(|m| &m.devices);
        devices.map(|device| 1 + device.compatible_ids.len()).sum()
    }
}
