//! Making and changing packages.
//!
//! A package with a source shows `SourceVersion` 1 at once and `StoredPkgVersion` 0 until the library holds
//! version 1: creation queues the first snapshot like a refresh, and it may fail and be retried like one.

use cim::schedule::Token;
use jiff::Timestamp;
use sea_query::{Expr, Query};

use super::data::{self, PackageData};
use super::fields::{NewPackage, PackageChange, PackageFields};
use super::refresh::Publish;
use super::source::SourcePath;
use super::{ActionInProgress, Package, PackageType, by_id, refresh, require, schedule};
use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor};
use crate::db::{Tx, counter};
use crate::distribution::demand;
use crate::error::{Result, SiteError};
use crate::hierarchy::{SiteType, node};
use crate::lock;
use crate::package_content::{any_unsettled, is_held, require_unlocked};
use crate::server::Site;
use crate::status::{self, Message};

/// Five hexadecimal digits.
const PACKAGE_NUMBER_MAX: i64 = 0xF_FFFF;
/// The original counts from here, and scripts show ids such as `PS100001`.
const PACKAGE_NUMBER_FIRST: i64 = 1;

impl Site {
    /// Makes a driver package; with a source, its first snapshot is queued durably.
    ///
    /// Errors: [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn create_package(&self, actor: &Actor, new: NewPackage) -> Result<Package> {
        self.create_package_of(actor, PackageType::Driver, new, PackageData::default(), &[]).await
    }

    /// Makes a package of any type, with what partners keep with it and the times when it is refreshed by itself. Errors: as [`Site::create_package`].
    pub async fn create_package_of(
        &self,
        actor: &Actor,
        package_type: PackageType,
        new: NewPackage,
        data: PackageData,
        planned: &[Token],
    ) -> Result<Package> {
        actor.may(Action::ChangePackages)?;
        self.check_fields(&new)?;
        data.check()?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        if node::own_type(&mut tx).await? == SiteType::Secondary {
            let reason = "this is a secondary site; make the package at a site above it".to_owned();
            return Err(SiteError::Conflict { reason });
        }
        let package_id = self.next_package_id(&mut tx).await?;
        self.insert_package(&mut tx, &package_id, package_type, &new, now).await?;
        data::store(&mut tx, &package_id, &data).await?;
        scope::enter(&mut tx, &actor.scopes, SecuredType::Package, &package_id).await?;
        if new.has_source() {
            refresh::request(&mut tx, &package_id, now, Publish::Always, actor.call.as_deref()).await?;
        }
        status::add(&mut tx, now, Message::package_created(actor, &package_id, &new.name)).await?;
        let package = require(&mut tx, &package_id).await?;
        schedule::store(self, &mut tx, &package, planned).await?;
        schedule::require_source(&mut tx, &package).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        Ok(package)
    }

    /// Changes properties of a package. A new source path or a first source queues a snapshot. A new `StoredPkgPath`
    /// that [`Site::validate_new_package_source`] found good moves the source there.
    ///
    /// Errors: as [`Site::create_package`], [`SiteError::PackageNotFound`], [`SiteError::EditionMismatch`],
    /// [`SiteError::PackageLocked`], [`SiteError::Conflict`] if what was validated is not the newest any more,
    /// [`SiteError::Busy`] if the source shall move while drivers are copied into it, [`SiteError::ObjectLocked`].
    pub async fn update_package(
        &self,
        actor: &Actor,
        package_id: &str,
        mut change: PackageChange,
    ) -> Result<Package> {
        actor.may(Action::ChangePackages)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let before = self.visible_package(&mut tx, actor, package_id).await?;
        if change.sedo_object_version.as_ref().is_some_and(|read| *read != before.sedo_object_version) {
            return Err(SiteError::EditionMismatch { what: format!("package {package_id}") });
        }
        require_unlocked(self, &before)?;
        lock::require_unlocked_for(&mut tx, self, actor, &lock::package_object(&before), now).await?;
        let data = std::mem::take(&mut change.data);
        data.check()?;
        let planned = change.refresh_schedule.take();
        let mut fields = before.fields.clone();
        fields.apply(change);
        follow_validated_source(&mut tx, &before, &mut fields).await?;
        self.check_fields(&fields)?;
        let mut touched = Vec::new();
        let mut changed = fields.changed(&before.fields);
        changed.extend(data::store(&mut tx, package_id, &data).await?);
        if let Some(tokens) = planned {
            changed.extend(schedule::store(self, &mut tx, &before, &tokens).await?);
        }
        if !changed.is_empty() {
            self.store_fields(&mut tx, package_id, &fields).await?;
            touched = self.follow_change(&mut tx, &before, &fields, actor.call.as_deref(), now).await?;
            status::add(&mut tx, now, Message::package_changed(actor, package_id, &fields.name, &changed))
                .await?;
        }
        let package = require(&mut tx, package_id).await?;
        schedule::require_source(&mut tx, &package).await?;
        tx.commit().await?;
        self.snapshot_wake().notify_one();
        self.changes().notify(&touched);
        Ok(package)
    }

    fn check_fields(&self, fields: &PackageFields) -> Result<()> {
        fields.check()?;
        if !fields.pkg_source_path.is_empty() {
            SourcePath::parse(&fields.pkg_source_path, &self.options().shares)
                .map_err(|e| SiteError::invalid("PkgSourcePath", e.to_string()))?;
        }
        Ok(())
    }

    async fn next_package_id(&self, tx: &mut Tx) -> Result<String> {
        let number = counter::next(tx, "package").await?;
        if number > PACKAGE_NUMBER_MAX {
            return Err(SiteError::Conflict { reason: "this site has used all its package ids".to_owned() });
        }
        debug_assert!(number >= PACKAGE_NUMBER_FIRST, "the counter starts at 0 and is raised before use");
        Ok(format!("{}{number:05X}", self.identity().site_code))
    }

    async fn insert_package(
        &self,
        tx: &mut Tx,
        id: &str,
        package_type: PackageType,
        fields: &PackageFields,
        now: Timestamp,
    ) -> Result<()> {
        let own = [
            "package_id",
            "package_type",
            "source_site",
            "source_version",
            "action_in_progress",
            "created_at",
            "revision",
        ];
        let revision = counter::next(tx, "revision").await?;
        let mut values = fields.values();
        values.extend::<[Expr; 7]>([
            id.into(),
            i64::from(package_type.number()).into(),
            self.identity().site_code.as_str().into(),
            i64::from(fields.has_source()).into(),
            i64::from(ActionInProgress::None.number()).into(),
            now.as_microsecond().into(),
            revision.into(),
        ]);
        let insert = Query::insert()
            .into_table("package")
            .columns(PackageFields::COLUMNS.iter().copied().chain(own))
            .values_panic(values)
            .to_owned();
        tx.execute(&insert).await?;
        Ok(())
    }

    async fn store_fields(&self, tx: &mut Tx, package_id: &str, fields: &PackageFields) -> Result<()> {
        let update = Query::update()
            .table("package")
            .values(PackageFields::COLUMNS.iter().copied().zip(fields.values()))
            .value("edition", sea_query::ExprTrait::add(Expr::col("edition"), 1i64))
            .value("revision", counter::next(tx, "revision").await?)
            .and_where(by_id(package_id))
            .to_owned();
        tx.execute(&update).await?;
        Ok(())
    }

    /// What else must happen after a change. Returns whose desired state changed.
    async fn follow_change(
        &self,
        tx: &mut Tx,
        before: &Package,
        fields: &PackageFields,
        call: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<crate::distribution::DpId>> {
        let id = &before.package_id;
        let source_moved = fields.pkg_source_path != before.fields.pkg_source_path;
        if source_moved {
            if is_held(tx, id, now).await? {
                return Err(SiteError::Busy { what: "the contents of this package are being changed" });
            }
            forget_validated(tx, id).await?;
        }
        if fields.has_source() && (source_moved || !before.fields.has_source()) {
            if before.stored_version == 0 {
                let update = Query::update()
                    .table("package")
                    .value("source_version", 1i64)
                    .and_where(by_id(id))
                    .to_owned();
                tx.execute(&update).await?;
            }
            refresh::request(tx, id, now, Publish::Always, call).await?;
        }
        if fields.priority != before.fields.priority {
            return demand::tell_again(tx, id).await;
        }
        Ok(Vec::new())
    }
}

