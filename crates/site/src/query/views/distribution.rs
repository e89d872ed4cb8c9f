//! The columns of the classes about distribution points and what is on them; their SQL is in `views/distribution.sql`.

use super::{Column, View, boolean, integer, text, text_list, time};

pub(super) const VIEWS: &[View] = &[
    View {
        name: "SMS_DistributionPoint",
        columns: DISTRIBUTION_POINT,
        key: &["PackageID", "ServerNALPath", "SiteCode"],
    },
    View {
        name: "SMS_DistributionPointInfo",
        columns: DISTRIBUTION_POINT_INFO,
        key: &["NALPath", "ResourceType", "SiteCode"],
    },
    View {
        name: "SMS_SystemResourceList",
        columns: SYSTEM_RESOURCE_LIST,
        key: &["NALPath", "ResourceType", "RoleName", "SiteCode"],
    },
    View { name: "SMS_DistributionPointGroup", columns: DISTRIBUTION_POINT_GROUP, key: &["GroupID"] },
    View { name: "SMS_DPGroupPackages", columns: DP_GROUP_PACKAGES, key: &["GroupID", "PkgID"] },
    View { name: "SMS_DPGroupMembers", columns: DP_GROUP_MEMBERS, key: &["DPNALPath", "GroupID"] },
    View {
        name: "SMS_PackageContentServerInfo",
        columns: PACKAGE_CONTENT_SERVER_INFO,
        key: &["ContentServerID", "ObjectID"],
    },
    View { name: "SMS_DPContentInfo", columns: DP_CONTENT_INFO, key: &["NALPath", "ObjectID"] },
    View { name: "SMS_DPStatusInfo", columns: DP_STATUS_INFO, key: &["NALPath"] },
    View { name: "SMS_SCI_SysResUse", columns: SCI_SYS_RES_USE, key: SITE_CONTROL_KEY },
    View { name: "SMS_SCI_Address", columns: SCI_ADDRESS, key: SITE_CONTROL_KEY },
    View { name: "SMS_SiteControlItem", columns: SITE_CONTROL_ITEM, key: SITE_CONTROL_KEY },
];

const SITE_CONTROL_KEY: &[&str] = &["FileType", "ItemName", "ItemType", "SiteCode"];

const DISTRIBUTION_POINT: &[Column] = &[
    boolean("BitsEnabled"),
    boolean("IsPeerDP"),
    boolean("IsProtected"),
    integer("ISVDataSize"),
    text("ISVString"),
    time("LastRefreshTime"),
    integer("ObjectTypeID"),
    text("PackageID"),
    integer("PackageType"),
    boolean("RefreshNow"),
    text("ResourceType"),
    text("SecureObjectID"),
    text("ServerNALPath"),
    text("SiteCode"),
    text("SiteName"),
    text("SourceSite"),
    integer("Status"),
];

const DISTRIBUTION_POINT_INFO: &[Column] = &[
    boolean("AddressScheduleEnabled"),
    text("BindExcept"),
    boolean("BindPolicy"),
    boolean("BitsEnabled"),
    boolean("CertificateType"),
    integer("Communication"),
    text("Description"),
    integer("DPFlags"),
    text("Drive"),
    integer("GroupCount"),
    boolean("HasRelationship"),
    boolean("HealthCheckEnabled"),
    integer("HealthCheckPriority"),
    text("HealthCheckSchedule"),
    integer("ID"),
    text("IdentityGUID"),
    boolean("InternetFacing"),
    boolean("IsActive"),
    boolean("IsMulticast"),
    boolean("IsPeerDP"),
    boolean("IsProtected"),
    boolean("IsPullDP"),
    boolean("IsPXE"),
    text("NALPath"),
    text("Name"),
    text("OperatingSystem"),
    boolean("PreStagingAllowed"),
    integer("Priority"),
    text("PXEPassword"),
    boolean("RateLimitsEnabled"),
    text("Region"),
    text("ResourceType"),
    integer("ResponseDelay"),
    text("ServerName"),
    integer("ServiceType"),
    text("ShareName"),
    text("SiteCode"),
    text("SiteName"),
    boolean("SupportUnknownMachines"),
    integer("TransferRate"),
    integer("UdaSetting"),
];

const SYSTEM_RESOURCE_LIST: &[Column] = &[
    boolean("InternetEnabled"),
    boolean("InternetShared"),
    text("NALPath"),
    text("ResourceType"),
    text("RoleName"),
    text("ServerName"),
    text("ServerRemoteName"),
    text("SiteCode"),
    integer("SslState"),
];

const DISTRIBUTION_POINT_GROUP: &[Column] = &[
    integer("CollectionCount"),
    integer("ContentCount"),
    boolean("ContentInSync"),
    text("CreatedBy"),
    time("CreatedOn"),
    text("Description"),
    text("GroupID"),
    boolean("HasMember"),
    boolean("HasRelationship"),
    integer("MemberCount"),
    text("ModifiedBy"),
    time("ModifiedOn"),
    text("Name"),
    integer("OutOfSyncContentCount"),
    text("SourceSite"),
];

const DP_GROUP_PACKAGES: &[Column] = &[text("GroupID"), text("PkgID")];

const DP_GROUP_MEMBERS: &[Column] = &[text("DPNALPath"), text("GroupID")];

const PACKAGE_CONTENT_SERVER_INFO: &[Column] = &[
    text("ContentServerID"),
    text("ContentServerSecurityID"),
    integer("ContentServerType"),
    text("Description"),
    text("Name"),
    text("ObjectID"),
    integer("ObjectTypeID"),
    text("PackageID"),
    integer("PackageType"),
];

const DP_CONTENT_INFO: &[Column] = &[
    text("Description"),
    text("Name"),
    text("NALPath"),
    text("ObjectID"),
    integer("ObjectType"),
    integer("ObjectTypeID"),
    text("PackageID"),
    integer("SourceSize"),
];

const DP_STATUS_INFO: &[Column] = &[
    boolean("IsDPMonEnabled"),
    boolean("IsPullDP"),
    time("LastStatusTime"),
    integer("MessageCount"),
    integer("MessageState"),
    text("Name"),
    text("NALPath"),
    integer("NumberErrors"),
    integer("NumberInProgress"),
    integer("NumberInstalled"),
    integer("NumberUnknown"),
    text("Version"),
];

const SCI_SYS_RES_USE: &[Column] = &[
    integer("FileType"),
    text("ItemName"),
    text("ItemType"),
    text("NALPath"),
    text("NALType"),
    text("NetworkOSPath"),
    text_list("PropLists"),
    text_list("Props"),
    text("RoleName"),
    text("SiteCode"),
    integer("SslState"),
];

const SCI_ADDRESS: &[Column] = &[
    integer("AddressPriorityOrder"),
    text("AddressType"),
    text("DesSiteCode"),
    text("DesSiteName"),
    integer("DestinationType"),
    integer("FileType"),
    text("ItemName"),
    text("ItemType"),
    text_list("Props"),
    text("RateLimitingSchedule"),
    text("SiteCode"),
    text("SiteName"),
    boolean("UnlimitedRateForAll"),
    text("UsageSchedule"),
];

const SITE_CONTROL_ITEM: &[Column] =
    &[text("__CLASS"), integer("FileType"), text("ItemName"), text("ItemType"), text("SiteCode")];
