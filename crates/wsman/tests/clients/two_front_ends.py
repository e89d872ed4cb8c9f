"""What WS-Management writes the AdminService reads, and the other way round: texts, numbers, times, nulls, arrays and
objects, created, changed and deleted."""

import os

import requests

from pypsrp_client import Pypsrp
from wsman_site import DMTF, MICROSOFT, PASSWORD, USER, equal, many, true

REST = os.environ["HAULIER_REST_URL"] + "/AdminService/wmi/"
NAME = "Ünïcode <&> \"quotes\" 'and' \\ blanks  "


def rest(method, path, status, body=None):
    answer = requests.request(method, REST + path, json=body, auth=(USER, PASSWORD), timeout=60)
    equal(answer.status_code, status, f"{method} {path}: {answer.text}")
    return answer.json()["value"][0] if method == "GET" else answer.json() if answer.text else None


def same(of_wsman, of_rest, what):
    """Each property, in the form of the one and of the other."""
    for name, there in of_rest.items():
        if name.startswith(("__", "@")):
            continue
        here = of_wsman.get(name)
        if isinstance(there, list):
            here, there = many(here), [str(one) if not isinstance(one, dict) else None for one in there]
            here = [one if not isinstance(one, dict) else None for one in here]
        elif isinstance(there, bool):
            there = str(there).lower()
        elif isinstance(there, int):
            there = str(there)
        elif isinstance(there, dict):
            true(isinstance(here, dict), f"{what}: {name}")
            continue
        equal(here, there, f"{what}: {name}")


cim = Pypsrp("basic")
for base, name in ((MICROSOFT, NAME), (DMTF, NAME + "2")):
    cim.base = base
    made = cim.create("SMS_DriverPackage", Name=name, Description="line\nbreak", Priority=1)
    path = f"SMS_DriverPackage('{made['PackageID']}')"
    there = rest("GET", path, 200)
    equal((there["Name"], there["Description"], there["Priority"]), (name, "line\nbreak", 1), "what was created")
    same(cim.get("SMS_DriverPackage", **made), there, "the package")

    rest("PATCH", path, 200, {"Description": "by REST", "Priority": 3})
    here = cim.get("SMS_DriverPackage", **made)
    equal((here["Description"], here["Priority"], here["Name"]), ("by REST", "3", name), "what REST changed")
    changed = cim.put("SMS_DriverPackage", made, Description="", Priority=2)
    equal(changed["Description"], "", "the answer to Put")
    there = rest("GET", path, 200)
    equal((there["Description"], there["Priority"]), ("", 2), "what WS-Management changed")

    # A whole instance as it was read goes back unchanged.
    cim.put("SMS_DriverPackage", made, **cim.get("SMS_DriverPackage", **made))
    equal(rest("GET", path, 200)["SedoObjectVersion"], there["SedoObjectVersion"], "an unchanged package's edition")

    # Objects inside of objects.
    label = {"class": "SMS_Category_LocalizedProperties", "CategoryInstanceName": name, "LocaleID": 1033}
    category = cim.create(
        "SMS_CategoryInstance", CategoryTypeName="DriverCategories", SourceSite="PS1", LocalizedInformation=[label]
    )
    (shown,) = rest("GET", f"SMS_CategoryInstance({category['CategoryInstanceID']})", 200)["LocalizedInformation"]
    equal((shown["CategoryInstanceName"], shown["LocaleID"]), (name, 1033), "the category's name")
    (shown,) = many(cim.get("SMS_CategoryInstance", **category)["LocalizedInformation"])
    equal((shown["CategoryInstanceName"], shown["LocaleID"]), (name, "1033"), "the category's name")

    made_there = rest("POST", "SMS_DriverPackage", 201, {"Name": name + "3"})["PackageID"]
    found = cim.query(f"SELECT * FROM SMS_DriverPackage WHERE PackageID = '{made_there}'")
    equal([row["Name"] for row in found], [name + "3"], "what REST made")
    cim.delete("SMS_DriverPackage", PackageID=made_there)
    cim.delete("SMS_DriverPackage", **made)
    for gone in (made_there, made["PackageID"]):
        answer = requests.get(f"{REST}SMS_DriverPackage('{gone}')", auth=(USER, PASSWORD), timeout=60)
        equal(answer.status_code, 404, "a deleted package")
