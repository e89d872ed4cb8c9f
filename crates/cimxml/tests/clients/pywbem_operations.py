"""Every operation of DSP0200 that pywbem has, with its own strict checks of each answer."""

import pywbem
from pywbem import CIMClassName, CIMInstance, CIMInstanceName, CIMProperty, Uint32

from haulier_cim import NAMESPACE, PACKAGE, connection, equal, refused, true

conn = connection(stats_enabled=True)
path = CIMInstanceName("SMS_DriverPackage", {"PackageID": PACKAGE}, namespace=NAMESPACE)

# Instances.
package = conn.GetInstance(path)
equal(package["PackageID"], PACKAGE, "GetInstance")
equal(package["SourceVersion"], Uint32(1), "a number")
true(isinstance(package["SourceDate"], pywbem.CIMDateTime), "a datetime")
equal(package["RefreshSchedule"], [], "an empty array")
some = conn.GetInstance(path, PropertyList=["NAME", "nothing"], IncludeClassOrigin=True)
equal(list(some.keys()), ["Name"], "PropertyList")
equal(some.properties["Name"].class_origin, "SMS_PackageBaseclass", "IncludeClassOrigin")
listed = conn.EnumerateInstances("SMS_DriverPackage")
equal([one.path.keybindings["PackageID"] for one in listed], [PACKAGE], "EnumerateInstances")
names = conn.EnumerateInstanceNames("SMS_DriverPackage")
equal(names[0], path, "EnumerateInstanceNames")
base = conn.EnumerateInstances("SMS_PackageBaseclass", DeepInheritance=False, LocalOnly=False)
equal([one.classname for one in base], ["SMS_DriverPackage"], "instances of a superclass")

made = conn.CreateInstance(CIMInstance("SMS_DriverPackage", {"Name": "ü <&> \"x\"", "PkgSourceFlag": Uint32(1), "Priority": Uint32(1)}))
read = conn.GetInstance(made)
equal((read["Name"], read["Priority"]), ("ü <&> \"x\"", 1), "what was written")
read["Description"] = "line\nbreak\ttab"
read["Version"] = "1"
conn.ModifyInstance(read, PropertyList=["Description"])
changed = conn.GetInstance(made)
equal((changed["Description"], changed["Version"]), ("line\nbreak\ttab", ""), "ModifyInstance with a list")
changed["Version"] = "2"
conn.ModifyInstance(changed)
equal(conn.GetInstance(made)["Version"], "2", "ModifyInstance of the whole")
# Blanks at the ends survive; a carriage return would not, since pywbem writes it as it is.
changed = conn.GetInstance(made)
changed["Description"] = " a\nb "
conn.ModifyInstance(changed)
equal(conn.GetInstance(made)["Description"], " a\nb ", "white space")
conn.DeleteInstance(made)
error = refused(6, lambda: conn.GetInstance(made), "a deleted instance")
equal(error.instances[0].classname, "SMS_ExtendedStatus", "the provider's own error")
equal(error.instances[0]["ErrorCode"], 2, "its code")
true(error.status_description.startswith("CIM_ERR_NOT_FOUND: "), error.status_description)

# Queries.
rows = conn.ExecQuery("WQL", f"SELECT Name FROM SMS_DriverPackage WHERE PackageID = '{PACKAGE}'")
equal([row["Name"] for row in rows], [package["Name"]], "ExecQuery")
count = conn.ExecQuery("WQL", "SELECT COUNT(*) FROM SMS_DistributionPointInfo")
equal([row["Count"] for row in count], [2], "COUNT")
joined = conn.ExecQuery("WQL", "SELECT p.*, d.* FROM SMS_DriverPackage p JOIN SMS_DistributionPoint d ON p.PackageID = d.PackageID")
equal([(row["p"].classname, row["d"].classname) for row in joined], [("SMS_DriverPackage", "SMS_DistributionPoint")], "a join")
refused(15, lambda: conn.ExecQuery("WQL", "SELECT"), "a query that is none")
refused(14, lambda: conn.ExecQuery("DMTF:CQL", "SELECT * FROM SMS_Site"), "CQL")

