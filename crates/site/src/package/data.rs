//! Bytes that partners and the console keep with a package: read one package at a time, never in lists.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_query::Query;

use super::by_id;
use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::server::Site;

/// The longest of each: what a client can send in one request.
const BYTES_MAX: usize = 256 * 1024;

/// The properties Icon, ExtendedData and ISVData of a package. In a change, what is absent stays and what is empty is
/// cleared; as read, what is absent is null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageData {
    /// An icon file; at most 256 KiB.
    pub icon: Option<Vec<u8>>,
    /// What image deployment keeps; at most 256 KiB.
    pub extended_data: Option<Vec<u8>>,
    /// What partners keep; at most 256 KiB.
    pub isv_data: Option<Vec<u8>>,
}

impl Site {
    /// The bytes kept with a package. Errors: [`SiteError::PackageNotFound`].
    pub async fn package_data(&self, package_id: &str) -> Result<PackageData> {
        self.package(package_id).await?;
        let row = self.db().optional(&select(package_id)).await?;
        row.map_or_else(|| Ok(PackageData::default()), |row| PackageData::read(&row))
    }
}

impl PackageData {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn changed(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("Icon", self.icon != other.icon),
            ("ExtendedData", self.extended_data != other.extended_data),
            ("ISVData", self.isv_data != other.isv_data),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let all = [("Icon", &self.icon), ("ExtendedData", &self.extended_data), ("ISVData", &self.isv_data)];
        for (property, bytes) in all {
            if bytes.as_ref().is_some_and(|bytes| bytes.len() > BYTES_MAX) {
                return Err(SiteError::invalid(property, format!("at most {BYTES_MAX} bytes are allowed")));
            }
        }
        Ok(())
    }

    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            icon: decoded(row, "icon")?,
            extended_data: decoded(row, "extended_data")?,
            isv_data: decoded(row, "isv_data")?,
        })
    }
}

/// Stores a change. Returns the properties that are different now.
pub(crate) async fn store(tx: &mut Tx, package_id: &str, change: &PackageData) -> Result<Vec<&'static str>> {
    if change.is_nothing() {
        return Ok(Vec::new());
    }
    let before = match tx.optional(&select(package_id)).await? {
        Some(row) => PackageData::read(&row)?,
        None => PackageData::default(),
    };
    let changed = |new: &Option<Vec<u8>>, old: &Option<Vec<u8>>| match new {
        Some(new) => Some(new.clone()).filter(|bytes| !bytes.is_empty()),
        None => old.clone(),
    };
    let after = PackageData {
        icon: changed(&change.icon, &before.icon),
        extended_data: changed(&change.extended_data, &before.extended_data),
        isv_data: changed(&change.isv_data, &before.isv_data),
    };
    let differs = after.changed(&before);
    if differs.is_empty() {
        return Ok(differs);
    }
    tx.execute(Query::delete().from_table("package_data").and_where(by_id(package_id))).await?;
    if after.is_nothing() {
        return Ok(differs);
    }
    let insert = Query::insert()
        .into_table("package_data")
        .columns([
            "package_id",
            "icon",
            "icon_bytes",
            "extended_data",
            "extended_data_bytes",
            "isv_data",
            "isv_data_bytes",
        ])
        .values_panic([
            package_id.into(),
            encoded(&after.icon).into(),
            length(&after.icon).into(),
            encoded(&after.extended_data).into(),
            length(&after.extended_data).into(),
            encoded(&after.isv_data).into(),
            length(&after.isv_data).into(),
        ])
        .to_owned();
    tx.execute(&insert).await?;
    Ok(differs)
}

fn select(package_id: &str) -> sea_query::SelectStatement {
    Query::select()
        .columns(["icon", "extended_data", "isv_data"])
        .from("package_data")
        .and_where(by_id(package_id))
        .to_owned()
}

/// Bytes as a column has them.
pub(crate) fn encoded(bytes: &Option<Vec<u8>>) -> Option<String> {
    bytes.as_ref().map(|bytes| STANDARD.encode(bytes))
}

/// Bytes of a column that [`encoded`] wrote.
pub(crate) fn decoded(row: &Row, column: &'static str) -> Result<Option<Vec<u8>>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| STANDARD.decode(text).map_err(|_| SiteError::corrupt(column))).transpose()
}

fn length(bytes: &Option<Vec<u8>>) -> i64 {
    bytes
        .as_ref()
        .map_or(0, |bytes| i64::try_from(bytes.len()).expect("bytes in memory are fewer than i64 counts"))
}
