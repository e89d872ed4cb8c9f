//! Summarizers against a model: whatever is demanded and reported, every count follows from the rows, and the rows from
//! what happened. Seeded, so that a failure can be had again.

use std::collections::BTreeMap;
use std::time::Duration;

use agent::{Event, Goal};
use site::{Actor, NewDpGroup, Package, Value};

use crate::stage::{Point, Stage, admin, failed, installed};

const SEEDS: [u64; 2] = [1, 20_260_101];
const PACKAGES: usize = 3;
const POINTS: usize = 4;
const STEPS: usize = 50;

/// A generator of numbers that is the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(mixed).unwrap() % end
    }
}

/// One package at one distribution point, as the documentation says that it is counted; nothing is taken from the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    /// The number of `SMS_PackageStatusDistPointsSummarizer.State`.
    state: i64,
    absent: bool,
    cancelled: bool,
    installed: u32,
    /// Whether the distribution point said something since the last demand.
    heard: bool,
}

impl Row {
    fn is_error(self) -> bool {
        matches!(self.state, 2 | 3 | 5 | 6)
    }
}

/// What should be so.
#[derive(Default)]
struct Model {
    versions: BTreeMap<usize, u32>,
    rows: BTreeMap<(usize, usize), Row>,
}

struct Play<'s> {
    stage: &'s Stage,
    packages: Vec<Package>,
    points: Vec<Point>,
    model: Model,
    random: Random,
}

impl<'s> Play<'s> {
    async fn begin(stage: &'s Stage, seed: u64) -> Self {
        let (mut packages, mut points, mut model) = (Vec::new(), Vec::new(), Model::default());
        for number in 0..PACKAGES {
            packages.push(stage.package(&format!("s{seed}p{number}")).await);
            model.versions.insert(number, 1);
        }
        for number in 0..POINTS {
            points.push(stage.point(&format!("s{seed}dp{number}")).await);
        }
        Self { stage, packages, points, model, random: Random(seed) }
    }

    /// Something happens, if it can; what cannot is refused by the site as by the model.
    async fn step(&mut self) {
        self.stage.clock.advance(Duration::from_secs(1));
        let (package, point) = (self.random.below(PACKAGES), self.random.below(POINTS));
        match self.random.below(12) {
            0 | 1 => self.assign(package, point).await,
            2 => self.refresh(package).await,
            3 => self.remove(package, point).await,
            4 => self.redistribute(package, point).await,
            5 => self.cancel(package, point).await,
            6 => self.validate(package, point).await,
            _ => self.report(package, point).await,
        }
    }

    fn row(&mut self, package: usize, point: usize) -> Option<&mut Row> {
        self.model.rows.get_mut(&(package, point))
    }

    async fn assign(&mut self, package: usize, point: usize) {
        let (id, nal) = (&self.packages[package].package_id, &self.points[point].nal);
        let done =
            self.stage.site.add_distribution_points(&admin(), id, &[("PS1".to_owned(), nal.clone())]).await;
        let stands = self.row(package, point).is_some_and(|row| !row.absent);
        assert_eq!(done.is_ok(), !stands, "{done:?}");
        if !stands {
            let installed = self.row(package, point).map_or(0, |row| row.installed);
            let row = Row { state: 1, absent: false, cancelled: false, installed, heard: false };
            self.model.rows.insert((package, point), row);
        }
    }

    async fn refresh(&mut self, package: usize) {
        self.stage.site.refresh_package(&admin(), &self.packages[package].package_id).await.unwrap();
        self.stage.site.run_due_snapshots().await.unwrap();
        *self.model.versions.get_mut(&package).unwrap() += 1;
        for ((of, _), row) in &mut self.model.rows {
            if *of == package && !row.absent {
                let state = if row.installed > 0 { 7 } else { 1 };
                *row = Row { state, cancelled: false, heard: false, ..*row };
            }
        }
    }

    async fn remove(&mut self, package: usize, point: usize) {
        let (id, nal) = (&self.packages[package].package_id, &self.points[point].nal);
        let done = self.stage.site.remove_from_distribution_point(&admin(), id, nal).await;
        assert_eq!(done.is_ok(), self.row(package, point).is_some(), "{done:?}");
        if let Some(row) = self.row(package, point) {
            *row = Row { state: 4, absent: true, cancelled: false, heard: false, ..*row };
        }
    }

    async fn redistribute(&mut self, package: usize, point: usize) {
        let (id, nal) = (&self.packages[package].package_id, &self.points[point].nal);
        let done = self.stage.site.redistribute(&admin(), id, nal).await;
        let row = self.row(package, point).filter(|row| !row.absent);
        assert_eq!(done.is_ok(), row.is_some(), "{done:?}");
        if let Some(row) = row {
            let state = if row.installed > 0 { 7 } else { 1 };
            *row = Row { state, cancelled: false, heard: false, ..*row };
        }
    }

