//! Several sites in one process that tell each other their rows, as `sitelink` has them do over the network.

mod absence;
mod cases;
mod converge;
mod hostile;
mod join;
mod keys;
mod moved;
mod pause;
mod release;
mod remove;
mod repair;
mod requests;
mod validation;

use std::collections::BTreeMap;

use agent::Event;
use agent::link::RecordsReply;

use super::topology::Neighbor;
use super::{SiteType, node};
use crate::server::Site;
use crate::stage::{BackEnd, Point, Stage, admin, enrol_request, installed, no_signer};

/// Makes two tests of one case that takes the kind of the sites' databases.
macro_rules! hierarchies {
    ($($(#[$doc:meta])* async fn $name:ident($tree:ident: &Tree, $sites:expr) $body:block)+) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            use crate::stage::BackEnd;

            async fn case($tree: &Tree) $body

            #[tokio::test]
            async fn sqlite() {
                let tree = Tree::plant(BackEnd::Sqlite, $sites).await;
                Box::pin(case(&tree)).await;
                tree.fell().await;
            }

            #[tokio::test]
            async fn postgres() {
                let tree = Tree::plant(BackEnd::Postgres, $sites).await;
                Box::pin(case(&tree)).await;
                tree.fell().await;
            }
        }
    )+};
}
pub(super) use hierarchies;

/// A code, and the parent's.
pub(super) type Plan = &'static [(&'static str, Option<&'static str>)];

/// A primary with two secondaries below it.
pub(super) const BRANCHES: Plan = &[("PS1", None), ("S01", Some("PS1")), ("S02", Some("PS1"))];
/// All three levels.
pub(super) const THREE_LEVELS: Plan =
    &[("CAS", None), ("PS1", Some("CAS")), ("PS2", Some("CAS")), ("S01", Some("PS1"))];

pub(super) struct Tree {
    stages: BTreeMap<&'static str, Stage>,
    plan: Plan,
}

impl Tree {
    pub(super) async fn plant(back_end: BackEnd, plan: Plan) -> Self {
        let mut stages = BTreeMap::new();
        for (code, _) in plan {
            stages.insert(*code, site_called(back_end, code).await);
        }
        let tree = Self { stages, plan };
        for (code, parent) in plan {
            if let Some(parent) = parent {
                tree.join(code, parent).await;
            }
        }
        tree
    }

    pub(super) async fn fell(self) {
        for stage in self.stages.into_values() {
            stage.strike().await;
        }
    }

    pub(super) fn stage(&self, code: &str) -> &Stage {
        &self.stages[code]
    }

    pub(super) fn site(&self, code: &str) -> &Site {
        &self.stages[code].site
    }

