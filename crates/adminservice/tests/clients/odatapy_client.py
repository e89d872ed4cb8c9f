"""odatapy: a strict OData v4 client that reads $metadata first and types every answer by it."""

import json
import os

from odatapy.client import BasicAuth, EdmEnabledODataClient, HttpxTransport

from haulier_site import PACKAGE, SHARE, SHARE_FOLDER, PASSWORD, ROOT, USER, equal, true, wait_for

client = EdmEnabledODataClient(ROOT, HttpxTransport(auth=BasicAuth(USER, PASSWORD)))
edm = client.get_edm()
true(edm is not None, "$metadata was not read")

document = client.get_service_document()
names = set(document.entity_sets)
true({"SMS_DriverPackage", "SMS_DistributionPoint", "SMS_Identification"} <= names, f"entity sets: {sorted(names)}")


def packages():
    return client.get_entity_set(client.entity_set_uri("SMS_DriverPackage").filter(f"PackageID eq '{PACKAGE}'").count())


def value(entity, name):
    return next(prop.value for prop in entity.properties if prop.name == name)


found = packages()
equal(found.count, 1, "count")
equal([value(entity, "PackageID") for entity in found], [PACKAGE], "filter")
equal(client.get_count(client.entity_set_uri("SMS_DriverPackage").append_count_segment().filter(f"PackageID eq '{PACKAGE}'")), 1, "$count")

page = client.get_entity_set(client.entity_set_uri("SMS_DriverPackage").orderby("PackageID desc").top(1).select("PackageID", "Name"))
equal(len(list(page)), 1, "$top")

before = value(next(iter(found)), "SourceVersion")
call = client.entity_uri("SMS_DriverPackage", PACKAGE).append_action_call_segment("AdminService.RefreshPkgSource")
answer = client.invoke_action(call, {})
equal(answer.status_code, 201, "RefreshPkgSource")
wait_for(before + 1, lambda: value(next(iter(packages())), "SourceVersion"))

# The workflows of driver scripts: a driver is imported (A), a package is made (B), the driver goes into it (C), the
# package to a distribution point (D), and it is refreshed (E).


def entities(name, condition):
    return list(client.get_entity_set(client.entity_set_uri(name).filter(condition)))


def succeeds(uri, parameters):
    answer = json.loads(client.invoke_action(uri, parameters).content)
    equal(answer["ReturnValue"], 0, str(uri))
    return answer


def static(name, parameters):
    return succeeds(client.uri().append_segment(name), parameters)


def method(key, name, parameters):
    return succeeds(client.entity_uri("SMS_DriverPackage", key).append_action_call_segment(f"AdminService.{name}"), parameters)


drafted = static("SMS_Driver.CreateFromINF", {"DriverPath": SHARE + "\\net", "INFFile": "net.inf"})["Driver"]
definition = {name: drafted[name] for name in ("SDMPackageXML", "ContentSourcePath")}
driver = client.create_entity("SMS_Driver", {**definition, "IsEnabled": True})
driver_id = value(driver, "CI_ID")
true(driver_id > 0, f"CI_ID {driver_id}")

os.mkdir(os.path.join(SHARE_FOLDER, "package"))
made = client.create_entity("SMS_DriverPackage", {"Name": "Scenario", "PkgSourceFlag": 2, "PkgSourcePath": SHARE + "\\package"})
package = value(made, "PackageID")

contents = [value(row, "ContentID") for row in entities("SMS_CIToContent", f"CI_ID eq {driver_id}")]
true(contents, "the driver has content")
added = {"ContentIDs": contents, "ContentSourcePath": [drafted["ContentSourcePath"]], "bRefreshDPs": False}
method(package, "AddDriverContent", added)
equal(len(entities("SMS_PackageToContent", f"PackageID eq '{package}'")), len(contents), "content of the package")

point = entities("SMS_SystemResourceList", "RoleName eq 'SMS Distribution Point'")[0]
path = {"SiteCode": [value(point, "SiteCode")], "NALPath": [value(point, "NALPath")]}
method(package, "AddDistributionPoints", path)
equal(len(entities("SMS_DistributionPoint", f"PackageID eq '{package}'")), 1, "distribution points")

method(package, "RefreshPkgSource", {})
wait_for(1, lambda: value(entities("SMS_DriverPackage", f"PackageID eq '{package}'")[0], "SourceVersion"))
