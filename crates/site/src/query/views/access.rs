//! The columns of the classes about who may sign in; their SQL is in `views/access.sql`.

use super::{Column, View, integer, text, time};

pub(super) const VIEWS: &[View] = &[
    View { name: "Haulier_User", columns: HAULIER_USER, key: &["Name"] },
    View { name: "Haulier_Token", columns: HAULIER_TOKEN, key: &["TokenID"] },
];

const HAULIER_USER: &[Column] = &[time("Created"), text("Name"), text("Role")];

const HAULIER_TOKEN: &[Column] =
    &[time("Created"), time("Expires"), text("Label"), integer("TokenID"), text("UserName")];
