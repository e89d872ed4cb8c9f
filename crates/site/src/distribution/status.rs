use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use super::point::is_silent;
use super::state::State;
use crate::db::Row;
use crate::error::Result;
use crate::server::Site;

/// One package at one distribution point: what is wanted, what is there, and what happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionStatus {
    /// The package.
    pub package_id: String,
    /// The package's name.
    pub package_name: String,
    /// The distribution point's name.
    pub dp: String,
    /// The distribution point's NAL path.
    pub nal_path: String,
    /// Where it serves content.
    pub content_url: String,
    /// The state, 0 to 8.
    pub state: State,
    /// The version that it should hold; 0 while the first is not published; none when it should hold nothing.
    pub desired_version: Option<u32>,
    /// The version that it reported; 0 for none.
    pub installed_version: u32,
    /// Attempts for the present demand.
    pub attempts: u32,
    /// When it tries again, as it said.
    pub next_attempt_at: Option<Timestamp>,
    /// Content bytes of the version.
    pub bytes_total: u64,
    /// Content bytes in place.
    pub bytes_done: u64,
    /// Bytes received for the version.
    pub bytes_received: u64,
    /// Files whose hash was checked in the last pull or validation.
    pub files_verified: u64,
    /// What it waits for, while a closed window holds it up.
    pub paused: Option<DistributionPause>,
    /// Why the last attempt failed; absent after a success.
    pub fault: Option<DistributionFault>,
    /// When a version was last installed.
    pub last_copied_at: Option<Timestamp>,
    /// When everything was last verified.
    pub last_verified_at: Option<Timestamp>,
    /// When something was last demanded.
    pub demanded_at: Timestamp,
    /// When the row last changed.
    pub changed_at: Timestamp,
    /// When the distribution point was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// Whether the distribution point is silent; the state is then what it last said.
    pub silent: bool,
}

/// Why an attempt failed, as the agent said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionFault {
    /// A stable code, for example `disk_full`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The file concerned.
    pub file: Option<String>,
    /// When it failed.
    pub at: Timestamp,
}

/// What holds a transfer up, as the agent said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionPause {
    /// One sentence.
    pub reason: String,
    /// When it goes on; absent where nothing is known to open.
    pub until: Option<Timestamp>,
}

impl Site {
    /// Every assignment, or those of one package, by package and distribution point.
    pub async fn distribution_status(&self, package_id: Option<&str>) -> Result<Vec<DistributionStatus>> {
        let mut select = Query::select();
        select
            .columns(OWN_COLUMNS.map(|column| ("d", column)))
            .expr_as(Expr::col(("p", "name")), "package_name")
            .expr_as(Expr::col(("x", "name")), "dp_name")
            .columns([("x", "nal_path"), ("x", "content_url"), ("x", "last_seen_at")])
            .from_as("distribution", "d")
            .join_as(
                JoinType::InnerJoin,
                "package",
                "p",
                Expr::col(("p", "package_id")).equals(("d", "package_id")),
            )
            .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
            .order_by(("d", "package_id"), Order::Asc)
            .order_by(("x", "name_key"), Order::Asc);
        if let Some(package_id) = package_id {
            select.and_where(Expr::col(("d", "package_id")).eq(package_id));
        }
        let now = self.now();
        self.db().all(&select).await?.iter().map(|row| read(row, now)).collect()
    }
}

const OWN_COLUMNS: [&str; 21] = [
    "package_id",
    "state",
    "absent",
    "desired_version",
    "installed_version",
    "attempts",
    "next_attempt_at",
    "bytes_total",
    "bytes_done",
    "bytes_received",
    "files_verified",
    "paused_until",
    "paused_reason",
    "fault_code",
    "fault_message",
    "fault_file",
    "fault_at",
    "last_copied_at",
    "last_verified_at",
    "demanded_at",
    "changed_at",
];

fn read(row: &Row, now: Timestamp) -> Result<DistributionStatus> {
    let desired: u32 = row.unsigned("desired_version")?;
    let last_seen_at = row.time_or_null("last_seen_at")?;
    Ok(DistributionStatus {
        package_id: row.get("package_id")?,
        package_name: row.get("package_name")?,
        dp: row.get("dp_name")?,
        nal_path: row.get("nal_path")?,
        content_url: row.get("content_url")?,
        state: State::from_number(row.get("state")?)?,
        desired_version: (!row.flag("absent")?).then_some(desired),
        installed_version: row.unsigned("installed_version")?,
        attempts: row.unsigned("attempts")?,
        next_attempt_at: row.time_or_null("next_attempt_at")?,
        bytes_total: row.unsigned("bytes_total")?,
        bytes_done: row.unsigned("bytes_done")?,
        bytes_received: row.unsigned("bytes_received")?,
        files_verified: row.unsigned("files_verified")?,
        paused: read_pause(row)?,
        fault: read_fault(row)?,
        last_copied_at: row.time_or_null("last_copied_at")?,
        last_verified_at: row.time_or_null("last_verified_at")?,
        demanded_at: row.time("demanded_at")?,
        changed_at: row.time("changed_at")?,
        last_seen_at,
        silent: is_silent(last_seen_at, now),
    })
}

fn read_pause(row: &Row) -> Result<Option<DistributionPause>> {
    let Some(reason) = row.get("paused_reason")? else { return Ok(None) };
    Ok(Some(DistributionPause { reason, until: row.time_or_null("paused_until")? }))
}

fn read_fault(row: &Row) -> Result<Option<DistributionFault>> {
    let (code, at): (Option<String>, _) = (row.get("fault_code")?, row.time_or_null("fault_at")?);
    let (Some(code), Some(at)) = (code, at) else { return Ok(None) };
    let message = row.get::<Option<String>>("fault_message")?.unwrap_or_default();
    Ok(Some(DistributionFault { code, message, file: row.get("fault_file")?, at }))
}
