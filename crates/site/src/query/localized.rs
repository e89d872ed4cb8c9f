//! Names in the caller's language: for a call that names one, a view's localized columns are read from what drivers and
//! categories say in it. What an object does not say in that language stays as the view shows it.

use sea_query::Expr;

use super::views::{Column, View};
use crate::db::Dialect;

/// The views with localized columns.
const DOCUMENTS: [Document; 2] = [
    Document {
        view: "SMS_Driver",
        table: "driver_document",
        key: "ci_id",
        by: "CI_ID",
        members: &[
            ("LocalizedDescription", "description"),
            ("LocalizedDisplayName", "display_name"),
            ("LocalizedInformativeURL", "informative_url"),
            ("LocalizedPropertyLocaleID", LOCALE),
        ],
    },
    Document {
        view: "SMS_CategoryInstance",
        table: "category",
        key: "category_id",
        by: "CategoryInstanceID",
        members: &[("LocalizedCategoryInstanceName", "name"), ("LocalizedPropertyLocaleID", LOCALE)],
    },
];

const LOCALE: &str = "locale_id";

/// Where the texts of a row are, as a JSON array.
struct Document {
    view: &'static str,
    table: &'static str,
    key: &'static str,
    /// The view's column that has the key.
    by: &'static str,
    /// Each localized column, and its member of the array's entries.
    members: &'static [(&'static str, &'static str)],
}

/// A column of `rows`, which is what the statement calls the view, in a language; none where it has no languages.
pub(super) fn column(
    view: &View,
    rows: &str,
    column: &Column,
    locale: u32,
    dialect: Dialect,
) -> Option<Expr> {
    if (view.name, column.name) == ("SMS_Driver", "LocalizedCategoryInstanceNames") {
        return Some(Expr::cust(category_names(rows, locale, dialect)));
    }
    let Document { table, key, by, members, .. } = DOCUMENTS.iter().find(|known| known.view == view.name)?;
    let (_, member) = members.iter().find(|(name, _)| *name == column.name)?;
    let (entry, said) = (entries("d.localized", dialect), member_of(member, dialect));
    let is_it = locale_is(locale, dialect);
    let name = column.name;
    Some(Expr::cust(format!(
        "COALESCE((SELECT {said} FROM {table} d, {entry} WHERE d.{key} = \"{rows}\".\"{by}\" AND {is_it}), \
         \"{rows}\".\"{name}\")"
    )))
}

/// The names of a driver's categories, in the order in which they are shown.
fn category_names(rows: &str, locale: u32, dialect: Dialect) -> String {
    let (entry, said) = (entries("c.localized", dialect), member_of("name", dialect));
    let is_it = locale_is(locale, dialect);
    let names = format!(
        "SELECT COALESCE((SELECT {said} FROM {entry} WHERE {is_it}), c.name) AS said, c.category_id AS place \
         FROM driver_category dc JOIN category c ON c.category_id = dc.category_id \
         WHERE dc.ci_id = \"{rows}\".\"CI_ID\""
    );
    match dialect {
        Dialect::Sqlite => {
            format!("COALESCE((SELECT group_concat(said, char(10)) FROM ({names} ORDER BY place)), '')")
        }
        Dialect::Postgres => {
            format!(
                "COALESCE((SELECT string_agg(said, chr(10) ORDER BY place) FROM ({names}) said_names), '')"
            )
        }
    }
}

/// The entries of a document, called `l`.
fn entries(document: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("json_each({document}) l"),
        Dialect::Postgres => format!("json_array_elements(CAST({document} AS JSON)) AS l(value)"),
    }
}

fn member_of(member: &str, dialect: Dialect) -> String {
    match (dialect, member) {
        (Dialect::Sqlite, _) => format!("json_extract(l.value, '$.{member}')"),
        (Dialect::Postgres, LOCALE) => format!("CAST(l.value ->> '{member}' AS BIGINT)"),
        (Dialect::Postgres, _) => format!("(l.value ->> '{member}')"),
    }
}

fn locale_is(locale: u32, dialect: Dialect) -> String {
    format!("{} = {locale}", member_of(LOCALE, dialect))
}
