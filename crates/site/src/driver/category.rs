//! Categories of drivers: labels that administrators give, and drivers carry.
//!
//! What drivers show of their categories is kept beside each driver, so that queries read one row; every change of
//! a category writes it anew.

use std::collections::BTreeMap;

use sea_query::{Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use super::localized::{self, LOCALE_DEFAULT, LocalizedName};
use crate::access::{Action, Actor};
use crate::db::{Row, Tx, counter};
use crate::error::{Result, SiteError};
use crate::query::stored_list;
use crate::server::Site;
use crate::status::{self, Message};

/// The only type of category that drivers have.
const TYPE_DRIVER: &str = "DriverCategories";
const UNIQUE_ID_CHARS_MAX: usize = 512;
/// Categories of one driver.
pub(crate) const CATEGORIES_MAX: usize = 256;
/// Drivers asked about in one statement.
const DRIVERS_AT_ONCE_MAX: usize = 500;

/// A category; SMS_CategoryInstance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// CategoryInstanceID, unique at this site.
    pub category_id: i64,
    /// For example `DriverCategories:3b1f...`.
    pub unique_id: String,
    /// CategoryTypeName.
    pub type_name: String,
    /// The names in all languages that were given.
    pub localized: Vec<LocalizedName>,
    /// The name that is shown.
    pub name: String,
}

/// A category to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCategory {
    /// `DriverCategories:` and something unique; made by the site when empty.
    pub unique_id: String,
    /// `DriverCategories`, which is also meant when empty.
    pub type_name: String,
    /// At least one name.
    pub localized: Vec<LocalizedName>,
}

/// A change of a category.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CategoryChange {
    /// The names in all languages.
    pub localized: Option<Vec<LocalizedName>>,
}

impl Site {
    /// Makes a category.
    ///
    /// Errors: [`SiteError::InvalidField`], [`SiteError::AlreadyExists`] for the unique id,
    /// [`SiteError::AccessDenied`].
    pub async fn create_category(&self, actor: &Actor, new: NewCategory) -> Result<Category> {
        actor.may(Action::ChangeDrivers)?;
        let unique_id = checked_unique_id(&new)?;
        let name = checked_name(&new.localized)?;
        let mut tx = self.db().write().await?;
        let (_, taken) = found(&mut tx, std::slice::from_ref(&unique_id)).await?;
        if !taken.is_empty() {
            return Err(SiteError::AlreadyExists { what: format!("category {unique_id}") });
        }
        let category_id = counter::next(&mut tx, "category").await?;
        let insert = Query::insert()
            .into_table("category")
            .columns([
                "category_id",
                "unique_id",
                "type_name",
                "localized",
                "name",
                "locale_id",
                "source_site",
            ])
            .values_panic([
                category_id.into(),
                unique_id.as_str().into(),
                TYPE_DRIVER.into(),
                localized::to_json(&new.localized).into(),
                name.name.as_str().into(),
                i64::from(name.locale_id).into(),
                self.identity().site_code.as_str().into(),
            ])
            .to_owned();
        tx.execute(&insert).await?;
        status::add(&mut tx, self.now(), Message::category_changed(actor, &name.name, "created")).await?;
        let category = require(&mut tx, category_id).await?;
        tx.commit().await?;
        Ok(category)
    }

    /// A category. Errors: [`SiteError::CategoryNotFound`].
    pub async fn category(&self, category_id: i64) -> Result<Category> {
        let row = self.db().optional(&select().and_where(by_id(category_id)).to_owned()).await?;
        row.map_or_else(|| Err(not_found(category_id)), |row| Category::read(&row))
    }

    /// Every category, by id.
    pub async fn categories(&self) -> Result<Vec<Category>> {
        self.db().all(&select()).await?.iter().map(Category::read).collect()
    }

