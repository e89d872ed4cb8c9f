//! What administrators, source folders and the site's own workers do. Each call is answered, and what is accepted is noted
//! as wanted: it must come about.

use cim::schedule;
use site::{NewDpGroup, NewPackage, PackageChange, SiteError};

use crate::world::{Group, Package, World, admin, now};

/// Packages and groups at a time.
const PACKAGES_MAX: usize = 6;
const GROUPS_MAX: usize = 3;
/// Distribution points in one call.
const POINTS_MAX: usize = 2_000;
/// Every day at 02:00 UTC; and one in local time.
const SCHEDULES: [&str; 2] = ["0041200000100009", "00011700001F2000"];

impl World {
    /// One step: something happens.
    pub(crate) async fn act(&mut self) {
        match self.random.below(100) {
            0..=33 => self.turns().await,
            34..=45 => self.pass(),
            46..=49 => self.change_route().await,
            50..=56 => self.work().await,
            57..=60 => self.change_source(),
            61..=64 => self.refresh().await,
            65..=69 => self.distribute().await,
            70..=71 => self.remove().await,
            72..=73 => self.redistribute().await,
            74..=75 => self.validate().await,
            76..=78 => self.cancel().await,
            79..=81 => self.change_members().await,
            82..=85 => self.change_group_packages().await,
            86..=87 => self.change_package().await,
            88..=89 => self.create().await,
            90 => self.delete().await,
            91..=92 => self.lose_source_or_find_it(),
            93 => self.restart().await,
            94..=96 => self.one_does_everything().await,
            _ => self.fate().await,
        }
    }

    /// The site's workers: schedules that are due, then sources that are to be read.
    pub(crate) async fn work(&mut self) {
        let now = now(&self.clock);
        let mut due = Vec::new();
        for index in 0..self.packages.len() {
            let planned = self.site.refresh_schedule(&self.packages[index].id).await.unwrap();
            if planned.next_at.is_some_and(|next| next <= now) {
                due.push(index);
            }
        }
        let refreshed = self.site.run_due_schedules().await.unwrap();
        self.must(refreshed == due.len(), || {
            format!("{refreshed} schedules were followed, {} are due", due.len())
        });
        for index in due {
            let planned = self.site.refresh_schedule(&self.packages[index].id).await.unwrap();
            self.must(planned.last_at == Some(now), || format!("{planned:?} was followed"));
            self.must(planned.next_at.is_some_and(|next| next > now), || format!("{planned:?} goes on"));
        }
        let read = self.site.run_due_snapshots().await.unwrap();
        self.tell(format!("{refreshed} schedules are followed, {read} sources are read"));
        self.look_at_versions().await;
    }

    /// Versions rise, one for all that was asked for since; what was asked for is there unless its source is away.
    async fn look_at_versions(&mut self) {
        for index in 0..self.packages.len() {
            let known = self.packages[index].clone();
            let seen = self.site.package(&known.id).await.unwrap();
            let rise = seen.stored_version.checked_sub(known.version);
            let is_asked = known.is_refresh_asked && !known.is_source_away;
            self.must(rise.is_some_and(|rise| rise <= 2), || format!("{known:?} is now {seen:?}"));
            self.must(!is_asked || rise > Some(0), || format!("{known:?} was asked for: {seen:?}"));
            if rise > Some(0) {
                self.packages[index].version = seen.stored_version;
                self.packages[index].is_refresh_asked = false;
                self.cancelled.retain(|(package, _)| *package != known.id);
                self.tell(format!("{} has version {}", known.id, seen.stored_version));
            }
        }
    }

    fn any_package(&mut self) -> Option<usize> {
        (!self.packages.is_empty()).then(|| self.random.below(self.packages.len()))
    }

    fn write_source(&mut self, package: usize) {
        let (number, package) = (self.number(), &self.packages[package]);
        if !package.is_source_away {
            std::fs::write(package.source.join("driver.inf"), format!("{number}")).unwrap();
        }
    }

