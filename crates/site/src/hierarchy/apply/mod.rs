//! What a neighbor tells: stored if the neighbor may say it and if it is newer than what is known.
//!
//! A page is one transaction together with the revision that it leads to, so it is stored whole or not at all, and once
//! is as good as twice. What a neighbor may not say is passed over and logged; it never ends the exchange.

mod dp;
mod package;
mod report;
mod request;
mod site;
mod target;
mod tombstone;

use std::time::Duration;

use agent::link::{Gone, RECORDS_AT_ONCE_MAX, Record, RecordsPosted, RecordsReply};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Query};

use super::leap::NUMBER_MAX;
use super::node::by_code;
use super::tell::require_neighbor;
use super::topology::{Neighbor, Topology};
use super::{requests, rows, spread};
use crate::db::{Tx, counter};
use crate::distribution::DpId;
use crate::error::{Result, SiteError};
use crate::library::error_chain;
use crate::restored::pass_over_numbers;
use crate::server::Site;

/// Refused records of one message that are logged one by one.
const REFUSED_LOGGED_MAX: usize = 20;

/// How far the exchange with a neighbor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkState {
    /// The neighbor's revision up to which everything is here.
    pub received: i64,
    /// This site's revision up to which the neighbor has everything.
    pub acknowledged: i64,
}

impl Site {
    /// How far the exchange with a neighbor is. Errors: [`SiteError::SiteNotFound`] unless it is one.
    pub async fn link_state(&self, neighbor: &Neighbor) -> Result<LinkState> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_neighbor(&topology, neighbor)?;
        let state = link_state(&mut tx, topology.code_of(neighbor).unwrap_or_default()).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Remembers up to where a neighbor has everything. One that has more than this site ever told says that this site's
    /// database was restored: it goes on from beyond that, and tells everything anew.
    pub async fn records_acknowledged(&self, neighbor: &Neighbor, revision: i64) -> Result<()> {
        let revision = match revision > self.newest_revision().await? {
            true => self.outrun(neighbor, revision).await.map(|()| 0)?,
            false => revision,
        };
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_neighbor(&topology, neighbor)?;
        let update = Query::update()
            .table("site_node")
            .value("acknowledged_revision", revision)
            .and_where(by_code(topology.code_of(neighbor).unwrap_or_default()))
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await
    }

    /// Stores what a neighbor tells, in one transaction, and says up to where everything of it is here. Nothing is stored
    /// if the neighbor takes this site for further than it is.
    ///
    /// Errors: [`SiteError::SiteNotFound`] unless it is a neighbor, [`SiteError::InvalidField`] for more than
    /// [`RECORDS_AT_ONCE_MAX`] records, or a revision beyond all that a site gives.
    pub async fn apply_records(&self, from: &Neighbor, reply: &RecordsReply) -> Result<RecordsPosted> {
        if reply.records.len() > RECORDS_AT_ONCE_MAX {
            let reason = format!("at most {RECORDS_AT_ONCE_MAX} records are taken at once");
            return Err(SiteError::invalid("records", reason));
        }
        if reply.revision > NUMBER_MAX {
            return Err(SiteError::invalid("revision", "no site gives revisions so high"));
        }
        let now = self.now();
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_neighbor(&topology, from)?;
        let code = topology.code_of(from).unwrap_or_default().to_owned();
        let received = link_state(&mut tx, &code).await?.received;
        if reply.after > received {
            return Ok(RecordsPosted { revision: received });
        }
        let mut apply = Apply {
            site: self,
            tx: &mut tx,
            topology,
            from,
            code: code.clone(),
            now,
            touched: Vec::new(),
            gone: Vec::new(),
            requests: None,
            refused: 0,
        };
        for record in in_order(&reply.records) {
            apply.record(record).await?;
        }
        let Apply { touched, gone, .. } = apply;
        let revision = Ord::max(received, reply.revision);
        let update = Query::update()
            .table("site_node")
            .value("received_revision", revision)
            .value("last_seen_at", now.as_microsecond())
            .and_where(by_code(&code))
            .to_owned();
        tx.execute(&update).await?;
        tx.commit().await?;
        self.heard(from);
        self.changes().notify(&touched);
        self.snapshot_wake().notify_one();
        self.release(&gone).await;
        if let Err(error) = self.answer_requests().await {
            tracing::error!(error = error_chain(&error), "requests of other sites");
        }
        Ok(RecordsPosted { revision })
    }

