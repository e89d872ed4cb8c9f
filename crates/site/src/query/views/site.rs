//! The columns of the classes about the site itself; their SQL is in `views/site.sql`.

use super::{Column, View, boolean, integer, text};

pub(super) const VIEWS: &[View] = &[
    View { name: "SMS_ProviderLocation", columns: PROVIDER_LOCATION, key: &["SiteCode"] },
    View { name: "SMS_Identification", columns: IDENTIFICATION, key: &["ThisSiteCode"] },
    View { name: "SMS_Site", columns: SITE, key: &["SiteCode"] },
];

const PROVIDER_LOCATION: &[Column] =
    &[text("Machine"), text("NamespacePath"), boolean("ProviderForLocalSite"), text("SiteCode")];

const IDENTIFICATION: &[Column] = &[
    integer("License"),
    integer("LocaleID"),
    integer("MonthlyReleaseVersion"),
    integer("Reserved"),
    text("ServiceAccountName"),
    text("SMSAvailableConsoleVersion"),
    integer("SMSBuildNumber"),
    integer("SMSMinBuildNumber"),
    text("SMSProviderServer"),
    text("SMSSiteServer"),
    text("SMSVersion"),
    text("ThisSiteCode"),
    text("ThisSiteName"),
];

const SITE: &[Column] = &[
    integer("BuildNumber"),
    text("Features"),
    text("InstallDir"),
    integer("Mode"),
    text("ReportingSiteCode"),
    integer("RequestedStatus"),
    integer("SecondarySiteCMUpdateStatus"),
    text("ServerName"),
    text("SiteCode"),
    text("SiteName"),
    integer("Status"),
    text("TimeZoneInfo"),
    integer("Type"),
    text("Version"),
];