# Methods.
equal(conn.InvokeMethod("RefreshPkgSource", path), (0, {}), "a method of an instance")
value, out = conn.InvokeMethod("CheckSourceFolder", CIMClassName("SMS_DriverPackage", namespace=NAMESPACE), SourceFolder="C:\\x")
equal((value, out["Result"]), (0, 1), "a static method")
true(isinstance(out["Result"], pywbem.Sint32), "the type of an out parameter")
refused(17, lambda: conn.InvokeMethod("Nothing", path), "an unknown method")

# Classes.
declared = conn.GetClass("SMS_DriverPackage", LocalOnly=False, IncludeClassOrigin=True)
true(declared.properties["PackageID"].qualifiers["Key"].value, "the key is marked")
equal(declared.properties["RefreshSchedule"].qualifiers["EmbeddedInstance"].value, "SMS_ScheduleToken", "what is embedded")
equal(declared.methods["AddDriverContent"].parameters["ContentIDs"].type, "uint32", "a parameter")
true(declared.methods["AddDriverContent"].parameters["ContentIDs"].is_array, "an array parameter")
true(declared.tomof().startswith("   ["), "a class that prints as MOF")
for listed in conn.EnumerateClasses(DeepInheritance=True, LocalOnly=False):
    listed.tomof()
equal(sorted(conn.EnumerateClassNames(DeepInheritance=True)), sorted(c.classname for c in conn.EnumerateClasses(DeepInheritance=True)), "classes")
true("SMS_DriverPackage" in conn.EnumerateClassNames(ClassName="SMS_PackageBaseclass"), "subclasses")
for call in (
    lambda: conn.CreateClass(declared),
    lambda: conn.ModifyClass(declared),
    lambda: conn.DeleteClass("SMS_DriverPackage"),
    lambda: conn.SetQualifier(conn.GetQualifier("Key")),
    lambda: conn.DeleteQualifier("Key"),
):
    refused(7, call, "a change of the schema")
qualifiers = {one.name: one for one in conn.EnumerateQualifiers()}
equal(qualifiers["Key"], conn.GetQualifier("key"), "qualifiers")

# Associations.
points = conn.Associators(path, ResultClass="SMS_DistributionPointInfo")
equal(len(points), 1, "the package's distribution points")
equal(conn.AssociatorNames(path, ResultClass="SMS_DistributionPointInfo"), [points[0].path], "their names")
links = conn.References(path)
true(all(path.keybindings == link["Package"].keybindings for link in links), "associations name the package")
equal(sorted(map(str, conn.ReferenceNames(path))), sorted(str(link.path) for link in links), "the names of associations")
for link in links:
    equal(conn.GetInstance(link.path).path.classname, link.classname, "an association by its name")
back = conn.AssociatorNames(points[0].path, ResultClass="SMS_DriverPackage")
equal([one.keybindings["PackageID"] for one in back], [PACKAGE], "the point's packages")
true(len(conn.AssociatorNames(CIMClassName("SMS_DriverPackage"))) > 0, "classes at other ends")
true(all(isinstance(found[1], pywbem.CIMClass) for found in conn.References(CIMClassName("SMS_DriverPackage"))), "association classes")

# Pulled: by hand, and as the iterators do it with and without.
def pulled(opened, pull):
    found = list(opened[0])
    while not opened.eos:
        opened = pull(opened.context, 1)
        found += opened[0]
    return found