    async fn cancel(&mut self, package: usize, point: usize) {
        let (id, nal) = (&self.packages[package].package_id, &self.points[point].nal);
        let done = self.stage.site.cancel_distribution(&admin(), id, nal).await;
        let row = self.row(package, point).filter(|row| matches!(row.state, 1 | 2 | 3 | 7));
        assert_eq!(done.is_ok(), row.is_some(), "{done:?}");
        if let Some(row) = row {
            *row = Row { state: 3, cancelled: true, heard: false, ..*row };
        }
    }

    async fn validate(&mut self, package: usize, point: usize) {
        let (id, nal) = (&self.packages[package].package_id, &self.points[point].nal);
        let done = self.stage.site.validate(&admin(), id, nal).await;
        let row = self.row(package, point).filter(|row| matches!(row.state, 0 | 8));
        assert_eq!(done.is_ok(), row.is_some(), "{done:?}");
        if let Some(row) = row {
            *row = Row { state: 8, heard: false, ..*row };
        }
    }

    /// The distribution point says something about the present demand.
    async fn report(&mut self, package: usize, point: usize) {
        let what = self.random.below(5);
        let version = self.model.versions[&package];
        let Some(row) = self.model.rows.get_mut(&(package, point)).filter(|row| !row.cancelled) else {
            return;
        };
        let (of, at) = (&self.packages[package], &self.points[point]);
        let (event, next) = match (what, row.absent) {
            (0, _) => {
                let state = match row.state {
                    0 => 7,
                    3 => 2,
                    6 => 5,
                    same => same,
                };
                (Event::Started { version, attempt: 1 }, Some(Row { state, ..*row }))
            }
            (1, _) => (failed(1), Some(Row { state: if row.absent { 5 } else { 2 }, ..*row })),
            (2, _) => (failed(10), Some(Row { state: if row.absent { 6 } else { 3 }, ..*row })),
            (_, false) => (installed(version), Some(Row { state: 0, installed: version, ..*row })),
            (_, true) => (Event::Removed, None),
        };
        let (_, goal) = self.stage.goal(of, at).await;
        assert_eq!(matches!(goal, Goal::Absent), row.absent);
        self.stage.report(of, at, event).await;
        match next {
            Some(next) => *row = Row { heard: true, ..next },
            None => drop(self.model.rows.remove(&(package, point))),
        }
    }

    async fn check(&self, group: &str) {
        for package in 0..PACKAGES {
            self.check_package(package).await;
        }
        for point in 0..POINTS {
            self.check_point(point).await;
        }
        self.check_group(group).await;
    }

    async fn check_package(&self, package: usize) {
        let id = &self.packages[package].package_id;
        let version = self.model.versions[&package];
        let rows: Vec<(usize, Row)> = self
            .model
            .rows
            .iter()
            .filter(|((of, _), _)| *of == package)
            .map(|((_, at), row)| (*at, *row))
            .collect();
        let count = |which: &dyn Fn(&Row) -> bool| {
            i64::try_from(rows.iter().filter(|(_, row)| which(row)).count()).unwrap()
        };
        let targeted = count(&|row| !row.absent);
        let holds = |row: &Row| !row.absent && matches!(row.state, 0 | 7 | 8) && row.installed == version;
        let expect = [
            targeted,
            count(&holds),
            count(&|row| matches!(row.state, 2 | 5)),
            count(&|row| matches!(row.state, 3 | 6)),
        ];
        let of = format!("PackageID = '{id}'");
        for class in ["SMS_PackageStatusRootSummarizer", "SMS_PackageStatusDetailSummarizer"] {
            let found = self.numbers(class, "Targeted, Installed, Retrying, Failed", &of).await;
            assert_eq!(found, [expect], "{class} {id}");
        }
        let unknown = |row: &Row| !row.absent && matches!(row.state, 1 | 7) && !row.heard;
        let expect = [
            targeted,
            count(&|row| !row.absent && row.state == 0),
            count(&|row| !row.absent && matches!(row.state, 1 | 7 | 8) && !unknown(row)),
            count(&|row| !row.absent && matches!(row.state, 2 | 3)),
            count(&unknown),
        ];
        assert_eq!(expect[1..].iter().sum::<i64>(), targeted, "the model itself adds up");
        let names = "Targeted, NumberSuccess, NumberInProgress, NumberErrors, NumberUnknown";
        for class in ["SMS_ObjectContentInfo", "SMS_ObjectContentExtraInfo"] {
            assert_eq!(self.numbers(class, names, &of).await, [expect], "{class} {id}");
        }
        for (at, row) in &rows {
            let here = format!("{of} AND ServerNALPath = '{}'", escaped(&self.points[*at].nal));
            let found =
                self.numbers("SMS_PackageStatusDistPointsSummarizer", "State, SourceVersion", &here).await;
            assert_eq!(found, [[row.state, i64::from(row.installed)]], "{id} {row:?}");
            let here = format!("{of} AND NalPath = '{}'", escaped(&self.points[*at].nal));
            let state = if row.is_error() {
                3
            } else if row.state == 0 {
                1
            } else {
                2
            };
            assert_eq!(
                self.numbers("SMS_DistributionDPStatus", "MessageState", &here).await,
                [[state]],
                "{row:?}"
            );
        }
        for state in 1..=3 {
            let of_state = |row: &Row| match state {
                1 => row.state == 0,
                2 => row.state != 0 && !row.is_error(),
                _ => row.is_error(),
            };
            let found =
                self.numbers("SMS_DistributionStatus", "Assets", &format!("{of} AND Type = {state}")).await;
            let found: i64 = found.iter().map(|[assets]: &[i64; 1]| assets).sum();
            assert_eq!(found, count(&of_state), "{id} in state {state}");
        }
        let all = self.numbers::<1>("SMS_PackageStatusDistPointsSummarizer", "State", &of).await;
        assert_eq!(all.len(), rows.len(), "{id} has rows that nobody asked for");
    }

