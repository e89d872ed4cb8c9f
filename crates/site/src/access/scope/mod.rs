//! Security scopes: which objects exist for whom.
//!
//! An object is in one scope or several; who works in none of them does not find it: not in lists, not by key, not by
//! a method, not in an error's text. Queries get the condition ([`restriction`]) in their SQL; everything that changes
//! an object asks [`Site::visible_package`], [`Site::visible_driver`] or [`require_visible`] in its own transaction.

mod manage;

pub use manage::SecurityScope;
pub(crate) use manage::{ids, scope_names};

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sea_query::{Cond, Expr, ExprTrait, OnConflict, Order, Query, SelectStatement};

use super::{Actor, Scopes};
use crate::db::{Database, Row, Tx};
use crate::driver::{self, Driver};
use crate::error::{Result, SiteError};
use crate::package::{self, Package};
use crate::query::stored_list;
use crate::server::Site;

/// The scope of every object that is in no other.
pub(crate) const DEFAULT: i64 = 1;
/// Keys in one statement.
const AT_ONCE_MAX: usize = 400;

/// What scopes protect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecuredType {
    /// A package of any type, by its PackageID.
    Package,
    /// A driver, by its CI_ID.
    Driver,
    /// A group of distribution points, by its GroupID.
    DpGroup,
    /// A driver import, by its ImportID.
    DriverImport,
}

impl SecuredType {
    /// The number in `object_scope` and in a view's `secured`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Package => 2,
            Self::Driver => 25,
            Self::DpGroup => 43,
            Self::DriverImport => 100_001,
        }
    }

    /// By ObjectTypeID. 2 and 23 are both packages: their ids are of one series. Imports stay in the scopes of whoever
    /// asked for them, so they have none.
    #[must_use]
    pub const fn from_object_type(number: u32) -> Option<Self> {
        match number {
            2 | 23 => Some(Self::Package),
            25 => Some(Self::Driver),
            43 => Some(Self::DpGroup),
            _ => None,
        }
    }

    /// The table with the objects' rows, their key, and whether the row shows the names of its scopes.
    pub(crate) const fn table(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Package => ("package", "package_id", true),
            Self::Driver => ("driver", "ci_id", true),
            Self::DpGroup => ("dp_group", "group_id", false),
            Self::DriverImport => ("driver_import", "import_id", false),
        }
    }

    /// The condition of one object's row; none for a key that no such object can have.
    fn is(self, key: &str) -> Option<Expr> {
        let column = Expr::col(self.table().1);
        match self {
            Self::Package | Self::DpGroup => Some(column.eq(key)),
            Self::Driver | Self::DriverImport => Some(column.eq(key.parse::<i64>().ok()?)),
        }
    }

    fn not_found(self, key: &str) -> SiteError {
        match self {
            Self::Package => SiteError::package(key),
            Self::Driver => SiteError::DriverNotFound { ci_id: key.parse().unwrap_or_default() },
            Self::DpGroup => SiteError::GroupNotFound { group_id: key.to_owned() },
            Self::DriverImport => SiteError::ImportNotFound { import_id: key.parse().unwrap_or_default() },
        }
    }
}

/// The condition under which a row about an object exists for somebody with these scopes. `key` is the object's key as
/// the row has it, text or number. A row without a key is about no object and exists for everybody.
pub(crate) fn restriction(object: SecuredType, scopes: &Scopes, key: Expr) -> Cond {
    typed_restriction(&Expr::val(i64::from(object.number())), scopes, key)
}

/// As [`restriction`], where the row has the object's type as well.
pub(crate) fn typed_restriction(object_type: &Expr, scopes: &Scopes, key: Expr) -> Cond {
    let Scopes::Only(scopes) = scopes else { return Cond::all() };
    let key = key.cast_as("TEXT");
    let of_object = || {
        let column = |name: &'static str| Expr::col(("object_scope", name));
        Query::select()
            .expr(Expr::val(1i64))
            .from("object_scope")
            .and_where(column("object_type").eq(object_type.clone()))
            .and_where(column("object_key").eq(key.clone()))
            .to_owned()
    };
    let in_scopes = Expr::col(("object_scope", "scope_id")).is_in(scopes.iter().copied());
    let mut condition = Cond::any().add(key.clone().is_null()).add(key.clone().eq(""));
    if !scopes.is_empty() {
        condition = condition.add(Expr::exists(of_object().and_where(in_scopes).to_owned()));
    }
    if scopes.contains(&DEFAULT) {
        condition = condition.add(Expr::exists(of_object()).not());
    }
    condition
}

