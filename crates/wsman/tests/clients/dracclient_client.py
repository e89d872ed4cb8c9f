"""python-dracclient: what its three operations (enumerate, pull, invoke) reach of the workflows A to J of driver scripts.

It has no Get, Put, Create, Delete or Release, sends texts and lists of texts only, and shows of a fault its HTTP status
alone. So the driver comes in by the import job and not by a put of the draft (A), the package is one that is there (B), no
group is made (D), nothing is enabled or disabled (G), the new source is validated and not set (I), and platforms and
categories are read and not edited (J)."""

import os
import re
import shutil

from dracclient.exceptions import WSManInvalidResponse
from dracclient.wsman import Client

from wsman_site import (
    HOST, MICROSOFT, N, PACKAGE, PASSWORD, PORT, SHARE, SHARE_FOLDER, URL, USER, W, equal, many, members, true, until,
)

client = Client(HOST, USER, PASSWORD, port=int(PORT), protocol=URL.split(":")[0], ssl_retries=1)
KEYS = {"PackageID": PACKAGE}


def rows(query, elements=3):
    answer = client.enumerate(MICROSOFT + "*", max_elems=elements, filter_query=query, filter_dialect="wql")
    # The client has put the items of every pull into those of the first answer.
    true(answer.find(f".//{N}Items") is None, "items of a pull stand alone")
    return [members(item) for item in answer.find(f".//{W}Items")]


def call(kind, method, keys, **parameters):
    uri = MICROSOFT + kind
    given = {name: value if isinstance(value, list) else str(value) for name, value in parameters.items()}
    answer = client.invoke(uri, method, keys, given)
    out = members(answer.find(f".//{{{uri}}}{method}_OUTPUT"))
    equal(out["ReturnValue"], "0", f"{kind}.{method}")
    return out


def is_refused(kind, method, keys, **parameters):
    try:
        call(kind, method, keys, **parameters)
    except WSManInvalidResponse as refused:
        return "500" in str(refused)
    return False


def package():
    (found,) = rows(f"SELECT * FROM SMS_DriverPackage WHERE PackageID = '{PACKAGE}'")
    return found


def refreshed(what, before):
    def is_done(seen):
        return seen["ActionInProgress"] == "0" and int(seen["SourceVersion"]) > before

    return int(until(what, package, is_done)["SourceVersion"])


everything = rows("SELECT * FROM SMS_SupportedPlatforms", 2)
equal(len(everything), len(rows("SELECT * FROM SMS_SupportedPlatforms", 1000)), "platforms by two at a time")

# A: the draft of a driver, and the driver by a job; then the draft is refused, as the driver is there.
inf = {"DriverPath": rf"{SHARE}\net", "INFFile": "net.inf"}
draft = call("SMS_Driver", "CreateFromINF", {}, **inf)["Driver"]
shown = re.search(r'<DisplayName[^>]* Text="([^"]*)"', draft["SDMPackageXML"])[1]
job = call("Haulier_DriverImport", "Start", {}, Sources=[rf"{SHARE}\net"])["ImportID"]
of_job = f"SELECT * FROM Haulier_DriverImport WHERE ImportID = {job}"
done = until("the import", lambda: rows(of_job)[0], lambda seen: seen["StateName"] == "done")
equal((done["Imported"], done["Failed"]), ("1", "0"), "what was imported")
(driver,) = rows(f"SELECT * FROM SMS_Driver WHERE LocalizedDisplayName = '{shown}'")
true(is_refused("SMS_Driver", "CreateFromINF", {}, **inf), "a second import was not refused")

# B: the package that is there, by its name.
equal([row["PackageID"] for row in rows(f"SELECT * FROM SMS_DriverPackage WHERE Name = '{package()['Name']}'")],
      [PACKAGE], "the package by its name")
equal(call("SMS_DriverPackage", "CheckSourceFolder", {}, SourceFolder=rf"{SHARE}\net")["ReturnValue"], "0", "the folder")

# C: the driver's content goes into the package; once more is refused.
ids = [row["ContentID"] for row in rows(f"SELECT * FROM SMS_CIToContent WHERE CI_ID = {driver['CI_ID']}")]
true(ids, "the driver has content")
add = {"ContentIDs": ids, "ContentSourcePath": [rf"{SHARE}\net"], "bRefreshDPs": "false"}
call("SMS_DriverPackage", "AddDriverContent", KEYS, **add)
true(is_refused("SMS_DriverPackage", "AddDriverContent", KEYS, **add), "content that is there already was not refused")
of_package = f"SELECT * FROM SMS_PackageToContent WHERE PackageID = '{PACKAGE}'"
equal(sorted(row["ContentID"] for row in rows(of_package)), sorted(ids), "the package's content")

# D: to the distribution point that it is not on yet.
points = rows("SELECT * FROM SMS_SystemResourceList WHERE RoleName = 'SMS Distribution Point'")
(free,) = [point for point in points if "dp2" in point["NALPath"]]
call("SMS_DriverPackage", "AddDistributionPoints", KEYS, SiteCode=[free["SiteCode"]], NALPath=[free["NALPath"]])

# E and F: one call makes one version, and both distribution points, of which none runs here, wait for it.
before = int(package()["SourceVersion"])
call("SMS_DriverPackage", "RefreshPkgSource", KEYS)
after = refreshed("the refresh", before)
equal(after, before + 1, "SourceVersion after one refresh")
states = rows(f"SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = '{PACKAGE}'")
equal([row["State"] for row in states], ["1", "1"], "the states")

# H: the content is taken out again, which refreshes.
call("SMS_DriverPackage", "RemoveDriverContent", KEYS, ContentIDs=ids, bRefreshDPs="true")
equal(rows(of_package), [], "the content that was taken out")
refreshed("the removal", after)

# I: another folder would do as the source.
shutil.copytree(os.path.join(SHARE_FOLDER, "dell"), os.path.join(SHARE_FOLDER, "moved"))
call("SMS_DriverPackage", "ValidateNewPackageSource", KEYS, PackageSource=rf"{SHARE}\moved")

# J: what the driver runs on is among what there is.
platforms = {platform["CI_UniqueID"] for platform in everything}
mine = set(many(driver.get("PlatformCategoryInstance_UniqueIDs")))
true(mine <= platforms, f"platforms that nobody knows: {mine - platforms}")
