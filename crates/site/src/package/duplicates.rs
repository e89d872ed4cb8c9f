//! What the console asks before it makes a package: who has this share, who has this source.

use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};

use super::source::SourcePath;
use super::{PackageType, visible};
use crate::db::Row;
use crate::error::Result;
use crate::server::Site;

/// A package that has the share or the source that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The package.
    pub package_id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub package_type: PackageType,
}

impl Site {
    /// The first package but `except` that shows this share name, in any case; an empty name has no package.
    pub async fn package_with_share(&self, share_name: &str, except: &str) -> Result<Option<Duplicate>> {
        let name = share_name.trim();
        if name.is_empty() {
            return Ok(None);
        }
        let share = Expr::expr(Func::lower(Expr::col("share_name")));
        let select = select()
            .and_where(share.eq(name.to_ascii_lowercase()))
            .and_where(Expr::col("package_id").ne(except.to_ascii_uppercase()))
            .limit(1)
            .to_owned();
        self.db().optional(&select).await?.as_ref().map(Duplicate::read).transpose()
    }

    /// The first package but `except` whose source is this folder, however the path is written.
    pub async fn package_with_source(&self, path: &str, except: &str) -> Result<Option<Duplicate>> {
        let Ok(source) = SourcePath::parse(path, &self.options().shares) else { return Ok(None) };
        for row in self.db().all(select().and_where(Expr::col("pkg_source_path").ne(""))).await? {
            let used = SourcePath::parse(&row.get::<String>("pkg_source_path")?, &self.options().shares);
            let duplicate = Duplicate::read(&row)?;
            let is_other = !duplicate.package_id.eq_ignore_ascii_case(except);
            if is_other && used.is_ok_and(|used| used.is_same(&source)) {
                return Ok(Some(duplicate));
            }
        }
        Ok(None)
    }
}

impl Duplicate {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            package_id: row.get("package_id")?,
            name: row.get("name")?,
            package_type: PackageType::from_number(row.get("package_type")?)?,
        })
    }
}

fn select() -> SelectStatement {
    Query::select()
        .columns(["package_id", "name", "package_type", "pkg_source_path"])
        .from("package")
        .and_where(visible())
        .order_by("package_id", Order::Asc)
        .to_owned()
}
