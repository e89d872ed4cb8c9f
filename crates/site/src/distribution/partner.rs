//! What partners keep with an assignment: a text and a few bytes, which mean nothing to the site.

use jiff::Timestamp;
use sea_query::Query;

use super::demand::at;
use super::{DpId, point};
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::package::by_id;
use crate::package::data::{decoded, encoded};
use crate::server::Site;
use crate::status::{self, Message};

/// The most bytes: they lie in the row that distribution itself works on.
const BYTES_MAX: usize = 4 * 1024;
const TEXT_CHARS_MAX: usize = 512;

/// ISVString and ISVData of an assignment. In a change, what is absent stays and what is empty is cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartnerData {
    /// A text of at most 512 characters.
    pub text: Option<String>,
    /// At most 4 KiB.
    pub bytes: Option<Vec<u8>>,
}

impl Site {
    /// What partners keep with an assignment. Errors: [`SiteError::PackageNotFound`], [`SiteError::DpNotFound`],
    /// [`SiteError::DistributionNotFound`].
    pub async fn partner_data(&self, actor: &Actor, package_id: &str, nal_path: &str) -> Result<PartnerData> {
        let mut tx = self.db().read().await?;
        self.visible_package(&mut tx, actor, package_id).await?;
        let (dp, name) = point::require(self, &mut tx, nal_path).await?;
        let select = Query::select()
            .columns(["isv_string", "isv_data"])
            .from("distribution")
            .and_where(by_id(package_id))
            .and_where(at(dp))
            .to_owned();
        let row = tx.optional(&select).await?;
        tx.commit().await?;
        let row = row.ok_or_else(|| not_assigned(package_id, &name))?;
        let text: String = row.get("isv_string")?;
        Ok(PartnerData {
            text: Some(text).filter(|text| !text.is_empty()),
            bytes: decoded(&row, "isv_data")?,
        })
    }

    /// Changes what partners keep with an assignment.
    ///
    /// Errors: as [`Site::partner_data`], [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn set_partner_data(
        &self,
        actor: &Actor,
        package_id: &str,
        nal_path: &str,
        change: &PartnerData,
    ) -> Result<()> {
        actor.may(Action::Distribute)?;
        change.check()?;
        let mut tx = self.db().write().await?;
        self.visible_package(&mut tx, actor, package_id).await?;
        let (dp, name) = point::require(self, &mut tx, nal_path).await?;
        store(&mut tx, actor, package_id, (dp, &name), change, self.now()).await?;
        tx.commit().await
    }
}

/// Writes the change and says so, in the transaction of what else is done with the assignment.
pub(super) async fn store(
    tx: &mut Tx,
    actor: &Actor,
    package_id: &str,
    (dp, name): (DpId, &str),
    change: &PartnerData,
    now: Timestamp,
) -> Result<()> {
    let mut update = Query::update();
    update.table("distribution").value("changed_at", now.as_microsecond());
    let mut properties = Vec::new();
    if let Some(text) = &change.text {
        update.value("isv_string", text.as_str());
        properties.push("ISVString");
    }
    if let Some(bytes) = &change.bytes {
        let length = i64::try_from(bytes.len()).expect("checked to be few");
        let bytes = Some(bytes.clone()).filter(|bytes| !bytes.is_empty());
        update.value("isv_data", encoded(&bytes)).value("isv_data_bytes", length);
        properties.push("ISVData");
    }
    if properties.is_empty() {
        return Ok(());
    }
    if tx.execute(&update.and_where(by_id(package_id)).and_where(at(dp)).to_owned()).await? == 0 {
        return Err(not_assigned(package_id, name));
    }
    let message = Message::changed(actor, "SMS_DistributionPoint", package_id, &properties);
    status::add(tx, now, message.of_package(package_id).at_dp(name)).await
}

fn not_assigned(package_id: &str, dp: &str) -> SiteError {
    SiteError::DistributionNotFound { package_id: package_id.to_owned(), dp: dp.to_owned() }
}

impl PartnerData {
    pub(super) fn check(&self) -> Result<()> {
        let text = self.text.as_deref().unwrap_or("");
        if text.chars().count() > TEXT_CHARS_MAX || text.contains('\0') {
            let reason = format!("at most {TEXT_CHARS_MAX} characters are allowed, none of them null");
            return Err(SiteError::invalid("ISVString", reason));
        }
        if self.bytes.as_ref().is_some_and(|bytes| bytes.len() > BYTES_MAX) {
            return Err(SiteError::invalid("ISVData", format!("at most {BYTES_MAX} bytes are allowed")));
        }
        Ok(())
    }
}
