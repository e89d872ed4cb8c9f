//! The world around a site: time, source folders, and what administrators and distribution points did so far.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock};
use samples::Rng;
use site::{Actor, Role, Site, SiteOptions};
use tempfile::TempDir;

use crate::point::{Nature, Point};
use crate::window::Window;

const START: &str = "2026-01-01T00:00:00Z";
/// Turns of distribution points in one step.
const TURNS_MAX: usize = 64;
/// Rounds in which everybody who is well gets everything done: fetch, do, report, and once more for what that brings.
const ROUNDS: usize = 4;

/// A site with its distribution points, made once and copied for each seed: to make it takes longer than to live it.
pub(crate) struct Template {
    folder: TempDir,
    points: Vec<(String, String)>,
}

/// A package and its source folder.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) source: PathBuf,
    /// The source is not where it should be.
    pub(crate) is_source_away: bool,
    /// The newest version that was seen.
    pub(crate) version: u32,
    /// Somebody asked for a version since that one.
    pub(crate) is_refresh_asked: bool,
}

/// A group, by indexes of distribution points and ids of packages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) members: BTreeSet<usize>,
    pub(crate) packages: BTreeSet<String>,
}

pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) random: Rng,
    pub(crate) points: Vec<Point>,
    pub(crate) packages: Vec<Package>,
    pub(crate) groups: Vec<Group>,
    /// Which packages shall be where, as far as administrators were told yes.
    pub(crate) wanted: BTreeSet<(String, usize)>,
    /// What of it was cancelled since it was last demanded.
    pub(crate) cancelled: BTreeSet<(String, usize)>,
    /// What administrators said of routes, by distribution point.
    pub(crate) windows: BTreeMap<usize, Window>,
    /// Numbers for names and for what is written into sources.
    pub(crate) next: u32,
    /// What happened lately, for who reads why a seed failed.
    pub(crate) story: Vec<String>,
    options: SiteOptions,
    folder: TempDir,
}

impl Template {
    pub(crate) async fn new(points: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (options, clock) = (options(folder.path()), ManualClock::new(START.parse().unwrap()));
        Site::init(&options, "correct horse", clock.clone()).await.unwrap();
        let site = Site::open(&options, clock).await.unwrap();
        for number in 0..points {
            site.create_dp_token(&admin(), &format!("dp{number}.example.test"), None).await.unwrap();
        }
        let known = site.distribution_points().await.unwrap();
        site.close().await;
        let points = known.into_iter().map(|point| (point.name, point.nal_path)).collect();
        Self { folder, points }
    }
}

impl World {
    pub(crate) async fn new(template: &Template, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(template.folder.path(), folder.path());
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let (options, clock) = (options(folder.path()), ManualClock::new(START.parse().unwrap()));
        let site = Site::open(&options, clock.clone()).await.unwrap();
        let ids: BTreeMap<_, _> =
            site.distribution_points().await.unwrap().into_iter().map(|one| (one.name, one.id)).collect();
        let points = template.points.iter().map(|(name, nal)| Point::new(name, nal, ids[name])).collect();
        let mut world = Self {
            site,
            clock,
            random: Rng::new(seed),
            points,
            packages: Vec::new(),
            groups: Vec::new(),
            wanted: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            windows: BTreeMap::new(),
            next: 0,
            story: Vec::new(),
            options,
            folder,
        };
        world.begin(0);
        for _ in 0..2 {
            world.create_package().await;
        }
        world.work().await;
        world
    }

    pub(crate) fn begin(&mut self, step: u32) {
        self.story.push(format!("{step}:"));
    }

    /// Notes what happens.
    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    /// Stops because something does not hold.
    #[track_caller]
    pub(crate) fn fail(&self, what: &str) -> ! {
        const TOLD_MAX: usize = 60;
        let from = self.story.len().saturating_sub(TOLD_MAX);
        panic!("{what}\nwhat happened before:\n{}", self.story[from..].join("\n"));
    }

