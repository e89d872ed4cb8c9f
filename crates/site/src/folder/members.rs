//! What is in folders. An object is in one folder of its type, or in the root, which has no row.

use std::collections::HashMap;

use sea_query::{Expr, ExprTrait, Query, SelectStatement};

use super::{Folder, FolderType, ROOT, require};
use crate::access::scope::{self, SecuredType};
use crate::access::{Actor, Scopes};
use crate::db::{Row, Tx, counter};
use crate::driver::store;
use crate::error::{Result, SiteError};
use crate::package::{Package, PackageType, visible};
use crate::server::Site;
use crate::status::{self, Message};

/// Objects in one call.
const MOVED_AT_ONCE_MAX: usize = 10_000;
/// Objects in one statement.
const KEYS_AT_ONCE_MAX: usize = 400;

/// An object in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderItem {
    /// MemberID.
    pub member_id: i64,
    /// The folder.
    pub folder_id: i64,
    /// What it is.
    pub folder_type: FolderType,
    /// The PackageID, or the CI_UniqueID of a driver.
    pub instance_key: String,
}

impl Site {
    /// Moves objects from one folder into another; 0 is the root. All of them or none. An object that is in the
    /// target already stays there.
    ///
    /// Errors: [`SiteError::FolderNotFound`], [`SiteError::PackageNotFound`], [`SiteError::DriverUnknown`],
    /// [`SiteError::Conflict`] where an object is not in the first folder, or a folder is of another type,
    /// [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn move_members(
        &self,
        actor: &Actor,
        object_type: u32,
        instance_keys: &[String],
        from: i64,
        to: i64,
    ) -> Result<()> {
        let folder_type = FolderType::from_number(object_type)?;
        actor.may(folder_type.action())?;
        if instance_keys.is_empty() || instance_keys.len() > MOVED_AT_ONCE_MAX {
            let reason = format!("1 to {MOVED_AT_ONCE_MAX} keys are needed");
            return Err(SiteError::invalid("InstanceKeys", reason));
        }
        let mut tx = self.db().write().await?;
        check_source(&mut tx, folder_type, from).await?;
        let target = check_target(&mut tx, folder_type, to).await?;
        let keys = self.existing_keys(&mut tx, actor, folder_type, instance_keys).await?;
        let mut moved = Vec::new();
        for some in keys.chunks(KEYS_AT_ONCE_MAX) {
            let now_in = folders_of(&mut tx, folder_type, some).await?;
            for key in some {
                let now = now_in.get(key).copied().unwrap_or(ROOT);
                if now == to {
                    continue;
                }
                if now != from {
                    return Err(elsewhere(key, now, from));
                }
                moved.push(key.clone());
            }
        }
        for some in moved.chunks(KEYS_AT_ONCE_MAX) {
            self.put_into(&mut tx, folder_type, some, to).await?;
        }
        if !moved.is_empty() {
            let place = target.map_or_else(|| "the root".to_owned(), |folder| folder.name);
            let moved = format!("{} to {place} ({to})", moved.join(", "));
            let message = Message::called(actor, "SMS_ObjectContainerItem", "MoveMembers", &moved);
            status::add(&mut tx, self.now(), message).await?;
        }
        tx.commit().await
    }

    /// What a member id stands for. Errors: [`SiteError::FolderItemNotFound`].
    pub async fn folder_item(&self, member_id: i64) -> Result<FolderItem> {
        let select = select().and_where(Expr::col("member_id").eq(member_id)).to_owned();
        let row = self.db().optional(&select).await?.ok_or(SiteError::FolderItemNotFound { member_id })?;
        FolderItem::read(&row)
    }

    /// The item of an object, unless it is in the root. The key is as callers write it.
    pub async fn folder_item_of(&self, object_type: u32, instance_key: &str) -> Result<Option<FolderItem>> {
        let folder_type = FolderType::from_number(object_type)?;
        let key = self.canonical_key(folder_type, instance_key);
        let select = select().and_where(members(folder_type, &[key])).to_owned();
        self.db().optional(&select).await?.as_ref().map(FolderItem::read).transpose()
    }

    fn canonical_key(&self, folder_type: FolderType, key: &str) -> String {
        match folder_type {
            FolderType::Package | FolderType::DriverPackage => key.trim().to_ascii_uppercase(),
            FolderType::Driver => store::canonical(key.trim(), self),
        }
    }

    /// The keys as the site writes them, each once. All of them exist for the actor.
    async fn existing_keys(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        folder_type: FolderType,
        given: &[String],
    ) -> Result<Vec<String>> {
        let mut keys: Vec<String> = given.iter().map(|key| self.canonical_key(folder_type, key)).collect();
        keys.sort_unstable();
        keys.dedup();
        for some in keys.chunks(KEYS_AT_ONCE_MAX) {
            let select = match folder_type {
                FolderType::Package => packages(PackageType::Regular, some, &actor.scopes),
                FolderType::DriverPackage => packages(PackageType::Driver, some, &actor.scopes),
                FolderType::Driver => Query::select()
                    .expr_as(Expr::col("unique_id"), "found")
                    .from("driver")
                    .and_where(Expr::col("unique_id").is_in(some.iter().map(String::as_str)))
                    .cond_where(scope::restriction(
                        SecuredType::Driver,
                        &actor.scopes,
                        Expr::col(("driver", "ci_id")),
                    ))
                    .to_owned(),
            };
            let rows = tx.all(&select).await?;
            let found = rows.iter().map(|row| row.get("found")).collect::<Result<Vec<String>>>()?;
            if let Some(missing) = some.iter().find(|key| !found.contains(key)) {
                return Err(match folder_type {
                    FolderType::Driver => SiteError::DriverUnknown { unique_id: missing.clone() },
                    FolderType::Package | FolderType::DriverPackage => SiteError::package(missing),
                });
            }
        }
        Ok(keys)
    }

    async fn put_into(&self, tx: &mut Tx, folder_type: FolderType, keys: &[String], to: i64) -> Result<()> {
        tx.execute(Query::delete().from_table("folder_item").and_where(members(folder_type, keys))).await?;
        if to == ROOT {
            return Ok(());
        }
        let count = i64::try_from(keys.len()).expect("fewer keys than i64 counts");
        let last = counter::raise(tx, "folder item", count).await?;
        let mut insert = Query::insert();
        insert.into_table("folder_item").columns([
            "member_id",
            "member_guid",
            "folder_id",
            "object_type",
            "instance_key",
            "source_site",
        ]);
        for (member_id, key) in (last - count + 1..).zip(keys) {
            insert.values_panic([
                member_id.into(),
                uuid::Uuid::new_v4().to_string().to_ascii_uppercase().into(),
                to.into(),
                i64::from(folder_type.number()).into(),
                key.as_str().into(),
                self.identity().site_code.as_str().into(),
            ]);
        }
        tx.execute(&insert).await?;
        Ok(())
    }
}

