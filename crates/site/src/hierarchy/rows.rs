//! How rows become records: one select and one reader for each kind.

use agent::Fault;
use agent::link::{
    DpName, DpRecord, Field, FormerOwner, NamedField, OutcomeRecord, PackageRecord, Pause, ReportRecord,
    RequestRecord, SiteRecord, TargetRecord, TombstoneRecord, VersionRecord,
};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::package::ActionInProgress;
use crate::package::fields::{FieldValue, PackageFields};

pub(super) async fn newest_revision(tx: &mut Tx) -> Result<i64> {
    let select = Query::select()
        .column("value")
        .from("counter")
        .and_where(Expr::col("name").eq("revision"))
        .to_owned();
    tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("counter"))?.get("value")
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("wire types always become JSON")
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| SiteError::corrupt(column))
}

fn written(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

pub(super) fn select_sites() -> SelectStatement {
    let columns = [
        "site_code",
        "site_name",
        "site_type",
        "parent_code",
        "server_name",
        "signing_key",
        "endorsements",
        "repairs",
        "revision",
        "stamp",
    ];
    Query::select().columns(columns.map(|column| ("n", column))).from_as("site_node", "n").to_owned()
}

pub(super) fn site(row: &Row, own: &str) -> Result<SiteRecord> {
    let site_code: String = row.get("site_code")?;
    Ok(SiteRecord {
        name: row.get("site_name")?,
        site_type: row.unsigned("site_type")?,
        parent: row.get("parent_code")?,
        server_name: row.get("server_name")?,
        signing_key: row.get("signing_key")?,
        endorsements: from_json(&row.get::<String>("endorsements")?, "site_node.endorsements")?,
        repairs: super::repair::read(row)?,
        stamp: row.get(if site_code == own { "revision" } else { "stamp" })?,
        site_code,
    })
}

pub(super) fn select_dps() -> SelectStatement {
    let columns =
        ["id", "name", "site_code", "identity_guid", "content_url", "agent_version", "revision", "stamp"];
    Query::select().columns(columns.map(|column| ("x", column))).from_as("dp", "x").to_owned()
}

pub(super) fn dp(row: &Row, own: &str) -> Result<DpRecord> {
    let dp = DpName { site_code: row.get("site_code")?, name: row.get("name")? };
    Ok(DpRecord {
        identity_guid: row.get("identity_guid")?,
        content_url: row.get("content_url")?,
        agent_version: row.get("agent_version")?,
        stamp: row.get(if dp.site_code == own { "revision" } else { "stamp" })?,
        dp,
    })
}

const VERSION_COLUMNS: [(&str, &str, &str); 8] = [
    ("version", "own_number", "offered_number"),
    ("manifest_id", "own_manifest", "offered_manifest"),
    ("content_hash", "own_hash", "offered_hash"),
    ("files", "own_files", "offered_files"),
    ("folders", "own_folders", "offered_folders"),
    ("bytes", "own_bytes", "offered_bytes"),
    ("published_at", "own_published_at", "offered_published_at"),
    ("signature", "own_signature", "offered_signature"),
];

/// Packages, each with the version that is here and the one that another site offers.
pub(super) fn select_packages() -> SelectStatement {
    let columns = [
        "package_id",
        "package_type",
        "source_site",
        "owner_epoch",
        "former_owners",
        "revision",
        "stamp",
        "learned_from",
        "edition",
        "created_at",
        "action_in_progress",
        "source_version",
    ];
    let here = Expr::col(("v", "package_id"))
        .equals(("p", "package_id"))
        .and(Expr::col(("v", "version")).equals(("p", "stored_version")));
    let same = |alias: &'static str| Expr::col((alias, "package_id")).equals(("p", "package_id"));
    let mut select = Query::select();
    select
        .columns(columns.map(|column| ("p", column)))
        .columns(PackageFields::COLUMNS.iter().map(|column| ("p", *column)))
        .column(("s", "schedule"))
        .from_as("package", "p")
        .join_as(JoinType::LeftJoin, "package_schedule", "s", same("s"))
        .join_as(JoinType::LeftJoin, "package_version", "v", here)
        .join_as(JoinType::LeftJoin, "offered_version", "o", same("o"));
    for (column, own, offered) in VERSION_COLUMNS {
        select.expr_as(Expr::col(("v", column)), own).expr_as(Expr::col(("o", column)), offered);
    }
    select
}

pub(super) fn package(row: &Row, own: &str) -> Result<PackageRecord> {
    let source_site: String = row.get("source_site")?;
    let deleting = row.get::<i64>("action_in_progress")? == i64::from(ActionInProgress::Delete.number());
    Ok(PackageRecord {
        package_id: row.get("package_id")?,
        package_type: row.unsigned("package_type")?,
        epoch: row.get("owner_epoch")?,
        former_owners: from_json(&row.get::<String>("former_owners")?, "package.former_owners")?,
        stamp: row.get(if source_site == own { "revision" } else { "stamp" })?,
        source_site,
        edition: row.get("edition")?,
        created_at: row.time("created_at")?.to_string(),
        deleting,
        source_version: row.unsigned("source_version")?,
        fields: fields(row)?,
        refresh_schedule: row.get::<Option<String>>("schedule")?.unwrap_or_default(),
        version: version(row)?,
    })
}

fn fields(row: &Row) -> Result<Vec<NamedField>> {
    let named = PackageFields::read(row)?.named().into_iter().map(|(name, value)| {
        let value = match value {
            FieldValue::Text(text) => Field::Text(text),
            FieldValue::Number(number) => Field::Number(number),
            FieldValue::Flag(flag) => Field::Flag(flag),
            FieldValue::Time(time) => time.map_or(Field::Null, |time| Field::Text(time.to_string())),
        };
        NamedField { name: name.to_owned(), value }
    });
    Ok(named.collect())
}

/// The newest version: what is here, or a newer one that another site published.
fn version(row: &Row) -> Result<Option<VersionRecord>> {
    let (own, offered): (Option<i64>, Option<i64>) = (row.get("own_number")?, row.get("offered_number")?);
    let column = |index: usize| match own >= offered {
        true => VERSION_COLUMNS[index].1,
        false => VERSION_COLUMNS[index].2,
    };
    if own.is_none() && offered.is_none() {
        return Ok(None);
    }
    let signature: Option<String> = row.get(column(7))?;
    Ok(Some(VersionRecord {
        version: row.unsigned(column(0))?,
        manifest: row.get(column(1))?,
        content_hash: row.get(column(2))?,
        files: row.unsigned(column(3))?,
        folders: row.unsigned(column(4))?,
        bytes: row.unsigned(column(5))?,
        published_at: row.time(column(6))?.to_string(),
        signature: signature.map(|text| from_json(&text, "signature")).transpose()?,
    }))
}

/// A row of `distribution` with what names its ends.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) package_id: String,
    pub(super) dp_id: i64,
    pub(super) dp: DpName,
    pub(super) source_site: String,
    pub(super) former_owners: Vec<FormerOwner>,
    pub(super) package_epoch: i64,
    pub(super) owner_epoch: i64,
    pub(super) owner_generation: i64,
    pub(super) generation: i64,
    pub(super) revision: i64,
    pub(super) report_revision: i64,
    pub(super) report_stamp: i64,
    pub(super) absent: bool,
    pub(super) desired_version: u32,
    pub(super) verify: bool,
    pub(super) cancelled: bool,
    pub(super) demanded_at: Timestamp,
    /// The call behind the demand.
    pub(super) call: Option<String>,
    pub(super) state: u32,
    pub(super) installed_version: u32,
    pub(super) attempts: u32,
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) progress: Progress,
    pub(super) files_verified: u64,
    pub(super) fault: Option<Fault>,
    pub(super) fault_at: Option<Timestamp>,
    pub(super) paused: Option<Pause>,
    pub(super) last_copied_at: Option<Timestamp>,
    pub(super) last_verified_at: Option<Timestamp>,
    pub(super) reported_at: Option<Timestamp>,
    pub(super) changed_at: Timestamp,
}