    #[track_caller]
    pub(crate) fn must(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(&what());
        }
    }

    /// True with a probability of so many percent.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.random.below(100) < percent
    }

    /// Up to `most` distribution points, at least one.
    pub(crate) fn some_points(&mut self, most: usize) -> Vec<usize> {
        let count = 1 + self.random.below(most.min(self.points.len()));
        let mut chosen: Vec<usize> = (0..count).map(|_| self.random.below(self.points.len())).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    pub(crate) fn nals(&self, points: &[usize]) -> Vec<String> {
        points.iter().map(|point| self.points[*point].nal.clone()).collect()
    }

    pub(crate) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub(crate) fn new_source(&self, name: &str) -> PathBuf {
        let source = self.folder.path().join("src").join(name);
        std::fs::create_dir(&source).unwrap();
        source
    }

    /// Time passes: seconds mostly, now and then a day.
    pub(crate) fn pass(&mut self) {
        let seconds = match self.random.below(10) {
            0..=4 => 1 + self.random.below(120),
            5..=8 => 60 * (1 + self.random.below(180)),
            _ => 3600 * (1 + self.random.below(48)),
        };
        self.tell(format!("{seconds} s pass"));
        self.clock.advance(Duration::from_secs(seconds as u64));
    }

    /// Some distribution points take their turns.
    pub(crate) async fn turns(&mut self) {
        for index in self.some_points(TURNS_MAX) {
            let told = self.points[index].turn(&self.site, &self.clock, &mut self.random).await;
            self.tell(told);
        }
    }

    /// Something happens to a distribution point.
    pub(crate) async fn fate(&mut self) {
        let index = self.random.below(self.points.len());
        let what = match self.random.below(8) {
            0 | 1 => Nature::Well,
            2 | 3 => Nature::Silent,
            4 | 5 => Nature::Failing,
            6 => Nature::Lying,
            _ => return self.enrol(index).await,
        };
        self.tell(format!("dp{index} is {what:?} from now on"));
        self.points[index].become_(what);
    }

    /// A distribution point begins anew with an empty disk, under the same name; or goes for good, and another one comes
    /// under its name.
    async fn enrol(&mut self, index: usize) {
        let (name, is_another) = (self.points[index].name.clone(), self.chance(50));
        self.tell(format!("dp{index} enrols {}", if is_another { "as another one" } else { "again" }));
        if is_another {
            self.site.remove_dp(&admin(), &name).await.unwrap();
            self.wanted.retain(|(_, point)| *point != index);
            self.windows.remove(&index);
            for group in &mut self.groups {
                group.members.remove(&index);
            }
        }
        let token = self.site.create_dp_token(&admin(), &name, None).await.unwrap();
        self.points[index].enrol(&self.site, &token.to_string()).await;
        self.cancelled.retain(|(_, point)| *point != index);
    }

    /// The site restarts, in good order or not, and knows afterwards what it knew.
    pub(crate) async fn restart(&mut self) {
        let before = self.memory().await;
        if self.chance(50) {
            self.site.close().await;
        }
        self.tell("the site restarts");
        self.site = Site::open(&self.options, self.clock.clone()).await.unwrap();
        let after = self.memory().await;
        self.must(before == after, || format!("the site forgot: {before}\nis now\n{after}"));
    }

    /// Everything durable that a site tells of, as text.
    async fn memory(&self) -> String {
        let site = &self.site;
        let mut status = site.distribution_status(None).await.unwrap();
        // Who was heard of is written from time to time only.
        status.iter_mut().for_each(|one| (one.last_seen_at, one.silent) = (None, false));
        let mut desired = Vec::new();
        for point in &self.points {
            desired.push(site.desired(point.id, 0).await.unwrap());
        }
        let (packages, groups) = (site.packages().await.unwrap(), site.dp_groups().await.unwrap());
        format!("{packages:?}\n{groups:?}\n{status:?}\n{desired:?}")
    }

    /// Everybody gets well but one, sources come back, time passes, and everything gets done.
    pub(crate) async fn get_well(&mut self) {
        self.tell("everybody gets well");
        for index in 0..self.packages.len() {
            self.bring_source_back(index);
        }
        let sick = self.random.below(2 * self.points.len());
        for index in 0..self.points.len() {
            // A window that closes again and again would be met by chance only.
            if matches!(self.windows.get(&index), Some(Window::EverySecondHour(_))) {
                self.clear_route(index).await;
            }
            // What liars said is believed, so their administrator asks for everything again.
            if self.points[index].has_lied() {
                self.ask_for_everything_again(index).await;
            }
            self.points[index].become_(if index == sick { Nature::Failing } else { Nature::Well });
        }
        for _ in 0..ROUNDS {
            // Longer than any pause before another attempt.
            self.clock.advance(Duration::from_secs(2 * 3600));
            self.work().await;
            for index in 0..self.points.len() {
                self.points[index].do_everything(&self.site, &self.clock, &mut self.random).await;
            }
        }
    }

    /// One that is well does everything that is wanted of it, whoever is sick, silent or waiting for a window: it waits for
    /// nobody.
    pub(crate) async fn one_does_everything(&mut self) {
        let index = self.random.below(self.points.len());
        if self.points[index].nature() != Nature::Well || self.points[index].has_lied() {
            return;
        }
        self.tell(format!("dp{index} does everything"));
        self.points[index].do_everything(&self.site, &self.clock, &mut self.random).await;
        self.check_done(index).await;
    }
}

pub(crate) fn admin() -> Actor {
    Actor::new("admin", Role::FullAdministrator)
}

pub(crate) fn now(clock: &ManualClock) -> jiff::Timestamp {
    clock.now()
}

fn options(folder: &Path) -> SiteOptions {
    SiteOptions {
        data_dir: folder.join("data"),
        site_code: "PS1".to_owned(),
        site_name: "Primary".to_owned(),
        server_name: Some("srv.example.test".to_owned()),
        shares: [(r"\\srv\src".to_owned(), folder.join("src"))].into(),
        ..SiteOptions::default()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, target) = {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            (entry, target)
        };
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
