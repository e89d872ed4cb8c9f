"""The workflows of driver scripts, one after the other on one site: a driver is imported (A), a package is made (B), the
driver goes into it (C), the package to a distribution point (D), it is refreshed (E) and watched (F); the driver is
disabled (G) and taken out (H), the source moves (I), platforms and categories are edited (J)."""

import os
import re
import shutil

from wsman_site import PACKAGE, SHARE, SHARE_FOLDER, equal, many, refusal, true, until

CONTENT_IN_PACKAGE = 1078462229
NOT_FOUND = 0x80041002


def run(cim, name="Scenario", move=True):
    """`name` keeps several runs on one site apart."""

    def package(**keys):
        return cim.get("SMS_DriverPackage", **keys)

    def rows(kind, where):
        return cim.query(f"SELECT * FROM {kind} WHERE {where}")

    # A: import a driver; a second import is refused with what finds the first.
    inf = {"DriverPath": rf"{SHARE}\net", "INFFile": "net.inf"}
    draft = cim.call("SMS_Driver", "CreateFromINF", **inf)["Driver"]
    shown = re.search(r'<DisplayName[^>]* Text="([^"]*)"', draft["SDMPackageXML"])[1]
    localized = {"class": "SMS_CI_LocalizedProperties", "LocaleID": 1033, "DisplayName": shown, "Description": ""}
    made = cim.create(
        "SMS_Driver",
        SDMPackageXML=draft["SDMPackageXML"],
        ContentSourcePath=draft["ContentSourcePath"],
        IsEnabled=True,
        LocalizedInformation=[localized],
    )
    driver = cim.get("SMS_Driver", **made)
    equal(driver["LocalizedDisplayName"], shown, "the driver's name")
    twice = refusal(cim.call, "SMS_Driver", "CreateFromINF", **inf).status
    equal(twice["ErrorCode"], "183", "a second import")
    unique_id = twice["ObjectInfo"].replace("\\", "/")
    known = rows("SMS_Driver", f"CI_UniqueID = '{unique_id}'")
    equal([row["CI_ID"] for row in known], [made["CI_ID"]], "the driver that is there")

    # B: make a package of an empty folder, after asking whether the folder will do.
    folder = os.path.join(SHARE_FOLDER, name)
    os.mkdir(folder)
    source = rf"{SHARE}\{name}"
    equal(cim.call("SMS_DriverPackage", "CheckSourceFolder", SourceFolder=source)["Result"], "0", "CheckSourceFolder")
    created = cim.create("SMS_DriverPackage", Name=name, Description="", PkgSourceFlag=2, PkgSourcePath=source)
    with open(os.path.join(folder, "readme.txt"), "w", encoding="utf-8") as file:
        file.write("what is here beside drivers")
    id = created["PackageID"]
    equal([row["PackageID"] for row in rows("SMS_DriverPackage", f"Name = '{name}'")], [id], "the package by its name")

    # C: the driver's content goes into the package; once more is an error that scripts take for success.
    ids = [row["ContentID"] for row in rows("SMS_CIToContent", f"CI_ID = {made['CI_ID']}")]
    true(ids, "the driver has content")
    add = {"ContentIDs": ids, "ContentSourcePath": [driver["ContentSourcePath"]], "bRefreshDPs": False}
    cim.call("SMS_DriverPackage", "AddDriverContent", created, **add)
    again = refusal(cim.call, "SMS_DriverPackage", "AddDriverContent", created, **add).status
    equal(int(again["ErrorCode"]), CONTENT_IN_PACKAGE, "content that is there already")
    equal(len(rows("SMS_PackageToContent", f"PackageID = '{id}'")), len(ids), "the package's content")

    # D: to one distribution point by an instance, to the other by the method, and to both by a group.
    near, far = rows("SMS_SystemResourceList", "RoleName = 'SMS Distribution Point'")
    assignment = {"PackageID": id, "ServerNALPath": near["NALPath"], "SiteCode": near["SiteCode"]}
    assigned = cim.create("SMS_DistributionPoint", **assignment)
    equal(assigned["PackageID"], id, "the assignment")
    targets = {"SiteCode": [far["SiteCode"]], "NALPath": [far["NALPath"]]}
    cim.call("SMS_DriverPackage", "AddDistributionPoints", created, **targets)
    group = cim.create("SMS_DistributionPointGroup", Name=name)
    both = {"DPNALPath": [near["NALPath"], far["NALPath"]], "AddTargetedPackages": True}
    cim.call("SMS_DistributionPointGroup", "AddDistributionPoints", group, **both)
    cim.call("SMS_DistributionPointGroup", "AddPackages", group, PackageIDs=[id])
    of_group = rows("SMS_DPGroupPackages", f"GroupID = '{group['GroupID']}'")
    equal([row["PkgID"] for row in of_group], [id], "the group's packages")

    # E: refresh. The first version comes now, and when nothing more is under way one call makes one version.
    def settled(what, above):
        def is_done(seen):
            return seen["SourceDate"] is not None and seen["ActionInProgress"] == "0" and int(seen["SourceVersion"]) > above

        return int(until(what, lambda: package(**created), is_done)["SourceVersion"])

    cim.call("SMS_DriverPackage", "RefreshPkgSource", created)
    before = settled("the first version", 0)
    cim.call("SMS_DriverPackage", "RefreshPkgSource", created)
    after = settled("the refresh", before)
    equal(after, before + 1, "SourceVersion after one refresh")
    cim.put("SMS_DistributionPoint", assigned, RefreshNow=True)
    cim.call("SMS_DistributionPointGroup", "ReDistributePackage", group, PackageID=[id])

    # F: watch. No distribution point runs here, so both wait for what the package has.
    states = rows("SMS_PackageStatusDistPointsSummarizer", f"PackageID = '{id}'")
    equal([row["State"] for row in states], ["1", "1"], "the states")

    # G: disable and enable.
    for enabled in (False, True):
        cim.put("SMS_Driver", made, IsEnabled=enabled)
        equal(cim.get("SMS_Driver", **made)["IsEnabled"], str(enabled).lower(), "IsEnabled")

    # H: take the driver's content out again, which refreshes.
    cim.call("SMS_DriverPackage", "RemoveDriverContent", created, ContentIDs=ids, bRefreshDPs=True)
    equal(rows("SMS_PackageToContent", f"PackageID = '{id}'"), [], "the content that was taken out")
    settled("the removal", after)

    # I: move another package's source.
    if move:
        shutil.copytree(os.path.join(SHARE_FOLDER, "dell"), os.path.join(SHARE_FOLDER, "moved"))
        moved = rf"{SHARE}\moved"
        cim.call("SMS_DriverPackage", "ValidateNewPackageSource", {"PackageID": PACKAGE}, PackageSource=moved)
        equal(cim.put("SMS_DriverPackage", {"PackageID": PACKAGE}, PkgSourcePath=moved)["PkgSourcePath"], moved, "Put")

    # J: a platform more, and a category.
    now = cim.get("SMS_Driver", **made)
    mine = many(now["PlatformCategoryInstance_UniqueIDs"])
    platform = next(p for p in cim.query("SELECT * FROM SMS_SupportedPlatforms", 50) if p["CI_UniqueID"] not in mine)
    condition = (
        f'<PlatformApplicabilityCondition DisplayName="{platform["DisplayText"]}" '
        f'MaxVersion="{platform["OSMaxVersion"]}" MinVersion="{platform["OSMinVersion"]}" '
        f'Name="{platform["OSName"]}" Platform="{platform["OSPlatform"]}"><Query1/><Query2/>'
        "</PlatformApplicabilityCondition></PlatformApplicabilityConditions>"
    )
    xml = now["SDMPackageXML"].replace("</PlatformApplicabilityConditions>", condition)
    version = int(now["CIVersion"])
    cim.put("SMS_Driver", made, SDMPackageXML=xml.replace(f' Version="{version}"', f' Version="{version + 1}"'))
    mine = many(cim.get("SMS_Driver", **made)["PlatformCategoryInstance_UniqueIDs"])
    true(platform["CI_UniqueID"] in mine, "the platform was added")
    label = {"class": "SMS_Category_LocalizedProperties", "CategoryInstanceName": name, "LocaleID": 1033}
    category = cim.create(
        "SMS_CategoryInstance", CategoryTypeName="DriverCategories", SourceSite="PS1", LocalizedInformation=[label]
    )
    kept = cim.get("SMS_CategoryInstance", **category)["CategoryInstance_UniqueID"]
    cim.put("SMS_Driver", made, CategoryInstance_UniqueIDs=[kept])
    equal(many(cim.get("SMS_Driver", **made)["LocalizedCategoryInstanceNames"]), [name], "the categories")

    # The rest of G: what was made is deleted.
    cim.delete("SMS_DistributionPoint", **assigned)
    cim.delete("SMS_DistributionPointGroup", **group)
    cim.delete("SMS_DriverPackage", **created)
    cim.delete("SMS_Driver", **made)
    equal(int(refusal(cim.get, "SMS_DriverPackage", **created).status["StatusCode"]), NOT_FOUND, "a deleted package")
    equal(rows("SMS_Driver", f"CI_ID = {made['CI_ID']}"), [], "the deleted driver")