impl Site {
    /// The package's row, if it exists for the actor. Errors: [`SiteError::PackageNotFound`].
    pub(crate) async fn visible_package(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        package_id: &str,
    ) -> Result<Package> {
        let package = package::require(tx, package_id).await?;
        require_visible(tx, actor, SecuredType::Package, &package.package_id).await?;
        Ok(package)
    }

    /// The driver's row, if it exists for the actor. Errors: [`SiteError::DriverNotFound`].
    pub(crate) async fn visible_driver(&self, tx: &mut Tx, actor: &Actor, ci_id: i64) -> Result<Driver> {
        let driver = driver::require(tx, ci_id).await?;
        require_visible(tx, actor, SecuredType::Driver, &ci_id.to_string()).await?;
        Ok(driver)
    }

    /// Refuses an object that does not exist for the actor, before the transactions in which work on it is done.
    pub(crate) async fn require_visible_now(
        &self,
        actor: &Actor,
        object: SecuredType,
        key: &str,
    ) -> Result<()> {
        let visible = self.visible_of(actor, object, &[key.to_owned()]).await?;
        if visible.contains(key) { Ok(()) } else { Err(object.not_found(key)) }
    }

    /// Which of these objects exist for the actor, outside of any transaction.
    pub(crate) async fn visible_of(
        &self,
        actor: &Actor,
        object: SecuredType,
        keys: &[String],
    ) -> Result<HashSet<String>> {
        let mut visible = HashSet::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE_MAX) {
            let rows = match &actor.scopes {
                Scopes::All => Vec::new(),
                Scopes::Only(_) => self.db().all(&scopes_of(object, some)).await?,
            };
            visible.extend(which_visible(&actor.scopes, some, &rows)?);
        }
        Ok(visible)
    }
}

/// Whether the object exists for somebody with these scopes. It must exist at all.
pub(crate) async fn is_visible(tx: &mut Tx, scopes: &Scopes, object: SecuredType, key: &str) -> Result<bool> {
    Ok(!visible_among(tx, scopes, object, &[key.to_owned()]).await?.is_empty())
}

/// Which of these objects exist for somebody with these scopes. They must exist at all.
pub(crate) async fn visible_among(
    tx: &mut Tx,
    scopes: &Scopes,
    object: SecuredType,
    keys: &[String],
) -> Result<HashSet<String>> {
    let mut visible = HashSet::with_capacity(keys.len());
    for some in keys.chunks(AT_ONCE_MAX) {
        let rows = match scopes {
            Scopes::All => Vec::new(),
            Scopes::Only(_) => tx.all(&scopes_of(object, some)).await?,
        };
        visible.extend(which_visible(scopes, some, &rows)?);
    }
    Ok(visible)
}

/// Refuses an object that does not exist for the actor as one that does not exist.
pub(crate) async fn require_visible(
    tx: &mut Tx,
    actor: &Actor,
    object: SecuredType,
    key: &str,
) -> Result<()> {
    if is_visible(tx, &actor.scopes, object, key).await? { Ok(()) } else { Err(object.not_found(key)) }
}

/// Whether whoever sees one of two objects sees the other.
pub(crate) async fn have_same_scopes(
    tx: &mut Tx,
    object: SecuredType,
    left: &str,
    right: &str,
) -> Result<bool> {
    Ok(object_scopes(tx, object, left).await? == object_scopes(tx, object, right).await?)
}

/// Puts a new object into its creator's scopes: with all scopes into "Default", which takes no row.
pub(crate) async fn enter(tx: &mut Tx, scopes: &Scopes, object: SecuredType, key: &str) -> Result<()> {
    enter_all(tx, scopes, object, &[key.to_owned()]).await
}

/// As [`enter`], for several objects.
pub(crate) async fn enter_all(
    tx: &mut Tx,
    scopes: &Scopes,
    object: SecuredType,
    keys: &[String],
) -> Result<()> {
    let Scopes::Only(scopes) = scopes else { return Ok(()) };
    if scopes.is_empty() {
        let reason = "whoever works in no security scope can make nothing".to_owned();
        return Err(SiteError::Conflict { reason });
    }
    let names = scope_names(tx).await?;
    let scopes = scopes.iter().copied().collect();
    for key in keys {
        store(tx, object, key, &scopes, &names).await?;
    }
    Ok(())
}