    fn change_source(&mut self) {
        if let Some(package) = self.any_package() {
            self.write_source(package);
        }
    }

    async fn refresh(&mut self) {
        let Some(package) = self.any_package() else { return };
        if self.chance(60) {
            self.write_source(package);
        }
        let id = self.packages[package].id.clone();
        self.tell(format!("{id} is refreshed"));
        self.site.refresh_package(&admin(), &id).await.unwrap();
        self.packages[package].is_refresh_asked = true;
    }

    /// A change that brings no new demand with it, or another schedule.
    async fn change_package(&mut self) {
        let Some(package) = self.any_package() else { return };
        let mut change = PackageChange::default();
        if self.chance(50) {
            change.priority = Some(1 + u32::try_from(self.random.below(3)).unwrap());
        } else {
            let planned = SCHEDULES.get(self.random.below(SCHEDULES.len() + 1));
            change.refresh_schedule =
                Some(planned.map_or_else(Vec::new, |text| schedule::parse(text).unwrap()));
        }
        let id = self.packages[package].id.clone();
        self.tell(format!("{id} is changed: {:?} {:?}", change.priority, change.refresh_schedule.is_some()));
        self.site.update_package(&admin(), &id, change).await.unwrap();
    }

    async fn distribute(&mut self) {
        let Some(package) = self.any_package() else { return };
        let (id, points) = (self.packages[package].id.clone(), self.some_points(POINTS_MAX));
        let named: Vec<_> = self.nals(&points).into_iter().map(|nal| ("PS1".to_owned(), nal)).collect();
        let is_free = points.iter().all(|point| !self.wanted.contains(&(id.clone(), *point)));
        let done = self.site.add_distribution_points(&admin(), &id, &named).await;
        self.tell(format!("{id} is distributed to {points:?}: {}", outcome(&done)));
        self.must(done.is_ok() == is_free, || format!("{done:?}, though all are free: {is_free}"));
        if done.is_ok() {
            self.want(&id, points);
        }
    }

    fn want(&mut self, package: &str, points: impl IntoIterator<Item = usize>) {
        for point in points {
            let key = (package.to_owned(), point);
            if self.wanted.insert(key.clone()) {
                self.cancelled.remove(&key);
            }
        }
    }

    /// A package at a distribution point, mostly one that is wanted there.
    pub(crate) fn any_place(&mut self) -> Option<(String, usize)> {
        if !self.wanted.is_empty() && self.chance(80) {
            return self.wanted.iter().nth(self.random.below(self.wanted.len())).cloned();
        }
        let package = self.any_package()?;
        Some((self.packages[package].id.clone(), self.random.below(self.points.len())))
    }

    async fn remove(&mut self) {
        let Some(place) = self.any_place() else { return };
        let nal = self.points[place.1].nal.clone();
        let done = self.site.remove_from_distribution_point(&admin(), &place.0, &nal).await;
        self.tell(format!("{place:?} is removed: {}", outcome(&done)));
        let is_wanted = self.wanted.remove(&place);
        self.must(done.is_ok() || !is_wanted, || format!("{place:?} is there and was not removed: {done:?}"));
        self.cancelled.remove(&place);
    }

    async fn redistribute(&mut self) {
        let Some(place) = self.any_place() else { return };
        self.ask_again(place).await;
    }

    async fn ask_again(&mut self, place: (String, usize)) {
        let nal = self.points[place.1].nal.clone();
        let done = self.site.redistribute(&admin(), &place.0, &nal).await;
        self.tell(format!("{place:?} is redistributed: {}", outcome(&done)));
        let is_wanted = self.wanted.contains(&place);
        self.must(done.is_ok() == is_wanted, || format!("{place:?} is wanted: {is_wanted}, and {done:?}"));
        self.cancelled.remove(&place);
    }

