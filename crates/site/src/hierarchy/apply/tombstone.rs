//! What is gone elsewhere goes here too.

use agent::link::{DpName, Gone, TombstoneRecord};
use sea_query::{Expr, ExprTrait, Query};

use super::{Apply, Verdict, is_package_id, is_site_code};
use crate::distribution::facts::{self, Reporter};
use crate::distribution::nal::NalPath;
use crate::distribution::state::State;
use crate::distribution::{DpId, demand, point};
use crate::error::Result;
use crate::hierarchy::topology::NextHop;
use crate::hierarchy::{node, tombstone};
use crate::package::{ActionInProgress, by_id, delete};

impl Apply<'_> {
    pub(super) async fn tombstone_record(&mut self, record: &TombstoneRecord) -> Result<Verdict> {
        match &record.gone {
            Gone::Site { site_code } => self.site_gone(site_code, &record.gone).await,
            Gone::Dp { dp, stamp } => self.dp_gone(dp, *stamp, &record.gone).await,
            Gone::Package { package_id, source_site, .. } => {
                self.package_gone(package_id, source_site, &record.gone).await
            }
            Gone::Distribution { package_id, dp, epoch, generation } => {
                self.distribution_gone(package_id, dp, (*epoch, *generation), &record.gone).await
            }
        }
    }

    async fn site_gone(&mut self, site_code: &str, gone: &Gone) -> Result<Verdict> {
        if !is_site_code(site_code) || !self.topology.knows(site_code) {
            return Ok(Verdict::Known);
        }
        if !self.is_towards(site_code) || self.code == *site_code {
            return Ok(Verdict::Refused("the site is not in the neighbor's direction"));
        }
        self.gone.extend(node::remove_branch(self.tx, &self.topology, site_code, self.now).await?);
        tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
        self.topology = super::Topology::load(self.tx, self.site).await?;
        Ok(Verdict::Stored)
    }

    async fn dp_gone(&mut self, dp: &DpName, stamp: i64, gone: &Gone) -> Result<Verdict> {
        if !self.is_towards(&dp.site_code) || NalPath::new(&dp.name, &dp.site_code).is_err() {
            return Ok(Verdict::Refused("the distribution point's site is not in the neighbor's direction"));
        }
        if tombstone::dp_stamp(self.tx, dp).await?.is_some_and(|known| known >= stamp) {
            return Ok(Verdict::Known);
        }
        let key = point::key_of(self.topology.own(), dp);
        if let Some(known) = point::by_key(self.tx, &key).await? {
            if known.stamp > stamp {
                return Ok(Verdict::Known);
            }
            self.gone.extend(point::drop_rows(self.tx, known.id, self.now).await?);
        }
        tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
        Ok(Verdict::Stored)
    }

    async fn package_gone(&mut self, package_id: &str, source_site: &str, gone: &Gone) -> Result<Verdict> {
        if !is_package_id(package_id) || tombstone::is_package_dead(self.tx, package_id).await? {
            return Ok(Verdict::Known);
        }
        let Some(known) = self.known_package(package_id).await? else {
            // Nothing is known of it, and nothing will be.
            if self.is_towards(source_site) {
                tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
            }
            return Ok(Verdict::Known);
        };
        let speaker = self.topology.speaker(package_id, &known.source_site);
        if !self.is_towards(speaker) {
            return Ok(Verdict::Refused("the package's source site is not in the neighbor's direction"));
        }
        tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
        self.drop_package(package_id).await?;
        Ok(Verdict::Stored)
    }

    /// Rows of others' distribution points go at once; own ones hold nothing any more, or are told so.
    async fn drop_package(&mut self, package_id: &str) -> Result<()> {
        let foreign = Query::select()
            .column("id")
            .from("dp")
            .and_where(Expr::col("site_code").ne(self.topology.own()))
            .to_owned();
        let rows = Query::delete()
            .from_table("distribution")
            .and_where(by_id(package_id))
            .and_where(Expr::col("dp_id").in_subquery(foreign))
            .to_owned();
        self.tx.execute(&rows).await?;
        let deleting = Query::update()
            .table("package")
            .value("action_in_progress", i64::from(ActionInProgress::Delete.number()))
            .and_where(by_id(package_id))
            .to_owned();
        self.tx.execute(&deleting).await?;
        crate::group::forget_package(self.tx, package_id).await?;
        self.touched.extend(demand::remove_everywhere(self.tx, package_id, self.now).await?);
        self.gone.extend(delete::finish(self.tx, package_id, self.now).await?);
        Ok(())
    }

    async fn want_removed(&mut self, package_id: &str, dp: DpId) -> Result<()> {
        let update = Query::update()
            .table("distribution")
            .value("absent", 1i64)
            .value("state", i64::from(State::RemovalPending.number()))
            .and_where(by_id(package_id))
            .and_where(demand::at(dp))
            .to_owned();
        self.tx.execute(&update).await?;
        Ok(())
    }

    async fn distribution_gone(
        &mut self,
        package_id: &str,
        dp: &DpName,
        number: (i64, i64),
        gone: &Gone,
    ) -> Result<Verdict> {
        if !self.is_towards(&dp.site_code) || !is_package_id(package_id) {
            return Ok(Verdict::Refused("the distribution point's site is not in the neighbor's direction"));
        }
        if tombstone::distribution(self.tx, package_id, dp).await?.is_some_and(|known| known >= number) {
            return Ok(Verdict::Known);
        }
        let key = point::key_of(self.topology.own(), dp);
        let Some(known) = point::by_key(self.tx, &key).await? else { return Ok(Verdict::Known) };
        let Some(row) = self.assigned(package_id, known.id).await? else {
            tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
            return Ok(Verdict::Stored);
        };
        let speaker = self.topology.speaker(package_id, &row.source_site);
        let own_package = self.topology.next_hop(speaker) == Some(NextHop::Own);
        let demand = row.demand(own_package);
        if number > demand && !self.is_towards(speaker) {
            return Ok(Verdict::Refused("a removal that nobody asked for"));
        }
        if number > demand {
            // Who asked for it is on that side too, and it was done before anybody here heard of the demand.
            self.want_removed(package_id, known.id).await?;
        }
        // A row that is wanted again since is told that nothing is left; one that is not goes.
        let is_present = number > demand || number == demand && row.absent;
        tombstone::bury(self.tx, &self.code, gone.clone(), self.now).await?;
        let generation = if is_present { row.generation } else { row.generation - 1 };
        let fact = agent::Fact {
            package_id: package_id.to_owned(),
            generation,
            at: self.now.to_string(),
            serial: None,
            event: agent::Event::Removed,
        };
        let reporter = Reporter { dp: known.id, name: &dp.name, site_code: &dp.site_code };
        self.gone.extend(facts::replay(self.tx, reporter, &fact, self.now).await?);
        Ok(Verdict::Stored)
    }
}
