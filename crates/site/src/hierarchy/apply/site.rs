//! Sites: a child speaks for its branch, a parent for everything outside of this one.

use agent::link::{REPAIR_FILES_MAX, REPAIRS_MAX, RepairRecord, SiteRecord};
use sea_query::{Expr, Func, OnConflict, Query};

use super::{Apply, Verdict, fits, is_hex, is_package_id, is_site_code};
use crate::error::Result;
use crate::hierarchy::node::{SiteType, by_code};
use crate::hierarchy::rows::json;
use crate::hierarchy::topology::NextHop;
use crate::hierarchy::topology::{Neighbor, Topology};
use crate::hierarchy::{repair, tombstone};
use crate::server::is_host_name;
use crate::status::{self, Message};

/// The most sites of a hierarchy.
const SITES_MAX: i64 = 1024;
const NAME_CHARS_MAX: usize = 50;
const KEY_BYTES: usize = 32;
const DP_CHARS_MAX: usize = 255;
const TIME_CHARS_MAX: usize = 64;
const ENDORSEMENTS_CHARS_MAX: usize = 64 * 1024;

impl Apply<'_> {
    pub(super) async fn site_record(&mut self, record: &SiteRecord) -> Result<Verdict> {
        if record.site_code == self.topology.own() {
            return Ok(Verdict::Known);
        }
        let endorsements = json(&record.endorsements);
        let Some(kind) = SiteType::from_number(record.site_type) else {
            return Ok(Verdict::Refused("no site is of this type"));
        };
        if !is_site_code(&record.site_code)
            || record.parent.as_ref().is_some_and(|parent| !is_site_code(parent))
            || !fits(&record.name, NAME_CHARS_MAX)
            || !is_host_name(&record.server_name)
            || !(record.signing_key.is_empty() || is_hex(&record.signing_key, KEY_BYTES))
            || !fits(&endorsements, ENDORSEMENTS_CHARS_MAX)
            || record.repairs.len() > REPAIRS_MAX
            || !record.repairs.iter().all(is_sound)
        {
            return Ok(Verdict::Refused("a site is not described like this"));
        }
        if !self.may_describe(record) {
            return Ok(Verdict::Refused("the site is not in the neighbor's direction"));
        }
        let stamp = Query::select()
            .column("stamp")
            .from("site_node")
            .and_where(by_code(&record.site_code))
            .to_owned();
        let known: Option<i64> = self.tx.optional(&stamp).await?.map(|row| row.get("stamp")).transpose()?;
        if known.is_some_and(|known| known >= record.stamp) {
            return Ok(Verdict::Known);
        }
        if known.is_none() && self.is_full().await? {
            return Ok(Verdict::Refused("the hierarchy has too many sites"));
        }
        // It joined anew; who was away hears of the site that is, not of the one that was.
        tombstone::forget_site(self.tx, &record.site_code).await?;
        self.say_repairs(record).await?;
        self.store_site(record, kind, endorsements).await?;
        Ok(Verdict::Stored)
    }

    /// Says what is new of a site's repairs, where it concerns this one: the site is below it, or the package its own.
    async fn say_repairs(&mut self, record: &SiteRecord) -> Result<()> {
        let known = repair::told(self.tx, &record.site_code).await?;
        let newest = known.iter().map(|repair| repair.number).max().unwrap_or_default();
        let is_below = matches!(self.from, Neighbor::Child(_));
        for repair in record.repairs.iter().filter(|repair| repair.number > newest) {
            let package = self.known_package(&repair.package_id).await?;
            let is_own = package
                .is_some_and(|package| self.topology.next_hop(&package.source_site) == Some(NextHop::Own));
            if is_below || is_own {
                let message = match &repair.dp {
                    Some(dp) => Message::point_repair(&record.site_code, dp, repair),
                    None => Message::site_repair(&record.site_code, repair),
                };
                status::add(self.tx, self.now, message).await?;
            }
        }
        Ok(())
    }

    async fn store_site(&mut self, record: &SiteRecord, kind: SiteType, endorsements: String) -> Result<()> {
        let revision = self.next_revision().await?;
        let mut updated =
            vec!["site_name", "server_name", "signing_key", "endorsements", "repairs", "revision", "stamp"];
        // Where a child is, and what, stays as it was when it joined; what is above is told from there.
        if *self.from == Neighbor::Parent {
            updated.extend(["site_type", "parent_code"]);
        }
        let columns =
            ["site_name", "server_name", "signing_key", "endorsements", "repairs", "revision", "stamp"];
        let insert = Query::insert()
            .into_table("site_node")
            .columns(["site_code", "site_type", "parent_code"].into_iter().chain(columns))
            .values_panic([
                record.site_code.as_str().into(),
                i64::from(kind.number()).into(),
                record.parent.clone().into(),
                record.name.as_str().into(),
                record.server_name.as_str().into(),
                record.signing_key.as_str().into(),
                endorsements.into(),
                json(&record.repairs).into(),
                revision.into(),
                record.stamp.into(),
            ])
            .on_conflict(OnConflict::column("site_code").update_columns(updated).to_owned())
            .to_owned();
        self.tx.execute(&insert).await?;
        self.topology = Topology::load(self.tx, self.site).await?;
        Ok(())
    }

    /// Whether the neighbor may say this of the site, wherever the site is known to be.
    fn may_describe(&self, record: &SiteRecord) -> bool {
        let known_elsewhere = self.topology.knows(&record.site_code) && !self.is_towards(&record.site_code);
        if known_elsewhere {
            return false;
        }
        let parent = record.parent.as_deref();
        match self.from {
            Neighbor::Parent => !parent.is_some_and(|parent| self.topology.is_in_own_branch(parent)),
            Neighbor::Child(code) => {
                *code == record.site_code || parent.is_some_and(|parent| self.is_towards(parent))
            }
        }
    }

    async fn is_full(&mut self) -> Result<bool> {
        let count = Query::select()
            .expr_as(Func::count(Expr::col("site_code")), "sites")
            .from("site_node")
            .to_owned();
        let row = self.tx.optional(&count).await?;
        Ok(row.map_or(Ok(0), |row| row.get::<i64>("sites"))? >= SITES_MAX)
    }
}

fn is_sound(repair: &RepairRecord) -> bool {
    is_package_id(&repair.package_id)
        && (repair.from_site.is_empty() || is_site_code(&repair.from_site))
        && repair.files.len() <= REPAIR_FILES_MAX
        && repair.files.iter().all(|file| fits(file, repair::FILE_CHARS_MAX))
        && repair.dp.as_ref().is_none_or(|dp| fits(dp, DP_CHARS_MAX))
        && fits(&repair.found_at, TIME_CHARS_MAX)
        && repair.repaired_at.as_ref().is_none_or(|at| fits(at, TIME_CHARS_MAX))
}