/// The scopes that an object was put into when it was made by somebody without all of them; else all.
pub(crate) async fn creators_scopes(tx: &mut Tx, object: SecuredType, key: &str) -> Result<Scopes> {
    let rows = tx.all(&scopes_of(object, &[key.to_owned()])).await?;
    let scopes: Vec<i64> = rows.iter().map(|row| row.get("scope_id")).collect::<Result<_>>()?;
    Ok(if scopes.is_empty() { Scopes::All } else { Scopes::Only(scopes) })
}

/// The names of scopes, as they are stored for queries.
pub(crate) async fn shown(tx: &mut Tx, scopes: &BTreeSet<i64>) -> Result<String> {
    let names = scope_names(tx).await?;
    Ok(stored_list(scopes.iter().filter_map(|scope| names.get(scope))))
}

fn scopes_of(object: SecuredType, keys: &[String]) -> SelectStatement {
    Query::select()
        .columns(["object_key", "scope_id"])
        .from("object_scope")
        .and_where(Expr::col("object_type").eq(i64::from(object.number())))
        .and_where(Expr::col("object_key").is_in(keys.iter().map(String::as_str)))
        .to_owned()
}

fn which_visible(scopes: &Scopes, keys: &[String], rows: &[Row]) -> Result<Vec<String>> {
    let Scopes::Only(scopes) = scopes else { return Ok(keys.to_vec()) };
    let mut assigned: HashSet<String> = HashSet::new();
    let mut seen: HashSet<String> = HashSet::new();
    for row in rows {
        let key: String = row.get("object_key")?;
        if scopes.contains(&row.get("scope_id")?) {
            seen.insert(key.clone());
        }
        assigned.insert(key);
    }
    let default = scopes.contains(&DEFAULT);
    let visible = |key: &&String| seen.contains(*key) || (default && !assigned.contains(*key));
    Ok(keys.iter().filter(visible).cloned().collect())
}

async fn object_scopes(tx: &mut Tx, object: SecuredType, key: &str) -> Result<BTreeSet<i64>> {
    let rows = tx.all(&scopes_of(object, &[key.to_owned()])).await?;
    if rows.is_empty() {
        return Ok(BTreeSet::from([DEFAULT]));
    }
    rows.iter().map(|row| row.get("scope_id")).collect()
}

async fn store(
    tx: &mut Tx,
    object: SecuredType,
    key: &str,
    scopes: &BTreeSet<i64>,
    names: &BTreeMap<i64, String>,
) -> Result<()> {
    let delete = Query::delete()
        .from_table("object_scope")
        .and_where(Expr::col("object_type").eq(i64::from(object.number())))
        .and_where(Expr::col("object_key").eq(key))
        .to_owned();
    tx.execute(&delete).await?;
    let mut insert = Query::insert();
    insert.into_table("object_scope").columns(["object_type", "object_key", "scope_id"]);
    for scope in scopes {
        insert.values_panic([i64::from(object.number()).into(), key.into(), (*scope).into()]);
    }
    insert.on_conflict(OnConflict::new().do_nothing().to_owned());
    tx.execute(&insert).await?;
    let (table, _, shows_names) = object.table();
    if let (true, Some(is)) = (shows_names, object.is(key)) {
        let shown = stored_list(scopes.iter().filter_map(|scope| names.get(scope)));
        tx.execute(Query::update().table(table).value("scope_names", shown).and_where(is)).await?;
    }
    Ok(())
}

/// What a user or a token may see, from the rows of its scopes: without a row everything.
pub(crate) fn from_rows(rows: &[Row]) -> Result<Scopes> {
    let scopes: Vec<i64> = rows.iter().map(|row| row.get("scope_id")).collect::<Result<_>>()?;
    Ok(if scopes.is_empty() { Scopes::All } else { Scopes::Only(scopes) })
}

/// The scopes of a user.
pub(crate) async fn of_user(db: &Database, user_id: i64) -> Result<Scopes> {
    from_rows(&db.all(&user_rows(user_id)).await?)
}

pub(crate) fn user_rows(user_id: i64) -> SelectStatement {
    Query::select()
        .column("scope_id")
        .from("user_scope")
        .and_where(Expr::col("user_id").eq(user_id))
        .order_by("scope_id", Order::Asc)
        .to_owned()
}
