//! The columns of the associations: the keys of their ends; their SQL is in `views/association.sql`.

use super::{Column, View, integer, text};

pub(super) const VIEWS: &[View] = &[
    View {
        name: "Haulier_PackageDistributionPoint",
        columns: &[
            text("NALPath"),
            text("PackageClass"),
            text("PackageID"),
            text("ResourceType"),
            text("SiteCode"),
        ],
        key: &["NALPath", "PackageID", "ResourceType", "SiteCode"],
    },
    View {
        name: "Haulier_PackageDriver",
        columns: &[integer("CI_ID"), text("PackageClass"), text("PackageID")],
        key: &["CI_ID", "PackageID"],
    },
    View {
        name: "Haulier_PackageContent",
        columns: &[integer("ContentID"), text("PackageClass"), text("PackageID")],
        key: &["ContentID", "PackageID"],
    },
    View {
        name: "Haulier_DriverContent",
        columns: DRIVER_CONTENT,
        key: &["CI_ID", "ContentID", "SDMMethodType"],
    },
    View {
        name: "Haulier_ContentInPackage",
        columns: &[integer("CI_ID"), integer("ContentID"), text("PackageID"), text("SDMMethodType")],
        key: &["CI_ID", "ContentID", "PackageID", "SDMMethodType"],
    },
];

const DRIVER_CONTENT: &[Column] = &[integer("CI_ID"), integer("ContentID"), text("SDMMethodType")];