/// What was found out held for the source as it was.
async fn forget_validated(tx: &mut Tx, package_id: &str) -> Result<()> {
    let update = Query::update()
        .table("package")
        .value("validated_source", Option::<String>::None)
        .value("validated_hash", Option::<String>::None)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Moves the source to where its files were found, when a client says so by setting the stored path to that place.
async fn follow_validated_source(tx: &mut Tx, before: &Package, fields: &mut PackageFields) -> Result<()> {
    let says_so = fields.stored_pkg_path != before.fields.stored_pkg_path
        && fields.pkg_source_path == before.fields.pkg_source_path;
    if !says_so {
        return Ok(());
    }
    let select = Query::select()
        .columns(["validated_source", "validated_hash", "content_changed"])
        .from("package")
        .and_where(by_id(&before.package_id))
        .to_owned();
    let Some(row) = tx.optional(&select).await? else { return Ok(()) };
    if row.get::<Option<String>>("validated_source")?.as_ref() != Some(&fields.stored_pkg_path) {
        return Ok(());
    }
    let validated: Option<String> = row.get("validated_hash")?;
    let is_same = validated.is_some() && validated == before.content_hash;
    if !is_same || row.flag("content_changed")? || any_unsettled(tx, &before.package_id).await? {
        let reason = format!(
            "the drivers or the stored version of package {} changed since `{}` was validated, or a change is not \
             published yet; refresh the package, wait for the new version, and validate again",
            before.package_id, fields.stored_pkg_path
        );
        return Err(SiteError::Conflict { reason });
    }
    fields.pkg_source_path.clone_from(&fields.stored_pkg_path);
    Ok(())
}
