//! Where a driver's content can be had: the packages that hold it, and their distribution points.

use std::collections::{BTreeMap, BTreeSet};

use sea_query::{Expr, ExprTrait, JoinType, Order, Query};

use crate::error::Result;
use crate::package::ActionInProgress;
use crate::server::Site;

/// Ids in one statement.
const AT_ONCE_MAX: usize = 400;
/// Distribution points that are named of one package.
const POINTS_MAX: usize = 100;

/// A package whose stored version holds a content, and where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentPlace {
    /// The content.
    pub content_id: i64,
    /// The package.
    pub package_id: String,
    /// The package's name.
    pub package_name: String,
    /// The content's folder in the package.
    pub sub_folder: String,
    /// The folder's address at each distribution point that has it, by name; at most 100.
    pub urls: Vec<String>,
}

impl Site {
    /// Where contents can be had, by content and package.
    pub(super) async fn content_places(&self, contents: &BTreeSet<i64>) -> Result<Vec<ContentPlace>> {
        let contents: Vec<i64> = contents.iter().copied().collect();
        let mut places = Vec::new();
        for some in contents.chunks(AT_ONCE_MAX) {
            let select = Query::select()
                .columns([
                    ("c", "content_id"),
                    ("c", "package_id"),
                    ("c", "sub_folder"),
                    ("c", "min_package_version"),
                ])
                .column(("p", "name"))
                .from_as("package_content", "c")
                .join_as(
                    JoinType::InnerJoin,
                    "package",
                    "p",
                    Expr::col(("p", "package_id")).equals(("c", "package_id")),
                )
                .and_where(Expr::col(("c", "published")).eq(1i64))
                .and_where(Expr::col(("c", "content_id")).is_in(some.iter().copied()))
                .and_where(
                    Expr::col(("p", "action_in_progress")).ne(i64::from(ActionInProgress::Delete.number())),
                )
                .order_by(("c", "content_id"), Order::Asc)
                .order_by(("c", "package_id"), Order::Asc)
                .to_owned();
            for row in self.db().all(&select).await? {
                let place = ContentPlace {
                    content_id: row.get("content_id")?,
                    package_id: row.get("package_id")?,
                    package_name: row.get("name")?,
                    sub_folder: row.get("sub_folder")?,
                    urls: Vec::new(),
                };
                places.push((row.unsigned::<u32>("min_package_version")?, place));
            }
        }
        let packages = places.iter().map(|(_, place)| place.package_id.clone()).collect();
        let points = self.serving_points(&packages).await?;
        let mut found = Vec::with_capacity(places.len());
        for (since, mut place) in places {
            let serving = points.get(&place.package_id).into_iter().flatten();
            let has_it = serving.filter(|point| point.version >= since).take(POINTS_MAX);
            place.urls =
                has_it.map(|point| point.address(&place.package_id, Some(&place.sub_folder))).collect();
            found.push(place);
        }
        Ok(found)
    }

    /// Who serves which version of these packages, by name.
    pub(super) async fn serving_points(
        &self,
        packages: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Vec<ServingPoint>>> {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let mut points: BTreeMap<String, Vec<ServingPoint>> = BTreeMap::new();
        for some in packages.chunks(AT_ONCE_MAX) {
            let select = Query::select()
                .columns([("d", "package_id"), ("d", "installed_version")])
                .column(("x", "content_url"))
                .from_as("distribution", "d")
                .join_as(JoinType::InnerJoin, "dp", "x", Expr::col(("x", "id")).equals(("d", "dp_id")))
                .and_where(Expr::col(("d", "package_id")).is_in(some.iter().copied()))
                .and_where(Expr::col(("d", "absent")).eq(0i64))
                .and_where(Expr::col(("d", "installed_version")).gt(0i64))
                .and_where(Expr::col(("x", "content_url")).ne(""))
                .order_by(("d", "package_id"), Order::Asc)
                .order_by(("x", "name_key"), Order::Asc)
                .to_owned();
            for row in self.db().all(&select).await? {
                let point = ServingPoint {
                    version: row.unsigned("installed_version")?,
                    content_url: row.get("content_url")?,
                };
                points.entry(row.get("package_id")?).or_default().push(point);
            }
        }
        Ok(points)
    }
}

/// A distribution point that serves a version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServingPoint {
    pub(super) version: u32,
    content_url: String,
}

impl ServingPoint {
    /// The address of the package, or of a folder of it.
    pub(super) fn address(&self, package_id: &str, folder: Option<&str>) -> String {
        let mut address = format!("{}/SMS_DP_SMSPKG$/{package_id}", self.content_url.trim_end_matches('/'));
        for part in folder.into_iter().flat_map(|folder| folder.split('/')) {
            address.push('/');
            encode(part, &mut address);
        }
        address
    }
}

/// Percent encoding of all but the unreserved characters.
fn encode(part: &str, into: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(byte.into()),
            other => into.push_str(&format!("%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encoded() {
        let point = ServingPoint { version: 1, content_url: "http://dp1:8540/".to_owned() };
        let check = |folder: Option<&str>, expect: &str| {
            assert_eq!(
                point.address("PS100001", folder),
                format!("http://dp1:8540/SMS_DP_SMSPKG$/PS100001{expect}")
            );
        };
        check(None, "");
        check(Some("net_0123456789abcdef"), "/net_0123456789abcdef");
        check(Some("Net RTL ü (2)_01"), "/Net%20RTL%20%C3%BC%20%282%29_01");
    }
}
