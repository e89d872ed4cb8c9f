//! Groups of distribution points: what is sent to a group goes to every member, and to whoever joins later.
//!
//! A group holds no state of its own. It says who belongs together and which packages it wants; what each
//! distribution point shall hold stays one row for each package ([`crate::distribution`]), which every change here
//! brings about in its own transaction. Who may change a group may manage distribution points; who sends packages
//! to it may distribute.

mod content;
mod members;

use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;
use crate::status::{self, Message};

/// As audit messages name it.
const CLASS: &str = "SMS_DistributionPointGroup";
const NAME_CHARS_MAX: usize = 256;
const DESCRIPTION_CHARS_MAX: usize = 512;
/// Packages in one call.
const PACKAGES_AT_ONCE_MAX: usize = 1_000;
/// Distribution points in one call.
const POINTS_AT_ONCE_MAX: usize = 10_000;
/// Packages times distribution points that one call names: the site writes nothing else while it writes these, for a
/// second or two.
const PAIRS_AT_ONCE_MAX: usize = 50_000;

const COLUMNS: [&str; 8] = [
    "group_id",
    "name",
    "description",
    "source_site",
    "created_by",
    "created_at",
    "modified_by",
    "modified_at",
];

/// A group of distribution points; SMS_DistributionPointGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpGroup {
    /// A GUID in braces, upper case.
    pub group_id: String,
    /// Unique at this site, whatever its case.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The site that made it.
    pub source_site: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who last changed it, its members or its packages.
    pub modified_by: String,
    /// When that was.
    pub modified_at: Timestamp,
}

/// A group to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewDpGroup {
    /// 1 to 256 characters.
    pub name: String,
    /// At most 512 characters.
    pub description: String,
}

/// A change of a group; absent properties stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DpGroupChange {
    /// 1 to 256 characters.
    pub name: Option<String>,
    /// At most 512 characters.
    pub description: Option<String>,
}

impl Site {
    /// Makes an empty group.
    ///
    /// Errors: [`SiteError::AlreadyExists`] for the name, [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn create_dp_group(&self, actor: &Actor, new: NewDpGroup) -> Result<DpGroup> {
        actor.may(Action::ManageGroups)?;
        check_texts(&new.name, &new.description)?;
        let now = self.now();
        let group = DpGroup {
            group_id: format!("{{{}}}", uuid::Uuid::new_v4().to_string().to_uppercase()),
            name: new.name,
            description: new.description,
            source_site: self.identity().site_code.clone(),
            created_by: actor.name.clone(),
            created_at: now,
            modified_by: actor.name.clone(),
            modified_at: now,
        };
        let mut tx = self.db().write().await?;
        require_free(&mut tx, &group.name, &group.group_id).await?;
        insert(&mut tx, &group).await?;
        scope::enter(&mut tx, &actor.scopes, SecuredType::DpGroup, &group.group_id).await?;
        status::add(&mut tx, now, of_group(Message::created(actor, CLASS, &group.name), &group)).await?;
        tx.commit().await?;
        Ok(group)
    }

    /// A group. Errors: [`SiteError::GroupNotFound`].
    pub async fn dp_group(&self, group_id: &str) -> Result<DpGroup> {
        let row = self.db().optional(&select().and_where(by_id(group_id)).to_owned()).await?;
        row.map_or_else(|| Err(not_found(group_id)), |row| DpGroup::read(&row))
    }

    /// Every group, by name.
    pub async fn dp_groups(&self) -> Result<Vec<DpGroup>> {
        let select = select().order_by("name_key", Order::Asc).to_owned();
        self.db().all(&select).await?.iter().map(DpGroup::read).collect()
    }

    /// Renames or describes a group.
    ///
    /// Errors: [`SiteError::GroupNotFound`], [`SiteError::AlreadyExists`] for the name, [`SiteError::InvalidField`],
    /// [`SiteError::AccessDenied`].
    pub async fn update_dp_group(
        &self,
        actor: &Actor,
        group_id: &str,
        change: DpGroupChange,
    ) -> Result<DpGroup> {
        actor.may(Action::ManageGroups)?;
        let now = self.now();
        let mut tx = self.db().write().await?;
        let before = require(&mut tx, actor, group_id).await?;
        let written = [("Name", change.name.is_some()), ("Description", change.description.is_some())];
        let written: Vec<&str> = written.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        let group = DpGroup {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            description: change.description.unwrap_or_else(|| before.description.clone()),
            modified_by: actor.name.clone(),
            modified_at: now,
            ..before
        };
        check_texts(&group.name, &group.description)?;
        require_free(&mut tx, &group.name, group_id).await?;
        let update = Query::update()
            .table("dp_group")
            .value("name", group.name.as_str())
            .value("name_key", group.name.to_lowercase())
            .value("description", group.description.as_str())
            .and_where(by_id(group_id))
            .to_owned();
        tx.execute(&update).await?;
        touch(&mut tx, actor, &group, now).await?;
        status::add(&mut tx, now, of_group(Message::changed(actor, CLASS, &group.name, &written), &group))
            .await?;
        tx.commit().await?;
        Ok(group)
    }

    /// Deletes a group. Its distribution points keep what they hold.
    ///
    /// Errors: [`SiteError::GroupNotFound`], [`SiteError::AccessDenied`].
    pub async fn delete_dp_group(&self, actor: &Actor, group_id: &str) -> Result<()> {
        actor.may(Action::ManageGroups)?;
        let mut tx = self.db().write().await?;
        let group = require(&mut tx, actor, group_id).await?;
        // Members and packages go with it.
        tx.execute(Query::delete().from_table("dp_group").and_where(by_id(group_id))).await?;
        status::add(&mut tx, self.now(), of_group(Message::deleted(actor, CLASS, &group.name), &group))
            .await?;
        tx.commit().await
    }
}

