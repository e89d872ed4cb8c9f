"""What driver deployment scripts do (import, package, content, distribution, refresh, watching), by pywbem."""

import shutil

import pywbem
from pywbem import CIMClassName, CIMInstance, CIMInstanceName, Uint32

from haulier_cim import NAMESPACE, SHARE, SHARE_FOLDER, connection, equal, folder, refused, true, wait_for

conn = connection()


def static(class_name, method, **given):
    return conn.InvokeMethod(method, CIMClassName(class_name, namespace=NAMESPACE), **given)


def call(path, method, **given):
    value, out = conn.InvokeMethod(method, path, **given)
    equal(value, 0, method)
    return out


def query(text):
    return conn.ExecQuery("WQL", text)


# A: a driver is imported, once.
value, out = static("SMS_Driver", "CreateFromINF", DriverPath=f"{SHARE}\\net", INFFile="net.inf")
equal(value, 0, "CreateFromINF")
driver = out["Driver"]
true(isinstance(driver, CIMInstance) and driver.classname == "SMS_Driver", f"an embedded driver: {driver!r}")
equal(driver["DriverVersion"], "1.2.3.4", "what the driver says")
name = CIMInstance("SMS_CI_LocalizedProperties", {"DisplayName": "Example & <Adapter>", "Description": "", "LocaleID": Uint32(1033)})
new = CIMInstance("SMS_Driver", {"SDMPackageXML": driver["SDMPackageXML"], "ContentSourcePath": driver["ContentSourcePath"], "IsEnabled": True})
new["LocalizedInformation"] = [name]
stored = conn.CreateInstance(new)
driver = conn.GetInstance(stored)
equal(driver["LocalizedInformation"][0]["DisplayName"], "Example & <Adapter>", "an array of embedded instances")
error = refused(1, lambda: static("SMS_Driver", "CreateFromINF", DriverPath=f"{SHARE}\\net", INFFile="net.inf"), "the same driver again")
status = error.instances[0]
equal(status["ErrorCode"], 183, "the code that scripts look for")
unique = status["ObjectInfo"].replace("\\", "/")
equal([one["CI_ID"] for one in query(f"SELECT * FROM SMS_Driver WHERE CI_UniqueID = '{unique}'")], [driver["CI_ID"]], "the driver that is there")

# B: a package.
value, out = static("SMS_DriverPackage", "CheckSourceFolder", SourceFolder=folder("pkg"))
equal(out["Result"], 0, "CheckSourceFolder")
path = conn.CreateInstance(
    CIMInstance("SMS_DriverPackage", {"Name": "by pywbem", "Description": "", "PkgSourceFlag": Uint32(2), "PkgSourcePath": f"{SHARE}\\pkg"})
)
path.namespace = NAMESPACE
with open(f"{SHARE_FOLDER}/pkg/readme.txt", "w", encoding="ascii") as file:
    file.write("what is here beside drivers")


def package():
    return conn.GetInstance(path)




def settled():
    """Waits until the package has the version that was asked for."""
    wait_for(0, lambda: package()["ActionInProgress"], "the end of the package's refresh")


identity = path.keybindings["PackageID"]

# C: the driver into the package.
contents = [one["ContentID"] for one in query(f"SELECT * FROM SMS_CIToContent WHERE CI_ID = {driver['CI_ID']}")]
true(contents, "the driver has content")
call(path, "AddDriverContent", ContentIDs=[Uint32(one) for one in contents], ContentSourcePath=[driver["ContentSourcePath"]], bRefreshDPs=False)
equal(len(conn.Associators(path, ResultClass="SMS_Driver")), 1, "the package's drivers")

# D: distributed in three ways.
points = query("SELECT * FROM SMS_SystemResourceList WHERE RoleName = 'SMS Distribution Point'")
equal(len(points), 2, "distribution points")
nal = [one["NALPath"] for one in points]
point = conn.CreateInstance(CIMInstance("SMS_DistributionPoint", {"PackageID": identity, "ServerNALPath": nal[0], "SiteCode": "PS1"}))
call(path, "AddDistributionPoints", SiteCode=["PS1"], NALPath=[nal[1]])
equal(len(query(f"SELECT * FROM SMS_DistributionPoint WHERE PackageID = '{identity}'")), 2, "assignments")
group = conn.CreateInstance(CIMInstance("SMS_DistributionPointGroup", {"Name": "all points"}))
group.namespace = NAMESPACE
call(group, "AddDistributionPoints", DPNALPath=nal)
call(group, "AddPackages", PackageIDs=[identity])
equal(conn.GetInstance(group)["ContentCount"], 1, "the group's packages")

