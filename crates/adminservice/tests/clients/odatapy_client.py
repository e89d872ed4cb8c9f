"""odatapy: a strict OData v4 client that reads $metadata first and types every answer by it."""

from odatapy.client import BasicAuth, EdmEnabledODataClient, HttpxTransport

from haulier_site import PACKAGE, PASSWORD, ROOT, USER, equal, true, wait_for

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