    /// After a backup was restored: takes its revisions from beyond one that a neighbor has seen, and tells every row of
    /// its own anew, so that nobody takes the present for the past.
    ///
    /// Errors: [`SiteError::InvalidField`] for a revision too far ahead, [`SiteError::Busy`] for a neighbor that says so too
    /// often, [`SiteError::SiteNotFound`] unless it is one.
    pub(crate) async fn outrun(&self, neighbor: &Neighbor, seen: i64) -> Result<()> {
        let own = self.identity().site_code.clone();
        let mut tx = self.db().write().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_neighbor(&topology, neighbor)?;
        let newest = rows::newest_revision(&mut tx).await?;
        if seen <= newest {
            return Ok(());
        }
        let code = topology.code_of(neighbor).unwrap_or_default();
        self.leaps().restored(code, seen.saturating_sub(newest), self.clock().monotonic())?;
        tracing::warn!(
            neighbor = code,
            seen,
            "a neighbor knows more of this site than it does itself: its database was restored"
        );
        pass_over_numbers(&mut tx, self).await?;
        counter::at_least(&mut tx, "revision", seen).await?;
        let revision = counter::next(&mut tx, "revision").await?;
        let own_dps = Query::select()
            .column("id")
            .from("dp")
            .and_where(Expr::col("site_code").eq(own.as_str()))
            .to_owned();
        let own_packages = Query::select()
            .column("package_id")
            .from("package")
            .and_where(Expr::col("source_site").eq(own.as_str()))
            .to_owned();
        for (table, column, which) in [
            ("site_node", "revision", Expr::val(1i64).eq(1i64)),
            ("dp", "revision", Expr::col("site_code").eq(own.as_str())),
            ("package", "revision", Expr::val(1i64).eq(1i64)),
            ("site_request", "revision", Expr::col("done_at").is_not_null()),
            ("tombstone", "revision", Expr::val(1i64).eq(1i64)),
            ("distribution", "report_revision", Expr::col("dp_id").in_subquery(own_dps)),
        ] {
            tx.execute(Query::update().table(table).value(column, revision).and_where(which)).await?;
        }
        for stamp in spread::STAMPS {
            spread::spread(&mut tx, stamp, revision).await?;
        }
        requests::tell_again(&mut tx, None).await?;
        // Demands that were forgotten had higher generations than those that are left.
        let select = Query::select()
            .columns(["package_id", "dp_id"])
            .from("distribution")
            .and_where(Expr::col("package_id").in_subquery(own_packages))
            .to_owned();
        for row in tx.all(&select).await? {
            let revision = counter::next(&mut tx, "revision").await?;
            let update = Query::update()
                .table("distribution")
                .value("revision", revision)
                .value("generation", revision)
                .and_where(Expr::col("package_id").eq(row.get::<String>("package_id")?))
                .and_where(Expr::col("dp_id").eq(row.get::<i64>("dp_id")?))
                .to_owned();
            tx.execute(&update).await?;
        }
        tx.commit().await?;
        self.restored().committed();
        self.changes().notify(&[]);
        Ok(())
    }
}

pub(super) async fn link_state(tx: &mut Tx, site_code: &str) -> Result<LinkState> {
    let select = Query::select()
        .columns(["received_revision", "acknowledged_revision"])
        .from("site_node")
        .and_where(by_code(site_code))
        .to_owned();
    let row = tx.optional(&select).await?.ok_or_else(|| SiteError::corrupt("site_node"))?;
    Ok(LinkState { received: row.get("received_revision")?, acknowledged: row.get("acknowledged_revision")? })
}

/// Rows before those that name them, whatever the sender's order.
fn in_order(records: &[Record]) -> Vec<&Record> {
    let rank = |record: &&Record| match record {
        Record::Site(_) => 0,
        Record::Dp(_) => 1,
        Record::Package(_) => 2,
        Record::Target(_) => 3,
        Record::Report(_) => 4,
        Record::Request(_) => 5,
        Record::Outcome(_) => 6,
        Record::Tombstone(_) => 7,
    };
    let mut ordered: Vec<&Record> = records.iter().collect();
    ordered.sort_by_key(rank);
    ordered
}

/// What became of a record.
pub(super) enum Verdict {
    /// It is stored.
    Stored,
    /// It is known, or older than what is known.
    Known,
    /// The neighbor may not say this, or it makes no sense.
    Refused(&'static str),
}

/// One message of one neighbor on its way into the database.
pub(super) struct Apply<'a> {
    site: &'a Site,
    tx: &'a mut Tx,
    topology: Topology,
    from: &'a Neighbor,
    /// The neighbor's code.
    code: String,
    now: Timestamp,
    touched: Vec<DpId>,
    /// Manifests to let go of after the commit.
    gone: Vec<String>,
    /// Requests of the sites behind the neighbor, once they were counted.
    requests: Option<request::Behind>,
    refused: usize,
}