impl FolderItem {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            member_id: row.get("member_id")?,
            folder_id: row.get("folder_id")?,
            folder_type: FolderType::from_number(row.unsigned("object_type")?)
                .map_err(|_| SiteError::corrupt("folder_item.object_type"))?,
            instance_key: row.get("instance_key")?,
        })
    }
}

fn select() -> SelectStatement {
    Query::select()
        .columns(["member_id", "folder_id", "object_type", "instance_key"])
        .from("folder_item")
        .to_owned()
}

/// A package goes: it is in no folder any more.
pub(crate) async fn leave_package(tx: &mut Tx, package: &Package) -> Result<()> {
    let folder_type = match package.package_type {
        PackageType::Regular => FolderType::Package,
        PackageType::Driver => FolderType::DriverPackage,
    };
    leave(tx, folder_type, &package.package_id).await
}

/// A driver goes: it is in no folder any more.
pub(crate) async fn leave_driver(tx: &mut Tx, unique_id: &str) -> Result<()> {
    leave(tx, FolderType::Driver, unique_id).await
}

async fn leave(tx: &mut Tx, folder_type: FolderType, instance_key: &str) -> Result<()> {
    let member = members(folder_type, &[instance_key.to_owned()]);
    tx.execute(Query::delete().from_table("folder_item").and_where(member)).await?;
    Ok(())
}

fn packages(package_type: PackageType, ids: &[String], scopes: &Scopes) -> SelectStatement {
    Query::select()
        .expr_as(Expr::col("package_id"), "found")
        .from("package")
        .and_where(visible())
        .and_where(Expr::col("package_type").eq(i64::from(package_type.number())))
        .and_where(Expr::col("package_id").is_in(ids.iter().map(String::as_str)))
        .cond_where(scope::restriction(SecuredType::Package, scopes, Expr::col(("package", "package_id"))))
        .to_owned()
}

fn members(folder_type: FolderType, keys: &[String]) -> Expr {
    let of_type = Expr::col("object_type").eq(i64::from(folder_type.number()));
    of_type.and(Expr::col("instance_key").is_in(keys.iter().map(String::as_str)))
}

async fn folders_of(tx: &mut Tx, folder_type: FolderType, keys: &[String]) -> Result<HashMap<String, i64>> {
    let select = Query::select()
        .columns(["instance_key", "folder_id"])
        .from("folder_item")
        .and_where(members(folder_type, keys))
        .to_owned();
    let rows = tx.all(&select).await?;
    rows.iter().map(|row| Ok((row.get("instance_key")?, row.get("folder_id")?))).collect()
}

async fn check_source(tx: &mut Tx, folder_type: FolderType, from: i64) -> Result<()> {
    if from == ROOT {
        return Ok(());
    }
    of_type(require(tx, from).await?, folder_type).map(|_| ())
}

async fn check_target(tx: &mut Tx, folder_type: FolderType, to: i64) -> Result<Option<Folder>> {
    if to == ROOT {
        return Ok(None);
    }
    let target = of_type(require(tx, to).await?, folder_type)?;
    if target.search_folder {
        let reason = format!("folder {} is a saved search and has no members of its own", target.name);
        return Err(SiteError::Conflict { reason });
    }
    Ok(Some(target))
}

fn of_type(folder: Folder, folder_type: FolderType) -> Result<Folder> {
    if folder.folder_type == folder_type {
        return Ok(folder);
    }
    let (wanted, has) = (folder_type.number(), folder.folder_type.number());
    let reason = format!("folder {} holds objects of ObjectType {has}, not {wanted}", folder.name);
    Err(SiteError::Conflict { reason })
}

fn elsewhere(key: &str, now: i64, from: i64) -> SiteError {
    let place = |folder: i64| if folder == ROOT { "the root".to_owned() } else { format!("folder {folder}") };
    let reason = format!("{key} is in {}, not in {}; nothing was moved", place(now), place(from));
    SiteError::Conflict { reason }
}
