//! The driver catalog: what is in it, and how it is read. Changes are in the modules beside.
//!
//! A driver comes in by two ways. A client names an INF file, gets a `draft` of it and puts that (`create`); or it
//! asks for an `import` of whole folders and archives, which a worker does. Both end in `store`.

mod category;
mod change;
mod create;
pub(crate) mod delete;
mod draft;
pub(crate) mod folder;
pub(crate) mod import;
mod localized;
pub(crate) mod platform;
pub(crate) mod store;

pub use category::{Category, CategoryChange, NewCategory};
pub use change::DriverChange;
pub use create::{DriverFields, NewDriver};
pub(crate) use draft::Drafts;
pub use draft::DriverDraft;
pub use localized::{LocalizedName, LocalizedProperties};
pub use platform::PlatformKey;
pub(crate) use store::signature as signature_state;

use ::driver::{DriverVersion, SignatureState};
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait, JoinType, Order, Query, SelectStatement};

use crate::db::{Row, Tx};
use crate::error::{Result, SiteError};
use crate::query::list;
use crate::server::Site;

/// A driver of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// CI_ID, unique at this site.
    pub ci_id: i64,
    /// CI_UniqueID: `ScopeId_<site>/DRIVER_<hash>`; the same again when the same driver is imported again.
    pub unique_id: String,
    /// ContentID; drivers whose folders have the same content share it.
    pub content_id: i64,
    /// The content folder's hash, lower hex.
    pub content_hash: String,
    /// The INF file relative to the content folder, with `/`.
    pub inf_file: String,
    /// The device class.
    pub class: String,
    /// The driver's provider.
    pub provider: String,
    /// The driver's date, at midnight UTC.
    pub date: Option<Timestamp>,
    /// The version as the INF spells it.
    pub version: String,
    /// What the catalogs prove.
    pub signature: SignatureState,
    /// The signer's name; empty without.
    pub signer: String,
    /// Where the files are: a UNC path or an absolute path on the site server.
    pub content_source_path: String,
    /// Whether it may be chosen for machines.
    pub is_enabled: bool,
    /// Kept as written.
    pub is_expired: bool,
    /// Kept as written.
    pub is_hidden: bool,
    /// Kept as written.
    pub is_user_defined: bool,
    /// Kept as written.
    pub permitted_uses: u32,
    /// Kept as written.
    pub applicability_condition: String,
    /// The names in all languages that were given.
    pub localized: Vec<LocalizedProperties>,
    /// The name that is shown.
    pub display_name: String,
    /// The unique ids of its categories.
    pub categories: Vec<String>,
    /// The unique ids of the platforms that it is for.
    pub platforms: Vec<String>,
    /// SDMPackageXML.
    pub sdm_package_xml: String,
    /// CIVersion: 1, and one more for each change of the definition.
    pub ci_version: u32,
    /// Changes with every change by a client.
    pub sedo_object_version: String,
    /// Who imported it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub modified_by: String,
    /// When.
    pub modified_at: Timestamp,
}

impl Site {
    /// A driver. Errors: [`SiteError::DriverNotFound`].
    pub async fn driver(&self, ci_id: i64) -> Result<Driver> {
        let row = self.db().optional(&select().and_where(by_id(ci_id)).to_owned()).await?;
        row.map_or(Err(SiteError::DriverNotFound { ci_id }), |row| Driver::read(&row))
    }

    /// The driver with this CI_UniqueID, whatever its case and with `\` or `/`.
    pub async fn driver_by_unique_id(&self, unique_id: &str) -> Result<Option<Driver>> {
        let mut tx_free = select();
        tx_free.and_where(Expr::col(("d", "unique_id")).eq(store::canonical(unique_id, self)));
        self.db().optional(&tx_free).await?.as_ref().map(Driver::read).transpose()
    }

    /// The files that a driver's INF names, as they were found at its import. Errors: [`SiteError::DriverNotFound`].
    pub async fn driver_payload(&self, ci_id: i64) -> Result<Vec<PayloadEntry>> {
        let select = Query::select()
            .column("payload")
            .from("driver_document")
            .and_where(Expr::col("ci_id").eq(ci_id))
            .to_owned();
        let row = self.db().optional(&select).await?.ok_or(SiteError::DriverNotFound { ci_id })?;
        localized::from_json(&row.get::<String>("payload")?, "driver_document.payload")
    }
}