    pub(super) fn codes(&self) -> Vec<&'static str> {
        self.plan.iter().map(|(code, _)| *code).collect()
    }

    pub(super) fn links(&self) -> Vec<(&'static str, &'static str)> {
        self.plan.iter().filter_map(|(code, parent)| Some((*code, (*parent)?))).collect()
    }

    async fn join(&self, code: &str, parent: &str) {
        let (child, above) = (self.site(code), self.site(parent));
        let mut tx = above.db().write().await.unwrap();
        node::insert_child(&mut tx, parent, child.identity(), site_type(code)).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = child.db().write().await.unwrap();
        node::set_parent(&mut tx, code, above.identity(), site_type(parent)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// What the child would be told next.
    pub(super) async fn down(&self, child: &str, parent: &str, max: usize) -> RecordsReply {
        let after = self.site(child).link_state(&Neighbor::Parent).await.unwrap().received;
        let (site, child) = (self.site(parent), Neighbor::Child(child.to_owned()));
        site.records_acknowledged(&child, after).await.unwrap();
        site.records_for(&child, after, max).await.unwrap()
    }

    /// What the parent would be told next.
    pub(super) async fn up(&self, child: &str, max: usize) -> RecordsReply {
        let after = self.site(child).link_state(&Neighbor::Parent).await.unwrap().acknowledged;
        self.site(child).records_for(&Neighbor::Parent, after, max).await.unwrap()
    }

    pub(super) async fn heard_below(&self, child: &str, reply: &RecordsReply) {
        self.site(child).apply_records(&Neighbor::Parent, reply).await.unwrap();
    }

    pub(super) async fn heard_above(&self, child: &str, parent: &str, reply: &RecordsReply) {
        let from = Neighbor::Child(child.to_owned());
        let posted = self.site(parent).apply_records(&from, reply).await.unwrap();
        self.site(child).records_acknowledged(&Neighbor::Parent, posted.revision).await.unwrap();
    }

    /// One exchange on every link, both ways. Returns the number of records told.
    async fn round(&self, links: &[(&'static str, &'static str)]) -> usize {
        let mut told = 0;
        for (child, parent) in links {
            let down = self.down(child, parent, 512).await;
            if !down.records.is_empty() {
                self.heard_below(child, &down).await;
            }
            let up = self.up(child, 512).await;
            if !up.records.is_empty() {
                self.heard_above(child, parent, &up).await;
            }
            told += down.records.len() + up.records.len() + usize::from(down.more) + usize::from(up.more);
        }
        told
    }

    /// Exchanges until nobody has anything to tell.
    pub(super) async fn settle(&self) {
        self.settle_without(&[]).await;
    }

    /// As [`Tree::settle`], while some sites are gone.
    pub(super) async fn settle_without(&self, gone: &[&str]) {
        const ROUNDS_MAX: usize = 60;
        let mut links = self.links();
        links.retain(|(child, parent)| !gone.contains(child) && !gone.contains(parent));
        for _ in 0..ROUNDS_MAX {
            if self.round(&links).await == 0 {
                return;
            }
        }
        panic!("the sites never stop telling each other the same");
    }

    /// Has the needed content arrive wherever its source has it, and says how much came.
    pub(super) async fn carry(&self) -> usize {
        let mut arrived = 0;
        for code in self.codes() {
            for need in self.site(code).content_needs().await.unwrap() {
                let source = match &need.from {
                    Neighbor::Parent => self.plan.iter().find(|(own, _)| own == &code).unwrap().1.unwrap(),
                    Neighbor::Child(child) => child.as_str(),
                };
                if self.site(source).package_history(&need.package_id).await.is_ok_and(|versions| {
                    versions.iter().any(|version| version.manifest == need.manifest && version.retained)
                }) {
                    self.site(code).version_arrived(&need, 1).await.unwrap();
                    arrived += 1;
                }
            }
        }
        arrived
    }

    /// Exchanges rows and content until nothing is left to do.
    pub(super) async fn settle_all(&self) {
        loop {
            self.settle().await;
            if self.carry().await == 0 {
                return;
            }
        }
    }

    /// What the agent of a distribution point is told of a package, or nothing.
    pub(super) async fn told(
        &self,
        code: &str,
        point: &Point,
        package_id: &str,
    ) -> Option<agent::DesiredPackage> {
        let reply = self.site(code).desired(point.id, 0).await.unwrap();
        reply.packages.into_iter().find(|row| row.package_id == package_id)
    }

    /// The agent reports on what it is told now.
    pub(super) async fn report(&self, code: &str, point: &Point, package_id: &str, event: Event) {
        let generation = self.told(code, point, package_id).await.unwrap().generation;
        use clock::Clock;
        let at = self.stage(code).clock.now().to_string();
        let fact = agent::Fact { package_id: package_id.to_owned(), generation, at, serial: None, event };
        self.site(code).record_facts(point.id, &[fact]).await.unwrap();
    }

    /// Every distribution point that is told to hold a version has it.
    pub(super) async fn install(&self, code: &str, point: &Point, package_id: &str) -> u32 {
        let told = self.told(code, point, package_id).await.unwrap();
        let agent::Goal::Hold { version, .. } = told.goal else { panic!("{told:?}") };
        self.report(code, point, package_id, installed(version)).await;
        version
    }

    pub(super) async fn point(&self, code: &str, name: &str) -> Point {
        let site = self.site(code);
        let token = site.create_dp_token(&admin(), name, None).await.unwrap();
        let reply = site.enrol(&enrol_request(&token.to_string(), name), &no_signer).await.unwrap();
        let points = site.distribution_points().await.unwrap();
        let point = points.into_iter().find(|point| point.name == name && point.site_code == code).unwrap();
        Point { id: point.id, nal: point.nal_path, secret: reply.secret }
    }

    pub(super) async fn assign(&self, code: &str, package_id: &str, points: &[&Point]) {
        let points: Vec<_> = points.iter().map(|point| (String::new(), point.nal.clone())).collect();
        self.site(code).add_distribution_points(&admin(), package_id, &points).await.unwrap();
    }

    /// One row of what a site knows: `SELECT` of texts.
    pub(super) async fn sql(&self, code: &str, sql: &str) -> Vec<Vec<String>> {
        self.stage(code).raw_sql(sql.to_owned()).await
    }
}

pub(super) fn site_type(code: &str) -> SiteType {
    match code.as_bytes()[0] {
        b'C' => SiteType::Central,
        b'P' => SiteType::Primary,
        _ => SiteType::Secondary,
    }
}

async fn site_called(back_end: BackEnd, code: &str) -> Stage {
    let mut stage = Stage::set(back_end).await;
    let (server, kind) = (format!("{}.example.test", code.to_lowercase()), site_type(code).number());
    let rename = format!(
        "UPDATE site SET site_code = '{code}', server_name = '{server}';
         UPDATE site_node SET site_code = '{code}', server_name = '{server}', site_type = {kind};"
    );
    stage.raw_sql(rename).await;
    let renamed = stage.reopen().await;
    std::mem::replace(&mut stage.site, renamed).close().await;
    stage
}