    /// Renames a category; its drivers show the new name.
    ///
    /// Errors: [`SiteError::CategoryNotFound`], [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn update_category(
        &self,
        actor: &Actor,
        category_id: i64,
        change: CategoryChange,
    ) -> Result<Category> {
        actor.may(Action::ChangeDrivers)?;
        let mut tx = self.db().write().await?;
        let before = require(&mut tx, category_id).await?;
        let names = change.localized.unwrap_or_else(|| before.localized.clone());
        if names == before.localized {
            return Ok(before);
        }
        let name = checked_name(&names)?;
        let update = Query::update()
            .table("category")
            .value("localized", localized::to_json(&names))
            .value("name", name.name.as_str())
            .value("locale_id", i64::from(name.locale_id))
            .and_where(by_id(category_id))
            .to_owned();
        tx.execute(&update).await?;
        let drivers = drivers_of(&mut tx, category_id).await?;
        show(&mut tx, &drivers).await?;
        status::add(&mut tx, self.now(), Message::category_changed(actor, &name.name, "renamed")).await?;
        let category = require(&mut tx, category_id).await?;
        tx.commit().await?;
        Ok(category)
    }

    /// Deletes a category and takes it from its drivers.
    ///
    /// Errors: [`SiteError::CategoryNotFound`], [`SiteError::AccessDenied`].
    pub async fn delete_category(&self, actor: &Actor, category_id: i64) -> Result<()> {
        actor.may(Action::ChangeDrivers)?;
        let mut tx = self.db().write().await?;
        let category = require(&mut tx, category_id).await?;
        let drivers = drivers_of(&mut tx, category_id).await?;
        tx.execute(Query::delete().from_table("driver_category").and_where(by_id(category_id))).await?;
        tx.execute(Query::delete().from_table("category").and_where(by_id(category_id))).await?;
        show(&mut tx, &drivers).await?;
        status::add(&mut tx, self.now(), Message::category_changed(actor, &category.name, "deleted")).await?;
        tx.commit().await
    }
}

/// The ids of the categories with these unique ids, in their order and each once.
///
/// Errors: [`SiteError::CategoryNotFound`], [`SiteError::InvalidField`] for too many.
pub(crate) async fn ids(tx: &mut Tx, unique_ids: &[String]) -> Result<Vec<i64>> {
    if unique_ids.len() > CATEGORIES_MAX {
        let reason = format!("at most {CATEGORIES_MAX} categories are allowed");
        return Err(SiteError::invalid("CategoryInstance_UniqueIDs", reason));
    }
    let (missing, ids) = found(tx, unique_ids).await?;
    match missing {
        Some(category) => Err(SiteError::CategoryNotFound { category }),
        None => Ok(ids),
    }
}

/// The ids of those categories that are still there.
pub(crate) async fn existing_ids(tx: &mut Tx, unique_ids: &[String]) -> Result<Vec<i64>> {
    Ok(found(tx, unique_ids).await?.1)
}

