//! Whatever happens, and however messages are lost, repeated and late: in the end all sites know the same.

use agent::Event;
use agent::link::RecordsReply;
use samples::Rng;

use super::{THREE_LEVELS, Tree, hierarchies};
use crate::stage::{BackEnd, Point, admin, failed, installed, write};

/// Steps of one run.
const STEPS: usize = 60;
/// The seed of the test on both databases.
const FIRST_SEED: u64 = 20_260;
/// A seed that found a mistake once.
const FOUND_SEED: u64 = 30_047;
/// Seeds of each test run from that one on, on one of them; `cargo xtask soak` lives more.
const SEEDS: u64 = 2;

struct Run<'t> {
    tree: &'t Tree,
    dice: Rng,
    points: Vec<(&'static str, Point)>,
    packages: Vec<String>,
    /// Messages that may come again: the link, whether it was down, and what was said.
    late: Vec<(&'static str, &'static str, bool, RecordsReply)>,
    lost: usize,
    repeated: usize,
}

impl Run<'_> {
    async fn step(&mut self) {
        match self.dice.below(10) {
            0 if self.packages.len() < 3 => {
                let maker = *self.dice.pick(&["CAS", "PS1", "PS2"]);
                let name = format!("p{}", self.packages.len());
                // What is asked for there already is no part of it.
                self.tree.site(maker).run_due_snapshots().await.unwrap();
                self.packages.push(self.tree.stage(maker).package(&name).await.package_id);
            }
            1 => self.give_away().await,
            2 => self.refresh().await,
            3..=5 => self.distribute().await,
            _ => self.agent_works().await,
        }
        for _ in 0..2 {
            self.exchange().await;
        }
        if self.dice.below(3) == 0 {
            self.tree.carry().await;
        }
    }

    fn package(&mut self) -> Option<String> {
        (!self.packages.is_empty()).then(|| self.dice.pick(&self.packages).clone())
    }

    async fn refresh(&mut self) {
        let Some(id) = self.package() else { return };
        let codes = self.tree.codes();
        let at = *self.dice.pick(&codes);
        // Refused where the package is not known yet.
        let _ = self.tree.site(at).refresh_package(&admin(), &id).await;
        for code in codes {
            self.tree.site(code).run_due_snapshots().await.unwrap();
        }
    }

    async fn give_away(&mut self) {
        let Some(id) = self.package() else { return };
        let (at, to) = (*self.dice.pick(&["CAS", "PS1", "PS2"]), *self.dice.pick(&["PS1", "PS2"]));
        write(&self.tree.stage(to).source(&format!("p{}", &id[7..]), &[]).join("moved.inf"), "moved");
        let _ = self.tree.site(at).set_source_site(&admin(), &id, to).await;
    }

    async fn distribute(&mut self) {
        let Some(id) = self.package() else { return };
        let codes = self.tree.codes();
        let code = *self.dice.pick(&codes);
        let site = self.tree.site(code);
        let point = self.dice.below(self.points.len());
        let nal = &self.points[point].1.nal;
        let admin = admin();
        // What does not fit the state is refused, here or at the owner.
        let _ = match self.dice.below(6) {
            0 => site.remove_from_distribution_point(&admin, &id, nal).await,
            1 => site.redistribute(&admin, &id, nal).await,
            2 => site.cancel_distribution(&admin, &id, nal).await,
            3 => site.validate(&admin, &id, nal).await,
            _ => site.add_distribution_points(&admin, &id, &[(String::new(), nal.clone())]).await,
        };
    }

    async fn agent_works(&mut self) {
        let Some(id) = self.package() else { return };
        let at = self.dice.below(self.points.len());
        let (code, point) = &self.points[at];
        let Some(told) = self.tree.told(code, point, &id).await else { return };
        for code in self.tree.codes() {
            self.tree.stage(code).clock.advance(std::time::Duration::from_secs(1));
        }
        let event = match told.goal {
            agent::Goal::Absent => Event::Removed,
            agent::Goal::Hold { version, .. } => match self.dice.below(4) {
                0 => Event::Started { version, attempt: 1 },
                1 => failed(1),
                _ => installed(version),
            },
        };
        self.tree.report(code, point, &id, event).await;
    }

    /// One message on one link: it arrives, is lost, its answer is lost, or an old one comes again.
    async fn exchange(&mut self) {
        let links = self.tree.links();
        let (child, parent) = *self.dice.pick(&links);
        let (is_down, max) = (self.dice.below(2) == 0, 1 + self.dice.below(6));
        if !self.late.is_empty() && self.dice.below(4) == 0 {
            let (child, parent, is_down, reply) = self.dice.pick(&self.late).clone();
            self.repeated += 1;
            return self.deliver(child, parent, is_down, &reply).await;
        }
        let reply = match is_down {
            true => self.tree.down(child, parent, max).await,
            false => self.tree.up(child, max).await,
        };
        self.late.push((child, parent, is_down, reply.clone()));
        if self.dice.below(4) == 0 {
            self.lost += 1;
            return;
        }
        self.deliver(child, parent, is_down, &reply).await;
    }

    async fn deliver(&mut self, child: &str, parent: &str, is_down: bool, reply: &RecordsReply) {
        if is_down {
            return self.tree.heard_below(child, reply).await;
        }
        let from = crate::Neighbor::Child(child.to_owned());
        let posted = self.tree.site(parent).apply_records(&from, reply).await.unwrap();
        if self.dice.below(4) == 0 {
            self.lost += 1;
            return;
        }
        let child = self.tree.site(child);
        child.records_acknowledged(&crate::Neighbor::Parent, posted.revision).await.unwrap();
    }
}

