//! The properties of a package that a client may write, in one table: name, column, type, default, limit.

use cim::schedule::Token;
use jiff::Timestamp;
use sea_query::Expr;

use super::data::PackageData;
use crate::db::Row;
use crate::error::{Result, SiteError};

/// The longest text where the original states no limit.
const TEXT: usize = 512;
/// The console stops at 50, the provider does not; this is the width of the original's column.
const NAME: usize = 255;
const SHARE_NAME: usize = 127;

/// A property's value, as a front end has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A string.
    Text(String),
    /// A `uint32`.
    Number(u32),
    /// A boolean.
    Flag(bool),
    /// A time; none for null.
    Time(Option<Timestamp>),
}

/// What a column type must know to live in the table below.
trait FieldType: Sized {
    fn expr(&self) -> Expr;
    fn read(row: &Row, column: &str) -> Result<Self>;
    fn take(property: &'static str, value: FieldValue) -> Result<Self>;
    fn give(&self) -> FieldValue;
    fn check(&self, property: &'static str, chars_max: usize) -> Result<()>;
}

impl FieldType for String {
    fn give(&self) -> FieldValue {
        FieldValue::Text(self.clone())
    }

    fn expr(&self) -> Expr {
        self.as_str().into()
    }

    fn read(row: &Row, column: &str) -> Result<Self> {
        row.get(column)
    }

    fn take(property: &'static str, value: FieldValue) -> Result<Self> {
        match value {
            FieldValue::Text(text) => Ok(text),
            _ => Err(SiteError::invalid(property, "a string is needed")),
        }
    }

    fn check(&self, property: &'static str, chars_max: usize) -> Result<()> {
        if self.chars().count() > chars_max {
            return Err(SiteError::invalid(property, format!("at most {chars_max} characters are allowed")));
        }
        if self.contains('\0') {
            return Err(SiteError::invalid(property, "a null character is not allowed"));
        }
        Ok(())
    }
}

impl FieldType for u32 {
    fn give(&self) -> FieldValue {
        FieldValue::Number(*self)
    }

    fn expr(&self) -> Expr {
        i64::from(*self).into()
    }

    fn read(row: &Row, column: &str) -> Result<Self> {
        row.unsigned(column)
    }

    fn take(property: &'static str, value: FieldValue) -> Result<Self> {
        match value {
            FieldValue::Number(number) => Ok(number),
            _ => Err(SiteError::invalid(property, "a number from 0 to 4294967295 is needed")),
        }
    }

    fn check(&self, _: &'static str, _: usize) -> Result<()> {
        Ok(())
    }
}

impl FieldType for bool {
    fn give(&self) -> FieldValue {
        FieldValue::Flag(*self)
    }

    fn expr(&self) -> Expr {
        i64::from(*self).into()
    }

    fn read(row: &Row, column: &str) -> Result<Self> {
        row.flag(column)
    }

    fn take(property: &'static str, value: FieldValue) -> Result<Self> {
        match value {
            FieldValue::Flag(flag) => Ok(flag),
            _ => Err(SiteError::invalid(property, "true or false is needed")),
        }
    }

    fn check(&self, _: &'static str, _: usize) -> Result<()> {
        Ok(())
    }
}

impl FieldType for Option<Timestamp> {
    fn give(&self) -> FieldValue {
        FieldValue::Time(*self)
    }

    fn expr(&self) -> Expr {
        self.map(Timestamp::as_microsecond).into()
    }

    fn read(row: &Row, column: &str) -> Result<Self> {
        row.time_or_null(column)
    }

    fn take(property: &'static str, value: FieldValue) -> Result<Self> {
        match value {
            FieldValue::Time(time) => Ok(time),
            FieldValue::Text(text) if text.is_empty() => Ok(None),
            _ => Err(SiteError::invalid(property, "a time is needed")),
        }
    }

    fn check(&self, _: &'static str, _: usize) -> Result<()> {
        Ok(())
    }
}

macro_rules! package_fields {
    ($($(#[$doc:meta])+ $field:ident: $type:ty = $default:expr, $property:literal, $chars_max:expr;)+) => {
        /// The properties of a package that a client may write.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct PackageFields { $($(#[$doc])+ pub $field: $type,)+ }

        /// A change of some properties; the others stay.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct PackageChange {
            $($(#[$doc])+ pub $field: Option<$type>,)+
            /// The `SedoObjectVersion` that the caller read; a mismatch refuses the change.
            pub sedo_object_version: Option<String>,
            /// What partners and the console keep with the package.
            pub data: PackageData,
            /// When the package is refreshed by itself; without tokens never.
            pub refresh_schedule: Option<Vec<Token>>,
        }

        impl Default for PackageFields {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl PackageFields {
            /// The columns, in the order of [`Self::values`].
            pub(crate) const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];

            pub(crate) fn values(&self) -> Vec<Expr> {
                vec![$(FieldType::expr(&self.$field)),+]
            }

            pub(crate) fn read(row: &Row) -> Result<Self> {
                Ok(Self { $($field: <$type as FieldType>::read(row, stringify!($field))?,)+ })
            }

            /// The properties that differ, by their provider names.
            pub(crate) fn changed(&self, other: &Self) -> Vec<&'static str> {
                let all = [$(($property, self.$field != other.$field)),+];
                all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
            }

            /// Every property by its provider name.
            pub(crate) fn named(&self) -> Vec<(&'static str, FieldValue)> {
                vec![$(($property, FieldType::give(&self.$field))),+]
            }

            fn check_lengths(&self) -> Result<()> {
                $(FieldType::check(&self.$field, $property, $chars_max)?;)+
                Ok(())
            }

            /// Applies a change; checks nothing.
            pub fn apply(&mut self, change: PackageChange) {
                $(if let Some(value) = change.$field { self.$field = value; })+
            }
        }

        impl PackageChange {
            /// Sets a property by its provider name, whatever its case.
            ///
            /// Errors: [`SiteError::InvalidField`] if there is no such writable property or its type differs.
            pub fn set(&mut self, property: &str, value: FieldValue) -> Result<()> {
                $(if property.eq_ignore_ascii_case($property) {
                    self.$field = Some(<$type as FieldType>::take($property, value)?);
                    return Ok(());
                })+
                let reason = format!("{property} is not a property that can be written");
                Err(SiteError::InvalidField { property: "property", reason })
            }
        }
    };
}

package_fields! {
    /// The name; must not be empty.
    name: String = String::new(), "Name", NAME;
    /// A description.
    description: String = String::new(), "Description", TEXT;
    /// The publisher.
    manufacturer: String = String::new(), "Manufacturer", NAME;
    /// The language label.
    language: String = String::new(), "Language", NAME;
    /// The version label; not the source version.
    version: String = String::new(), "Version", NAME;
    /// The status MIF's file name.
    mif_filename: String = String::new(), "MIFFilename", TEXT;
    /// The status MIF's name.
    mif_name: String = String::new(), "MIFName", TEXT;
    /// The status MIF's publisher.
    mif_publisher: String = String::new(), "MIFPublisher", TEXT;
    /// The status MIF's version.
    mif_version: String = String::new(), "MIFVersion", TEXT;
    /// A partner's text; empty reads as null.
    isv_string: String = String::new(), "ISVString", TEXT;
    /// Kept as written; empty reads as null.
    alternate_content_providers: String = String::new(), "AlternateContentProviders", 65_536;
    /// The share name on distribution points; needed when `share_type` is 2.
    share_name: String = String::new(), "ShareName", SHARE_NAME;
    /// 1 the common share, 2 a share of its own.
    share_type: u32 = 1, "ShareType", 0;
    /// Kept as written.
    stored_pkg_path: String = String::new(), "StoredPkgPath", TEXT;
    /// The preferred sender address type; kept as written.
    preferred_address_type: String = String::new(), "PreferredAddressType", TEXT;
    /// Kept as written.
    ignore_address_schedule: bool = false, "IgnoreAddressSchedule", 0;
    /// Kept as written.
    forced_disconnect_enabled: bool = false, "ForcedDisconnectEnabled", 0;
    /// Minutes; kept as written.
    forced_disconnect_delay: u32 = 5, "ForcedDisconnectDelay", 0;
    /// Kept as written.
    forced_disconnect_num_retries: u32 = 2, "ForcedDisconnectNumRetries", 0;
    /// Kept as written; 0 for driver packages.
    num_of_programs: u32 = 0, "NumOfPrograms", 0;
    /// The package's flag bits; unknown ones are kept.
    pkg_flags: u32 = 0, "PkgFlags", 0;
    /// 1 high, 2 normal, 3 low.
    priority: u32 = 2, "Priority", 0;
    /// 1 no source files, 2 read directly from `pkg_source_path`.
    pkg_source_flag: u32 = 1, "PkgSourceFlag", 0;
    /// A UNC path that `[shares]` maps, or an absolute path on the site server.
    pkg_source_path: String = String::new(), "PkgSourcePath", TEXT;
    /// 2 for a package of the User State Migration Tool; of SMS_Package only.
    default_image_flags: u32 = 0, "DefaultImageFlags", 0;
    /// When its conversion to an application was looked at; of SMS_Package only.
    transform_analysis_date: Option<Timestamp> = None, "TransformAnalysisDate", 0;
    /// How ready it is for that, 0 unknown to 5 error; of SMS_Package only.
    transform_readiness: u32 = 0, "TransformReadiness", 0;
}

/// The properties of a package to be made.
pub type NewPackage = PackageFields;

/// Take the source files directly.
pub(crate) const SOURCE_DIRECT: u32 = 2;

impl PackageFields {
    /// Whether the package takes its files from a source folder.
    #[must_use]
    pub fn has_source(&self) -> bool {
        self.pkg_source_flag == SOURCE_DIRECT
    }

    /// Checks what can be checked without looking at the source.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_lengths()?;
        if self.name.trim().is_empty() {
            return Err(SiteError::invalid("Name", "a name is needed"));
        }
        one_of("Priority", self.priority, &[1, 2, 3], "1 (high), 2 (normal) or 3 (low)")?;
        one_of("ShareType", self.share_type, &[1, 2], "1 (common share) or 2 (own share)")?;
        let sources = "0 (not yet specified), 1 (no source files) or 2 (read from PkgSourcePath)";
        one_of("PkgSourceFlag", self.pkg_source_flag, &[0, 1, SOURCE_DIRECT], sources)?;
        one_of("DefaultImageFlags", self.default_image_flags, &[0, 2], "0 or 2 (USMT package)")?;
        one_of("TransformReadiness", self.transform_readiness, &[0, 1, 2, 3, 4, 5], "0 to 5")?;
        self.check_share_name()?;
        if self.has_source() && self.pkg_source_path.is_empty() {
            return Err(SiteError::invalid("PkgSourcePath", "a path is needed when PkgSourceFlag is 2"));
        }
        Ok(())
    }

    fn check_share_name(&self) -> Result<()> {
        if self.share_type == 2 && self.share_name.is_empty() {
            return Err(SiteError::invalid("ShareName", "a name is needed when ShareType is 2"));
        }
        if let Some(bad) = self.share_name.chars().find(|c| "\"/[]:|<>+=;,?*".contains(*c) || c.is_control())
        {
            return Err(SiteError::invalid("ShareName", format!("the character {bad:?} is not allowed")));
        }
        if self.share_name.contains('\\') && self.share_name.split('\\').any(|part| part.chars().count() > 80)
        {
            return Err(SiteError::invalid("ShareName", "each part has at most 80 characters"));
        }
        Ok(())
    }
}

fn one_of(property: &'static str, value: u32, allowed: &[u32], words: &str) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(SiteError::invalid(property, format!("{value} is not allowed; {words} is needed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut PackageFields), expect: Result<(), &str>) {
        let mut fields = PackageFields { name: "Dell 7440".to_owned(), ..PackageFields::default() };
        change(&mut fields);
        match (fields.check(), expect) {
            (Ok(()), Ok(())) => {}
            (Err(SiteError::InvalidField { property, .. }), Err(expected)) => assert_eq!(property, expected),
            (got, expected) => panic!("{fields:?}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn fields_have_limits() {
        check(|_| (), Ok(()));
        check(|f| f.name = String::new(), Err("Name"));
        check(|f| f.name = "x".repeat(255), Ok(()));
        check(|f| f.name = "x".repeat(256), Err("Name"));
        check(|f| f.name = "ü".repeat(255), Ok(()));
        check(|f| f.description = "x".repeat(513), Err("Description"));
        check(|f| f.description = "a\0b".to_owned(), Err("Description"));
        check(|f| f.priority = 0, Err("Priority"));
        check(|f| f.priority = 4, Err("Priority"));
        check(|f| f.share_type = 2, Err("ShareName"));
        check(|f| (f.share_type, f.share_name) = (2, "Drivers\\Dell".to_owned()), Ok(()));
        check(|f| f.share_name = "a/b".to_owned(), Err("ShareName"));
        check(|f| f.share_name = format!("a\\{}", "x".repeat(81)), Err("ShareName"));
        check(|f| f.pkg_source_flag = 2, Err("PkgSourcePath"));
        check(|f| f.pkg_source_flag = 3, Err("PkgSourceFlag"));
        check(|f| (f.pkg_source_flag, f.pkg_source_path) = (2, "\\\\srv\\src".to_owned()), Ok(()));
    }

    #[test]
    fn properties_are_set_by_name_and_type() {
        let mut change = PackageChange::default();
        change.set("mifname", FieldValue::Text("x".to_owned())).unwrap();
        change.set("PkgFlags", FieldValue::Number(u32::MAX)).unwrap();
        change.set("IgnoreAddressSchedule", FieldValue::Flag(true)).unwrap();
        let mut fields = PackageFields::default();
        fields.apply(change);
        assert_eq!(
            (fields.mif_name.as_str(), fields.pkg_flags, fields.ignore_address_schedule),
            ("x", u32::MAX, true)
        );
        let mut change = PackageChange::default();
        assert_eq!(change.set("PackageID", FieldValue::Number(1)).unwrap_err().code(), "invalid_field");
        assert_eq!(change.set("Name", FieldValue::Number(1)).unwrap_err().code(), "invalid_field");
        assert_eq!(change, PackageChange::default());
    }
}