/// How far a transfer is; the names are those of [`ReportRecord`].
#[derive(Debug, Clone)]
pub(super) struct Progress {
    bytes_total: u64,
    bytes_done: u64,
    pub(super) bytes_received: u64,
    files_total: u64,
    files_done: u64,
    done_bytes_per_s: u64,
    received_bytes_per_s: u64,
}

impl Progress {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            bytes_total: row.unsigned("bytes_total")?,
            bytes_done: row.unsigned("bytes_done")?,
            bytes_received: row.unsigned("bytes_received")?,
            files_total: row.unsigned("files_total")?,
            files_done: row.unsigned("files_done")?,
            done_bytes_per_s: row.unsigned("rate_done")?,
            received_bytes_per_s: row.unsigned("rate_received")?,
        })
    }
}

pub(super) fn select_assigned() -> SelectStatement {
    let columns = [
        "package_id",
        "dp_id",
        "owner_epoch",
        "owner_generation",
        "generation",
        "revision",
        "report_revision",
        "report_stamp",
        "absent",
        "desired_version",
        "verify",
        "cancelled",
        "demanded_at",
        "call_id",
        "state",
        "installed_version",
        "attempts",
        "next_attempt_at",
        "bytes_total",
        "bytes_done",
        "bytes_received",
        "files_total",
        "files_done",
        "rate_done",
        "rate_received",
        "files_verified",
        "fault_code",
        "fault_message",
        "fault_file",
        "fault_at",
        "paused_reason",
        "paused_until",
        "last_copied_at",
        "last_verified_at",
        "reported_at",
        "changed_at",
    ];
    let package = Expr::col(("p", "package_id")).equals(("d", "package_id"));
    Query::select()
        .columns(columns.map(|column| ("d", column)))
        .columns([("x", "name"), ("x", "site_code"), ("p", "source_site"), ("p", "former_owners")])
        .expr_as(Expr::col(("p", "owner_epoch")), "package_epoch")
        .from_as("distribution", "d")
        .join_as(JoinType::InnerJoin, "package", "p", package)
        .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .to_owned()
}

