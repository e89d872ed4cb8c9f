//! Writing drivers: all their rows, many drivers in few statements.

use std::collections::{BTreeMap, HashMap};

use ::driver::{DriverDate, DriverFacts, DriverKind, SignatureState};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query, SelectStatement, Value};

use super::create::DriverFields;
use super::localized::{self, LOCALE_DEFAULT};
use super::{PayloadEntry, version_number};
use crate::db::{Database, Tx, counter};
use crate::error::{Result, SiteError};
use crate::query::stored_list;
use crate::server::Site;

/// Values bound to one statement; SQLite takes 32,766.
const VALUES_MAX: usize = 4_000;
/// Hashes or ids asked about in one statement.
const ASKED_AT_ONCE_MAX: usize = 500;
/// Names of missing files, and findings, that are kept of one driver.
const LINES_KEPT_MAX: usize = 50;
/// Characters of one of these lines.
const LINE_CHARS_MAX: usize = 400;
/// Characters of a text that an INF file gave; longer ones are cut.
const TEXT_CHARS_MAX: usize = 1_024;

/// A driver to be written.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) facts: &'a DriverFacts,
    pub(crate) sdm_package_xml: &'a str,
    pub(crate) content_source_path: &'a str,
    pub(crate) fields: &'a DriverFields,
}

impl Site {
    /// The CI_UniqueID of the driver with these facts.
    pub(crate) fn driver_unique_id(&self, facts_id: &str) -> String {
        format!("{}/DRIVER_{facts_id}", self.scope_id())
    }

    /// The scope of this site's unique ids.
    pub(crate) fn scope_id(&self) -> String {
        format!("ScopeId_{}", self.identity().site_guid)
    }
}

/// A CI_UniqueID as it is stored, from any case and with `\` or `/`.
pub(crate) fn canonical(unique_id: &str, site: &Site) -> String {
    let slashed = unique_id.replace('\\', "/");
    match slashed.split_once('/') {
        Some((scope, name)) if scope.eq_ignore_ascii_case(&site.scope_id()) => site
            .driver_unique_id(name.get("DRIVER_".len()..).unwrap_or_default().to_ascii_lowercase().as_str()),
        _ => slashed,
    }
}

/// Which of these drivers are there: CI_ID by CI_UniqueID.
pub(crate) async fn existing(tx: &mut Tx, unique_ids: &[String]) -> Result<BTreeMap<String, i64>> {
    ids_by(tx, "driver", "unique_id", "ci_id", unique_ids).await
}

/// Which of these CI_UniqueIDs are there, with their CI_IDs, read beside the writer.
pub(super) async fn existing_now(db: &Database, unique_ids: &[String]) -> Result<HashMap<String, i64>> {
    let mut existing = HashMap::new();
    for wanted in unique_ids.chunks(ASKED_AT_ONCE_MAX) {
        for row in db.all(&select_ids("driver", "unique_id", "ci_id", wanted)).await? {
            existing.insert(row.get("unique_id")?, row.get("ci_id")?);
        }
    }
    Ok(existing)
}

