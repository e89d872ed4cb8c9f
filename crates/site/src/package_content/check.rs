//! CheckSourceFolder: whether a folder can become the source of a driver package.

use content::tree::SourceRoot;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::access::{Action, Actor};
use crate::db::Row;
use crate::error::Result;
use crate::package::source::{SourcePath, is_unc};
use crate::package::{ActionInProgress, fields};
use crate::server::Site;
use crate::sources::Purpose;

/// The path is not a UNC path. An absolute path of this server works all the same.
pub const FOLDER_NOT_UNC: u32 = 1;
/// The folder cannot be read and written.
pub const FOLDER_NOT_ACCESSIBLE: u32 = 2;
/// The folder is not empty.
pub const FOLDER_NOT_EMPTY: u32 = 4;
/// A driver package uses the folder, one above or one below it.
pub const FOLDER_IN_USE: u32 = 8;

impl Site {
    /// Looks whether a folder can become the source of a driver package. 0, or flags: [`FOLDER_NOT_UNC`],
    /// [`FOLDER_NOT_ACCESSIBLE`], [`FOLDER_NOT_EMPTY`], [`FOLDER_IN_USE`].
    ///
    /// Whether it can be written is proved by a file that is made and deleted, so the caller must be allowed to change
    /// packages. Errors: [`crate::SiteError::AccessDenied`].
    pub async fn check_source_folder(&self, actor: &Actor, path: &str) -> Result<u32> {
        actor.may(Action::ChangePackages)?;
        let not_unc = if is_unc(path) { 0 } else { FOLDER_NOT_UNC };
        let Ok(source) = SourcePath::parse(path, &self.options().shares) else {
            // A path that is nothing at all needs no second flag.
            return Ok(if not_unc == 0 { FOLDER_NOT_ACCESSIBLE } else { not_unc });
        };
        let in_use = if self.is_used(&source).await? { FOLDER_IN_USE } else { 0 };
        Ok(not_unc | in_use | self.look_at_folder(&source).await)
    }

    async fn look_at_folder(&self, source: &SourcePath) -> u32 {
        let Ok(folder) = self.locate(source, std::future::pending()).await else {
            return FOLDER_NOT_ACCESSIBLE;
        };
        let limit = self.clock().sleep(crate::sources::LOCATE_LIMIT);
        let looked = self.sources().visit(source, Purpose::Change, limit, move || {
            let Ok(root) = SourceRoot::open(&folder) else { return FOLDER_NOT_ACCESSIBLE };
            let writable = root.probe().map_or(FOLDER_NOT_ACCESSIBLE, |()| 0);
            let empty = match root.is_empty() {
                Ok(true) => 0,
                Ok(false) => FOLDER_NOT_EMPTY,
                Err(_) => FOLDER_NOT_ACCESSIBLE,
            };
            writable | empty
        });
        looked.await.unwrap_or(FOLDER_NOT_ACCESSIBLE)
    }

    async fn is_used(&self, source: &SourcePath) -> Result<bool> {
        let rows = self.db().all(&sources_in_use()).await?;
        Ok(self.user_of(&rows, source, None)?.is_some())
    }

    /// The first package but `except` whose source is this folder, one above or one below it; `rows` are those of
    /// [`sources_in_use`].
    pub(super) fn user_of(
        &self,
        rows: &[Row],
        source: &SourcePath,
        except: Option<&str>,
    ) -> Result<Option<String>> {
        for row in rows {
            let package_id: String = row.get("package_id")?;
            let used = SourcePath::parse(&row.get::<String>("pkg_source_path")?, &self.options().shares);
            if except != Some(package_id.as_str()) && used.is_ok_and(|used| used.overlaps(source)) {
                return Ok(Some(package_id));
            }
        }
        Ok(None)
    }
}

/// Every package with a source.
pub(super) fn sources_in_use() -> SelectStatement {
    Query::select()
        .columns(["package_id", "pkg_source_path"])
        .from("package")
        .and_where(Expr::col("pkg_source_flag").eq(i64::from(fields::SOURCE_DIRECT)))
        .and_where(Expr::col("action_in_progress").ne(i64::from(ActionInProgress::Delete.number())))
        .order_by("package_id", Order::Asc)
        .to_owned()
}