impl Assigned {
    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            package_id: row.get("package_id")?,
            dp_id: row.get("dp_id")?,
            dp: DpName { site_code: row.get("site_code")?, name: row.get("name")? },
            source_site: row.get("source_site")?,
            former_owners: from_json(&row.get::<String>("former_owners")?, "package.former_owners")?,
            package_epoch: row.get("package_epoch")?,
            owner_epoch: row.get("owner_epoch")?,
            owner_generation: row.get("owner_generation")?,
            generation: row.get("generation")?,
            revision: row.get("revision")?,
            report_revision: row.get("report_revision")?,
            report_stamp: row.get("report_stamp")?,
            absent: row.flag("absent")?,
            desired_version: row.unsigned("desired_version")?,
            verify: row.flag("verify")?,
            cancelled: row.flag("cancelled")?,
            demanded_at: row.time("demanded_at")?,
            call: row.get("call_id")?,
            state: row.unsigned("state")?,
            installed_version: row.unsigned("installed_version")?,
            attempts: row.unsigned("attempts")?,
            next_attempt_at: row.time_or_null("next_attempt_at")?,
            progress: Progress::read(row)?,
            files_verified: row.unsigned("files_verified")?,
            fault: read_fault(row)?,
            fault_at: row.time_or_null("fault_at")?,
            paused: read_pause(row)?,
            last_copied_at: row.time_or_null("last_copied_at")?,
            last_verified_at: row.time_or_null("last_verified_at")?,
            reported_at: row.time_or_null("reported_at")?,
            changed_at: row.time("changed_at")?,
        })
    }

    /// Who demanded what the row says, where that was a former owner of the package.
    pub(super) fn former_owner(&self) -> Option<&str> {
        owner_in(&self.former_owners, self.owner_epoch)
    }

    /// Epoch and generation of the present demand, as its owner calls it.
    pub(super) fn demand(&self, own_package: bool) -> (i64, i64) {
        match own_package {
            true => (self.package_epoch, self.generation),
            false => (self.owner_epoch, self.owner_generation),
        }
    }

    pub(super) fn target(&self, own_package: bool) -> TargetRecord {
        let (epoch, generation) = self.demand(own_package);
        let why = || self.fault.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
        TargetRecord {
            package_id: self.package_id.clone(),
            dp: self.dp.clone(),
            epoch,
            generation,
            absent: self.absent,
            version: self.desired_version,
            verify: self.verify,
            cancelled: self.cancelled.then(why),
            demanded_at: self.demanded_at.to_string(),
            correlation: self.call.clone(),
        }
    }

    pub(super) fn report(&self, own_dp: bool, own_package: bool) -> Result<ReportRecord> {
        let (epoch, generation) = self.demand(own_package);
        Ok(ReportRecord {
            package_id: self.package_id.clone(),
            dp: self.dp.clone(),
            stamp: if own_dp { self.report_revision } else { self.report_stamp },
            epoch,
            generation,
            absent: self.absent,
            desired_version: self.desired_version,
            state: self.state,
            installed_version: self.installed_version,
            attempts: self.attempts,
            next_attempt_at: written(self.next_attempt_at),
            bytes_total: self.progress.bytes_total,
            bytes_done: self.progress.bytes_done,
            bytes_received: self.progress.bytes_received,
            files_total: self.progress.files_total,
            files_done: self.progress.files_done,
            done_bytes_per_s: self.progress.done_bytes_per_s,
            received_bytes_per_s: self.progress.received_bytes_per_s,
            files_verified: self.files_verified,
            fault: self.fault.clone(),
            fault_at: written(self.fault_at),
            paused: self.paused.clone(),
            last_copied_at: written(self.last_copied_at),
            last_verified_at: written(self.last_verified_at),
            reported_at: written(self.reported_at),
            changed_at: self.changed_at.to_string(),
        })
    }
}

