//! Categories of drivers: labels that administrators give, and drivers carry.
//!
//! What drivers show of their categories is kept beside each driver, so that queries read one row; every change of
//! a category writes it anew.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sea_query::{
    CaseStatement, Expr, ExprTrait, JoinType, OnConflict, Order, Query, SelectStatement, UpdateStatement,
};

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
        status::add(&mut tx, self.now(), Message::created(actor, "SMS_CategoryInstance", &name.name)).await?;
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

    /// Renames a category; its drivers show the new name, those of every scope.
    ///
    /// Errors: [`SiteError::CategoryNotFound`], [`SiteError::InvalidField`], [`SiteError::AccessDenied`].
    pub async fn update_category(
        &self,
        actor: &Actor,
        category_id: i64,
        change: CategoryChange,
    ) -> Result<Category> {
        actor.may(Action::ChangeDriverCatalog)?;
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
        show(&mut tx, &drivers, Some(ChangedBy { name: &actor.name, at: self.now() })).await?;
        status::add(
            &mut tx,
            self.now(),
            Message::changed(actor, "SMS_CategoryInstance", &name.name, &["LocalizedInformation"]),
        )
        .await?;
        let category = require(&mut tx, category_id).await?;
        tx.commit().await?;
        Ok(category)
    }

    /// Deletes a category and takes it from its drivers, those of every scope.
    ///
    /// Errors: [`SiteError::CategoryNotFound`], [`SiteError::AccessDenied`].
    pub async fn delete_category(&self, actor: &Actor, category_id: i64) -> Result<()> {
        actor.may(Action::ChangeDriverCatalog)?;
        let mut tx = self.db().write().await?;
        let category = require(&mut tx, category_id).await?;
        let drivers = drivers_of(&mut tx, category_id).await?;
        tx.execute(Query::delete().from_table("driver_category").and_where(by_id(category_id))).await?;
        tx.execute(Query::delete().from_table("category").and_where(by_id(category_id))).await?;
        show(&mut tx, &drivers, Some(ChangedBy { name: &actor.name, at: self.now() })).await?;
        status::add(&mut tx, self.now(), Message::deleted(actor, "SMS_CategoryInstance", &category.name))
            .await?;
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

/// Who changes drivers, and when. Without, nobody can have read them yet, or the caller counts the edition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangedBy<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: Timestamp,
}

/// Adds categories to drivers; those that a driver has already stay.
pub(crate) async fn assign(
    tx: &mut Tx,
    drivers: &[i64],
    categories: &[i64],
    by: Option<ChangedBy<'_>>,
) -> Result<()> {
    let pairs = drivers.iter().flat_map(|&ci_id| categories.iter().map(move |&category| [ci_id, category]));
    let pairs: Vec<[i64; 2]> = pairs.collect();
    for pairs in pairs.chunks(DRIVERS_AT_ONCE_MAX) {
        let mut insert = Query::insert();
        insert.into_table("driver_category").columns(["ci_id", "category_id"]);
        for pair in pairs {
            insert.values_panic(pair.map(Expr::val));
        }
        insert.on_conflict(OnConflict::columns(["ci_id", "category_id"]).do_nothing().to_owned());
        tx.execute(&insert).await?;
    }
    show(tx, drivers, by).await
}

/// Gives drivers exactly these categories.
pub(crate) async fn replace(
    tx: &mut Tx,
    drivers: &[i64],
    categories: &[i64],
    by: Option<ChangedBy<'_>>,
) -> Result<()> {
    for drivers in drivers.chunks(DRIVERS_AT_ONCE_MAX) {
        let theirs = Expr::col("ci_id").is_in(drivers.iter().copied());
        tx.execute(Query::delete().from_table("driver_category").and_where(theirs)).await?;
    }
    assign(tx, drivers, categories, by).await
}

/// Writes beside each driver what its categories are now, in few statements.
///
/// Where the list of categories changes, the driver has a new edition: a client that read the old list must not
/// write it back.
async fn show(tx: &mut Tx, drivers: &[i64], by: Option<ChangedBy<'_>>) -> Result<()> {
    for drivers in drivers.chunks(DRIVERS_AT_ONCE_MAX) {
        let mut lists: BTreeMap<i64, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for row in tx.all(&assigned(drivers)).await? {
            let (ids, names) = lists.entry(row.get("ci_id")?).or_default();
            ids.push(row.get("unique_id")?);
            names.push(row.get("name")?);
        }
        // Many drivers have the same categories.
        let (mut ids_shown, mut names_shown) = (Shown::new(), Shown::new());
        for row in tx.all(&shown(drivers)).await? {
            let ci_id: i64 = row.get("ci_id")?;
            let (ids, names) = lists.remove(&ci_id).unwrap_or_default();
            let (ids, names) = (stored_list(ids), stored_list(names));
            if ids != row.get::<String>("category_unique_ids")? {
                ids_shown.entry(ids).or_default().push(ci_id);
            }
            if names != row.get::<String>("category_names")? {
                names_shown.entry(names).or_default().push(ci_id);
            }
        }
        let mut update = Query::update();
        if let Some(by) = by {
            update
                .value("edition", Expr::col("edition").add(1i64))
                .value("modified_by", by.name)
                .value("modified_at", by.at.as_microsecond());
        }
        write_shown(tx, update, "category_unique_ids", ids_shown).await?;
        write_shown(tx, Query::update(), "category_names", names_shown).await?;
    }
    Ok(())
}

