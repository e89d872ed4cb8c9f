//! What security scopes leave of a view.
//!
//! A view is secured by the names of its columns, so that a new one is closed before anybody thinks of it.

use sea_query::{Cond, Expr, ExprTrait, Func, Query};

use super::views::View;
use crate::access::scope::{self, SecuredType};
use crate::access::{Action, Actor, Scopes};

/// By what a column ties its row to objects.
#[derive(Debug, Clone, Copy)]
enum Tie {
    /// It is the key of such an object, or empty.
    Key(SecuredType),
    /// It is the key of such an object, or of something else.
    Perhaps(SecuredType),
    /// It is the CI_UniqueID of a driver, or something else.
    UniqueId,
    /// It is the number of a status message, which is about objects.
    Message,
}

/// The columns that tie rows to objects, whatever view has them.
const TIES: [(&str, Tie); 10] = [
    ("CI_ID", Tie::Key(SecuredType::Driver)),
    ("ContentServerID", Tie::Perhaps(SecuredType::DpGroup)),
    ("GroupID", Tie::Key(SecuredType::DpGroup)),
    ("ImportID", Tie::Key(SecuredType::DriverImport)),
    ("InstanceKey", Tie::Perhaps(SecuredType::Package)),
    ("InstanceKey", Tie::UniqueId),
    ("ObjectID", Tie::Perhaps(SecuredType::Package)),
    ("PackageID", Tie::Key(SecuredType::Package)),
    ("PkgID", Tie::Key(SecuredType::Package)),
    ("RecordID", Tie::Message),
];

/// Views whose rows are for one user alone, and for whoever manages users: the columns with the user's name and with the
/// number of the token, since a token is told of itself only.
const OWN: [(&str, &str, &str); 1] = [("Haulier_Token", "UserName", "TokenID")];

/// The condition under which rows of a source exist for the actor. `source` is the name that the statement has for the
/// view: its own or an alias. It belongs to every view of a statement, those of subqueries too.
pub(super) fn condition(view: &View, source: &str, actor: &Actor) -> Cond {
    let column = |name: &'static str| Expr::col((source.to_owned(), name));
    let mut condition = Cond::all();
    if actor.scopes != Scopes::All {
        for (name, tie) in TIES.iter().filter(|(name, _)| view.column(name).is_some()) {
            condition = condition.add(tie.restriction(&actor.scopes, column(name)));
        }
    }
    if let Some((_, owner, token)) = OWN.iter().find(|(name, ..)| *name == view.name) {
        if actor.may(Action::ManageUsers).is_err() {
            condition = condition.add(column(owner).eq(actor.name.as_str()));
        }
        if let Some(id) = actor.sign_in.token() {
            condition = condition.add(column(token).eq(id));
        }
    }
    condition
}

impl Tie {
    fn restriction(self, scopes: &Scopes, value: Expr) -> Cond {
        match self {
            Self::Key(object) => scope::restriction(object, scopes, value),
            Self::Perhaps(object) => {
                let (table, key, _) = object.table();
                scope::restriction(object, scopes, found(table, key, key, value))
            }
            Self::UniqueId => {
                scope::restriction(SecuredType::Driver, scopes, found("driver", "unique_id", "ci_id", value))
            }
            Self::Message => {
                let column = |name: &'static str| Expr::col(("status_message", name));
                let about = scope::typed_restriction(&column("about_type"), scopes, column("about_key"));
                let message = Query::select()
                    .expr(Expr::val(1i64))
                    .from("status_message")
                    .and_where(column("id").eq(value))
                    .cond_where(scope::restriction(SecuredType::Package, scopes, column("package_id")))
                    .cond_where(about)
                    .to_owned();
                Cond::all().add(Expr::exists(message))
            }
        }
    }
}

/// The key of the row that has this value, as text; empty if there is none.
fn found(table: &'static str, by: &'static str, key: &'static str, value: Expr) -> Expr {
    let row = Query::select()
        .expr(Expr::col((table, key)).cast_as("TEXT"))
        .from(table)
        .and_where(Expr::col((table, by)).eq(value))
        .to_owned();
    Expr::from(Func::coalesce([Expr::SubQuery(None, Box::new(row.into())), Expr::val("")]))
}

#[cfg(test)]
mod tests {
    use super::super::views;
    use super::*;

    /// Columns that look like keys and tie a row to nothing that scopes protect: distribution points, categories,
    /// contents (which are as visible as the driver or package beside them), folders, users, a site (whose signing key is the public
    /// one), and the row's own key.
    const OPEN: [&str; 33] = [
        "AttributeID",
        "CIType_ID",
        "CI_SecuredTypeID",
        "CI_UniqueID",
        "CategoryInstanceID",
        "CategoryInstance_UniqueID",
        "CategoryInstance_UniqueIDs",
        "ContainerNodeID",
        "ContentID",
        "ContentServerSecurityID",
        "ContentUniqueID",
        "ExtensionID",
        "ID",
        "IdentityGUID",
        "LastStatusID",
        "LocaleID",
        "LocalizedPropertyLocaleID",
        "MemberID",
        "MessageFullID",
        "MessageID",
        "ModelID",
        "ObjectTypeID",
        "ParentCategoryInstanceID",
        "ParentContainerNodeID",
        "PlatformCategoryInstance_UniqueIDs",
        "ProcessID",
        "ResourceID",
        "ScopeID",
        "SecureObjectID",
        "SecuredTypeID",
        "SigningKey",
        "ThreadID",
        "TokenID",
    ];

    #[test]
    fn every_column_that_looks_like_a_key_is_tied_or_known_to_be_open() {
        let looks = |name: &str| ["ID", "IDs", "Key", "Keys"].iter().any(|end| name.ends_with(end));
        for view in views::all() {
            for column in view.columns.iter().filter(|column| looks(column.name)) {
                let tied = TIES.iter().any(|(name, _)| *name == column.name);
                assert!(tied || OPEN.contains(&column.name), "{}.{}", view.name, column.name);
            }
        }
    }
}
