//! Calls of other sites on their way to the owner, and what became of them on their way back.

use agent::link::{CALL_POINTS_MAX, Call, OutcomeRecord, RECORDS_AT_ONCE_MAX, RequestRecord};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait};

use super::{Apply, Verdict, fits, is_package_id, is_site_code, link_state, past};
use crate::distribution::nal::NalPath;
use crate::error::{Result, SiteError};
use crate::hierarchy::requests::{
    self, ANSWERED_KEPT_FOR, REQUESTS_KEPT_MAX, REQUESTS_OPEN_MAX, REQUESTS_TOLD_MAX,
};
use crate::hierarchy::rows::json;
use crate::hierarchy::topology::Neighbor;
use crate::status::{self, Message};

const ID_CHARS_MAX: usize = 64;
const USER_CHARS_MAX: usize = 256;
const CODE_CHARS_MAX: usize = 64;
const MESSAGE_CHARS_MAX: usize = 1024;

/// How many requests of the sites behind a neighbor there are, and how many of them are open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    kept: i64,
    open: i64,
}

impl Apply<'_> {
    pub(super) async fn request_record(&mut self, record: &RequestRecord) -> Result<Verdict> {
        let comes_from_there = match self.from {
            Neighbor::Parent => !self.topology.is_in_own_branch(&record.origin),
            Neighbor::Child(_) => self.is_towards(&record.origin),
        };
        if !comes_from_there {
            return Ok(Verdict::Refused("the request's site is not in the neighbor's direction"));
        }
        if !fits(&record.id, ID_CHARS_MAX)
            || !fits(&record.user, USER_CHARS_MAX)
            || !is_package_id(&record.package_id)
            || !is_site_code(&record.origin)
            || !is_sound(&record.call)
        {
            return Ok(Verdict::Refused("a request is not described like this"));
        }
        if requests::exists(self.tx, &record.id).await? {
            return Ok(Verdict::Known);
        }
        let Behind { kept, open } = self.requests_from_there().await?;
        if kept >= REQUESTS_TOLD_MAX {
            // Nothing of the page is acknowledged, so that it is told again.
            return Err(SiteError::Busy { what: "a neighbor tells more calls than it hears answers of" });
        }
        let refused = match (&record.call, open >= REQUESTS_OPEN_MAX, kept >= REQUESTS_KEPT_MAX) {
            (Call::Unknown, ..) => Some(requests::unknown_call()),
            (_, true, _) => Some(SiteError::Busy { what: "too many calls wait for sites that are away" }),
            (_, _, true) => Some(SiteError::Busy { what: "too many calls were made at other sites of late" }),
            _ => None,
        };
        self.requests = Some(Behind { kept: kept + 1, open: open + i64::from(refused.is_none()) });
        let at = past(&record.at, self.now);
        requests::insert(self.tx, record, json(&record.call), at).await?;
        if let Some(refused) = refused {
            // Answered at once, so that its caller hears of it: the neighbor does not tell it again.
            let (code, message) = (refused.code(), refused.to_string());
            let refused = Some((code, message.as_str()));
            requests::close(self.tx, &record.id, &record.package_id, refused, self.now).await?;
        }
        Ok(Verdict::Stored)
    }

    /// The requests of the sites behind the neighbor that are remembered. Room is made once for each message.
    async fn requests_from_there(&mut self) -> Result<Behind> {
        if let Some(counted) = self.requests {
            return Ok(counted);
        }
        let from_there = requests::made_behind(&self.topology, self.from);
        let open = from_there.clone().and(Expr::col("done_at").is_null());
        let mut kept = requests::count(self.tx, from_there.clone()).await?;
        let room = RECORDS_AT_ONCE_MAX as u64;
        if kept.saturating_add_unsigned(room) > REQUESTS_KEPT_MAX {
            let before = self.now.checked_sub(ANSWERED_KEPT_FOR).unwrap_or(Timestamp::UNIX_EPOCH);
            let acknowledged = link_state(self.tx, &self.code).await?.acknowledged;
            let forgotten =
                requests::forget_answered(self.tx, from_there, (before, acknowledged), room).await?;
            kept = kept.saturating_sub_unsigned(forgotten);
        }
        Ok(Behind { kept, open: requests::count(self.tx, open).await? })
    }

    pub(super) async fn outcome_record(&mut self, record: &OutcomeRecord) -> Result<Verdict> {
        if let Some(package) = self.known_package(&record.package_id).await? {
            let speaker = self.topology.speaker(&record.package_id, &package.source_site);
            if !self.is_towards(speaker) && package.learned_from != self.code {
                return Ok(Verdict::Refused("the package's source site is not in the neighbor's direction"));
            }
        } else if self.is_towards(&record.origin) {
            return Ok(Verdict::Refused("an outcome comes from where the request came from"));
        }
        let refused = record.refused.as_ref();
        if refused.is_some_and(|r| !fits(&r.code, CODE_CHARS_MAX) || !fits(&r.message, MESSAGE_CHARS_MAX)) {
            return Ok(Verdict::Refused("an outcome is not described like this"));
        }
        let refused = refused.map(|refused| (refused.code.as_str(), refused.message.as_str()));
        let at = past(&record.at, self.now);
        let Some(row) = requests::close(self.tx, &record.id, &record.package_id, refused, at).await? else {
            return Ok(Verdict::Known);
        };
        if let (true, Some((_, reason))) = (row.origin == self.topology.own(), refused) {
            let message = Message::request_refused(&row.user, &record.package_id, row.call, reason);
            status::add(self.tx, self.now, message).await?;
        }
        Ok(Verdict::Stored)
    }
}

fn is_sound(call: &Call) -> bool {
    requests::points_of(call).is_none_or(|points| {
        (1..=CALL_POINTS_MAX).contains(&points.len())
            && points.iter().all(|dp| NalPath::new(&dp.name, &dp.site_code).is_ok())
    })
}