/// Writes drivers that are not there yet and returns their CI_IDs in the same order. Categories come after.
pub(crate) async fn insert(
    tx: &mut Tx,
    site: &Site,
    by: &str,
    now: Timestamp,
    entries: &[Entry<'_>],
) -> Result<Vec<i64>> {
    let Some(count) = i64::try_from(entries.len()).ok().filter(|count| *count > 0) else {
        return Ok(Vec::new());
    };
    let contents = content_ids(tx, now, entries).await?;
    let first = counter::raise(tx, "driver", count).await? - count + 1;
    let ids: Vec<i64> = (first..first + count).collect();
    let mut rows = Rows::default();
    for (entry, &ci_id) in entries.iter().zip(&ids) {
        let content_id = contents[&entry.facts.content.hash];
        rows.driver.push(driver_row(site, by, now, entry, ci_id, content_id));
        rows.document.push(document_row(entry, ci_id));
        rows.add_models(entry.facts, ci_id);
        rows.add_platforms(&entry.facts.platforms, ci_id);
    }
    rows.write(tx).await?;
    Ok(ids)
}

/// Writes the platforms of a driver anew.
pub(crate) async fn replace_platforms(tx: &mut Tx, ci_id: i64, platforms: &[String]) -> Result<()> {
    let theirs = Expr::col("ci_id").eq(ci_id);
    tx.execute(Query::delete().from_table("driver_platform").and_where(theirs.clone())).await?;
    let mut rows = Rows::default();
    rows.add_platforms(platforms, ci_id);
    rows.write(tx).await?;
    let update = Query::update()
        .table("driver")
        .value("platform_ids", stored_list(platforms))
        .and_where(theirs)
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// ContentID by content hash; new contents are written. Equal folders are one content.
async fn content_ids(tx: &mut Tx, now: Timestamp, entries: &[Entry<'_>]) -> Result<BTreeMap<String, i64>> {
    let contents: BTreeMap<&str, _> =
        entries.iter().map(|entry| (entry.facts.content.hash.as_str(), &entry.facts.content)).collect();
    let hashes: Vec<String> = contents.keys().map(|&hash| hash.to_owned()).collect();
    let mut ids = ids_by(tx, "driver_content", "content_hash", "content_id", &hashes).await?;
    let mut rows = Vec::new();
    for (hash, content) in contents {
        if ids.contains_key(hash) {
            continue;
        }
        let id = counter::next(tx, "driver_content").await?;
        ids.insert(hash.to_owned(), id);
        rows.push(vec![
            id.into(),
            hash.into(),
            content_unique_id(hash).into(),
            content.files.cast_signed().into(),
            content.bytes.cast_signed().into(),
            now.as_microsecond().into(),
        ]);
    }
    let columns = ["content_id", "content_hash", "content_unique_id", "files", "bytes", "created_at"];
    write_rows(tx, "driver_content", &columns, rows).await?;
    Ok(ids)
}

/// `Content_` and a GUID, the form that clients know, made of the hash's first half.
fn content_unique_id(hash: &str) -> String {
    let mut bytes = [0; 16];
    let half = hash.get(..32).unwrap_or_default();
    hex::decode_to_slice(half, &mut bytes).expect("a content hash is 64 hexadecimal digits");
    format!("Content_{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

async fn ids_by(
    tx: &mut Tx,
    table: &'static str,
    name: &'static str,
    id: &'static str,
    wanted: &[String],
) -> Result<BTreeMap<String, i64>> {
    let mut ids = BTreeMap::new();
    for wanted in wanted.chunks(ASKED_AT_ONCE_MAX) {
        for row in tx.all(&select_ids(table, name, id, wanted)).await? {
            ids.insert(row.get(name)?, row.get(id)?);
        }
    }
    Ok(ids)
}

fn select_ids(
    table: &'static str,
    name: &'static str,
    id: &'static str,
    wanted: &[String],
) -> SelectStatement {
    Query::select()
        .columns([name, id])
        .from(table)
        .and_where(Expr::col(name).is_in(wanted.iter().map(String::as_str)))
        .to_owned()
}

const DRIVER_COLUMNS: [&str; 42] = [
    "ci_id",
    "unique_id",
    "content_id",
    "inf_file",
    "class",
    "class_guid",
    "provider",
    "driver_date",
    "driver_version",
    "version_number",
    "kind",
    "extension_id",
    "component_ids",
    "signature_state",
    "signed",
    "signer",
    "signer_program",
    "whql",
    "boot_start",
    "boot_critical",
    "devices",
    "payload_files",
    "payload_missing",
    "content_source_path",
    "is_enabled",
    "is_expired",
    "is_hidden",
    "is_user_defined",
    "permitted_uses",
    "applicability_condition",
    "ci_version",
    "source_site",
    "created_by",
    "created_at",
    "modified_by",
    "modified_at",
    "display_name",
    "description",
    "informative_url",
    "locale_id",
    "platform_ids",
    "edition",
];

fn driver_row(
    site: &Site,
    by: &str,
    now: Timestamp,
    entry: &Entry<'_>,
    ci_id: i64,
    content_id: i64,
) -> Vec<Value> {
    let Entry { facts, content_source_path, fields, .. } = entry;
    let unique_id = site.driver_unique_id(&facts.id);
    let shown = shown(fields, facts, &unique_id);
    let missing = facts.payload.iter().filter(|file| !file.present).count();
    let (now, count) = (now.as_microsecond(), |number: usize| i64::try_from(number).unwrap_or(i64::MAX));
    let (kind, extension_id) = kind(&facts.kind);
    vec![
        ci_id.into(),
        unique_id.into(),
        content_id.into(),
        facts.inf_file.as_str().into(),
        cut(&facts.class).into(),
        cut(&facts.class_guid).into(),
        cut(&facts.provider).into(),
        facts.date.and_then(midnight).into(),
        cut(&facts.version_text).into(),
        facts.version.map(version_number).into(),
        kind.into(),
        extension_id.into(),
        stored_list(facts.component_ids.iter().map(|id| id.to_ascii_lowercase())).into(),
        signature_number(facts.signature.state).into(),
        i64::from(facts.signature.state.is_signed()).into(),
        cut(&facts.signature.signer).into(),
        cut(&facts.signature.program).into(),
        i64::from(facts.signature.whql).into(),
        i64::from(facts.boot_start).into(),
        i64::from(facts.boot_critical).into(),
        count(facts.models.iter().map(|models| models.devices.len()).sum()).into(),
        count(facts.payload.len()).into(),
        count(missing).into(),
        (*content_source_path).into(),
        i64::from(fields.is_enabled).into(),
        i64::from(fields.is_expired).into(),
        i64::from(fields.is_hidden).into(),
        i64::from(fields.is_user_defined).into(),
        i64::from(fields.permitted_uses).into(),
        fields.applicability_condition.as_str().into(),
        1i64.into(),
        site.identity().site_code.as_str().into(),
        by.into(),
        now.into(),
        by.into(),
        now.into(),
        shown.display_name.into(),
        shown.description.into(),
        shown.informative_url.into(),
        i64::from(shown.locale_id).into(),
        stored_list(&facts.platforms).into(),
        1i64.into(),
    ]
}

/// What is shown of a driver: what the client named it, else its first device, else its unique id.
fn shown(fields: &DriverFields, facts: &DriverFacts, unique_id: &str) -> super::LocalizedProperties {
    let mut shown = localized::shown(&fields.localized)
        .cloned()
        .unwrap_or_else(|| super::LocalizedProperties { locale_id: LOCALE_DEFAULT, ..Default::default() });
    if shown.display_name.trim().is_empty() {
        let named = !facts.display_name.trim().is_empty();
        shown.display_name = if named { cut(&facts.display_name) } else { unique_id.to_owned() };
    }
    shown
}

fn document_row(entry: &Entry<'_>, ci_id: i64) -> Vec<Value> {
    let facts = entry.facts;
    let payload: Vec<PayloadEntry> = facts.payload.iter().map(PayloadEntry::from).collect();
    let missing = facts.payload.iter().filter(|file| !file.present).map(|file| file.path.clone());
    vec![
        ci_id.into(),
        entry.sdm_package_xml.into(),
        localized::to_json(&entry.fields.localized).into(),
        localized::to_json(&payload).into(),
        lines(missing).into(),
        lines(facts.diagnostics.iter().map(ToString::to_string)).into(),
    ]
}

impl From<&::driver::PayloadFile> for PayloadEntry {
    fn from(file: &::driver::PayloadFile) -> Self {
        Self {
            path: file.path.clone(),
            architectures: file.architectures.clone(),
            present: file.present,
            covered: file.covered,
        }
    }
}

/// A bounded list for an administrator to read: what does not fit is counted.
pub(crate) fn lines(all: impl IntoIterator<Item = String>) -> String {
    let mut all = all.into_iter();
    let cut = |line: String| -> String { line.chars().take(LINE_CHARS_MAX).collect() };
    let mut kept: Vec<String> = all.by_ref().take(LINES_KEPT_MAX).map(cut).collect();
    match all.count() {
        0 => {}
        more => kept.push(format!("and {more} more")),
    }
    stored_list(kept)
}

/// Rows of the tables below `driver`, of several drivers.
#[derive(Default)]
struct Rows {
    driver: Vec<Vec<Value>>,
    document: Vec<Vec<Value>>,
    models: Vec<Vec<Value>>,
    device: Vec<Vec<Value>>,
    platform: Vec<Vec<Value>>,
}

impl Rows {
    fn add_models(&mut self, facts: &DriverFacts, ci_id: i64) {
        for (models_index, models) in (0i64..).zip(&facts.models) {
            self.models.push(vec![
                ci_id.into(),
                models_index.into(),
                cut(&models.manufacturer).into(),
                i64::from(models.line).into(),
                models.decoration.map(|decoration| decoration.to_string()).into(),
            ]);
            for (device_index, device) in (0i64..).zip(&models.devices) {
                let ids = std::iter::once(&device.hardware_id).chain(&device.compatible_ids);
                for (compatible_index, id) in (0i64..).zip(ids).filter(|(_, id)| !id.is_empty()) {
                    self.device.push(vec![
                        ci_id.into(),
                        models_index.into(),
                        device_index.into(),
                        compatible_index.into(),
                        cut(id).to_lowercase().into(),
                        cut(&device.description).into(),
                        cut(&device.install_section).into(),
                        i64::from(device.feature_score).into(),
                        stored_list(device.exclude_ids.iter().map(|id| id.to_lowercase())).into(),
                        i64::from(device.nt_section).into(),
                        device.date.and_then(midnight).into(),
                        device.version.map(version_number).into(),
                    ]);
                }
            }
        }
    }

    fn add_platforms(&mut self, platforms: &[String], ci_id: i64) {
        self.platform.extend(platforms.iter().map(|id| vec![ci_id.into(), id.as_str().into()]));
    }

    async fn write(self, tx: &mut Tx) -> Result<()> {
        write_rows(tx, "driver", &DRIVER_COLUMNS, self.driver).await?;
        let document = ["ci_id", "sdm_package_xml", "localized", "payload", "missing_files", "diagnostics"];
        write_rows(tx, "driver_document", &document, self.document).await?;
        let models = ["ci_id", "models_index", "manufacturer", "line", "decoration"];
        write_rows(tx, "driver_models", &models, self.models).await?;
        let device = [
            "ci_id",
            "models_index",
            "device_index",
            "compatible_index",
            "id_key",
            "description",
            "install_section",
            "feature_score",
            "exclude_ids",
            "nt_section",
            "own_date",
            "own_version",
        ];
        write_rows(tx, "driver_device", &device, self.device).await?;
        write_rows(tx, "driver_platform", &["ci_id", "platform_id"], self.platform).await
    }
}

/// Writes rows in as few statements as the back ends take.
pub(crate) async fn write_rows(
    tx: &mut Tx,
    table: &'static str,
    columns: &[&'static str],
    rows: Vec<Vec<Value>>,
) -> Result<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut insert = Query::insert();
        insert.into_table(table).columns(columns.iter().copied());
        for row in rows.by_ref().take(VALUES_MAX / columns.len()) {
            insert.values_panic(row.into_iter().map(Expr::val));
        }
        tx.execute(&insert).await?;
    }
    Ok(())
}

fn cut(text: &str) -> String {
    // PostgreSQL's texts hold no null character.
    text.chars().filter(|c| *c != '\0').take(TEXT_CHARS_MAX).collect()
}

fn midnight(date: DriverDate) -> Option<i64> {
    let day = i8::try_from(date.day).ok()?;
    let month = i8::try_from(date.month).ok()?;
    let date = jiff::civil::Date::new(i16::try_from(date.year).ok()?, month, day).ok()?;
    let midnight = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(midnight.as_microsecond())
}

fn kind(kind: &DriverKind) -> (i64, String) {
    match kind {
        DriverKind::Base => (0, String::new()),
        DriverKind::Extension(id) => (1, cut(id)),
        DriverKind::SoftwareComponent => (2, String::new()),
        DriverKind::Primitive => (3, String::new()),
    }
}

/// `driver.signature_state` counts in this order.
const SIGNATURES: [SignatureState; 9] = [
    SignatureState::Trusted,
    SignatureState::SignerNotTrusted,
    SignatureState::InfNotCovered,
    SignatureState::PayloadNotCovered,
    SignatureState::Broken,
    SignatureState::NoSigner,
    SignatureState::CatalogMissing,
    SignatureState::CatalogUnreadable,
    SignatureState::NoCatalog,
];

fn signature_number(state: SignatureState) -> i64 {
    let at = SIGNATURES.iter().position(|known| *known == state).expect("every state is in the table");
    i64::try_from(at).expect("the table is short")
}

pub(crate) fn signature(number: i64) -> Result<SignatureState> {
    let found = usize::try_from(number).ok().and_then(|at| SIGNATURES.get(at)).copied();
    found.ok_or_else(|| SiteError::corrupt("driver.signature_state"))
}