equal(len(pulled(conn.OpenEnumerateInstances("SMS_DistributionPointInfo"), conn.PullInstancesWithPath)), 2, "instances")
equal(len(pulled(conn.OpenEnumerateInstancePaths("SMS_DistributionPointInfo", MaxObjectCount=1), conn.PullInstancePaths)), 2, "paths")
query = "SELECT * FROM SMS_DistributionPointInfo"
equal(len(pulled(conn.OpenQueryInstances("WQL", query, OperationTimeout=10), conn.PullInstances)), 2, "query")
equal(len(pulled(conn.OpenAssociatorInstances(path), conn.PullInstancesWithPath)), len(conn.AssociatorNames(path)), "associators")
equal(len(pulled(conn.OpenAssociatorInstancePaths(path), conn.PullInstancePaths)), len(conn.AssociatorNames(path)), "their paths")
equal(len(pulled(conn.OpenReferenceInstances(path), conn.PullInstancesWithPath)), len(links), "references")
equal(len(pulled(conn.OpenReferenceInstancePaths(path), conn.PullInstancePaths)), len(links), "their paths")
where = "SELECT * FROM SMS_DistributionPointInfo WHERE Name LIKE '%dp1%' OR NALPath LIKE '%dp1%'"
filtered = conn.OpenEnumerateInstances("SMS_DistributionPointInfo", FilterQueryLanguage="WQL", FilterQuery=where, MaxObjectCount=9)
equal(len(filtered.instances), 1, "a filter")
refused(14, lambda: conn.OpenEnumerateInstances("SMS_Site", FilterQueryLanguage="DMTF:FQL", FilterQuery="x"), "another filter")
refused(26, lambda: conn.OpenEnumerateInstances("SMS_Site", ContinueOnError=True), "ContinueOnError")
refused(22, lambda: conn.OpenEnumerateInstances("SMS_Site", OperationTimeout=0), "no timeout")
opened = conn.OpenEnumerateInstances("SMS_DistributionPointInfo")
conn.CloseEnumeration(opened.context)
refused(21, lambda: conn.PullInstancesWithPath(opened.context, 1), "a closed enumeration")
refused(21, lambda: conn.PullInstancesWithPath(("00000000000000000000000000000000", NAMESPACE), 1), "a guessed one")

for use_pull in (True, False, None):
    with connection(use_pull_operations=use_pull) as it:
        equal(len(list(it.IterEnumerateInstances("SMS_DistributionPointInfo", MaxObjectCount=1))), 2, f"Iter, pull {use_pull}")
        equal(len(list(it.IterEnumerateInstancePaths("SMS_DistributionPointInfo", MaxObjectCount=1))), 2, "paths")
        equal(len(list(it.IterQueryInstances("WQL", query, MaxObjectCount=1).generator)), 2, "query")
        equal(len(list(it.IterAssociatorInstances(path, MaxObjectCount=1))), len(conn.AssociatorNames(path)), "associators")
        equal(len(list(it.IterAssociatorInstancePaths(path, MaxObjectCount=1))), len(conn.AssociatorNames(path)), "their paths")
        equal(len(list(it.IterReferenceInstances(path, MaxObjectCount=1))), len(links), "references")
        equal(len(list(it.IterReferenceInstancePaths(path, MaxObjectCount=1))), len(links), "their paths")

# Wrong namespaces, classes, instances.
for code, call in (
    (3, lambda: conn.EnumerateInstances("SMS_Site", namespace="root/cimv2")),
    (5, lambda: conn.EnumerateInstances("SMS_Nothing")),
    (5, lambda: conn.GetClass("SMS_Nothing")),
    (6, lambda: conn.GetInstance(CIMInstanceName("SMS_DriverPackage", {"PackageID": "PS1FFFFF"}))),
    (12, lambda: conn.CreateInstance(CIMInstance("SMS_DriverPackage", [CIMProperty("Nothing", "x")]))),
):
    refused(code, call, "an error")

# Discovery.
server = pywbem.WBEMServer(conn)
equal(server.interop_ns, "interop", "the interop namespace")
equal(server.brand, "Haulier", "the brand")
true(server.version and server.version[0].isdigit(), f"the version {server.version}")
equal(sorted(server.namespaces), ["interop", "root/interop", "root/sms", NAMESPACE], "namespaces")
equal(server.profiles, [], "profiles")
equal(server.cimom_inst["SystemName"], "srv.example.test", "the object manager")
equal([one.classname for one in conn.EnumerateInstances("SMS_ProviderLocation", namespace="root/sms")], ["SMS_ProviderLocation"], "root/sms")
true(conn.last_server_response_time is not None, "the server says how long it took")
