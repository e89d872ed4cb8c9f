//! The columns of the classes about who may sign in; their SQL is in `views/access.sql`.

use super::{Column, View, boolean, integer, text, text_list, time};

pub(super) const VIEWS: &[View] = &[
    View { name: "Haulier_Role", columns: HAULIER_ROLE, key: &["Name"] },
    View { name: "Haulier_SecurityScope", columns: HAULIER_SECURITY_SCOPE, key: &["Name"] },
    View { name: "Haulier_Token", columns: HAULIER_TOKEN, key: &["TokenID"] },
    View { name: "Haulier_User", columns: HAULIER_USER, key: &["Name"] },
];

const HAULIER_ROLE: &[Column] = &[text_list("Actions"), text("Description"), text("Name")];

const HAULIER_SECURITY_SCOPE: &[Column] =
    &[time("Created"), text("CreatedBy"), text("Description"), text("Name"), integer("ScopeID")];

const HAULIER_TOKEN: &[Column] = &[
    boolean("AllScopes"),
    time("Created"),
    time("Expires"),
    text("Label"),
    time("LastUsed"),
    text("Role"),
    text_list("ScopeNames"),
    integer("TokenID"),
    text("UserName"),
];

const HAULIER_USER: &[Column] = &[
    boolean("AllowNtlm"),
    boolean("AllScopes"),
    time("Created"),
    boolean("IsEnabled"),
    time("LockedUntil"),
    text("Name"),
    text("Role"),
    text_list("ScopeNames"),
];
