//! What the database knows of a package's contents, and of the contents that drivers have.

use std::collections::{BTreeMap, BTreeSet};

use content::Entry;
use jiff::Timestamp;
use sea_query::{Cond, Expr, ExprTrait, Order, Query};

use crate::access::scope::{self, SecuredType};
use crate::access::{Actor, Scopes};
use crate::db::{Row, Tx};
use crate::driver::delete::forget_content;
use crate::error::{Result, SiteError};
use crate::library::{blocking, library_failed, manifest_id};
use crate::package::by_id;
use crate::package::refresh::{self, Publish};
use crate::server::Site;

/// Ids in one statement.
const AT_ONCE_MAX: usize = 400;
/// Drivers of one content whose folders are tried.
const DRIVERS_MAX: u64 = 64;
/// Characters of an INF's name in a subfolder's name.
const STEM_CHARS_MAX: usize = 64;
/// Digits of the content hash in a subfolder's name, as in a Windows driver store.
const HASH_DIGITS: usize = 16;
/// The version that every content has.
const CONTENT_VERSION: i64 = 1;

/// How far a content of a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is there.
    There,
    /// Its folder may be there.
    Adding,
    /// Its folder may be gone.
    Removing,
    /// Its folder may be gone, or be another.
    Replacing,
}

impl State {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::There => 0,
            Self::Adding => 1,
            Self::Removing => 2,
            Self::Replacing => 3,
        }
    }

    fn from_number(number: i64) -> Result<Self> {
        let all = [Self::There, Self::Adding, Self::Removing, Self::Replacing];
        let found = all.into_iter().find(|state| state.number() == number);
        found.ok_or_else(|| SiteError::corrupt("package_content.state"))
    }
}

/// A content of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) content_id: i64,
    pub(super) content_hash: String,
    pub(super) content_unique_id: String,
    pub(super) sub_folder: String,
    pub(super) state: State,
    pub(super) refresh: bool,
    /// Who began what is under way.
    pub(super) actor: Option<String>,
}

/// A content that drivers have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) content_id: i64,
    pub(crate) content_hash: String,
    pub(crate) content_unique_id: String,
    /// Its drivers, by INF; none once they are deleted.
    pub(crate) drivers: Vec<DriverSource>,
}

/// A driver, as far as its files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DriverSource {
    pub(crate) name: String,
    pub(crate) inf_file: String,
    pub(crate) content_source_path: String,
}

impl Content {
    /// The driver's name, for messages.
    pub(super) fn name(&self) -> String {
        self.drivers.first().map_or_else(|| format!("content {}", self.content_id), |d| d.name.clone())
    }

    /// The subfolder: the name of its first INF, and the beginning of its hash. The same for the same content.
    pub(crate) fn sub_folder(&self) -> String {
        let inf = self.drivers.first().map_or("", |driver| driver.inf_file.as_str());
        let file = inf.rsplit(['/', '\\']).next().unwrap_or(inf);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let plain = |c: char| if c.is_alphanumeric() || "-_.+ ()".contains(c) { c } else { '_' };
        let stem: String = stem.trim_start().chars().take(STEM_CHARS_MAX).map(plain).collect();
        let stem = if stem.is_empty() { "driver" } else { stem.as_str() };
        let name = format!("{stem}_{}", &self.content_hash[..self.content_hash.len().min(HASH_DIGITS)]);
        // A name such as `con.x` is a device; anything else is allowed by what was done above.
        if content::ContentPath::new(&name).is_ok() { name } else { format!("driver_{name}") }
    }
}

impl Site {
    /// The contents of a package, by id.
    pub(super) async fn held_contents(&self, package_id: &str) -> Result<Vec<Held>> {
        let select = Query::select()
            .columns([
                "content_id",
                "content_hash",
                "content_unique_id",
                "sub_folder",
                "state",
                "refresh",
                "actor",
            ])
            .from("package_content")
            .and_where(by_id(package_id))
            .order_by("content_id", Order::Asc)
            .to_owned();
        self.db().all(&select).await?.iter().map(read_held).collect()
    }

    /// The contents of these ids that drivers have, by id.
    pub(crate) async fn known_contents(
        &self,
        ids: &[i64],
        scopes: &Scopes,
    ) -> Result<BTreeMap<i64, Content>> {
        let mut known = BTreeMap::new();
        for some in ids.chunks(AT_ONCE_MAX) {
            let select = Query::select()
                .columns(["content_id", "content_hash", "content_unique_id"])
                .from("driver_content")
                .and_where(Expr::col("content_id").is_in(some.iter().copied()))
                .to_owned();
            for row in self.db().all(&select).await? {
                let content = Content {
                    content_id: row.get("content_id")?,
                    content_hash: row.get("content_hash")?,
                    content_unique_id: row.get("content_unique_id")?,
                    drivers: Vec::new(),
                };
                known.insert(content.content_id, content);
            }
        }
        for content in known.values_mut() {
            content.drivers = self.drivers_of(content.content_id, scopes).await?;
        }
        // A content exists for those for whom one of its drivers does.
        if *scopes != Scopes::All {
            known.retain(|_, content| !content.drivers.is_empty());
        }
        Ok(known)
    }

