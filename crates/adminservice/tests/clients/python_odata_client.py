"""python-odata: makes a class of each entity type in $metadata, with the bound actions as its methods."""

from odata import ODataService
from requests.auth import HTTPBasicAuth

from haulier_site import PACKAGE, PASSWORD, ROOT, USER, equal, true, wait_for

service = ODataService(ROOT + "/", auth=HTTPBasicAuth(USER, PASSWORD), reflect_entities=True, quiet_progress=True)
true("SMS_DriverPackage" in service.entities, f"entities: {sorted(service.entities)}")
Package = service.entities["SMS_DriverPackage"]


def package():
    return service.query(Package).filter(Package.PackageID == PACKAGE).one()


found = package()
equal(found.PackageID, PACKAGE, "filter")
by_name = service.query(Package).filter(Package.Name.startswith(found.Name[:4])).order_by(Package.PackageID.asc()).all()
true(PACKAGE in [one.PackageID for one in by_name], "startswith")

before = found.SourceVersion
found.RefreshPkgSource()
wait_for(before + 1, lambda: package().SourceVersion)
