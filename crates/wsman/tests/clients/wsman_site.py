"""Where the service is, from the environment; instances as elements and back; and what every client can then do."""

import os
import sys
import time
import xml.etree.ElementTree as ET

URL = os.environ["HAULIER_URL"].rstrip("/")
HOST, PORT = URL.split("://")[1].rsplit(":", 1)
USER = os.environ["HAULIER_USER"]
PASSWORD = os.environ["HAULIER_PASSWORD"]
PACKAGE = os.environ["HAULIER_PACKAGE"]
# The UNC path of the share with source folders, and where it lies on this machine.
SHARE = os.environ["HAULIER_SHARE"]
SHARE_FOLDER = os.environ["HAULIER_SHARE_FOLDER"]
# PEM of the authority that signs the service's certificate, where it speaks TLS.
AUTHORITY = os.environ["HAULIER_AUTHORITY"]
REFRESH_TIME_S = 60

NAMESPACE = "root/sms/site_PS1"
MICROSOFT = f"http://schemas.microsoft.com/wbem/wsman/1/wmi/{NAMESPACE}/"
DMTF = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
S = "{http://www.w3.org/2003/05/soap-envelope}"
W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
N = "{http://schemas.xmlsoap.org/ws/2004/09/enumeration}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
CIM = "{http://schemas.dmtf.org/wbem/wscim/1/common}"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"


def equal(seen, expected, what):
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, got {seen!r}")


def true(condition, what):
    if not condition:
        sys.exit(what)


def until(what, read, holds):
    """Polls, as scripts do, until what is read is as it should be."""
    deadline = time.monotonic() + REFRESH_TIME_S
    while not holds(seen := read()):
        true(time.monotonic() < deadline, f"{what} took longer than {REFRESH_TIME_S} s: {seen!r}")
        time.sleep(0.3)
    return seen


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def value_of(element):
    if element.get(f"{XSI}nil") == "true":
        return None
    children = list(element)
    if len(children) == 1 and children[0].tag.startswith(CIM):
        return children[0].text
    return members(element) if children else element.text or ""


def members(element):
    """The properties of an instance; those that are there more than once as lists."""
    found = {}
    for child in element:
        name, value = local(child), value_of(child)
        if name in found:
            before = found[name]
            found[name] = (before if isinstance(before, list) else [before]) + [value]
        else:
            found[name] = value
    return found


def many(value):
    """An array, which XML does not tell from a single value."""
    return [] if value is None else value if isinstance(value, list) else [value]


def fill(parent, uri, values):
    """Puts values into an element, each as elements of the class's namespace."""
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            child = ET.SubElement(parent, f"{{{uri}}}{name}")
            if one is None:
                child.set(f"{XSI}nil", "true")
            elif isinstance(one, bool):
                child.text = "true" if one else "false"
            elif isinstance(one, dict):
                kind = one["class"]
                child.set(f"{XSI}type", f"p:{kind}_Type")
                fill(child, uri.rsplit("/", 1)[0] + "/" + kind, {k: v for k, v in one.items() if k != "class"})
            else:
                child.text = str(one)
    return parent


class Refused(Exception):
    """A fault: its text, Windows' code, and the provider's error object."""

    def __init__(self, envelope):
        root = ET.fromstring(envelope)
        text = root.find(f".//{S}Reason/{S}Text")
        super().__init__(text.text if text is not None else envelope)
        fault = next((e for e in root.iter() if local(e) == "WSManFault"), None)
        self.code = int(fault.get("Code")) if fault is not None else None
        status = next((e for e in root.iter() if local(e) == "SMS_ExtendedStatus"), None)
        self.status = members(status) if status is not None else {}


class Cim:
    """What scripts do with classes, over one exchange that each client makes in its own way.

    `exchange(action, uri, selectors, body)` returns the body of the answer as an element or raises Refused.
    """

    base = MICROSOFT

    def exchange(self, action, uri, selectors, body):
        raise NotImplementedError

    def selectors(self, keys):
        return dict(keys) if self.base == MICROSOFT else {"__cimnamespace": NAMESPACE, **keys}

    def query(self, text, elements=3):
        """Instances, taken in small pieces: an enumeration that works has several pulls."""
        star = self.base + "*" if self.base == MICROSOFT else "http://schemas.dmtf.org/wbem/wscim/1/*"
        body = ET.Element(f"{N}Enumerate")
        ET.SubElement(body, f"{W}OptimizeEnumeration")
        ET.SubElement(body, f"{W}MaxElements").text = str(elements)
        ET.SubElement(body, f"{W}Filter", Dialect=WQL).text = text
        answer = self.exchange(ENUMERATION + "Enumerate", star, self.selectors({}), body)
        found = [members(item) for item in answer.find(f".//{W}Items")]
        while answer.find(f".//{W}EndOfSequence") is None and answer.find(f".//{N}EndOfSequence") is None:
            body = ET.Element(f"{N}Pull")
            context = answer.find(f".//{N}EnumerationContext").text
            ET.SubElement(body, f"{N}EnumerationContext").text = context
            ET.SubElement(body, f"{N}MaxElements").text = str(elements)
            answer = self.exchange(ENUMERATION + "Pull", star, self.selectors({}), body)
            found += [members(item) for item in answer.find(f".//{N}Items")]
        return found

    def get(self, kind, **keys):
        answer = self.exchange(TRANSFER + "Get", self.base + kind, self.selectors(keys), None)
        return members(answer[0])

    def put(self, kind, keys, **values):
        uri = self.base + kind
        body = fill(ET.Element(f"{{{uri}}}{kind}"), uri, values)
        return members(self.exchange(TRANSFER + "Put", uri, self.selectors(keys), body)[0])

    def create(self, kind, **values):
        """The keys of what was made."""
        uri = self.base + kind
        body = fill(ET.Element(f"{{{uri}}}{kind}"), uri, values)
        answer = self.exchange(TRANSFER + "Create", uri, self.selectors({}), body)
        named = {selector.get("Name"): selector.text for selector in answer.iter(f"{W}Selector")}
        return {name: value for name, value in named.items() if name != "__cimnamespace"}

    def delete(self, kind, **keys):
        self.exchange(TRANSFER + "Delete", self.base + kind, self.selectors(keys), None)

    def call(self, kind, method, keys=None, **parameters):
        uri = self.base + kind
        body = fill(ET.Element(f"{{{uri}}}{method}_INPUT"), uri, parameters)
        out = members(self.exchange(f"{uri}/{method}", uri, self.selectors(keys or {}), body)[0])
        equal(out.get("ReturnValue"), "0", f"{kind}.{method}")
        return out


def refusal(what, *arguments, **named):
    try:
        what(*arguments, **named)
    except Refused as refused:
        return refused
    sys.exit(f"{what.__name__}{arguments} was not refused")