    /// The drivers of a content that exist for somebody with these scopes.
    pub(super) async fn drivers_of(&self, content_id: i64, scopes: &Scopes) -> Result<Vec<DriverSource>> {
        let select = Query::select()
            .columns(["display_name", "inf_file", "content_source_path"])
            .from("driver")
            .and_where(Expr::col("content_id").eq(content_id))
            .cond_where(scope::restriction(SecuredType::Driver, scopes, Expr::col(("driver", "ci_id"))))
            .order_by("inf_file", Order::Asc)
            .order_by("ci_id", Order::Asc)
            .limit(DRIVERS_MAX)
            .to_owned();
        let read = |row: &Row| {
            Ok(DriverSource {
                name: row.get("display_name")?,
                inf_file: row.get("inf_file")?,
                content_source_path: row.get("content_source_path")?,
            })
        };
        self.db().all(&select).await?.iter().map(read).collect()
    }

    /// The folders at the top of a version that is to be published, if the package has contents of drivers.
    pub(crate) async fn content_folders(
        &self,
        package_id: &str,
        manifest: &str,
    ) -> Result<Option<BTreeSet<String>>> {
        let any = Query::select()
            .column("package_id")
            .from("package_content")
            .and_where(by_id(package_id))
            .limit(1)
            .to_owned();
        if self.db().optional(&any).await?.is_none() {
            return Ok(None);
        }
        let (id, library) = (manifest_id(manifest)?, self.library().await?);
        let manifest = blocking(move || library.manifest(id).map_err(library_failed)).await?;
        let top = manifest.entries.iter().filter_map(|entry| match entry {
            Entry::Folder(path) if path.parent().is_none() => Some(path.to_string()),
            _ => None,
        });
        Ok(Some(top.collect()))
    }

    /// The subfolders of a package's contents that no version has yet.
    pub(super) async fn unpublished(&self, package_id: &str) -> Result<Vec<(String, String)>> {
        let select = Query::select()
            .columns(["sub_folder", "content_hash"])
            .from("package_content")
            .and_where(by_id(package_id))
            .and_where(Expr::col("published").eq(0i64))
            .order_by("sub_folder", Order::Asc)
            .to_owned();
        let read = |row: &Row| Ok((row.get("sub_folder")?, row.get("content_hash")?));
        self.db().all(&select).await?.iter().map(read).collect()
    }

    /// The packages with contents that are half changed.
    pub(super) async fn packages_half_changed(&self) -> Result<Vec<String>> {
        let select = Query::select()
            .distinct()
            .column("package_id")
            .from("package_content")
            .and_where(Expr::col("state").ne(State::There.number()))
            .to_owned();
        self.db().all(&select).await?.iter().map(|row| row.get("package_id")).collect()
    }
}

fn read_held(row: &Row) -> Result<Held> {
    Ok(Held {
        content_id: row.get("content_id")?,
        content_hash: row.get("content_hash")?,
        content_unique_id: row.get("content_unique_id")?,
        sub_folder: row.get("sub_folder")?,
        state: State::from_number(row.get("state")?)?,
        refresh: row.flag("refresh")?,
        actor: row.get("actor")?,
    })
}