    /// Demands again whatever a distribution point is to hold, or is to lose.
    pub(crate) async fn ask_for_everything_again(&mut self, point: usize) {
        let token = self.site.create_dp_token(&admin(), &self.points[point].name, None).await.unwrap();
        self.tell(format!("dp{point} has lied and enrols again"));
        self.points[point].enrol(&self.site, &token.to_string()).await;
        self.cancelled.retain(|(_, other)| *other != point);
    }

    async fn validate(&mut self) {
        let Some(place) = self.any_place() else { return };
        let nal = self.points[place.1].nal.clone();
        let done = self.site.validate(&admin(), &place.0, &nal).await;
        self.tell(format!("{place:?} is validated: {}", outcome(&done)));
        let is_wanted = self.wanted.contains(&place);
        self.must(done.is_err() || is_wanted, || format!("{place:?} is validated and not wanted there"));
    }

    async fn cancel(&mut self) {
        let Some(place) = self.any_place() else { return };
        let nal = self.points[place.1].nal.clone();
        let done = self.site.cancel_distribution(&admin(), &place.0, &nal).await;
        self.tell(format!("{place:?} is cancelled: {}", outcome(&done)));
        let is_wanted = self.wanted.contains(&place);
        self.must(done.is_err() || is_wanted, || format!("{place:?} is cancelled and not wanted there"));
        if done.is_ok() {
            self.cancelled.insert(place);
        }
    }

    async fn create(&mut self) {
        if self.packages.len() < PACKAGES_MAX && self.chance(50) {
            return self.create_package().await;
        }
        if self.groups.len() < GROUPS_MAX {
            let new = NewDpGroup { name: format!("group {}", self.number()), ..NewDpGroup::default() };
            self.tell(format!("{} is made", new.name));
            let made = self.site.create_dp_group(&admin(), new).await.unwrap();
            self.groups.push(Group { id: made.group_id, ..Group::default() });
        }
    }

    pub(crate) async fn create_package(&mut self) {
        let name = format!("package{}", self.number());
        let source = self.new_source(&name);
        std::fs::write(source.join("driver.inf"), &name).unwrap();
        let new = NewPackage {
            pkg_source_path: format!(r"\\srv\src\{name}"),
            pkg_source_flag: 2,
            name,
            ..NewPackage::default()
        };
        let id = self.site.create_package(&admin(), new).await.unwrap().package_id;
        self.tell(format!("{id} is made"));
        self.packages.push(Package { id, source, is_source_away: false, version: 0, is_refresh_asked: true });
    }

    async fn delete(&mut self) {
        if self.chance(50) && !self.groups.is_empty() {
            let group = self.groups.remove(self.random.below(self.groups.len()));
            self.tell(format!("the group of {:?} is deleted", group.members));
            return self.site.delete_dp_group(&admin(), &group.id).await.unwrap();
        }
        let Some(package) = self.any_package() else { return };
        let id = self.packages.remove(package).id;
        self.tell(format!("{id} is deleted"));
        self.site.delete_package(&admin(), &id).await.unwrap();
        self.wanted.retain(|(package, _)| *package != id);
        self.cancelled.retain(|(package, _)| *package != id);
        for group in &mut self.groups {
            group.packages.remove(&id);
        }
    }

    fn any_group(&mut self) -> Option<usize> {
        (!self.groups.is_empty()).then(|| self.random.below(self.groups.len()))
    }

