//! Console folders: how administrators arrange packages and drivers. They change nothing about what is in them.

mod change;
mod members;

pub use members::FolderItem;
pub(crate) use members::{leave_driver, leave_package};

use sea_query::{Expr, ExprTrait, Query, SelectStatement};

use crate::access::Action;
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// Folders inside folders.
const DEPTH_MAX: usize = 32;
/// Folders of the site.
const FOLDERS_MAX: i64 = 100_000;
/// No folder: the root of a type.
pub(crate) const ROOT: i64 = 0;

/// What a folder holds, by the provider's secured object types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FolderType {
    /// 2: SMS_Package.
    Package,
    /// 23: SMS_DriverPackage.
    DriverPackage,
    /// 25: SMS_Driver.
    Driver,
}

/// A console folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// ContainerNodeID, from 16777217.
    pub folder_id: i64,
    /// Unique among its siblings.
    pub name: String,
    /// What it holds.
    pub folder_type: FolderType,
    /// The folder that it is in; 0 is the root.
    pub parent_id: i64,
    /// Kept as written.
    pub folder_flags: u32,
    /// Whether it is a saved search, which has no members of its own.
    pub search_folder: bool,
    /// The search; kept as written.
    pub search_string: String,
}

/// A folder to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFolder {
    /// Unique among its siblings.
    pub name: String,
    /// The provider's number: 2, 23 or 25.
    pub object_type: u32,
    /// The folder that it is in; 0 is the root.
    pub parent_id: i64,
    /// Kept as written.
    pub folder_flags: u32,
    /// Whether it is a saved search.
    pub search_folder: bool,
    /// The search; kept as written.
    pub search_string: String,
}

/// A change of some properties; the others stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderChange {
    /// Unique among its siblings.
    pub name: Option<String>,
    /// The folder that it moves into; 0 is the root.
    pub parent_id: Option<i64>,
    /// Kept as written.
    pub folder_flags: Option<u32>,
    /// Whether it is a saved search.
    pub search_folder: Option<bool>,
    /// The search; kept as written.
    pub search_string: Option<String>,
}

impl FolderType {
    const ALL: [Self; 3] = [Self::Package, Self::DriverPackage, Self::Driver];

    /// The provider's number.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Package => 2,
            Self::DriverPackage => 23,
            Self::Driver => 25,
        }
    }

    /// The type of a number. Errors: [`SiteError::InvalidField`].
    pub fn from_number(number: u32) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.number() == number);
        found.ok_or_else(|| {
            let reason = format!(
                "{number} is no type that this site has folders for; 2 (SMS_Package), 23 (SMS_DriverPackage) or 25 \
                 (SMS_Driver) is needed"
            );
            SiteError::invalid("ObjectType", reason)
        })
    }

    /// What changing folders of this type needs.
    pub(crate) fn action(self) -> Action {
        match self {
            Self::Package | Self::DriverPackage => Action::ChangePackages,
            Self::Driver => Action::ChangeDrivers,
        }
    }
}

impl Site {
    /// A console folder. Errors: [`SiteError::FolderNotFound`].
    pub async fn folder(&self, folder_id: i64) -> Result<Folder> {
        let row = self.db().optional(&select().and_where(by_id(folder_id)).to_owned()).await?;
        row.map_or(Err(SiteError::FolderNotFound { folder_id }), |row| Folder::read(&row))
    }
}

pub(crate) async fn require(tx: &mut Tx, folder_id: i64) -> Result<Folder> {
    let row = tx.optional(&select().and_where(by_id(folder_id)).to_owned()).await?;
    row.map_or(Err(SiteError::FolderNotFound { folder_id }), |row| Folder::read(&row))
}

fn select() -> SelectStatement {
    Query::select()
        .columns([
            "folder_id",
            "name",
            "object_type",
            "parent_id",
            "folder_flags",
            "search_folder",
            "search_string",
        ])
        .from("folder")
        .to_owned()
}

fn by_id(folder_id: i64) -> Expr {
    Expr::col("folder_id").eq(folder_id)
}

impl Folder {
    fn read(row: &Row) -> Result<Self> {
        let number = row.unsigned("object_type")?;
        Ok(Self {
            folder_id: row.get("folder_id")?,
            name: row.get("name")?,
            folder_type: FolderType::from_number(number)
                .map_err(|_| SiteError::corrupt("folder.object_type"))?,
            parent_id: row.get("parent_id")?,
            folder_flags: row.unsigned("folder_flags")?,
            search_folder: row.flag("search_folder")?,
            search_string: row.get("search_string")?,
        })
    }
}