impl Apply<'_> {
    async fn record(&mut self, record: &Record) -> Result<()> {
        let (verdict, what) = match record {
            record if numbers(record).into_iter().any(|number| number > NUMBER_MAX) => {
                (Verdict::Refused("no site gives numbers so high"), "a record")
            }
            Record::Site(site) => (self.site_record(site).await?, site.site_code.as_str()),
            Record::Dp(dp) => (self.dp_record(dp).await?, dp.dp.name.as_str()),
            Record::Package(package) => (self.package_record(package).await?, package.package_id.as_str()),
            Record::Target(target) => (self.target_record(target).await?, target.package_id.as_str()),
            Record::Report(report) => (self.report_record(report).await?, report.package_id.as_str()),
            Record::Request(request) => (self.request_record(request).await?, request.id.as_str()),
            Record::Outcome(outcome) => (self.outcome_record(outcome).await?, outcome.id.as_str()),
            Record::Tombstone(tombstone) => (self.tombstone_record(tombstone).await?, "a tombstone"),
        };
        if let Verdict::Refused(reason) = verdict {
            self.refused += 1;
            if self.refused <= REFUSED_LOGGED_MAX {
                let what: String = what.chars().take(WHAT_CHARS_MAX).collect();
                tracing::warn!(neighbor = self.code, ?what, reason, "Passed over what a neighbor said");
            }
        }
        Ok(())
    }

    /// Whether the way to a site begins with the neighbor that is speaking.
    fn is_towards(&self, site_code: &str) -> bool {
        self.topology.lies_towards(site_code, self.from)
    }

    /// Leads this site's counter to a number of the neighbor's, unless it is too far ahead.
    async fn lead_to(&mut self, number: i64) -> Result<bool> {
        lead_to(self.tx, self.site, &self.code, number).await
    }

    async fn next_revision(&mut self) -> Result<i64> {
        counter::next(self.tx, "revision").await
    }
}

/// Leads this site's counter to a number that a neighbor named, unless it is too far ahead.
pub(super) async fn lead_to(tx: &mut Tx, site: &Site, neighbor: &str, number: i64) -> Result<bool> {
    let ahead = number.saturating_sub(rows::newest_revision(tx).await?);
    if ahead > 0 && !site.leaps().may_lead(neighbor, ahead, site.clock().monotonic()) {
        return Ok(false);
    }
    counter::at_least(tx, "revision", number).await?;
    Ok(true)
}

/// The numbers in a record that are compared with this site's own, or counted on from.
fn numbers(record: &Record) -> [i64; 3] {
    match record {
        Record::Site(site) => [site.stamp, 0, 0],
        Record::Dp(dp) => [dp.stamp, 0, 0],
        Record::Package(package) => [package.stamp, package.epoch, package.edition],
        Record::Target(target) => [target.epoch, target.generation, 0],
        Record::Report(report) => [report.stamp, report.epoch, report.generation],
        Record::Request(_) | Record::Outcome(_) => [0; 3],
        Record::Tombstone(tombstone) => match &tombstone.gone {
            Gone::Site { .. } => [0; 3],
            Gone::Dp { stamp, .. } => [*stamp, 0, 0],
            Gone::Package { epoch, .. } => [*epoch, 0, 0],
            Gone::Distribution { epoch, generation, .. } => [*epoch, *generation, 0],
        },
    }
}

/// What the log quotes of a record.
const WHAT_CHARS_MAX: usize = 80;

/// Whether a text from a neighbor may be stored.
pub(super) fn fits(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.contains('\0')
}

/// How far the clocks of two sites may differ. A time beyond it is taken for now; one within it stays as it was written, so
/// that the same time is never taken for a later one.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A time as a neighbor wrote it.
pub(super) fn past(text: &str, now: Timestamp) -> Timestamp {
    let latest = now.checked_add(CLOCKS_DIFFER_MAX).unwrap_or(now);
    text.parse::<Timestamp>().ok().filter(|at| *at <= latest).unwrap_or(now)
}

pub(super) fn past_or_none(text: Option<&String>, now: Timestamp) -> Option<i64> {
    text.map(|text| past(text, now).as_microsecond())
}

pub(super) fn is_site_code(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

pub(crate) fn is_package_id(id: &str) -> bool {
    let (code, number) = (id.get(..3).unwrap_or_default(), id.get(3..).unwrap_or_default());
    is_site_code(code)
        && number.len() == 5
        && number.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

/// Whether a text is so many bytes in lower-case hex.
pub(super) fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
