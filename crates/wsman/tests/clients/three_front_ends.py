"""What CIM-XML, WS-Management and the AdminService write, each of the three reads: texts of any script, nulls, arrays with
and without elements, objects inside of objects, and times."""

import os

import pywbem
import requests
from pypsrp.wsman import OptionSet, SelectorSet
from pywbem import CIMDateTime, CIMInstance, CIMInstanceName, CIMProperty, Uint32

from pypsrp_client import Pypsrp
from wsman_site import DMTF, NAMESPACE, PASSWORD, SHARE, TRANSFER, USER, equal, many

KIND = "SMS_DriverPackage"
NAME = "Ünïcode <&> \"quotes\" 'and' \\ 日本 \U0001f600  "
AT = "2026-03-04T05:06:00Z"
# A folder that is not there: what would be read from it stays null.
SOURCE = rf"{SHARE}\nowhere"
# Name, description, schedule (days between, start), icon, time of the source.
WRITTEN = (NAME, "line\nbreak", [(7, AT)], None, None)
EMPTIED = (NAME, "line\nbreak", [], None, None)


class Rest:
    root = os.environ["HAULIER_REST_URL"] + "/AdminService/wmi/"

    def ask(self, method, path, status, body=None):
        answer = requests.request(method, self.root + path, json=body, auth=(USER, PASSWORD), timeout=60)
        equal(answer.status_code, status, f"{method} {path}: {answer.text}")
        return answer.json() if answer.text else None

    def create(self):
        token = {"@odata.type": "#AdminService.SMS_ST_RecurInterval", "DaySpan": 7, "StartTime": AT}
        body = {"Name": NAME, "Description": "line\nbreak", "RefreshSchedule": [token]}
        body |= {"PkgSourceFlag": 2, "PkgSourcePath": SOURCE}
        return self.ask("POST", KIND, 201, body)["PackageID"]

    def empty(self, package):
        self.ask("PATCH", f"{KIND}('{package}')", 200, {"RefreshSchedule": []})

    def read(self, package):
        (row,) = self.ask("GET", f"{KIND}('{package}')", 200)["value"]
        schedule = [(token["DaySpan"], token["StartTime"]) for token in row["RefreshSchedule"]]
        return row["Name"], row["Description"], schedule, row["Icon"], row["SourceDate"]

    def delete(self, package):
        self.ask("DELETE", f"{KIND}('{package}')", 204)


class WsMan(Pypsrp):
    base = DMTF

    def __init__(self):
        super().__init__("basic")

    def create(self):
        token = {"class": "SMS_ST_RecurInterval", "DaySpan": 7, "StartTime": AT}
        source = {"PkgSourceFlag": 2, "PkgSourcePath": SOURCE}
        made = super().create(KIND, Name=NAME, Description="line\nbreak", RefreshSchedule=[token], **source)
        return made["PackageID"]

    def empty(self, package):
        """As the cmdlets do: an empty array has no element, and the list says that it is meant."""
        import xml.etree.ElementTree as ET

        keys, options = SelectorSet(), OptionSet()
        keys.add_option("__cimnamespace", NAMESPACE)
        keys.add_option("PackageID", package)
        options.add_option("wmiarray:__MIInstanceModifiedPropertiesList", "RefreshSchedule")
        options.add_option("msftwinrm:UsePreciseArrays", "true")
        body = ET.Element(f"{{{DMTF}{KIND}}}{KIND}")
        self.wsman.invoke(TRANSFER + "Put", DMTF + KIND, body, selector_set=keys, option_set=options)

    def read(self, package):
        row = self.get(KIND, PackageID=package)
        schedule = [(int(token["DaySpan"]), token["StartTime"]) for token in many(row.get("RefreshSchedule"))]
        return row["Name"], row["Description"], schedule, row["Icon"], row["SourceDate"]

    def delete(self, package):
        super().delete(KIND, PackageID=package)


class CimXml:
    conn = pywbem.WBEMConnection(os.environ["HAULIER_CIMXML_URL"], (USER, PASSWORD), default_namespace=NAMESPACE)

    def path(self, package):
        return CIMInstanceName(KIND, {"PackageID": package}, namespace=NAMESPACE)

    def create(self):
        at = CIMDateTime("20260304050600.000000+000")
        token = CIMInstance("SMS_ST_RecurInterval", {"DaySpan": Uint32(7), "StartTime": at})
        schedule = CIMProperty("RefreshSchedule", [token], type="string", is_array=True, embedded_object="instance")
        plain = {"Name": NAME, "Description": "line\nbreak", "PkgSourceFlag": Uint32(2), "PkgSourcePath": SOURCE}
        new = CIMInstance(KIND, [CIMProperty(name, value) for name, value in plain.items()] + [schedule])
        return self.conn.CreateInstance(new)["PackageID"]

    def empty(self, package):
        none = CIMProperty("RefreshSchedule", [], type="string", is_array=True, embedded_object="instance")
        change = CIMInstance(KIND, [none], path=self.path(package))
        self.conn.ModifyInstance(change, PropertyList=["RefreshSchedule"])

    def read(self, package):
        row = self.conn.GetInstance(self.path(package))
        tokens = [(token["DaySpan"], token["StartTime"].datetime) for token in row["RefreshSchedule"]]
        equal({token.classname for token in row["RefreshSchedule"]} - {"SMS_ST_RecurInterval"}, set(), "the class")
        schedule = [(int(days), at.strftime("%Y-%m-%dT%H:%M:%SZ")) for days, at in tokens]
        return row["Name"], row["Description"], schedule, row["Icon"], row["SourceDate"]

    def delete(self, package):
        self.conn.DeleteInstance(self.path(package))


front_ends = [Rest(), WsMan(), CimXml()]
for writer in front_ends:
    package = writer.create()
    for change, expect in ((lambda _: None, WRITTEN), (writer.empty, EMPTIED)):
        change(package)
        for reader in front_ends:
            equal(reader.read(package), expect, f"{type(writer).__name__} writes, {type(reader).__name__} reads")
    writer.delete(package)
