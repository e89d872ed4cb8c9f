//! The columns of the classes about how far packages are, and status messages; their SQL is in `views/status.sql`.

use super::{Column, View, boolean, integer, text, time};

pub(super) const VIEWS: &[View] = &[
    View {
        name: "SMS_PackageStatus",
        columns: PACKAGE_STATUS,
        key: &["PackageID", "Personality", "PkgServer", "SiteCode", "Status", "Type"],
    },
    View {
        name: "SMS_PackageStatusDetailSummarizer",
        columns: PACKAGE_STATUS_DETAIL_SUMMARIZER,
        key: &["PackageID", "SiteCode"],
    },
    View {
        name: "SMS_PackageStatusDistPointsSummarizer",
        columns: PACKAGE_STATUS_DIST_POINTS_SUMMARIZER,
        key: &["PackageID", "ServerNALPath", "SiteCode"],
    },
    View {
        name: "SMS_PackageStatusRootSummarizer",
        columns: PACKAGE_STATUS_ROOT_SUMMARIZER,
        key: &["PackageID"],
    },
    View { name: "SMS_DistributionDPStatus", columns: DISTRIBUTION_DP_STATUS, key: &["ID"] },
    View {
        name: "SMS_DistributionStatus",
        columns: DISTRIBUTION_STATUS,
        key: &["MessageCategory", "ObjectID"],
    },
    View { name: "SMS_ObjectContentExtraInfo", columns: OBJECT_CONTENT_INFO, key: &["ObjectID"] },
    View { name: "SMS_ObjectContentInfo", columns: OBJECT_CONTENT_INFO, key: &["ObjectID"] },
    View { name: "SMS_StatusMessage", columns: STATUS_MESSAGE, key: &["RecordID"] },
    View { name: "SMS_StatMsg", columns: STATUS_MESSAGE, key: &["RecordID"] },
    View {
        name: "SMS_StatMsgWithInsStrings",
        columns: STATUS_MESSAGE_WITH_INSERTION_STRINGS,
        key: &["RecordID"],
    },
    View { name: "SMS_StatMsgInsStrings", columns: INSERTION_STRINGS, key: &["InsStrIndex", "RecordID"] },
    View { name: "SMS_StatInsStr", columns: INSERTION_STRINGS, key: &["InsStrIndex", "RecordID"] },
    View {
        name: "SMS_StatMsgAttributes",
        columns: ATTRIBUTES,
        key: &["AttributeID", "AttributeValue", "RecordID"],
    },
    View { name: "SMS_StatAttr", columns: ATTRIBUTES, key: &["AttributeID", "AttributeValue", "RecordID"] },
];

const PACKAGE_STATUS: &[Column] = &[
    text("Location"),
    text("PackageID"),
    integer("Personality"),
    text("PkgServer"),
    text("ShareName"),
    text("SiteCode"),
    integer("Status"),
    integer("Type"),
    time("UpdateTime"),
];

const PACKAGE_STATUS_DETAIL_SUMMARIZER: &[Column] = &[
    integer("Failed"),
    integer("Installed"),
    text("Name"),
    text("PackageID"),
    integer("Retrying"),
    text("SiteCode"),
    text("SiteName"),
    integer("SourceVersion"),
    time("SummaryDate"),
    integer("Targeted"),
];

const PACKAGE_STATUS_DIST_POINTS_SUMMARIZER: &[Column] = &[
    time("LastCopied"),
    text("PackageID"),
    integer("PackageType"),
    integer("SecuredTypeID"),
    text("SecureObjectID"),
    text("ServerNALPath"),
    text("SiteCode"),
    text("SourceNALPath"),
    integer("SourceVersion"),
    integer("State"),
    time("SummaryDate"),
];

const PACKAGE_STATUS_ROOT_SUMMARIZER: &[Column] = &[
    integer("Failed"),
    integer("Installed"),
    text("Name"),
    text("PackageID"),
    integer("Retrying"),
    integer("SourceCompressedSize"),
    time("SourceDate"),
    text("SourceSite"),
    integer("SourceSize"),
    integer("SourceVersion"),
    integer("Targeted"),
];

const DISTRIBUTION_DP_STATUS: &[Column] = &[
    integer("GroupCount"),
    integer("ID"),
    text("InsString1"),
    text("InsString10"),
    text("InsString2"),
    text("InsString3"),
    text("InsString4"),
    text("InsString5"),
    text("InsString6"),
    text("InsString7"),
    text("InsString8"),
    text("InsString9"),
    boolean("IsPeerDP"),
    integer("LastStatusID"),
    time("LastUpdateDate"),
    integer("MessageCategory"),
    integer("MessageFullID"),
    integer("MessageID"),
    integer("MessageSeverity"),
    integer("MessageState"),
    text("NalPath"),
    text("Name"),
    text("ObjectID"),
    integer("ObjectTypeID"),
    text("PackageID"),
    text("ResourceType"),
    text("SiteCode"),
];

const DISTRIBUTION_STATUS: &[Column] = &[
    integer("Assets"),
    time("LastUpdateDate"),
    integer("MessageCategory"),
    text("ObjectID"),
    integer("ObjectTypeID"),
    text("PackageID"),
    integer("Type"),
];

const OBJECT_CONTENT_INFO: &[Column] = &[
    time("DateCreated"),
    text("Description"),
    integer("FeatureType"),
    time("LastUpdateDate"),
    integer("NumberErrors"),
    integer("NumberInProgress"),
    integer("NumberSuccess"),
    integer("NumberUnknown"),
    text("ObjectID"),
    integer("ObjectType"),
    integer("ObjectTypeID"),
    text("PackageID"),
    text("SoftwareName"),
    text("SourceSite"),
    integer("SourceSize"),
    integer("SourceVersion"),
    integer("Targeted"),
];

const STATUS_MESSAGE: &[Column] = &[
    text("Component"),
    text("MachineName"),
    integer("MessageID"),
    integer("MessageType"),
    text("ModuleName"),
    integer("PerClient"),
    integer("ProcessID"),
    integer("RecordID"),
    integer("ReportFunction"),
    integer("Severity"),
    text("SiteCode"),
    integer("SuccessfulTransaction"),
    integer("ThreadID"),
    time("Time"),
    text("TopLevelSiteCode"),
    integer("Transaction"),
    integer("Win32Error"),
];

const STATUS_MESSAGE_WITH_INSERTION_STRINGS: &[Column] = &[
    text("Component"),
    text("InsString1"),
    text("InsString10"),
    text("InsString2"),
    text("InsString3"),
    text("InsString4"),
    text("InsString5"),
    text("InsString6"),
    text("InsString7"),
    text("InsString8"),
    text("InsString9"),
    text("MachineName"),
    integer("MessageID"),
    integer("MessageType"),
    text("ModuleName"),
    integer("PerClient"),
    integer("ProcessID"),
    integer("RecordID"),
    integer("ReportFunction"),
    integer("ResourceID"),
    integer("Severity"),
    text("SiteCode"),
    integer("SuccessfulTransaction"),
    integer("ThreadID"),
    time("Time"),
    text("TopLevelSiteCode"),
    integer("Transaction"),
    integer("Win32Error"),
];

const INSERTION_STRINGS: &[Column] = &[integer("InsStrIndex"), text("InsStrValue"), integer("RecordID")];

const ATTRIBUTES: &[Column] =
    &[integer("AttributeID"), time("AttributeTime"), text("AttributeValue"), integer("RecordID")];
