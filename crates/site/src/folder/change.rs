//! Making, changing and deleting folders.

use sea_query::{Expr, ExprTrait, Func, Query};

use super::{
    DEPTH_MAX, FOLDERS_MAX, Folder, FolderChange, FolderType, NewFolder, ROOT, by_id, require, select,
};
use crate::access::Actor;
use crate::db::{Tx, counter};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

const CLASS: &str = "SMS_ObjectContainerNode";
const NAME_CHARS_MAX: usize = 255;
const SEARCH_CHARS_MAX: usize = 4_096;
/// Folders whose contents one statement looks up.
const PARENTS_AT_ONCE_MAX: usize = 400;

impl Site {
    /// Makes a console folder.
    ///
    /// Errors: [`SiteError::InvalidField`], [`SiteError::AlreadyExists`] for a sibling of the same name,
    /// [`SiteError::FolderNotFound`] for the parent, [`SiteError::Conflict`] where it has another type or too many
    /// folders around it, [`SiteError::AccessDenied`].
    pub async fn create_folder(&self, actor: &Actor, new: NewFolder) -> Result<Folder> {
        let folder_type = FolderType::from_number(new.object_type)?;
        actor.may(folder_type.action())?;
        let mut tx = self.db().write().await?;
        let folder = Folder {
            folder_id: counter::next(&mut tx, "folder").await?,
            name: new.name,
            folder_type,
            parent_id: new.parent_id,
            folder_flags: new.folder_flags,
            search_folder: new.search_folder,
            search_string: new.search_string,
        };
        check_texts(&folder)?;
        check_count(&mut tx).await?;
        check_place(&mut tx, &folder).await?;
        self.insert_folder(&mut tx, &folder).await?;
        let message = Message::created(actor, CLASS, &shown(&folder));
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await?;
        Ok(folder)
    }

