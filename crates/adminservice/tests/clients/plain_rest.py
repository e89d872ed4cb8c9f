"""What driver deployment scripts do with plain requests: find the package for a model, look at it, refresh it."""

import requests

from haulier_site import PACKAGE, PASSWORD, ROOT, USER, equal, true, wait_for

session = requests.Session()
session.auth = (USER, PASSWORD)
COLUMNS = "Name,Description,Manufacturer,Version,SourceDate,PackageID,MIFName,MIFVersion"


def get(path, status=200):
    answer = session.get(f"{ROOT}/{path}")
    equal(answer.status_code, status, path)
    return answer


def package():
    rows = get(f"SMS_DriverPackage('{PACKAGE}')").json()["value"]
    equal(len(rows), 1, "instances for one key")
    return rows[0]


name = package()["Name"]
quoted = requests.utils.quote(name.replace("'", "''"))

# The list that a script matches models against, in the spellings of different script authors.
for query in (
    f"$filter=startswith(Name,'{quoted[:4]}')&$select={COLUMNS}",
    f"$filter=contains(Name,'{quoted}')&$select={COLUMNS}",
    f"$Filter=PackageID eq '{PACKAGE}'&$select={COLUMNS}",
    f"%24filter=Name%20eq%20%27{quoted}%27&%24select={COLUMNS}",
):
    rows = get(f"SMS_DriverPackage?{query}").json()["value"]
    found = [row for row in rows if row["PackageID"] == PACKAGE]
    equal(len(found), 1, f"packages found by {query}")
    equal(sorted(found[0]), sorted(COLUMNS.split(",")), "selected columns")

rows = requests.get(f"{ROOT}/SMS_DriverPackage", params={"$filter": f"PackageID eq '{PACKAGE}'"}, auth=(USER, PASSWORD))
equal([row["PackageID"] for row in rows.json()["value"]], [PACKAGE], "a filter encoded by the library")
equal(get(f"SMS_DriverPackage({PACKAGE})").json()["value"][0]["PackageID"], PACKAGE, "an unquoted key")
equal(get(f"SMS_DriverPackage/{PACKAGE}").json()["value"][0]["PackageID"], PACKAGE, "a key as segment")

# Refresh: 201 with ReturnValue 0, and one new version.
before = package()["SourceVersion"]
answer = session.post(f"{ROOT}/SMS_DriverPackage('{PACKAGE}')/AdminService.RefreshPkgSource", json={})
equal(answer.status_code, 201, "RefreshPkgSource")
equal(answer.json()["ReturnValue"], 0, "ReturnValue")
wait_for(before + 1, lambda: package()["SourceVersion"])

# Create, change, delete.
made = session.post(f"{ROOT}/SMS_DriverPackage", json={"Name": "made by plain_rest.py"})
equal(made.status_code, 201, "create")
url = f"{ROOT}/SMS_DriverPackage('{made.json()['PackageID']}')"
equal(session.patch(url, json={"Description": "changed"}).status_code, 200, "patch")
equal(session.put(url, json={"Version": "2"}).status_code, 200, "put")
row = session.get(url).json()["value"][0]
equal((row["Description"], row["Version"]), ("changed", "2"), "what was written")
equal(session.delete(url).status_code, 204, "delete")
equal(session.get(url).status_code, 404, "get after delete")

# Refusals.
equal(requests.get(f"{ROOT}/SMS_DriverPackage").status_code, 401, "no credentials")
error = get("SMS_DriverPackage('XXX00000')", 404).json()["error"]
equal(error["code"], "404", "error code")
equal(error["innererror"]["SMS_ExtendedStatus"]["StatusCode"], 0x80041002, "HRESULT")
true(get("SMS_Identification.GetSiteID", 201).json()["SiteID"].startswith("{"), "SiteID is a GUID in braces")
