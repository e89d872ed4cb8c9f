//! What a neighbor is told: the rows that changed since it last acknowledged, in pages.
//!
//! A page ends at a revision, and whoever has the page has everything up to it; so rows of one revision are together, and
//! too many of them are given revisions of their own first (`spread`). Rows that a row names go with it if the
//! neighbor may not have them yet, so that what arrives can always be stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent::link::{RECORDS_MAX, Record, RecordsReply};
use sea_query::{Expr, ExprTrait, Order, SelectStatement};

use super::rows::{self, Assigned};
use super::spread::{self, Stamp, TOGETHER_MAX};
use super::topology::{Neighbor, NextHop, Topology};
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::route::{Destination, Route};
use crate::server::Site;

/// Pages without anything for the neighbor that are passed over in one call.
const PAGES_PASSED_MAX: usize = 16;
/// Attempts at one page: each kind of row may have to be told apart, and the page to be made smaller.
const PAGES_TRIED_MAX: usize = 64;
/// The most bytes of a page; beyond it the page has fewer records. Below what a site takes, in either direction.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Values in one statement.
const VALUES_MAX: usize = 400;

impl Site {
    /// The rows that a neighbor has to know and that changed after a revision, about `max` of them.
    ///
    /// A revision that this site never gave says that its database was restored: it goes on from beyond it, and tells
    /// everything anew. Errors: [`SiteError::SiteNotFound`] unless it is a neighbor, [`SiteError::InvalidField`] for a
    /// revision that is too far beyond this site's, [`SiteError::Busy`].
    pub async fn records_for(&self, neighbor: &Neighbor, after: i64, max: usize) -> Result<RecordsReply> {
        let after = match after > self.newest_revision().await? {
            true => self.outrun(neighbor, after).await.map(|()| 0)?,
            false => Ord::max(after, 0),
        };
        let mut max = max.clamp(1, RECORDS_MAX);
        for _ in 0..PAGES_TRIED_MAX {
            match self.try_page(neighbor, after, max).await? {
                (reply, None) if max == 1 || bytes_of(&reply) <= PAGE_BYTES_MAX => return Ok(reply),
                (_, None) => max = Ord::max(max / 4, 1),
                (_, Some((stamp, revision))) => self.spread(stamp, revision).await?,
            }
        }
        Err(SiteError::Busy { what: "too many rows change at once to be told" })
    }

    /// A page, and which rows have to be told apart before it is any good.
    async fn try_page(
        &self,
        neighbor: &Neighbor,
        after: i64,
        max: usize,
    ) -> Result<(RecordsReply, Option<(Stamp, i64)>)> {
        let mut tx = self.db().read().await?;
        let topology = Topology::load(&mut tx, self).await?;
        require_neighbor(&topology, neighbor)?;
        let newest = rows::newest_revision(&mut tx).await?;
        let mut teller = Teller { tx: &mut tx, topology: &topology, neighbor, max, crowd: None };
        let mut reply = teller.page(after, newest).await?;
        for _ in 0..PAGES_PASSED_MAX {
            if !reply.records.is_empty() || !reply.more || teller.crowd.is_some() {
                break;
            }
            reply = RecordsReply { after, ..teller.page(reply.revision, newest).await? };
        }
        let crowd = teller.crowd;
        tx.commit().await?;
        Ok((reply, crowd))
    }