    async fn change_members(&mut self) {
        let Some(at) = self.any_group() else { return };
        let (points, with_packages) = (self.some_points(POINTS_MAX), self.chance(60));
        let (nals, group) = (self.nals(&points), self.groups[at].clone());
        if self.chance(65) {
            self.tell(format!("{points:?} join group {at}, packages: {with_packages}"));
            self.site.add_dp_group_members(&admin(), &group.id, &nals, with_packages).await.unwrap();
            self.groups[at].members.extend(&points);
            if with_packages {
                group.packages.iter().for_each(|package| self.want(package, points.clone()));
            }
            return;
        }
        let are_members = points.iter().all(|point| group.members.contains(point));
        let done = self.site.remove_dp_group_members(&admin(), &group.id, &nals, with_packages).await;
        self.tell(format!("{points:?} leave group {at}, packages: {with_packages}: {}", outcome(&done)));
        self.must(done.is_ok() == are_members, || format!("{done:?}, though all are members: {are_members}"));
        if done.is_err() {
            return;
        }
        for point in &points {
            self.groups[at].members.remove(point);
        }
        if with_packages {
            group.packages.iter().for_each(|package| self.withdraw(package, &points));
        }
    }

    /// A package leaves distribution points, except those that a group of theirs wants to have it.
    fn withdraw(&mut self, package: &str, points: &[usize]) {
        for point in points {
            let holds = |group: &Group| group.members.contains(point) && group.packages.contains(package);
            if !self.groups.iter().any(holds) {
                self.wanted.remove(&(package.to_owned(), *point));
                self.cancelled.remove(&(package.to_owned(), *point));
            }
        }
    }

    async fn change_group_packages(&mut self) {
        let (Some(at), Some(package)) = (self.any_group(), self.any_package()) else { return };
        let (id, group) = (self.packages[package].id.clone(), self.groups[at].clone());
        let (ids, what) = ([id.clone()], self.random.below(4));
        let members: Vec<usize> = group.members.iter().copied().collect();
        let done = match what {
            0 => self.site.add_dp_group_packages(&admin(), &group.id, &ids).await,
            1 => self.site.remove_dp_group_packages(&admin(), &group.id, &ids, true).await,
            2 => self.site.redistribute_dp_group_packages(&admin(), &group.id, &ids).await,
            _ => self.site.refresh_dp_group(&admin(), &group.id).await,
        };
        let names = ["added to", "removed from", "redistributed to", "passed over by a refresh of"];
        self.tell(format!("{id} is {} group {at} of {members:?}: {}", names[what], outcome(&done)));
        let is_its = group.packages.contains(&id);
        self.must(done.is_ok() == (is_its || what == 0 || what == 3), || {
            format!("{done:?}, of the group: {is_its}")
        });
        match what {
            _ if done.is_err() => {}
            0 => {
                self.groups[at].packages.insert(id.clone());
                self.want(&id, members);
            }
            1 => {
                self.groups[at].packages.remove(&id);
                self.withdraw(&id, &members);
            }
            2 => self.want_again(&id, &members),
            _ => group.packages.iter().for_each(|package| self.want_again(package, &members)),
        }
    }

    fn want_again(&mut self, package: &str, points: &[usize]) {
        self.want(package, points.iter().copied());
        self.cancelled.retain(|(other, point)| other != package || !points.contains(point));
    }

    fn lose_source_or_find_it(&mut self) {
        let Some(package) = self.any_package() else { return };
        if self.packages[package].is_source_away {
            return self.bring_source_back(package);
        }
        let source = self.packages[package].source.clone();
        std::fs::rename(&source, source.with_extension("away")).unwrap();
        self.packages[package].is_source_away = true;
        self.tell(format!("the source of {} is away", self.packages[package].id));
    }

    pub(crate) fn bring_source_back(&mut self, package: usize) {
        let found = &mut self.packages[package];
        if !std::mem::take(&mut found.is_source_away) {
            return;
        }
        std::fs::rename(found.source.with_extension("away"), &found.source).unwrap();
        // The next attempt may be some time off, unless it is asked for once more.
        found.is_refresh_asked = false;
        let told = format!("the source of {} is back", found.id);
        self.tell(told);
    }
}

fn outcome<T>(result: &Result<T, SiteError>) -> &'static str {
    result.as_ref().map_or_else(SiteError::code, |_| "done")
}
