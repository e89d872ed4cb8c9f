//! Putting a driver that a client has drafted.

use ::driver::DriverFacts;
use ::driver::sdm::{self, DriverDigest};

use super::folder::{self, Wanted};
use super::store::Entry;
use super::{Driver, LocalizedProperties, category, change, localized, require, store};
use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// Characters of ApplicabilityCondition, as the provider documents it.
const CONDITION_CHARS_MAX: usize = 512;

/// What a client may write on a driver, beside its definition, its source and its categories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverFields {
    /// Whether it may be chosen for machines.
    pub is_enabled: bool,
    /// Kept as written.
    pub is_expired: bool,
    /// Kept as written.
    pub is_hidden: bool,
    /// Kept as written.
    pub is_user_defined: bool,
    /// Kept as written.
    pub permitted_uses: u32,
    /// Kept as written.
    pub applicability_condition: String,
    /// The names; without any, the first device names the driver.
    pub localized: Vec<LocalizedProperties>,
}

/// A driver to be put. Everything else is read from the INF file and its folder, never believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewDriver {
    /// SDMPackageXML, as [`Site::analyze_inf`] gave it; its platforms may be edited.
    pub sdm_package_xml: String,
    /// Where the files are.
    pub content_source_path: String,
    /// The unique ids of its categories.
    pub categories: Vec<String>,
    /// The rest.
    pub fields: DriverFields,
}

impl Site {
    /// Puts a driver into the catalog.
    ///
    /// Errors: [`SiteError::InvalidField`], [`SiteError::CategoryNotFound`], [`SiteError::Conflict`] if the folder's
    /// content is no longer the one that the definition was made of, and those of [`Site::analyze_inf`].
    pub async fn create_driver(&self, actor: &Actor, new: NewDriver) -> Result<Driver> {
        actor.may(Action::ChangeDrivers)?;
        new.fields.check()?;
        let given = sdm::read(&new.sdm_package_xml)
            .map_err(|error| SiteError::invalid("SDMPackageXML", error.to_string()))?;
        let platforms = change::platforms(&given.conditions)?;
        let mut facts = self.facts_of(&given, &new.content_source_path).await?;
        facts.platforms = platforms;
        let unique_id = self.driver_unique_id(&facts.id);
        let own = folder::digest(&facts, &unique_id, &new.content_source_path, given.conditions);
        let definition = sdm::write(&DriverDigest { version: given.version, other: given.other, ..own });
        let entry = Entry {
            facts: &facts,
            sdm_package_xml: &definition,
            content_source_path: &new.content_source_path,
            fields: &new.fields,
        };
        let now = self.now();
        let mut tx = self.db().write().await?;
        let categories = category::ids(&mut tx, &new.categories).await?;
        if let Some(ci_id) = store::existing(&mut tx, std::slice::from_ref(&unique_id)).await?.get(&unique_id)
        {
            let seen =
                scope::is_visible(&mut tx, &actor.scopes, SecuredType::Driver, &ci_id.to_string()).await?;
            return Err(already_imported(given.inf_file, unique_id, seen));
        }
        let ids = store::insert(&mut tx, self, &actor.name, now, &[entry]).await?;
        scope::enter(&mut tx, &actor.scopes, SecuredType::Driver, &ids[0].to_string()).await?;
        category::assign(&mut tx, &ids, &categories, None).await?;
        let driver = require(&mut tx, ids[0]).await?;
        let message = Message::driver_created(actor, &driver.unique_id, &driver.display_name)
            .about(SecuredType::Driver, driver.ci_id.to_string());
        status::add(&mut tx, now, message).await?;
        tx.commit().await?;
        Ok(driver)
    }

    /// What is known of the driver that a definition names: from its draft, else read from the folder.
    async fn facts_of(&self, given: &DriverDigest, path: &str) -> Result<DriverFacts> {
        let unique_id = store::canonical(&given.unique_id, self);
        if let Some(facts) = self.drafts().recall(&unique_id, path, self.clock().monotonic()) {
            return Ok((*facts).clone());
        }
        let examined = self.examine(path, Wanted::Infs(vec![given.inf_file.clone()])).await?;
        let examination = examined.into_iter().next().ok_or(SiteError::Stopped)?;
        let mut facts = examination.facts?;
        // Only a txtsetup.oem says so, and it need not be in the folder any more.
        facts.boot_critical = given.boot_critical;
        if self.driver_unique_id(&facts.id) == unique_id {
            return Ok(facts);
        }
        let inf = &given.inf_file;
        let reason = format!(
            "{inf} or a file beside it is not the one that SDMPackageXML was made of; call CreateFromINF again"
        );
        Err(SiteError::Conflict { reason })
    }
}

/// The refusal of a driver that is in the catalog: scripts go on with the one that is named, if they can see it.
pub(super) fn already_imported(inf: String, unique_id: String, seen: bool) -> SiteError {
    if seen {
        SiteError::DriverAlreadyImported { inf, unique_id }
    } else {
        SiteError::DriverOutOfScope { inf }
    }
}

impl DriverFields {
    pub(crate) fn check(&self) -> Result<()> {
        localized::check(&self.localized)?;
        let condition = &self.applicability_condition;
        if condition.chars().count() > CONDITION_CHARS_MAX || condition.contains('\0') {
            let reason = format!("at most {CONDITION_CHARS_MAX} characters are allowed");
            return Err(SiteError::invalid("ApplicabilityCondition", reason));
        }
        Ok(())
    }
}