/// Who owned a package in an earlier epoch.
pub(super) fn owner_in(former: &[FormerOwner], epoch: i64) -> Option<&str> {
    former.iter().find(|owner| owner.epoch == epoch).map(|owner| owner.site_code.as_str())
}

fn read_pause(row: &Row) -> Result<Option<Pause>> {
    let Some(reason) = row.get("paused_reason")? else { return Ok(None) };
    Ok(Some(Pause { reason, until: written(row.time_or_null("paused_until")?) }))
}

fn read_fault(row: &Row) -> Result<Option<Fault>> {
    let Some(code) = row.get::<Option<String>>("fault_code")? else { return Ok(None) };
    let message = row.get::<Option<String>>("fault_message")?.unwrap_or_default();
    Ok(Some(Fault { code, message, file: row.get("fault_file")? }))
}

pub(super) fn select_requests() -> SelectStatement {
    let columns = [
        "request_id",
        "origin",
        "package_id",
        "user_name",
        "requested_at",
        "call",
        "call_id",
        "done_at",
        "refused_code",
        "refused_message",
        "revision",
    ];
    let package = Expr::col(("p", "package_id")).equals(("r", "package_id"));
    Query::select()
        .columns(columns.map(|column| ("r", column)))
        .column(("p", "source_site"))
        .from_as("site_request", "r")
        .join_as(JoinType::LeftJoin, "package", "p", package)
        .to_owned()
}

/// A request, and its outcome if it has one.
pub(super) fn request(row: &Row) -> Result<(RequestRecord, Option<OutcomeRecord>)> {
    let request = RequestRecord {
        id: row.get("request_id")?,
        origin: row.get("origin")?,
        package_id: row.get("package_id")?,
        user: row.get("user_name")?,
        at: row.time("requested_at")?.to_string(),
        correlation: row.get("call_id")?,
        call: from_json(&row.get::<String>("call")?, "site_request.call")?,
    };
    let Some(done_at) = row.time_or_null("done_at")? else { return Ok((request, None)) };
    let code: Option<String> = row.get("refused_code")?;
    let message = row.get::<Option<String>>("refused_message")?.unwrap_or_default();
    let outcome = OutcomeRecord {
        id: request.id.clone(),
        origin: request.origin.clone(),
        package_id: request.package_id.clone(),
        at: done_at.to_string(),
        refused: code.map(|code| agent::ErrorReply { code, message, until: None }),
    };
    Ok((request, Some(outcome)))
}

pub(super) fn select_tombstones() -> SelectStatement {
    // A package at a distribution point: whose the package is decides who is told.
    let package = Expr::col(("t", "kind"))
        .eq("distribution")
        .and(Expr::col(("p", "package_id")).eq(Expr::cust("SUBSTR(t.object_key, 1, 8)")));
    Query::select()
        .columns(
            ["kind", "object_key", "learned_from", "record", "epoch", "number", "revision"].map(|c| ("t", c)),
        )
        .column(("p", "source_site"))
        .from_as("tombstone", "t")
        .join_as(JoinType::LeftJoin, "package", "p", package)
        .to_owned()
}

pub(super) fn tombstone(row: &Row) -> Result<TombstoneRecord> {
    from_json(&row.get::<String>("record")?, "tombstone.record")
}