    /// Waits until a neighbor has to hear of something after a revision, at most `wait`. Returns what there is then; nothing
    /// before its time where the route to the neighbor changed. Who asks after a revision has everything up to it.
    ///
    /// Errors: as [`Site::records_for`].
    pub async fn wait_for_records(
        &self,
        neighbor: &Neighbor,
        after: i64,
        wait: Duration,
    ) -> Result<RecordsReply> {
        let wait = wait.min(Duration::from_secs(agent::WAIT_S_MAX));
        if self.link_state(neighbor).await?.acknowledged != after {
            self.records_acknowledged(neighbor, after).await?;
        }
        // The order matters: who subscribes after looking misses what comes between.
        let mut changed = self.changes().news();
        let mut routes = self.route_changes();
        let route = self.route_to_neighbor(neighbor);
        let mut end = self.clock().sleep(wait);
        let mut passed = after;
        loop {
            let reply = self.records_for(neighbor, passed, RECORDS_MAX).await?;
            if !reply.records.is_empty() || reply.more {
                return Ok(RecordsReply { after: Ord::min(after, reply.after), ..reply });
            }
            passed = reply.revision;
            let is_over = tokio::select! {
                _ = changed.changed() => false,
                _ = routes.changed() => self.route_to_neighbor(neighbor) != route,
                () = &mut end => true,
            };
            if is_over {
                return Ok(RecordsReply { after: Ord::min(after, reply.after), ..reply });
            }
        }
    }
}

impl Site {
    fn route_to_neighbor(&self, neighbor: &Neighbor) -> Option<Arc<Route>> {
        match neighbor {
            Neighbor::Child(code) => self.route_to(&Destination::Site(code.clone())),
            // Who is above hears by what is posted there.
            Neighbor::Parent => None,
        }
    }
}

fn bytes_of(reply: &RecordsReply) -> usize {
    rows::json(reply).len()
}

pub(super) fn require_neighbor(topology: &Topology, neighbor: &Neighbor) -> Result<()> {
    if topology.is_neighbor(neighbor) {
        return Ok(());
    }
    let site_code = topology.code_of(neighbor).unwrap_or("above this one").to_owned();
    Err(SiteError::SiteNotFound { site_code })
}

/// Looks rows up for one neighbor.
struct Teller<'t> {
    tx: &'t mut Tx,
    topology: &'t Topology,
    neighbor: &'t Neighbor,
    max: usize,
    /// Rows of one revision that are too many for a page.
    crowd: Option<(Stamp, i64)>,
}

/// Rows of one kind after a revision.
struct Changed {
    rows: Vec<Row>,
    /// Up to where they are complete; absent if no more follow.
    cut: Option<i64>,
}