/// The first unique id that no category has, and the ids of the others.
async fn found(tx: &mut Tx, unique_ids: &[String]) -> Result<(Option<String>, Vec<i64>)> {
    let (mut missing, mut ids) = (None, Vec::new());
    for unique_id in unique_ids {
        // Unique ids are kept as given and are the same in any case, like every text that a client compares.
        let same =
            Expr::from(sea_query::Func::lower(Expr::col("unique_id"))).eq(unique_id.to_ascii_lowercase());
        let select = Query::select().column("category_id").from("category").and_where(same).to_owned();
        match tx.optional(&select).await? {
            Some(row) => {
                let id = row.get("category_id")?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            None => missing = missing.or_else(|| Some(unique_id.clone())),
        }
    }
    Ok((missing, ids))
}

/// Adds categories to drivers; those that a driver has already stay.
pub(crate) async fn assign(tx: &mut Tx, drivers: &[i64], categories: &[i64]) -> Result<()> {
    for &ci_id in drivers {
        for &category_id in categories {
            let insert = Query::insert()
                .into_table("driver_category")
                .columns(["ci_id", "category_id"])
                .values_panic([ci_id.into(), category_id.into()])
                .on_conflict(sea_query::OnConflict::columns(["ci_id", "category_id"]).do_nothing().to_owned())
                .to_owned();
            tx.execute(&insert).await?;
        }
    }
    show(tx, drivers).await
}

/// Gives drivers exactly these categories.
pub(crate) async fn replace(tx: &mut Tx, drivers: &[i64], categories: &[i64]) -> Result<()> {
    for drivers in drivers.chunks(DRIVERS_AT_ONCE_MAX) {
        let theirs = Expr::col("ci_id").is_in(drivers.iter().copied());
        tx.execute(Query::delete().from_table("driver_category").and_where(theirs)).await?;
    }
    assign(tx, drivers, categories).await
}

/// Writes beside each driver what its categories are now.
async fn show(tx: &mut Tx, drivers: &[i64]) -> Result<()> {
    for drivers in drivers.chunks(DRIVERS_AT_ONCE_MAX) {
        let mut shown: BTreeMap<i64, (Vec<String>, Vec<String>)> =
            drivers.iter().map(|&ci_id| (ci_id, Default::default())).collect();
        for row in tx.all(&assigned(drivers)).await? {
            let (ids, names) = shown.entry(row.get("ci_id")?).or_default();
            ids.push(row.get("unique_id")?);
            names.push(row.get("name")?);
        }
        for (ci_id, (ids, names)) in shown {
            let update = Query::update()
                .table("driver")
                .value("category_unique_ids", stored_list(ids))
                .value("category_names", stored_list(names))
                .and_where(Expr::col("ci_id").eq(ci_id))
                .to_owned();
            tx.execute(&update).await?;
        }
    }
    Ok(())
}

fn assigned(drivers: &[i64]) -> SelectStatement {
    Query::select()
        .column(("a", "ci_id"))
        .columns([("c", "unique_id"), ("c", "name")])
        .from_as("driver_category", "a")
        .join_as(
            JoinType::InnerJoin,
            "category",
            "c",
            Expr::col(("c", "category_id")).equals(("a", "category_id")),
        )
        .and_where(Expr::col(("a", "ci_id")).is_in(drivers.iter().copied()))
        .order_by(("a", "category_id"), Order::Asc)
        .to_owned()
}

async fn drivers_of(tx: &mut Tx, category_id: i64) -> Result<Vec<i64>> {
    let select = Query::select()
        .column("ci_id")
        .from("driver_category")
        .and_where(by_id(category_id))
        .order_by("ci_id", Order::Asc)
        .to_owned();
    tx.all(&select).await?.iter().map(|row| row.get("ci_id")).collect()
}

async fn require(tx: &mut Tx, category_id: i64) -> Result<Category> {
    let row = tx.optional(&select().and_where(by_id(category_id)).to_owned()).await?;
    row.map_or_else(|| Err(not_found(category_id)), |row| Category::read(&row))
}

fn select() -> SelectStatement {
    Query::select()
        .columns(["category_id", "unique_id", "type_name", "localized", "name"])
        .from("category")
        .order_by("category_id", Order::Asc)
        .to_owned()
}

fn by_id(category_id: i64) -> Expr {
    Expr::col("category_id").eq(category_id)
}

fn not_found(category_id: i64) -> SiteError {
    SiteError::CategoryNotFound { category: category_id.to_string() }
}

impl Category {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            category_id: row.get("category_id")?,
            unique_id: row.get("unique_id")?,
            type_name: row.get("type_name")?,
            localized: localized::from_json(&row.get::<String>("localized")?, "category.localized")?,
            name: row.get("name")?,
        })
    }
}

fn checked_unique_id(new: &NewCategory) -> Result<String> {
    let refuse = |property, reason: String| Err(SiteError::invalid(property, reason));
    if !new.type_name.is_empty() && !new.type_name.eq_ignore_ascii_case(TYPE_DRIVER) {
        return refuse("CategoryTypeName", format!("{TYPE_DRIVER} is needed; this site has no other type"));
    }
    if new.unique_id.is_empty() {
        return Ok(format!("{TYPE_DRIVER}:{}", uuid::Uuid::new_v4()));
    }
    let property = "CategoryInstance_UniqueID";
    match new.unique_id.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case(TYPE_DRIVER) && !rest.is_empty() => {}
        _ => return refuse(property, format!("{TYPE_DRIVER}: and a GUID is needed")),
    }
    if new.unique_id.chars().count() > UNIQUE_ID_CHARS_MAX || new.unique_id.chars().any(char::is_control) {
        return refuse(property, format!("at most {UNIQUE_ID_CHARS_MAX} plain characters are allowed"));
    }
    Ok(new.unique_id.clone())
}

fn checked_name(names: &[LocalizedName]) -> Result<LocalizedName> {
    localized::check(names)?;
    let name = localized::shown(names).filter(|name| !name.name.trim().is_empty()).cloned();
    let needed = format!("a name is needed, best with LocaleID {LOCALE_DEFAULT}");
    name.ok_or_else(|| SiteError::invalid("LocalizedInformation", needed))
}
