//! A row of `distribution` as a fact finds it.

use jiff::Timestamp;
use sea_query::Query;

use crate::db::{Row, Tx};
use crate::distribution::DpId;
use crate::distribution::demand::at;
use crate::distribution::rate::{self, Window};
use crate::distribution::state::State;
use crate::error::Result;
use crate::package::by_id;

/// What the site knows of one package at one distribution point.
pub(super) struct Assignment {
    pub(super) dp: DpId,
    pub(super) state: State,
    pub(super) absent: bool,
    pub(super) cancelled: bool,
    pub(super) generation: i64,
    pub(super) owner_epoch: i64,
    pub(super) owner_generation: i64,
    pub(super) desired_version: u32,
    pub(super) verify: bool,
    pub(super) installed_version: u32,
    pub(super) attempts: u32,
    pub(super) bytes_received: u64,
    pub(super) window: Window,
    /// The call behind the demand.
    pub(super) call: Option<String>,
    pub(super) requested_at: Option<Timestamp>,
    pub(super) last_copied_at: Option<Timestamp>,
    pub(super) last_verified_at: Option<Timestamp>,
    pub(super) fault_at: Option<Timestamp>,
    pub(super) paused_reason: Option<String>,
    pub(super) paused_until: Option<Timestamp>,
}

impl Assignment {
    pub(super) async fn read(tx: &mut Tx, package_id: &str, dp: DpId) -> Result<Option<Self>> {
        let select = Query::select()
            .columns([
                "state",
                "absent",
                "cancelled",
                "generation",
                "owner_epoch",
                "owner_generation",
                "desired_version",
                "verify",
                "installed_version",
                "attempts",
                "bytes_received",
                "call_id",
                "requested_at",
                "last_copied_at",
                "last_verified_at",
                "fault_at",
                "paused_reason",
                "paused_until",
            ])
            .columns(rate::COLUMNS)
            .from("distribution")
            .and_where(by_id(package_id))
            .and_where(at(dp))
            .to_owned();
        tx.optional(&select).await?.as_ref().map(|row| Self::decode(row, dp)).transpose()
    }

    fn decode(row: &Row, dp: DpId) -> Result<Self> {
        Ok(Self {
            dp,
            state: State::from_number(row.get("state")?)?,
            absent: row.flag("absent")?,
            cancelled: row.flag("cancelled")?,
            generation: row.get("generation")?,
            owner_epoch: row.get("owner_epoch")?,
            owner_generation: row.get("owner_generation")?,
            desired_version: row.unsigned("desired_version")?,
            verify: row.flag("verify")?,
            installed_version: row.unsigned("installed_version")?,
            attempts: row.unsigned("attempts")?,
            bytes_received: row.unsigned("bytes_received")?,
            window: Window::read(row)?,
            call: row.get("call_id")?,
            requested_at: row.time_or_null("requested_at")?,
            last_copied_at: row.time_or_null("last_copied_at")?,
            last_verified_at: row.time_or_null("last_verified_at")?,
            fault_at: row.time_or_null("fault_at")?,
            paused_reason: row.get("paused_reason")?,
            paused_until: row.time_or_null("paused_until")?,
        })
    }
}