impl Teller<'_> {
    async fn page(&mut self, after: i64, newest: i64) -> Result<RecordsReply> {
        let dps = self.changed(rows::select_dps(), ("x", spread::DPS), after).await?;
        let packages = self.changed(rows::select_packages(), ("p", spread::PACKAGES), after).await?;
        let targets = self.changed(rows::select_assigned(), ("d", spread::TARGETS), after).await?;
        let reports = self.changed(rows::select_assigned(), ("d", spread::REPORTS), after).await?;
        let requests = self.changed(rows::select_requests(), ("r", spread::REQUESTS), after).await?;
        let tombs = self.changed(rows::select_tombstones(), ("t", spread::TOMBSTONES), after).await?;
        let cuts = [&dps, &packages, &targets, &reports, &requests, &tombs];
        let cut = cuts.iter().filter_map(|changed| changed.cut).min();
        let end = cut.unwrap_or(newest);

        let mut page = Page { end, ..Page::default() };
        for row in &targets.rows {
            if row.get::<i64>("revision")? <= end {
                self.add_target(&mut page, &Assigned::read(row)?);
            }
        }
        for row in &reports.rows {
            if row.get::<i64>("report_revision")? <= end {
                self.add_report(&mut page, &Assigned::read(row)?)?;
            }
        }
        for row in &requests.rows {
            if row.get::<i64>("revision")? <= end {
                page.others.extend(self.request(row)?);
            }
        }
        for row in &tombs.rows {
            if row.get::<i64>("revision")? <= end {
                page.others.extend(self.tombstone(row)?);
            }
        }
        self.add_dps(&mut page, &dps.rows).await?;
        self.add_packages(&mut page, &packages.rows).await?;
        let sites = self.sites(after).await?;
        let records = sites.into_iter().chain(page.dps).chain(page.packages).chain(page.targets);
        let records = records.chain(page.reports).chain(page.others).collect();
        Ok(RecordsReply { after, revision: end, more: cut.is_some(), records })
    }

    async fn changed(
        &mut self,
        mut select: SelectStatement,
        (alias, stamp): (&'static str, Stamp),
        after: i64,
    ) -> Result<Changed> {
        let revision = (alias, stamp.revision);
        select.order_by(revision, Order::Asc);
        for column in stamp.order() {
            select.order_by((alias, column), Order::Asc);
        }
        let whole = select.clone();
        select.and_where(Expr::col(revision).gt(after)).limit(self.max as u64 + 1);
        let mut rows = self.tx.all(&select).await?;
        if rows.len() <= self.max {
            return Ok(Changed { rows, cut: None });
        }
        let of = |row: &Row| row.get::<i64>(revision.1);
        let (first, last) = (of(&rows[0])?, of(&rows[self.max])?);
        // Rows of one revision stay together.
        if last > first {
            while rows.last().map(of).transpose()? == Some(last) {
                rows.pop();
            }
            return Ok(Changed { rows, cut: Some(last - 1) });
        }
        let together =
            whole.clone().and_where(Expr::col(revision).eq(first)).limit(TOGETHER_MAX as u64 + 1).to_owned();
        let rows = self.tx.all(&together).await?;
        if rows.len() > TOGETHER_MAX {
            self.crowd = Some((stamp, first));
        }
        Ok(Changed { rows, cut: Some(first) })
    }

    /// Every site that changed, those above before those below them: there are few.
    async fn sites(&mut self, after: i64) -> Result<Vec<Record>> {
        let select = rows::select_sites().and_where(Expr::col(("n", "revision")).gt(after)).to_owned();
        let mut found = Vec::new();
        for row in self.tx.all(&select).await? {
            let record = rows::site(&row, self.topology.own())?;
            if !self.topology.lies_towards(&record.site_code, self.neighbor) {
                found.push(record);
            }
        }
        found.sort_by_cached_key(|record| (self.topology.depth(&record.site_code), record.site_code.clone()));
        Ok(found.into_iter().map(Record::Site).collect())
    }

    fn add_target(&self, page: &mut Page, row: &Assigned) {
        let owner = self.topology.next_hop(self.topology.speaker(&row.package_id, &row.source_site));
        let here = owner == Some(NextHop::Own);
        let towards_owner = owner == Some(NextHop::To(self.neighbor.clone()));
        let towards_dp = self.topology.lies_towards(&row.dp.site_code, self.neighbor);
        // What a former owner demanded goes from there to the present one, and nowhere else.
        let stale = !here && row.owner_epoch < row.package_epoch;
        let from_there =
            row.former_owner().is_none_or(|former| self.topology.lies_towards(former, self.neighbor));
        let tell = match stale {
            true => towards_owner && !from_there,
            false => !towards_owner && (towards_dp || *self.neighbor == Neighbor::Parent),
        };
        if tell {
            page.needs(row);
            page.targets.push(Record::Target(row.target(here)));
        }
    }

    fn add_report(&self, page: &mut Page, row: &Assigned) -> Result<()> {
        let owner = self.topology.next_hop(self.topology.speaker(&row.package_id, &row.source_site));
        if self.topology.lies_towards(&row.dp.site_code, self.neighbor)
            || !self.goes_up_or_to(&row.dp.site_code, owner.as_ref())
        {
            return Ok(());
        }
        if row.revision > page.end {
            self.add_target(page, row);
        }
        page.needs(row);
        let (own_dp, own_package) = (row.dp.site_code == self.topology.own(), owner == Some(NextHop::Own));
        page.reports.push(Record::Report(Box::new(row.report(own_dp, own_package)?)));
        Ok(())
    }

    /// Whether what a site says of its distribution points goes to the neighbor: it is above, or on the way to the owner.
    fn goes_up_or_to(&self, dp_site: &str, owner: Option<&NextHop>) -> bool {
        let up = *self.neighbor == Neighbor::Parent && self.topology.is_in_own_branch(dp_site);
        up || matches!(owner, Some(NextHop::To(hop)) if hop == self.neighbor)
    }

    fn request(&self, row: &Row) -> Result<Option<Record>> {
        let (request, outcome) = rows::request(row)?;
        if let Some(outcome) = outcome {
            let back = self.topology.lies_towards(&outcome.origin, self.neighbor);
            return Ok(back.then_some(Record::Outcome(outcome)));
        }
        let source_site: Option<String> = row.get("source_site")?;
        let on = source_site.is_some_and(|site| {
            let speaker = self.topology.speaker(&request.package_id, &site).to_owned();
            self.topology.lies_towards(&speaker, self.neighbor)
        });
        Ok(on.then_some(Record::Request(request)))
    }

    fn tombstone(&self, row: &Row) -> Result<Option<Record>> {
        let learned_from: String = row.get("learned_from")?;
        if self.topology.code_of(self.neighbor) == Some(learned_from.as_str()) {
            return Ok(None);
        }
        let record = rows::tombstone(row)?;
        if let agent::link::Gone::Distribution { package_id, dp, .. } = &record.gone {
            let source_site: Option<String> = row.get("source_site")?;
            let owner = source_site.and_then(|site| {
                let speaker = self.topology.speaker(package_id, &site).to_owned();
                self.topology.next_hop(&speaker)
            });
            if !self.goes_up_or_to(&dp.site_code, owner.as_ref()) {
                return Ok(None);
            }
        }
        Ok(Some(Record::Tombstone(record)))
    }

    /// The distribution points that changed up to the end of the page, and those that the page names and that changed
    /// since.
    async fn add_dps(&mut self, page: &mut Page, changed: &[Row]) -> Result<()> {
        for row in changed {
            if row.get::<i64>("revision")? <= page.end {
                self.add_dp(page, row)?;
            }
        }
        let named: Vec<i64> = std::mem::take(&mut page.named_dps).into_iter().collect();
        for some in named.chunks(VALUES_MAX) {
            let select = rows::select_dps()
                .and_where(Expr::col(("x", "revision")).gt(page.end))
                .and_where(Expr::col(("x", "id")).is_in(some.iter().copied()))
                .to_owned();
            for row in self.tx.all(&select).await? {
                self.add_dp(page, &row)?;
            }
        }
        Ok(())
    }

    fn add_dp(&self, page: &mut Page, row: &Row) -> Result<()> {
        let record = rows::dp(row, self.topology.own())?;
        if !self.topology.lies_towards(&record.dp.site_code, self.neighbor) {
            page.dps.push(Record::Dp(record));
        }
        Ok(())
    }

    async fn add_packages(&mut self, page: &mut Page, changed: &[Row]) -> Result<()> {
        for row in changed {
            if row.get::<i64>("revision")? <= page.end {
                self.add_package(page, row)?;
            }
        }
        let named: Vec<String> = std::mem::take(&mut page.named_packages).into_iter().collect();
        for some in named.chunks(VALUES_MAX) {
            let select = rows::select_packages()
                .and_where(Expr::col(("p", "revision")).gt(page.end))
                .and_where(Expr::col(("p", "package_id")).is_in(some.iter().map(String::as_str)))
                .to_owned();
            for row in self.tx.all(&select).await? {
                self.add_package(page, &row)?;
            }
        }
        Ok(())
    }

    fn add_package(&self, page: &mut Page, row: &Row) -> Result<()> {
        let (source_site, learned_from): (String, String) =
            (row.get("source_site")?, row.get("learned_from")?);
        let told_here = self.topology.code_of(self.neighbor) == Some(learned_from.as_str());
        if source_site == self.topology.own() || !told_here {
            page.packages.push(Record::Package(Box::new(rows::package(row, self.topology.own())?)));
        }
        Ok(())
    }
}

/// A page under construction.
#[derive(Default)]
struct Page {
    end: i64,
    dps: Vec<Record>,
    packages: Vec<Record>,
    targets: Vec<Record>,
    reports: Vec<Record>,
    others: Vec<Record>,
    named_dps: BTreeSet<i64>,
    named_packages: BTreeSet<String>,
}

impl Page {
    fn needs(&mut self, row: &Assigned) {
        self.named_dps.insert(row.dp_id);
        self.named_packages.insert(row.package_id.clone());
    }
}