    async fn check_point(&self, point: usize) {
        let rows: Vec<Row> =
            self.model.rows.iter().filter(|((_, at), _)| *at == point).map(|(_, row)| *row).collect();
        let count = |which: &dyn Fn(&Row) -> bool| {
            i64::try_from(rows.iter().filter(|row| which(row)).count()).unwrap()
        };
        let (all, errors) = (count(&|_| true), count(&|row| row.is_error()));
        let (done, unknown) =
            (count(&|row| row.state == 0), count(&|row| matches!(row.state, 1 | 4 | 7) && !row.heard));
        let state = if errors > 0 {
            3
        } else if all > done {
            2
        } else {
            1
        };
        let expect = [all, state, errors, all - errors - done - unknown, done, unknown];
        let names =
            "MessageCount, MessageState, NumberErrors, NumberInProgress, NumberInstalled, NumberUnknown";
        let of = format!("NALPath = '{}'", escaped(&self.points[point].nal));
        assert_eq!(self.numbers("SMS_DPStatusInfo", names, &of).await, [expect], "{point}");
    }

    /// A group of the first two distribution points and all packages.
    async fn check_group(&self, group: &str) {
        let in_sync = |package: &usize| {
            (0..2).all(|point| {
                let row = self.model.rows.get(&(*package, point));
                row.is_some_and(|row| {
                    matches!(row.state, 0 | 7 | 8) && row.installed == self.model.versions[package]
                })
            })
        };
        let out = i64::try_from((0..PACKAGES).filter(|package| !in_sync(package)).count()).unwrap();
        let found = self
            .numbers(
                "SMS_DistributionPointGroup",
                "OutOfSyncContentCount, ContentInSync, MemberCount, ContentCount",
                &format!("GroupID = '{group}'"),
            )
            .await;
        assert_eq!(found, [[out, i64::from(out == 0), 2, i64::try_from(PACKAGES).unwrap()]]);
    }

    async fn numbers<const N: usize>(&self, class: &str, names: &str, condition: &str) -> Vec<[i64; N]> {
        let text = format!("SELECT {names} FROM {class} WHERE {condition}");
        let query = cim::wql::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = self.stage.site.query(&Actor::local(), query.class(), &query).await.unwrap();
        let number = |row: &Vec<Value>, name: &str| {
            let at = found.columns.iter().position(|column| column.name == name).unwrap();
            match row[at] {
                Value::Integer(number) => number,
                Value::Boolean(truth) => i64::from(truth),
                ref other => panic!("{name} {other:?}"),
            }
        };
        let named: Vec<&str> = names.split(", ").collect();
        found.rows.iter().map(|row| std::array::from_fn(|at| number(row, named[at]))).collect()
    }
}

/// A text in a WQL literal.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\'', r"\'")
}

on_both! {
    async fn every_count_is_what_happened(stage: &Stage) {
        for seed in SEEDS {
            let mut play = Play::begin(stage, seed).await;
            let new = NewDpGroup { name: format!("seed {seed}"), ..NewDpGroup::default() };
            let group = stage.site.create_dp_group(&admin(), new).await.unwrap().group_id;
            let members: Vec<String> = play.points[..2].iter().map(|point| point.nal.clone()).collect();
            stage.site.add_dp_group_members(&admin(), &group, &members, false).await.unwrap();
            // What the group wants, its members are assigned at once.
            let ids: Vec<String> = play.packages.iter().map(|package| package.package_id.clone()).collect();
            stage.site.add_dp_group_packages(&admin(), &group, &ids).await.unwrap();
            for package in 0..PACKAGES {
                for point in 0..2 {
                    let row = Row { state: 1, absent: false, cancelled: false, installed: 0, heard: false };
                    play.model.rows.insert((package, point), row);
                }
            }
            play.check(&group).await;
            for step in 0..STEPS {
                play.step().await;
                if step % 10 == 9 {
                    eprintln!("seed {seed}, step {step}");
                    play.check(&group).await;
                }
            }
        }
    }
}
