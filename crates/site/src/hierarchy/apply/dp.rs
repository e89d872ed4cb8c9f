//! Distribution points of other sites.

use agent::link::DpRecord;
use sea_query::{OnConflict, Query};

use super::{Apply, Verdict, fits};
use crate::distribution::nal::NalPath;
use crate::distribution::point;
use crate::error::Result;
use crate::hierarchy::tombstone;

const GUID_CHARS_MAX: usize = 64;
const URL_CHARS_MAX: usize = 512;
const VERSION_CHARS_MAX: usize = 64;

impl Apply<'_> {
    pub(super) async fn dp_record(&mut self, record: &DpRecord) -> Result<Verdict> {
        let Ok(nal) = NalPath::new(&record.dp.name, &record.dp.site_code) else {
            return Ok(Verdict::Refused("a distribution point is not named like this"));
        };
        if !fits(&record.identity_guid, GUID_CHARS_MAX)
            || !fits(&record.content_url, URL_CHARS_MAX)
            || !fits(&record.agent_version, VERSION_CHARS_MAX)
            || nal.site_code() != record.dp.site_code
        {
            return Ok(Verdict::Refused("a distribution point is not described like this"));
        }
        if !self.is_towards(&record.dp.site_code) {
            return Ok(Verdict::Refused("the distribution point's site is not in the neighbor's direction"));
        }
        let key = point::key_of(self.topology.own(), &record.dp);
        let known = point::by_key(self.tx, &key).await?;
        let dead = tombstone::dp_stamp(self.tx, &record.dp).await?;
        if known.as_ref().is_some_and(|known| known.stamp >= record.stamp)
            || dead.is_some_and(|dead| dead >= record.stamp)
        {
            return Ok(Verdict::Known);
        }
        tombstone::forget_dp(self.tx, &record.dp).await?;
        let revision = self.next_revision().await?;
        let updated = ["identity_guid", "content_url", "agent_version", "revision", "stamp"];
        let insert = Query::insert()
            .into_table("dp")
            .columns(["name", "name_key", "nal_path", "site_code", "created_at"].into_iter().chain(updated))
            .values_panic([
                record.dp.name.as_str().into(),
                key.into(),
                nal.to_string().into(),
                record.dp.site_code.as_str().into(),
                self.now.as_microsecond().into(),
                record.identity_guid.as_str().into(),
                record.content_url.as_str().into(),
                record.agent_version.as_str().into(),
                revision.into(),
                record.stamp.into(),
            ])
            .on_conflict(OnConflict::column("name_key").update_columns(updated).to_owned())
            .to_owned();
        self.tx.execute(&insert).await?;
        Ok(Verdict::Stored)
    }
}