impl DpGroup {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            group_id: row.get("group_id")?,
            name: row.get("name")?,
            description: row.get("description")?,
            source_site: row.get("source_site")?,
            created_by: row.get("created_by")?,
            created_at: row.time("created_at")?,
            modified_by: row.get("modified_by")?,
            modified_at: row.time("modified_at")?,
        })
    }
}

/// The package goes: no group wants it any more.
pub(crate) async fn forget_package(tx: &mut Tx, package_id: &str) -> Result<()> {
    let delete = Query::delete()
        .from_table("dp_group_package")
        .and_where(crate::package::by_id(package_id))
        .to_owned();
    tx.execute(&delete).await?;
    Ok(())
}

/// The group, inside a transaction of this actor.
async fn require(tx: &mut Tx, actor: &Actor, group_id: &str) -> Result<DpGroup> {
    let row = tx.optional(&select().and_where(by_id(group_id)).to_owned()).await?;
    let group = row.map_or_else(|| Err(not_found(group_id)), |row| DpGroup::read(&row))?;
    scope::require_visible(tx, actor, SecuredType::DpGroup, group_id).await?;
    Ok(group)
}

async fn insert(tx: &mut Tx, group: &DpGroup) -> Result<()> {
    let insert = Query::insert()
        .into_table("dp_group")
        .columns(COLUMNS.into_iter().chain(["name_key"]))
        .values_panic([
            group.group_id.as_str().into(),
            group.name.as_str().into(),
            group.description.as_str().into(),
            group.source_site.as_str().into(),
            group.created_by.as_str().into(),
            group.created_at.as_microsecond().into(),
            group.modified_by.as_str().into(),
            group.modified_at.as_microsecond().into(),
            group.name.to_lowercase().into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Notes who changed the group.
async fn touch(tx: &mut Tx, actor: &Actor, group: &DpGroup, now: Timestamp) -> Result<()> {
    let update = Query::update()
        .table("dp_group")
        .value("modified_by", actor.name.as_str())
        .value("modified_at", now.as_microsecond())
        .and_where(by_id(&group.group_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// Refuses a name that another group has.
async fn require_free(tx: &mut Tx, name: &str, group_id: &str) -> Result<()> {
    let select = select()
        .and_where(Expr::col("name_key").eq(name.to_lowercase()))
        .and_where(Expr::col("group_id").ne(group_id))
        .to_owned();
    match tx.optional(&select).await? {
        Some(_) => Err(SiteError::AlreadyExists { what: format!("distribution point group {name}") }),
        None => Ok(()),
    }
}

/// Somebody called a method of the group about one package or distribution point.
/// A message is for those for whom its group exists.
fn of_group(message: Message, group: &DpGroup) -> Message {
    message.about(SecuredType::DpGroup, group.group_id.as_str())
}

fn called(actor: &Actor, method: &str, group: &DpGroup, what: &str) -> Message {
    of_group(Message::called(actor, CLASS, method, &format!("{}: {what}", group.name)), group)
}

fn check_texts(name: &str, description: &str) -> Result<()> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let reason = format!("1 to {NAME_CHARS_MAX} characters are needed, without control characters");
        return Err(SiteError::invalid("Name", reason));
    }
    if description.chars().count() > DESCRIPTION_CHARS_MAX {
        let reason = format!("at most {DESCRIPTION_CHARS_MAX} characters are allowed");
        return Err(SiteError::invalid("Description", reason));
    }
    Ok(())
}

fn check_count(property: &'static str, count: usize, max: usize) -> Result<()> {
    if count == 0 || count > max {
        return Err(SiteError::invalid(property, format!("1 to {max} are needed")));
    }
    Ok(())
}

fn check_pairs(property: &'static str, packages: usize, points: usize) -> Result<()> {
    if packages.saturating_mul(points) > PAIRS_AT_ONCE_MAX {
        let reason = format!(
            "{packages} packages for {points} distribution points are more than the {PAIRS_AT_ONCE_MAX} \
             assignments of one call; name fewer at once"
        );
        return Err(SiteError::invalid(property, reason));
    }
    Ok(())
}

fn by_id(group_id: &str) -> Expr {
    Expr::col("group_id").eq(group_id)
}

fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from("dp_group").to_owned()
}

fn not_found(group_id: &str) -> SiteError {
    SiteError::GroupNotFound { group_id: group_id.to_owned() }
}
