//! What holds at any time, and what holds at the end.

use std::collections::{BTreeMap, BTreeSet};

use agent::{DesiredPackage, Goal};
use site::{DistributionStatus, State};

use crate::point::{Nature, Point};
use crate::world::World;

/// Distribution points that are looked at closely after a step: to ask for each of them takes longer than the step.
const POINTS_LOOKED_AT: usize = 2;
/// The same at the end.
const POINTS_LOOKED_AT_LAST: usize = 200;

impl World {
    /// What must hold after every step.
    pub(crate) async fn check(&mut self) {
        self.look(POINTS_LOOKED_AT).await;
    }

    async fn look(&mut self, looked_at: usize) {
        let status = self.site.distribution_status(None).await.unwrap();
        let indexes = self.indexes();
        let place = |row: &DistributionStatus| (row.package_id.clone(), indexes[&row.nal_path]);
        self.check_wanted(&status, &place);
        self.check_versions(&status).await;
        for row in &status {
            self.check_row(row, place(row).1);
        }
        let from = self.random.below(self.points.len());
        for offset in 0..self.points.len().min(looked_at) {
            let index = (from + offset) % self.points.len();
            self.check_told(index, &status).await;
            self.check_passages(index);
        }
    }

    /// What administrators were told yes to is wanted, and nothing else.
    fn check_wanted(
        &self,
        status: &[DistributionStatus],
        place: &impl Fn(&DistributionStatus) -> (String, usize),
    ) {
        let standing: BTreeSet<_> =
            status.iter().filter(|row| row.desired_version.is_some()).map(place).collect();
        let [lost, more] = [self.wanted.difference(&standing), standing.difference(&self.wanted)];
        let (lost, more): (Vec<_>, Vec<_>) = (lost.collect(), more.collect());
        self.must(lost.is_empty() && more.is_empty(), || {
            format!("wanted and lost: {lost:?}; not wanted: {more:?}")
        });
    }

    /// The newest version is what everybody shall have.
    async fn check_versions(&self, status: &[DistributionStatus]) {
        let packages = self.site.packages().await.unwrap();
        let newest: BTreeMap<_, _> =
            packages.iter().map(|package| (&package.package_id, package.stored_version)).collect();
        for row in status.iter().filter(|row| row.desired_version.is_some()) {
            let newest = newest.get(&row.package_id).copied();
            self.must(row.desired_version == newest, || format!("the newest version is {newest:?}: {row:?}"));
        }
        let known: BTreeSet<_> = self.packages.iter().map(|package| &package.id).collect();
        let there: BTreeSet<_> = newest.keys().copied().collect();
        self.must(known == there, || format!("{known:?} were made and not deleted, {there:?} are there"));
    }

    /// A state says what was reported, and nothing else.
    fn check_row(&self, row: &DistributionStatus, point: usize) {
        let (point, no_claims) = (&self.points[point], Vec::new());
        let claims = point.claims.get(&row.package_id).unwrap_or(&no_claims);
        let claimed = |version: u32| claims.iter().any(|claim| claim.version == version);
        self.must(row.installed_version == 0 || claimed(row.installed_version), || {
            format!("nobody reported what is installed: {row:?}, only {claims:?}")
        });
        self.check_hindrances(row, point);
        let leaves =
            matches!(row.state, State::RemovalPending | State::RemovalRetrying | State::RemovalFailed);
        self.must(leaves == row.desired_version.is_none(), || format!("a state of something else: {row:?}"));
        if !matches!(row.state, State::Installed | State::ContentMonitoring) {
            return;
        }
        self.must(row.fault.is_none(), || format!("installed with a fault: {row:?}"));
        if point.has_lied() {
            // Who says both that the wish came true and that something else is there is believed both.
            return;
        }
        self.must(row.desired_version == Some(row.installed_version) && row.installed_version > 0, || {
            format!("installed is not what is wanted: {row:?}")
        });
        let held = point.disk.get(&row.package_id).copied();
        self.must(held == Some(row.installed_version), || format!("{} holds {held:?}: {row:?}", point.name));
    }

    /// Whatever is in the way was reported to be; and a window that is closed is no failure.
    fn check_hindrances(&self, row: &DistributionStatus, point: &Point) {
        let said = |of: &BTreeSet<(String, i64)>| of.iter().any(|(package, _)| *package == row.package_id);
        if row.paused.is_some() {
            let waits = matches!(
                row.state,
                State::InstallPending | State::ContentUpdating | State::ContentMonitoring
            );
            self.must(waits && row.fault.is_none(), || format!("it waits and has failed: {row:?}"));
            self.must(said(&point.pauses), || format!("nobody said that it waits: {row:?}"));
        }
        if row.fault.as_ref().is_some_and(|fault| fault.code != "cancelled") {
            self.must(said(&point.failures), || format!("nobody said that it failed: {row:?}"));
        }
    }