# Each association by its own name, from both of its ends.
(mine,) = conn.EnumerateInstanceNames("SMS_CIToContent")
(place,) = [one for one in conn.EnumerateInstanceNames("SMS_PackageToContent") if one["PackageID"] == identity]
for association, one, other in (
    ("Haulier_PackageDriver", path, stored),
    ("Haulier_PackageContent", path, place),
    ("Haulier_DriverContent", stored, mine),
    ("Haulier_ContentInPackage", mine, place),
):
    for start, end in ((one, other), (other, one)):
        found = conn.Associators(start, AssocClass=association)
        equal([there.path.keybindings for there in found], [end.keybindings], f"Associators of {start} by {association}")
        equal([there.classname for there in found], [end.classname], association)
        links = conn.References(start, ResultClass=association)
        equal([link.classname for link in links], [association], f"References of {start}")
found = conn.Associators(path, AssocClass="Haulier_PackageDistributionPoint")
equal(sorted(there["NALPath"] for there in found), sorted(nal), "the package's distribution points")
for there in found:
    packages = conn.AssociatorNames(there.path, AssocClass="Haulier_PackageDistributionPoint")
    true(identity in [one["PackageID"] for one in packages], f"the packages of {there.path}")

# E: updated, redistributed. An empty folder makes no version, so the first one comes now.
call(path, "RefreshPkgSource")
wait_for(True, lambda: package()["SourceDate"] is not None, "the first version")
settled()
version = package()["SourceVersion"]
call(path, "RefreshPkgSource")
wait_for(version + 1, lambda: package()["SourceVersion"], "the next version")
point.namespace = NAMESPACE
change = conn.GetInstance(point)
change["RefreshNow"] = True
conn.ModifyInstance(change)
call(group, "ReDistributePackage", PackageID=[identity])

# F: watched.
watched = query(f"SELECT * FROM SMS_PackageStatusDistPointsSummarizer WHERE PackageID = '{identity}'")
equal(len(watched), 2, "states of distribution")
equal({one["SourceVersion"] for one in watched} <= {0, version, version + 1}, True, "their versions")
equal(len(query(f"SELECT * FROM SMS_DistributionDPStatus WHERE PackageID = '{identity}'")), 2, "messages of distribution")
content = query(f"SELECT * FROM SMS_ObjectContentExtraInfo WHERE PackageID = '{identity}'")
equal([one["Targeted"] for one in content], [2], "counts of distribution")

# G: the driver is disabled and enabled.
for enabled in (False, True):
    change = conn.GetInstance(stored)
    change["IsEnabled"] = enabled
    conn.ModifyInstance(change)
    equal(conn.GetInstance(stored)["IsEnabled"], enabled, "IsEnabled")

# H: its content leaves the package.
call(path, "RemoveDriverContent", ContentIDs=[Uint32(one) for one in contents], bRefreshDPs=True)
wait_for(version + 2, lambda: package()["SourceVersion"], "the version without the driver")
settled()
equal(conn.AssociatorNames(path, ResultClass="SMS_Driver"), [], "the package's drivers")

# I: the source moves.
shutil.copytree(f"{SHARE_FOLDER}/pkg", f"{SHARE_FOLDER}/moved")
call(path, "ValidateNewPackageSource", PackageSource=f"{SHARE}\\moved")
change = package()
change["PkgSourcePath"] = f"{SHARE}\\moved"
conn.ModifyInstance(change, PropertyList=["PkgSourcePath"])
equal(package()["PkgSourcePath"], f"{SHARE}\\moved", "the new source")

# J: categories and platforms.
category = CIMInstance("SMS_CategoryInstance", {"CategoryTypeName": "DriverCategories", "SourceSite": "PS1"})
category["CategoryInstance_UniqueID"] = "DriverCategories:6d5c1d7a-8d3f-4f0c-9f2a-0c8f4ad52f11"
category["LocalizedInformation"] = [
    CIMInstance("SMS_Category_LocalizedProperties", {"CategoryInstanceName": "Network", "LocaleID": Uint32(1033)})
]
category = conn.GetInstance(conn.CreateInstance(category))
change = conn.GetInstance(stored)
change["CategoryInstance_UniqueIDs"] = [category["CategoryInstance_UniqueID"]]
conn.ModifyInstance(change, PropertyList=["CategoryInstance_UniqueIDs"])
equal(conn.GetInstance(stored)["LocalizedCategoryInstanceNames"], ["Network"], "the driver's categories")
true(len(conn.EnumerateInstances("SMS_SupportedPlatforms")) > 0, "platforms")

# Everything away again.
conn.DeleteInstance(group)
conn.DeleteInstance(path)
conn.DeleteInstance(stored)
for gone in (path, stored):
    refused(6, lambda: conn.GetInstance(gone), "what was deleted")
