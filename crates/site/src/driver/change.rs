//! Changing a driver: what clients may write, and the platforms in its definition.

use ::driver::platform::PLATFORMS;
use ::driver::sdm::{self, DriverDigest, PlatformCondition};
use sea_query::{Expr, ExprTrait, Query};

use super::{Driver, DriverFields, LocalizedProperties, category, localized, require, store};
use crate::access::scope::SecuredType;
use crate::access::{Action, Actor};
use crate::db::Tx;
use crate::error::{Result, SiteError};
use crate::lock;
use crate::package::source::SourcePath;
use crate::server::Site;
use crate::status::{self, Message};

/// A change of some properties; the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverChange {
    /// Whether it may be chosen for machines.
    pub is_enabled: Option<bool>,
    /// Kept as written.
    pub is_expired: Option<bool>,
    /// Kept as written.
    pub is_hidden: Option<bool>,
    /// Kept as written.
    pub is_user_defined: Option<bool>,
    /// Kept as written.
    pub permitted_uses: Option<u32>,
    /// Kept as written.
    pub applicability_condition: Option<String>,
    /// The names in all languages.
    pub localized: Option<Vec<LocalizedProperties>>,
    /// The unique ids of all its categories.
    pub categories: Option<Vec<String>>,
    /// Where its files are now; they must be the same files.
    pub content_source_path: Option<String>,
    /// SDMPackageXML with other platforms and a higher `Driver/@Version`; nothing else of it is taken.
    pub sdm_package_xml: Option<String>,
    /// The `SedoObjectVersion` that the caller read; a mismatch refuses the change.
    pub sedo_object_version: Option<String>,
}

impl Site {
    /// Changes properties of a driver.
    ///
    /// Errors: [`SiteError::DriverNotFound`], [`SiteError::CategoryNotFound`], [`SiteError::InvalidField`],
    /// [`SiteError::EditionMismatch`], [`SiteError::ObjectLocked`], [`SiteError::AccessDenied`].
    pub async fn update_driver(&self, actor: &Actor, ci_id: i64, change: DriverChange) -> Result<Driver> {
        actor.may(Action::ChangeDrivers)?;
        if let Some(path) = &change.content_source_path {
            SourcePath::parse(path, &self.options().shares)
                .map_err(|error| SiteError::invalid("ContentSourcePath", error.to_string()))?;
        }
        let mut tx = self.db().write().await?;
        let before = self.visible_driver(&mut tx, actor, ci_id).await?;
        if change.sedo_object_version.as_ref().is_some_and(|read| *read != before.sedo_object_version) {
            return Err(SiteError::EditionMismatch { what: format!("driver {ci_id}") });
        }
        lock::require_unlocked_for(&mut tx, self, actor, &lock::driver_object(ci_id), self.now()).await?;
        let after = changed(&before, &change)?;
        let definition = change.sdm_package_xml.as_deref();
        let definition = definition.map(|xml| Definition::edited(&before, xml)).transpose()?.flatten();
        let categories = match &change.categories {
            Some(unique_ids) => Some(category::ids(&mut tx, unique_ids).await?),
            None => None,
        };
        store_fields(&mut tx, &before, &after).await?;
        if let Some(definition) = &definition {
            definition.store(&mut tx, ci_id).await?;
        }
        if let Some(categories) = categories {
            // The edition is counted with the rest of the change.
            category::replace(&mut tx, &[ci_id], &categories, None).await?;
        }
        let driver = require(&mut tx, ci_id).await?;
        if driver == before {
            return Ok(before);
        }
        let driver = self.mark(&mut tx, actor, &driver).await?;
        tx.commit().await?;
        Ok(driver)
    }

    /// Counts the edition and says who changed it.
    async fn mark(&self, tx: &mut Tx, actor: &Actor, driver: &Driver) -> Result<Driver> {
        let now = self.now();
        let update = Query::update()
            .table("driver")
            .value("edition", Expr::col("edition").add(1i64))
            .value("modified_by", actor.name.as_str())
            .value("modified_at", now.as_microsecond())
            .and_where(Expr::col("ci_id").eq(driver.ci_id))
            .to_owned();
        tx.execute(&update).await?;
        let message = Message::driver_changed(actor, &driver.unique_id, &driver.display_name)
            .about(SecuredType::Driver, driver.ci_id.to_string());
        status::add(tx, now, message).await?;
        require(tx, driver.ci_id).await
    }
}