    /// Renames, moves or otherwise changes a folder. Its type stays.
    ///
    /// Errors: as [`Site::create_folder`]; [`SiteError::Conflict`] if it moved into itself.
    pub async fn update_folder(&self, actor: &Actor, folder_id: i64, change: FolderChange) -> Result<Folder> {
        let mut tx = self.db().write().await?;
        let before = require(&mut tx, folder_id).await?;
        actor.may(before.folder_type.action())?;
        let after = Folder {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            parent_id: change.parent_id.unwrap_or(before.parent_id),
            folder_flags: change.folder_flags.unwrap_or(before.folder_flags),
            search_folder: change.search_folder.unwrap_or(before.search_folder),
            search_string: change.search_string.unwrap_or_else(|| before.search_string.clone()),
            ..before.clone()
        };
        if after == before {
            return Ok(before);
        }
        check_texts(&after)?;
        check_place(&mut tx, &after).await?;
        if after.search_folder && !before.search_folder && !is_empty(&mut tx, folder_id).await? {
            return Err(not_empty(&before, "it becomes a search"));
        }
        let update = Query::update()
            .table("folder")
            .value("name", after.name.as_str())
            .value("name_key", key(&after.name))
            .value("parent_id", after.parent_id)
            .value("folder_flags", i64::from(after.folder_flags))
            .value("search_folder", i64::from(after.search_folder))
            .value("search_string", after.search_string.as_str())
            .and_where(by_id(folder_id))
            .to_owned();
        tx.execute(&update).await?;
        let message = Message::changed(actor, CLASS, &shown(&after), &differences(&before, &after));
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Deletes an empty folder.
    ///
    /// Errors: [`SiteError::FolderNotFound`], [`SiteError::Conflict`] if something is in it,
    /// [`SiteError::AccessDenied`].
    pub async fn delete_folder(&self, actor: &Actor, folder_id: i64) -> Result<()> {
        let mut tx = self.db().write().await?;
        let folder = require(&mut tx, folder_id).await?;
        actor.may(folder.folder_type.action())?;
        if !is_empty(&mut tx, folder_id).await? {
            return Err(not_empty(&folder, "it is deleted"));
        }
        tx.execute(Query::delete().from_table("folder").and_where(by_id(folder_id))).await?;
        let message = Message::deleted(actor, CLASS, &shown(&folder));
        status::add(&mut tx, self.now(), message).await?;
        tx.commit().await
    }

    async fn insert_folder(&self, tx: &mut Tx, folder: &Folder) -> Result<()> {
        let insert = Query::insert()
            .into_table("folder")
            .columns([
                "folder_id",
                "name",
                "name_key",
                "object_type",
                "parent_id",
                "folder_flags",
                "folder_guid",
                "search_folder",
                "search_string",
                "source_site",
            ])
            .values_panic([
                folder.folder_id.into(),
                folder.name.as_str().into(),
                key(&folder.name).into(),
                i64::from(folder.folder_type.number()).into(),
                folder.parent_id.into(),
                i64::from(folder.folder_flags).into(),
                uuid::Uuid::new_v4().to_string().to_ascii_uppercase().into(),
                i64::from(folder.search_folder).into(),
                folder.search_string.as_str().into(),
                self.identity().site_code.as_str().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        Ok(())
    }
}

/// How messages name a folder.
fn shown(folder: &Folder) -> String {
    format!("{} ({})", folder.folder_id, folder.name)
}

/// The properties in which two folders differ.
fn differences(before: &Folder, after: &Folder) -> Vec<&'static str> {
    let all = [
        ("Name", before.name != after.name),
        ("ParentContainerNodeID", before.parent_id != after.parent_id),
        ("FolderFlags", before.folder_flags != after.folder_flags),
        ("SearchFolder", before.search_folder != after.search_folder),
        ("SearchString", before.search_string != after.search_string),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn check_texts(folder: &Folder) -> Result<()> {
    let refuse = |property, reason: String| Err(SiteError::invalid(property, reason));
    let name = &folder.name;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return refuse("Name", format!("a name of 1 to {NAME_CHARS_MAX} plain characters is needed"));
    }
    if folder.search_string.chars().count() > SEARCH_CHARS_MAX || folder.search_string.contains('\0') {
        return refuse(
            "SearchString",
            format!("at most {SEARCH_CHARS_MAX} characters are allowed, none of them null"),
        );
    }
    Ok(())
}

async fn check_count(tx: &mut Tx) -> Result<()> {
    let count = Query::select().expr_as(Func::count(Expr::val(1i64)), "folders").from("folder").to_owned();
    let folders: i64 = tx.optional(&count).await?.map_or(Ok(0), |row| row.get("folders"))?;
    if folders >= FOLDERS_MAX {
        let reason = format!("this site has {FOLDERS_MAX} console folders, which is the most; delete some");
        return Err(SiteError::Conflict { reason });
    }
    Ok(())
}

/// The parent must be there and of the same type, no folder may be inside itself, what is inside it must not end up too
/// deep, and siblings differ in name.
async fn check_place(tx: &mut Tx, folder: &Folder) -> Result<()> {
    let refuse = |reason: String| Err(SiteError::Conflict { reason });
    let deepest = levels_below(tx, folder.folder_id).await?;
    let mut above = folder.parent_id;
    for depth in 1.. {
        if above == folder.folder_id {
            return refuse(format!(
                "folder {} cannot move into itself or into a folder inside it",
                folder.name
            ));
        }
        if depth + deepest > DEPTH_MAX {
            return refuse(format!("folders nest at most {DEPTH_MAX} deep"));
        }
        if above == ROOT {
            break;
        }
        let parent = require(tx, above).await?;
        if parent.folder_type != folder.folder_type {
            let (own, parents) = (folder.folder_type.number(), parent.folder_type.number());
            return refuse(format!(
                "a folder of ObjectType {own} cannot be in folder {} of ObjectType {parents}",
                parent.name
            ));
        }
        above = parent.parent_id;
    }
    let sibling = select()
        .and_where(Expr::col("object_type").eq(i64::from(folder.folder_type.number())))
        .and_where(Expr::col("parent_id").eq(folder.parent_id))
        .and_where(Expr::col("name_key").eq(key(&folder.name)))
        .and_where(Expr::col("folder_id").ne(folder.folder_id))
        .to_owned();
    if tx.optional(&sibling).await?.is_some() {
        return Err(SiteError::AlreadyExists { what: format!("a folder {} in this place", folder.name) });
    }
    Ok(())
}

/// How many levels of folders are inside one.
async fn levels_below(tx: &mut Tx, folder_id: i64) -> Result<usize> {
    let mut inside = vec![folder_id];
    for level in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for some in inside.chunks(PARENTS_AT_ONCE_MAX) {
            let children = select().and_where(Expr::col("parent_id").is_in(some.iter().copied())).to_owned();
            for row in tx.all(&children).await? {
                next.push(row.get("folder_id")?);
            }
        }
        if next.is_empty() {
            return Ok(level);
        }
        inside = next;
    }
    Ok(DEPTH_MAX)
}

async fn is_empty(tx: &mut Tx, folder_id: i64) -> Result<bool> {
    for (table, column) in [("folder", "parent_id"), ("folder_item", "folder_id")] {
        let inside = Query::select()
            .column("folder_id")
            .from(table)
            .and_where(Expr::col(column).eq(folder_id))
            .limit(1)
            .to_owned();
        if tx.optional(&inside).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn not_empty(folder: &Folder, what: &str) -> SiteError {
    let reason = format!("folder {} is not empty; move what is in it elsewhere before {what}", folder.name);
    SiteError::Conflict { reason }
}

/// The form in which names are compared.
fn key(name: &str) -> String {
    name.trim().to_lowercase()
}