/// Writes down that a content is about to be added.
pub(super) async fn begin_adding(
    tx: &mut Tx,
    package_id: &str,
    content: &Content,
    sub_folder: &str,
    (actor, refresh): (&Actor, bool),
) -> Result<()> {
    let insert = Query::insert()
        .into_table("package_content")
        .columns([
            "package_id",
            "content_id",
            "content_hash",
            "content_unique_id",
            "sub_folder",
            "content_version",
            "published",
            "min_package_version",
            "state",
            "refresh",
            "actor",
        ])
        .values_panic([
            package_id.into(),
            content.content_id.into(),
            content.content_hash.as_str().into(),
            content.content_unique_id.as_str().into(),
            sub_folder.into(),
            CONTENT_VERSION.into(),
            0i64.into(),
            0i64.into(),
            State::Adding.number().into(),
            i64::from(refresh).into(),
            actor.name.as_str().into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(())
}

/// Writes down what is about to be done with a content, for whom, and whether a refresh goes with it.
pub(super) async fn begin(
    tx: &mut Tx,
    package_id: &str,
    content_id: i64,
    state: State,
    (actor, refresh): (&Actor, bool),
) -> Result<()> {
    let update = Query::update()
        .table("package_content")
        .value("state", state.number())
        .value("refresh", i64::from(refresh))
        .value("actor", actor.name.as_str())
        .and_where(by_id(package_id))
        .and_where(Expr::col("content_id").eq(content_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// A content that was there before is there, and nothing is under way.
pub(super) async fn set_there(tx: &mut Tx, package_id: &str, content_id: i64) -> Result<()> {
    let update = Query::update()
        .table("package_content")
        .value("state", State::There.number())
        .value("refresh", 0i64)
        .value("actor", Option::<String>::None)
        .and_where(by_id(package_id))
        .and_where(Expr::col("content_id").eq(content_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

/// A content is there now; the next version is expected to be the first with it, unless one was quicker.
pub(super) async fn set_added(
    tx: &mut Tx,
    package_id: &str,
    content_id: i64,
    next_version: u32,
) -> Result<()> {
    let expected = Expr::case(Expr::col("published").eq(1i64), Expr::col("min_package_version"))
        .finally(i64::from(next_version));
    let update = Query::update()
        .table("package_content")
        .value("state", State::There.number())
        .value("refresh", 0i64)
        .value("actor", Option::<String>::None)
        .value("min_package_version", expected)
        .and_where(by_id(package_id))
        .and_where(Expr::col("content_id").eq(content_id))
        .to_owned();
    tx.execute(&update).await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut Tx, package_id: &str, content_id: i64) -> Result<()> {
    let delete = Query::delete()
        .from_table("package_content")
        .and_where(by_id(package_id))
        .and_where(Expr::col("content_id").eq(content_id))
        .to_owned();
    tx.execute(&delete).await?;
    forget_content(tx, content_id).await
}

/// The package's contents changed: queues a refresh, or remembers that one is owed. What was found out about a new source
/// holds no longer.
pub(super) async fn changed(
    tx: &mut Tx,
    package_id: &str,
    refresh: bool,
    call: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let update = Query::update()
        .table("package")
        .value("content_changed", 1i64)
        .value("validated_hash", Option::<String>::None)
        .and_where(by_id(package_id))
        .to_owned();
    tx.execute(&update).await?;
    if refresh {
        refresh::request(tx, package_id, now, Publish::Always, call).await?;
    }
    Ok(())
}

/// Whether a content is half changed, or no version has it yet.
pub(crate) async fn any_unsettled(tx: &mut Tx, package_id: &str) -> Result<bool> {
    let select = Query::select()
        .column("content_id")
        .from("package_content")
        .and_where(by_id(package_id))
        .cond_where(
            Cond::any()
                .add(Expr::col("state").ne(State::There.number()))
                .add(Expr::col("published").eq(0i64)),
        )
        .limit(1)
        .to_owned();
    Ok(tx.optional(&select).await?.is_some())
}

/// The contents of a package that goes.
pub(crate) async fn contents_of(tx: &mut Tx, package_id: &str) -> Result<Vec<i64>> {
    let select =
        Query::select().column("content_id").from("package_content").and_where(by_id(package_id)).to_owned();
    tx.all(&select).await?.iter().map(|row| row.get("content_id")).collect()
}

/// Whether the contents changed since a refresh was last asked for.
pub(super) async fn owes_refresh(tx: &mut Tx, package_id: &str) -> Result<bool> {
    let select =
        Query::select().column("content_changed").from("package").and_where(by_id(package_id)).to_owned();
    tx.optional(&select).await?.map_or(Ok(false), |row| row.flag("content_changed"))
}

/// Writes down which contents a version that is being published has, by the folders at its top.
pub(crate) async fn settle(
    tx: &mut Tx,
    package_id: &str,
    version: u32,
    folders: &BTreeSet<String>,
) -> Result<()> {
    let select = Query::select()
        .columns(["content_id", "sub_folder", "published"])
        .from("package_content")
        .and_where(by_id(package_id))
        .to_owned();
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for row in tx.all(&select).await? {
        let has = folders.contains(&row.get::<String>("sub_folder")?);
        match (row.flag("published")?, has) {
            (false, true) => came.push(row.get::<i64>("content_id")?),
            (true, false) => went.push(row.get::<i64>("content_id")?),
            _ => {}
        }
    }
    for (ids, published) in [(came, 1i64), (went, 0)] {
        for some in ids.chunks(AT_ONCE_MAX) {
            let mut update = Query::update();
            update
                .table("package_content")
                .value("published", published)
                .and_where(by_id(package_id))
                .and_where(Expr::col("content_id").is_in(some.iter().copied()));
            if published == 1 {
                update.value("min_package_version", i64::from(version));
            }
            tx.execute(&update).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inf_file: &str, hash: &str, expect: &str) {
        let driver = DriverSource {
            name: "x".to_owned(),
            inf_file: inf_file.to_owned(),
            content_source_path: String::new(),
        };
        let content = Content {
            content_id: 1,
            content_hash: hash.to_owned(),
            content_unique_id: String::new(),
            drivers: vec![driver],
        };
        let name = content.sub_folder();
        assert_eq!(name, expect, "{inf_file:?}");
        assert!(content::ContentPath::new(&name).is_ok(), "{name:?}");
    }

    #[test]
    fn subfolders_have_readable_names_that_windows_can_hold() {
        let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        check("netrtl.inf", hash, "netrtl_0123456789abcdef");
        check("x64/Net RTL (2).INF", hash, "Net RTL (2)_0123456789abcdef");
        check("a?b*c.inf", hash, "a_b_c_0123456789abcdef");
        check(".inf", hash, "driver_0123456789abcdef");
        check("con.x.inf", hash, "driver_con.x_0123456789abcdef");
        check("treiber ü.inf", "ab", "treiber ü_ab");
        check(&format!("{}.inf", "x".repeat(300)), hash, &format!("{}_0123456789abcdef", "x".repeat(64)));
    }
}