fn changed(before: &Driver, change: &DriverChange) -> Result<Driver> {
    let mut after = before.clone();
    let flags = [
        (&mut after.is_enabled, change.is_enabled),
        (&mut after.is_expired, change.is_expired),
        (&mut after.is_hidden, change.is_hidden),
        (&mut after.is_user_defined, change.is_user_defined),
    ];
    for (field, value) in flags {
        *field = value.unwrap_or(*field);
    }
    after.permitted_uses = change.permitted_uses.unwrap_or(after.permitted_uses);
    if let Some(condition) = &change.applicability_condition {
        after.applicability_condition.clone_from(condition);
    }
    if let Some(localized) = &change.localized {
        after.localized.clone_from(localized);
    }
    if let Some(path) = &change.content_source_path {
        after.content_source_path.clone_from(path);
    }
    let fields = DriverFields {
        applicability_condition: after.applicability_condition.clone(),
        localized: after.localized.clone(),
        ..DriverFields::default()
    };
    fields.check()?;
    Ok(after)
}

async fn store_fields(tx: &mut Tx, before: &Driver, after: &Driver) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let mut update = Query::update();
    update
        .table("driver")
        .value("is_enabled", i64::from(after.is_enabled))
        .value("is_expired", i64::from(after.is_expired))
        .value("is_hidden", i64::from(after.is_hidden))
        .value("is_user_defined", i64::from(after.is_user_defined))
        .value("permitted_uses", i64::from(after.permitted_uses))
        .value("applicability_condition", after.applicability_condition.as_str())
        .value("content_source_path", after.content_source_path.as_str())
        .and_where(Expr::col("ci_id").eq(after.ci_id));
    if after.localized != before.localized {
        // Without a name the driver keeps the one that it shows.
        let mut shown = localized::shown(&after.localized).cloned().unwrap_or_default();
        if shown.display_name.trim().is_empty() {
            shown.display_name.clone_from(&before.display_name);
        }
        update
            .value("display_name", shown.display_name)
            .value("description", shown.description)
            .value("informative_url", shown.informative_url)
            .value("locale_id", i64::from(shown.locale_id));
        let document = Query::update()
            .table("driver_document")
            .value("localized", localized::to_json(&after.localized))
            .and_where(Expr::col("ci_id").eq(after.ci_id))
            .to_owned();
        tx.execute(&document).await?;
    }
    tx.execute(&update).await?;
    Ok(())
}

/// A driver's definition with other platforms.
struct Definition {
    xml: String,
    platforms: Vec<String>,
}

impl Definition {
    /// What a client made of the driver's definition; none if it changed nothing.
    fn edited(before: &Driver, xml: &str) -> Result<Option<Self>> {
        let refuse = |reason: String| SiteError::invalid("SDMPackageXML", reason);
        if xml == before.sdm_package_xml {
            return Ok(None);
        }
        let given = sdm::read(xml).map_err(|error| refuse(error.to_string()))?;
        let kept = sdm::read(&before.sdm_package_xml)
            .map_err(|_| SiteError::corrupt("driver_document.sdm_package_xml"))?;
        if !given.unique_id.eq_ignore_ascii_case(&kept.unique_id) {
            return Err(refuse(format!("it defines {} and not {}", given.unique_id, kept.unique_id)));
        }
        let platforms = platforms(&given.conditions)?;
        if same_platforms(&platforms, &before.platforms) {
            return Ok(None);
        }
        if given.version <= kept.version {
            let version = kept.version;
            return Err(refuse(format!("Driver/@Version must rise above {version} with the platforms")));
        }
        let conditions = given.conditions;
        let xml = sdm::write(&DriverDigest { conditions, version: given.version, ..kept });
        Ok(Some(Self { xml, platforms }))
    }

    async fn store(&self, tx: &mut Tx, ci_id: i64) -> Result<()> {
        let document = Query::update()
            .table("driver_document")
            .value("sdm_package_xml", self.xml.as_str())
            .and_where(Expr::col("ci_id").eq(ci_id))
            .to_owned();
        tx.execute(&document).await?;
        store::replace_platforms(tx, ci_id, &self.platforms).await?;
        let revision = Query::update()
            .table("driver")
            .value("ci_version", Expr::col("ci_version").add(1i64))
            .and_where(Expr::col("ci_id").eq(ci_id))
            .to_owned();
        tx.execute(&revision).await?;
        Ok(())
    }
}

/// Whether these are the same platforms in any order.
pub(super) fn same_platforms(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|id| other.contains(id))
}

/// The ids of these conditions' platforms, each once.
///
/// Errors: [`SiteError::InvalidField`] for one that SMS_SupportedPlatforms does not have.
pub(super) fn platforms(conditions: &[PlatformCondition]) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let same = |own: &str, given: &str| own.eq_ignore_ascii_case(given);
        let found = PLATFORMS.iter().find(|platform| {
            same(platform.name, &condition.name)
                && same(platform.platform, &condition.platform)
                && platform.min_version == condition.min_version
                && platform.max_version == condition.max_version
        });
        let unknown = || {
            let PlatformCondition { name, platform, min_version, max_version, .. } = condition;
            let reason = format!(
                "SMS_SupportedPlatforms has no {name} {platform} from {min_version} to {max_version}"
            );
            SiteError::invalid("SDMPackageXML", reason)
        };
        let id = found.ok_or_else(unknown)?.id.to_owned();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
