"""pywbem's own server as a second opinion: both are given the same MOF, and must declare the same classes."""

import os

import pywbem_mock

from haulier_cim import NAMESPACE, connection, equal, true

real = connection()
mock = pywbem_mock.FakedWBEMConnection(default_namespace=NAMESPACE)
with open(os.environ["HAULIER_MOF"], encoding="utf-8") as file:
    mock.compile_mof_string(file.read(), namespace=NAMESPACE)


def members(declared):
    """What clients build instances, paths and calls of."""
    properties = {
        one.name: (one.type, one.is_array, one.reference_class, one.value, "Key" in one.qualifiers and one.qualifiers["Key"].value)
        for one in declared.properties.values()
    }
    methods = {
        one.name: (one.return_type, [(p.name, p.type, p.is_array, p.reference_class) for p in one.parameters.values()])
        for one in declared.methods.values()
    }
    return declared.superclass, properties, methods


names = real.EnumerateClassNames(DeepInheritance=True)
true(len(names) > 50, "classes")
known = set(mock.EnumerateClassNames(DeepInheritance=True))
for name in names:
    true(name in known, f"{name} is a class of the schema")
    of_mock, of_real = members(mock.GetClass(name, LocalOnly=False)), members(real.GetClass(name, LocalOnly=False))
    equal(of_real[0], of_mock[0], f"the superclass of {name}")
    equal(sorted(of_real[1]), sorted(of_mock[1]), f"properties of {name}")
    for member, seen in of_real[1].items():
        equal(str(seen), str(of_mock[1][member]), f"{name}.{member}")
    equal(of_real[2], of_mock[2], f"methods of {name}")
    below = {one for one in mock.EnumerateClassNames(ClassName=name) if one in names}
    equal(set(real.EnumerateClassNames(ClassName=name)), below, f"classes below {name}")