    /// What must hold of one that is well and did everything: whatever others do, it has all that may be sent to it.
    pub(crate) async fn check_done(&mut self, index: usize) {
        let priorities = self.priorities().await;
        let nal = self.points[index].nal.clone();
        let status = self.site.distribution_status(None).await.unwrap();
        for row in status.iter().filter(|row| row.nal_path == nal) {
            self.check_row_done(row, index, &priorities);
        }
    }

    async fn priorities(&self) -> BTreeMap<String, u8> {
        let packages = self.site.packages().await.unwrap();
        let of =
            |package: site::Package| (package.package_id, u8::try_from(package.fields.priority).unwrap());
        packages.into_iter().map(of).collect()
    }

    fn check_row_done(&self, row: &DistributionStatus, index: usize, priorities: &BTreeMap<String, u8>) {
        let place = (row.package_id.clone(), index);
        let is_open = priorities.get(&row.package_id).is_none_or(|priority| self.is_open(index, *priority));
        let is_done = match row.state {
            _ if row.desired_version == Some(0) => true,
            State::Installed => true,
            State::InstallFailed => self.cancelled.contains(&place),
            _ => !is_open && row.paused.is_some(),
        };
        self.must(is_done, || {
            format!("{} is well and never done, open: {is_open}: {row:?}", self.points[index].name)
        });
    }

    /// Who has heard everything piece by piece knows what one who asks for everything is told; and the row that says
    /// installed does so for a report about that very demand, or the one before that was cancelled too late.
    async fn check_told(&self, index: usize, status: &[DistributionStatus]) {
        let point = &self.points[index];
        let everything = self.site.desired(point.id, 0).await.unwrap();
        let news = self.site.desired(point.id, point.after).await.unwrap();
        if news.packages.is_empty() && !everything.more {
            for row in &everything.packages {
                let known = point.rows.get(&row.package_id).cloned().map(|known| settled(known, row));
                self.must(known.as_ref() == Some(row), || {
                    format!("{} knows {known:?} instead of {row:?}", point.name)
                });
            }
        }
        for row in everything.packages {
            let Goal::Hold { version, .. } = row.goal else { continue };
            let state =
                status.iter().find(|one| one.nal_path == point.nal && one.package_id == row.package_id);
            if state.is_none_or(|state| state.state != State::Installed) {
                continue;
            }
            let claims = point.claims.get(&row.package_id);
            let fits = claims.into_iter().flatten().any(|claim| {
                claim.version == version && [row.generation, row.generation - 1].contains(&claim.generation)
            });
            self.must(fits, || format!("installed without a report of it: {row:?}, only {claims:?}"));
        }
    }

    /// What must hold when everybody has been well for some time: whoever is sick delays nobody else.
    pub(crate) async fn check_end(&mut self) {
        self.look(POINTS_LOOKED_AT_LAST).await;
        for package in &self.packages {
            let seen = self.site.package(&package.id).await.unwrap();
            self.must(!seen.refresh_pending && seen.source_fault.is_none(), || {
                format!("not refreshed: {seen:?}")
            });
        }
        let status = self.site.distribution_status(None).await.unwrap();
        let (priorities, indexes) = (self.priorities().await, self.indexes());
        for row in &status {
            let index = indexes[&row.nal_path];
            match self.points[index].nature() {
                Nature::Failing => {
                    let has_tried = row.state != State::InstallPending && row.state != State::RemovalPending;
                    self.must(has_tried || row.paused.is_some(), || format!("never tried: {row:?}"));
                }
                _ => self.check_row_done(row, index, &priorities),
            }
        }
    }

    fn indexes(&self) -> BTreeMap<String, usize> {
        self.points.iter().enumerate().map(|(index, point)| (point.nal.clone(), index)).collect()
    }
}

/// What a distribution point knows, without the wish to verify that the site has seen come true meanwhile: it is told of
/// changes that are wishes.
fn settled(mut known: DesiredPackage, told: &DesiredPackage) -> DesiredPackage {
    if let (Goal::Hold { verify, .. }, Goal::Hold { verify: false, .. }) = (&mut known.goal, &told.goal) {
        *verify = false;
    }
    known
}