/// A file that a driver's INF names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PayloadEntry {
    /// Relative to the content folder, with `/`.
    pub path: String,
    /// `x86`, `amd64`, ...; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Whether it was there.
    pub present: bool,
    /// Whether a catalog lists it; none where there is no readable catalog.
    pub covered: Option<bool>,
}

/// The driver's row, inside a transaction.
pub(crate) async fn require(tx: &mut Tx, ci_id: i64) -> Result<Driver> {
    let row = tx.optional(&select().and_where(by_id(ci_id)).to_owned()).await?;
    row.map_or(Err(SiteError::DriverNotFound { ci_id }), |row| Driver::read(&row))
}

fn by_id(ci_id: i64) -> Expr {
    Expr::col(("d", "ci_id")).eq(ci_id)
}

const COLUMNS: [&str; 26] = [
    "ci_id",
    "unique_id",
    "content_id",
    "inf_file",
    "class",
    "provider",
    "driver_date",
    "driver_version",
    "signature_state",
    "signer",
    "content_source_path",
    "is_enabled",
    "is_expired",
    "is_hidden",
    "is_user_defined",
    "permitted_uses",
    "applicability_condition",
    "display_name",
    "category_unique_ids",
    "platform_ids",
    "ci_version",
    "edition",
    "created_by",
    "created_at",
    "modified_by",
    "modified_at",
];

fn select() -> SelectStatement {
    let joined = |table: &'static str, column: &'static str| Expr::col((table, column)).equals(("d", column));
    Query::select()
        .columns(COLUMNS.map(|column| ("d", column)))
        .columns(["localized", "sdm_package_xml"].map(|column| ("t", column)))
        .column(("c", "content_hash"))
        .from_as("driver", "d")
        .join_as(JoinType::InnerJoin, "driver_document", "t", joined("t", "ci_id"))
        .join_as(JoinType::InnerJoin, "driver_content", "c", joined("c", "content_id"))
        .order_by(("d", "ci_id"), Order::Asc)
        .to_owned()
}

impl Driver {
    fn read(row: &Row) -> Result<Self> {
        let ci_id: i64 = row.get("ci_id")?;
        Ok(Self {
            sedo_object_version: format!("{ci_id};{}", row.get::<i64>("edition")?),
            ci_id,
            unique_id: row.get("unique_id")?,
            content_id: row.get("content_id")?,
            content_hash: row.get("content_hash")?,
            inf_file: row.get("inf_file")?,
            class: row.get("class")?,
            provider: row.get("provider")?,
            date: row.time_or_null("driver_date")?,
            version: row.get("driver_version")?,
            signature: store::signature(row.get("signature_state")?)?,
            signer: row.get("signer")?,
            content_source_path: row.get("content_source_path")?,
            is_enabled: row.flag("is_enabled")?,
            is_expired: row.flag("is_expired")?,
            is_hidden: row.flag("is_hidden")?,
            is_user_defined: row.flag("is_user_defined")?,
            permitted_uses: row.unsigned("permitted_uses")?,
            applicability_condition: row.get("applicability_condition")?,
            localized: localized::from_json(&row.get::<String>("localized")?, "driver_document.localized")?,
            display_name: row.get("display_name")?,
            categories: list(&row.get::<String>("category_unique_ids")?),
            platforms: list(&row.get::<String>("platform_ids")?),
            sdm_package_xml: row.get("sdm_package_xml")?,
            ci_version: row.unsigned("ci_version")?,
            created_by: row.get("created_by")?,
            created_at: row.time("created_at")?,
            modified_by: row.get("modified_by")?,
            modified_at: row.time("modified_at")?,
        })
    }
}

/// A version as `driver.version_number` has it, and back.
pub(crate) fn version_number(version: DriverVersion) -> i64 {
    let number = version.0.into_iter().fold(0u64, |number, part| number << 16 | u64::from(part));
    number.cast_signed()
}

/// The version that [`version_number`] was made of.
pub(crate) fn version_of(number: i64) -> DriverVersion {
    let part = |shift: u32| (number.cast_unsigned() >> shift & 0xFFFF) as u16;
    DriverVersion([part(48), part(32), part(16), part(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_back_from_their_numbers() {
        for parts in [[0, 0, 0, 0], [1, 2, 3, 4], [65534, 65534, 65534, 65534]] {
            let version = DriverVersion(parts);
            assert_eq!(version_of(version_number(version)), version);
        }
    }
}