/// Drivers by what they show.
type Shown = BTreeMap<String, Vec<i64>>;

fn shown(drivers: &[i64]) -> SelectStatement {
    Query::select()
        .columns(["ci_id", "category_unique_ids", "category_names"])
        .from("driver")
        .and_where(Expr::col("ci_id").is_in(drivers.iter().copied()))
        .to_owned()
}

async fn write_shown(
    tx: &mut Tx,
    mut update: UpdateStatement,
    column: &'static str,
    shown: Shown,
) -> Result<()> {
    let drivers: Vec<i64> = shown.values().flatten().copied().collect();
    if drivers.is_empty() {
        return Ok(());
    }
    let mut case = CaseStatement::new();
    for (text, drivers) in shown {
        case = case.case(Expr::col("ci_id").is_in(drivers), text);
    }
    update
        .table("driver")
        .value(column, case.finally(Expr::col(column)))
        .and_where(Expr::col("ci_id").is_in(drivers));
    tx.execute(&update).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::import::{Duplicates, ImportRequest, ImportSource};
    use crate::inf::{driver_folder, unc};
    use crate::stage::{Stage, admin};

    fn new(name: &str) -> NewCategory {
        let localized = vec![LocalizedName { locale_id: LOCALE_DEFAULT, name: name.to_owned() }];
        NewCategory { localized, ..NewCategory::default() }
    }

    async fn import(stage: &Stage, categories: &[&Category], duplicates: Duplicates) {
        let categories = categories.iter().map(|category| category.unique_id.clone()).collect();
        let sources = vec![ImportSource::Path(unc("pack"))];
        let request = ImportRequest { sources, categories, duplicates, ..ImportRequest::default() };
        stage.site.start_import(&admin(), request).await.unwrap();
        stage.site.run_due_imports().await.unwrap();
    }

    on_both! {
        async fn another_list_of_categories_is_another_edition(stage: &Stage) {
            for number in 0..3 {
                driver_folder(stage, &format!("pack/{number}"), &format!("VEN_{number}"));
            }
            let net = stage.site.create_category(&admin(), new("Net")).await.unwrap();
            let lab = stage.site.create_category(&admin(), new("Lab")).await.unwrap();
            let check = async |edition: u32, names: &str| {
                let select = Query::select().columns(["edition", "category_names", "category_unique_ids"]).from("driver").to_owned();
                let drivers = stage.site.db().all(&select).await.unwrap();
                assert_eq!(drivers.len(), 3);
                for driver in drivers {
                    let shown: String = driver.get("category_names").unwrap();
                    assert_eq!((driver.unsigned("edition").unwrap(), shown.as_str()), (edition, names));
                    let ids: String = driver.get("category_unique_ids").unwrap();
                    assert_eq!(ids.lines().count(), names.lines().count());
                }
            };
            import(stage, &[&net], Duplicates::AppendCategories).await;
            check(1, &stored_list(["Net"])).await;
            import(stage, &[&net], Duplicates::AppendCategories).await;
            check(1, &stored_list(["Net"])).await;
            import(stage, &[&lab], Duplicates::AppendCategories).await;
            check(2, &stored_list(["Net", "Lab"])).await;
            import(stage, &[&lab], Duplicates::OverwriteCategories).await;
            check(3, &stored_list(["Lab"])).await;
            let change = CategoryChange { localized: Some(new("Bench").localized) };
            stage.site.update_category(&admin(), lab.category_id, change).await.unwrap();
            check(3, &stored_list(["Bench"])).await;
            stage.site.delete_category(&admin(), lab.category_id).await.unwrap();
            check(4, "").await;
        }

        async fn drivers_of_many_lists_show_each_its_own(stage: &Stage) {
            driver_folder(stage, "pack/1", "VEN_1");
            driver_folder(stage, "pack/2", "VEN_2");
            import(stage, &[], Duplicates::Skip).await;
            let net = stage.site.create_category(&admin(), new("Net")).await.unwrap();
            let lab = stage.site.create_category(&admin(), new("Lab")).await.unwrap();
            let mut tx = stage.site.db().write().await.unwrap();
            let [first, second] = [16_777_217, 16_777_218];
            assign(&mut tx, &[second], &[lab.category_id], None).await.unwrap();
            assign(&mut tx, &[first, second], &[net.category_id], None).await.unwrap();
            tx.commit().await.unwrap();
            let lists = [first, second].map(|ci_id| async move { stage.site.driver(ci_id).await.unwrap().categories });
            let [one, two] = lists;
            assert_eq!(one.await, std::slice::from_ref(&net.unique_id));
            assert_eq!(two.await, [net.unique_id, lab.unique_id]);
        }
    }
}