const PACKAGES: &str = "SELECT package_id, source_site, CAST(owner_epoch AS TEXT), name, \
    CAST(source_version AS TEXT), CAST(action_in_progress AS TEXT) FROM package ORDER BY 1";
const POINTS: &str = "SELECT site_code, name, nal_path, content_url, identity_guid FROM dp ORDER BY 1, 2";
const ROWS: &str = "SELECT d.package_id, x.nal_path, CAST(d.absent AS TEXT), CAST(d.desired_version AS TEXT), \
    CAST(d.state AS TEXT), CAST(d.installed_version AS TEXT), CAST(d.attempts AS TEXT), \
    COALESCE(d.fault_code, ''), CAST(COALESCE(d.last_copied_at, 0) AS TEXT) \
    FROM distribution d JOIN dp x ON x.id = d.dp_id ORDER BY 1, 2";

async fn check_same(tree: &Tree, seed: u64) {
    let truth = (tree.sql("CAS", PACKAGES).await, tree.sql("CAS", POINTS).await);
    // The top knows every row: its own branch is all there is.
    let rows = tree.sql("CAS", ROWS).await;
    for code in tree.codes() {
        // Only owners count refreshes that are under way.
        let packages = tree.sql(code, PACKAGES).await;
        let without_action = |packages: &[Vec<String>]| -> Vec<Vec<String>> {
            packages.iter().map(|row| row[..5].to_vec()).collect()
        };
        assert_eq!(without_action(&packages), without_action(&truth.0), "packages at {code}, seed {seed}");
        assert_eq!(tree.sql(code, POINTS).await, truth.1, "points at {code}, seed {seed}");
        let here = tree.sql(code, ROWS).await;
        for row in &here {
            assert!(rows.contains(row), "{code} believes {row:?}, seed {seed}; the truth is {rows:#?}");
        }
        let concerns = |row: &&Vec<String>| {
            let owner =
                packages.iter().find(|package| package[0] == row[0]).map(|package| package[1].as_str());
            row[1].contains(&format!("SMS_SITE={code}")) || owner == Some(code)
        };
        for row in rows.iter().filter(concerns) {
            assert!(here.contains(row), "{code} does not know {row:?}, seed {seed}: {here:#?}");
        }
    }
}

async fn run(tree: &Tree, seed: u64) {
    let mut points = Vec::new();
    for (code, name) in [("S01", "dp1"), ("PS1", "dp1"), ("PS2", "dp2"), ("S01", "dp3")] {
        let name = format!("{name}-{seed}");
        points.push((code, tree.point(code, &name).await));
    }
    let (dice, packages, late) = (Rng::new(seed), Vec::new(), Vec::new());
    let mut run = Run { tree, dice, points, packages, late, lost: 0, repeated: 0 };
    for _ in 0..STEPS {
        run.step().await;
    }
    assert!(run.lost > 5 && run.repeated > 5, "{} lost, {} repeated", run.lost, run.repeated);
    tree.settle_all().await;
    for code in tree.codes() {
        tree.site(code).run_due_snapshots().await.unwrap();
    }
    tree.settle_all().await;
    for code in tree.codes() {
        tree.site(code).forget_handed_over().await.unwrap();
    }
    check_same(tree, seed).await;
}

hierarchies! {
    async fn sites_come_to_the_same_truth(tree: &Tree, THREE_LEVELS) {
        run(tree, FIRST_SEED).await;
    }
}

/// `HAULIER_CONVERGENCE_SEEDS` is how many hierarchies there are, from `HAULIER_CONVERGENCE_SEED` on.
#[tokio::test]
async fn sites_come_to_the_same_truth_whatever_the_seed() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = setting("HAULIER_CONVERGENCE_SEED").unwrap_or(FOUND_SEED);
    for seed in first..first + setting("HAULIER_CONVERGENCE_SEEDS").unwrap_or(SEEDS) {
        println!("seed {seed}");
        let tree = Tree::plant(BackEnd::Sqlite, THREE_LEVELS).await;
        Box::pin(run(&tree, seed)).await;
        tree.fell().await;
    }
}
