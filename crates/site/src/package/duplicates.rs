//! What the console asks before it makes a package: who has this share, who has this source. The answer is true of the
//! whole site, but names only packages that exist for whoever asks.

use sea_query::{Expr, ExprTrait, Func, Order, Query, SelectStatement};

use super::source::SourcePath;
use super::{PackageType, visible};
use crate::access::Actor;
use crate::access::scope::SecuredType;
use crate::db::Row;
use crate::error::Result;
use crate::server::Site;

/// A package that has the share or the source that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duplicate {
    /// A package that exists for whoever asks.
    Package {
        /// Its id.
        package_id: String,
        /// Its name.
        name: String,
        /// What it is for.
        package_type: PackageType,
    },
    /// A package outside the security scopes of whoever asks: no more is said of it.
    Hidden,
}

impl Site {
    /// The first package but `except` that shows this share name, in any case; an empty name has no package.
    pub async fn package_with_share(
        &self,
        actor: &Actor,
        share_name: &str,
        except: &str,
    ) -> Result<Option<Duplicate>> {
        let name = share_name.trim();
        if name.is_empty() {
            return Ok(None);
        }
        let share = Expr::expr(Func::lower(Expr::col("share_name")));
        let select = select()
            .and_where(share.eq(name.to_ascii_lowercase()))
            .and_where(Expr::col("package_id").ne(except.to_ascii_uppercase()))
            .to_owned();
        self.first_duplicate(actor, &self.db().all(&select).await?).await
    }

    /// The first package but `except` whose source is this folder, however the path is written.
    pub async fn package_with_source(
        &self,
        actor: &Actor,
        path: &str,
        except: &str,
    ) -> Result<Option<Duplicate>> {
        let Ok(source) = SourcePath::parse(path, &self.options().shares) else { return Ok(None) };
        let others = select()
            .and_where(Expr::col("pkg_source_path").ne(""))
            .and_where(Expr::col("package_id").ne(except.to_ascii_uppercase()))
            .to_owned();
        let mut same = Vec::new();
        for row in self.db().all(&others).await? {
            let used = SourcePath::parse(&row.get::<String>("pkg_source_path")?, &self.options().shares);
            if used.is_ok_and(|used| used.is_same(&source)) {
                same.push(row);
            }
        }
        self.first_duplicate(actor, &same).await
    }

    /// The first that exists for the actor, else that there is one.
    async fn first_duplicate(&self, actor: &Actor, found: &[Row]) -> Result<Option<Duplicate>> {
        let ids: Vec<String> = found.iter().map(|row| row.get("package_id")).collect::<Result<_>>()?;
        let visible = self.visible_of(actor, SecuredType::Package, &ids).await?;
        let shown = found.iter().zip(&ids).find(|(_, id)| visible.contains(*id));
        match shown {
            Some((row, _)) => Ok(Some(Duplicate::read(row)?)),
            None => Ok((!ids.is_empty()).then_some(Duplicate::Hidden)),
        }
    }
}

impl Duplicate {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self::Package {
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
