//! Where a driver's content can be had: the packages that hold it, and their distribution points.

use std::collections::{BTreeMap, BTreeSet};

use sea_query::{Cond, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, WindowStatement};

use crate::access::Scopes;
use crate::access::scope::{self, SecuredType};
use crate::db::Row;
use crate::error::Result;
use crate::package::ActionInProgress;
use crate::server::Site;

/// Ids in one statement.
const AT_ONCE_MAX: usize = 400;
/// Packages that are named of one content: a common driver is in the package of every model.
const PACKAGES_OF_CONTENT_MAX: usize = 16;
/// Packages of one answer. The first of each content goes before the second of any.
const PACKAGES_MAX: usize = 256;
/// Distribution points that are named of one package.
pub(super) const POINTS_MAX: usize = 100;

/// Where a content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPlace {
    /// The package whose stored version holds it.
    pub package_id: String,
    /// The content's folder in the package.
    pub sub_folder: String,
}

/// A package that holds contents that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfferedPackage {
    /// Its name.
    pub name: String,
    /// Its version label.
    pub version: String,
    /// Its stored version.
    pub stored_version: u32,
    /// Its address at each distribution point that has all those of the contents that it holds, by name; at most 100. A
    /// content is in its subfolder there.
    pub urls: Vec<String>,
}

/// Where contents can be had.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Of each content, by package id.
    pub(super) of_contents: BTreeMap<i64, Vec<ContentPlace>>,
    /// The packages, by id.
    pub(super) packages: BTreeMap<String, OfferedPackage>,
}

/// A content in a package.
pub(super) struct Held {
    /// The how manieth package of the content, from 1.
    number: i64,
    pub(super) content_id: i64,
    pub(super) place: ContentPlace,
    /// The first version that has it.
    since: u32,
    package: OfferedPackage,
}

impl Site {
    /// Where contents can be had.
    pub(super) async fn content_places(&self, contents: &BTreeSet<i64>, scopes: &Scopes) -> Result<Places> {
        let mut places = Places::default();
        let mut since: BTreeMap<String, u32> = BTreeMap::new();
        for held in self.held_in_packages(contents, scopes).await? {
            let id = &held.place.package_id;
            if !places.packages.contains_key(id) {
                if places.packages.len() == PACKAGES_MAX {
                    continue;
                }
                places.packages.insert(id.clone(), held.package);
            }
            let version = since.entry(id.clone()).or_default();
            *version = std::cmp::max(*version, held.since);
            places.of_contents.entry(held.content_id).or_default().push(held.place);
        }
        for (id, urls) in self.addresses(&since).await? {
            places.packages.entry(id).and_modify(|package| package.urls = urls);
        }
        Ok(places)
    }

    /// The packages whose stored version holds contents, without addresses: the first of each content, then the second.
    pub(super) async fn held_in_packages(
        &self,
        contents: &BTreeSet<i64>,
        scopes: &Scopes,
    ) -> Result<Vec<Held>> {
        let contents: Vec<i64> = contents.iter().copied().collect();
        let mut held = Vec::new();
        for some in contents.chunks(AT_ONCE_MAX) {
            for row in self.db().all(&select_held(some, scopes)).await? {
                held.push(read_held(&row)?);
            }
        }
        held.sort_by_key(|held| (held.number, held.content_id));
        Ok(held)
    }

    /// The addresses of packages at the distribution points that have at least this version of them.
    pub(super) async fn addresses(
        &self,
        packages: &BTreeMap<String, u32>,
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let packages: Vec<(&String, &u32)> = packages.iter().collect();
        let mut addresses: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for some in packages.chunks(AT_ONCE_MAX) {
            for row in self.db().all(&select_points(some)).await? {
                let id: String = row.get("package_id")?;
                let address = address(&row.get::<String>("content_url")?, &id);
                addresses.entry(id).or_default().push(address);
            }
        }
        Ok(addresses)
    }
}

fn select_held(contents: &[i64], scopes: &Scopes) -> SelectStatement {
    let number =
        WindowStatement::partition_by(("c", "content_id")).order_by(("c", "package_id"), Order::Asc).take();
    let all = Query::select()
        .columns(
            ["content_id", "package_id", "sub_folder", "min_package_version"].map(|column| ("c", column)),
        )
        .columns(["name", "version", "stored_version"].map(|column| ("p", column)))
        .expr_window_as(Func::cust("ROW_NUMBER"), number, "number")
        .from_as("package_content", "c")
        .join_as(
            JoinType::InnerJoin,
            "package",
            "p",
            Expr::col(("p", "package_id")).equals(("c", "package_id")),
        )
        .cond_where(scope::restriction(SecuredType::Package, scopes, Expr::col(("c", "package_id"))))
        .and_where(Expr::col(("c", "published")).eq(1i64))
        .and_where(Expr::col(("c", "content_id")).is_in(contents.iter().copied()))
        .and_where(Expr::col(("p", "action_in_progress")).ne(i64::from(ActionInProgress::Delete.number())))
        .to_owned();
    Query::select()
        .columns(["number", "content_id", "package_id", "sub_folder", "min_package_version"])
        .columns(["name", "version", "stored_version"])
        .from_subquery(all, "held")
        .and_where(Expr::col("number").lte(PACKAGES_OF_CONTENT_MAX as i64))
        .to_owned()
}

fn read_held(row: &Row) -> Result<Held> {
    Ok(Held {
        number: row.get("number")?,
        content_id: row.get("content_id")?,
        place: ContentPlace { package_id: row.get("package_id")?, sub_folder: row.get("sub_folder")? },
        since: row.unsigned("min_package_version")?,
        package: OfferedPackage {
            name: row.get("name")?,
            version: row.get("version")?,
            stored_version: row.unsigned("stored_version")?,
            urls: Vec::new(),
        },
    })
}

/// The points of each package, by name, counted in the database: there may be thousands of each.
fn select_points(packages: &[(&String, &u32)]) -> SelectStatement {
    let mut wanted = Cond::any();
    for (id, since) in packages {
        let version = Expr::col(("d", "installed_version")).gte(i64::from(**since));
        wanted = wanted.add(Expr::col(("d", "package_id")).eq(id.as_str()).and(version));
    }
    let number =
        WindowStatement::partition_by(("d", "package_id")).order_by(("x", "name_key"), Order::Asc).take();
    let all = Query::select()
        .column(("d", "package_id"))
        .column(("x", "content_url"))
        .expr_window_as(Func::cust("ROW_NUMBER"), number, "number")
        .from_as("distribution", "d")
        .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
        .cond_where(wanted)
        .and_where(Expr::col(("d", "absent")).eq(0i64))
        .and_where(Expr::col(("d", "installed_version")).gt(0i64))
        .and_where(Expr::col(("x", "content_url")).ne(""))
        .and_where(Expr::col(("x", "maintenance_since")).is_null())
        .to_owned();
    Query::select()
        .columns(["package_id", "content_url"])
        .from_subquery(all, "points")
        .and_where(Expr::col("number").lte(POINTS_MAX as i64))
        .order_by("package_id", Order::Asc)
        .order_by("number", Order::Asc)
        .to_owned()
}

/// The address of a package at a distribution point; package ids need no encoding.
fn address(content_url: &str, package_id: &str) -> String {
    format!("{}/SMS_DP_SMSPKG$/{package_id}", content_url.trim_end_matches('/'))
}
