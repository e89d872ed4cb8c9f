"""Asks one site the same over three protocols, with nothing but the standard library, and prints seconds and counts.

Usage: protocols.py HOST:PORT CREDENTIALS NAMESPACE WHAT PROTOCOL [COUNT]
"""

import base64
import http.client
import re
import sys
import time

ADDRESS, CREDENTIALS, NAMESPACE, WHAT, PROTOCOL = sys.argv[1:6]
COUNT = int(sys.argv[6]) if len(sys.argv) > 6 else 1
AUTHORIZATION = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()
CLASS_URI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/" + NAMESPACE + "/"
FIRST_DRIVER = 16777217
CHUNK_BYTES = 1 << 16

CONNECTION = http.client.HTTPConnection(ADDRESS)


def send(method, path, body, headers):
    """One request over the one connection; the answer's body piece by piece."""
    CONNECTION.request(method, path, body, {"Authorization": AUTHORIZATION, **headers})
    answer = CONNECTION.getresponse()
    if answer.status >= 300:
        raise SystemExit(f"{answer.status}: {answer.read(2000)!r}")
    while piece := answer.read(CHUNK_BYTES):
        yield piece


def rest(method, path, body=None):
    return send(method, "/AdminService/wmi/" + path, body, {"Content-Type": "application/json"})


def wsman(action, name, selectors, body):
    chosen = "".join(f'<w:Selector Name="{key}">{value}</w:Selector>' for key, value in selectors)
    envelope = f"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
 xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><s:Header><a:To>http://site/wsman</a:To>
<w:ResourceURI s:mustUnderstand="true">{CLASS_URI}{name}</w:ResourceURI>
<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>
<a:Action>{action}</a:Action><w:MaxEnvelopeSize>512000</w:MaxEnvelopeSize><a:MessageID>uuid:1</a:MessageID>
<w:SelectorSet>{chosen}</w:SelectorSet></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
    return send("POST", "/wsman", envelope, {"Content-Type": "application/soap+xml;charset=UTF-8"})


def cimxml(kind, name, path, inside):
    segments = "".join(f'<NAMESPACE NAME="{one}"/>' for one in NAMESPACE.split("/"))
    frame = f"""<?xml version="1.0" encoding="utf-8" ?><CIM CIMVERSION="2.0" DTDVERSION="2.0">
<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEREQ><{kind} NAME="{name}">{path(segments)}{inside}</{kind}></SIMPLEREQ></MESSAGE></CIM>"""
    headers = {
        "Content-Type": 'application/xml; charset="utf-8"',
        "CIMOperation": "MethodCall",
        "CIMMethod": name,
        "CIMObject": NAMESPACE,
    }
    return send("POST", "/cimom", frame, headers)


def intrinsic(name, inside):
    path = "<LOCALNAMESPACEPATH>{}</LOCALNAMESPACEPATH>".format
    return cimxml("IMETHODCALL", name, path, inside)


def whole(pieces):
    return b"".join(pieces)


def counted(pieces, mark):
    """How often a mark occurs, with no more than a piece in memory, and the bytes of all."""
    count = size = 0
    tail = b""
    for piece in pieces:
        size += len(piece)
        count += (tail + piece).count(mark)
        tail = piece[-(len(mark) - 1):]
    return count, size


def gets():
    keys = [FIRST_DRIVER + number for number in range(COUNT)]
    for key in keys:
        if PROTOCOL == "rest":
            answer = whole(rest("GET", f"SMS_Driver({key})"))
        elif PROTOCOL == "wsman":
            action = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
            answer = whole(wsman(action, "SMS_Driver", [("CI_ID", key)], ""))
        else:
            binding = f'<KEYBINDING NAME="CI_ID"><KEYVALUE VALUETYPE="numeric">{key}</KEYVALUE></KEYBINDING>'
            inside = f'<IPARAMVALUE NAME="InstanceName"><INSTANCENAME CLASSNAME="SMS_Driver">{binding}</INSTANCENAME></IPARAMVALUE>'
            answer = whole(intrinsic("GetInstance", inside))
        if str(key).encode() not in answer:
            raise SystemExit(f"no driver {key} in {answer[:2000]!r}")
    return COUNT, 0


def invokes():
    for _ in range(COUNT):
        if PROTOCOL == "rest":
            answer = whole(rest("POST", "SMS_Identification.GetSiteID", "{}"))
        elif PROTOCOL == "wsman":
            body = f'<p:GetSiteID_INPUT xmlns:p="{CLASS_URI}SMS_Identification"/>'
            answer = whole(wsman(CLASS_URI + "SMS_Identification/GetSiteID", "SMS_Identification", [], body))
        else:
            path = (
                "<LOCALCLASSPATH><LOCALNAMESPACEPATH>{}</LOCALNAMESPACEPATH>"
                '<CLASSNAME NAME="SMS_Identification"/></LOCALCLASSPATH>'
            ).format
            answer = whole(cimxml("METHODCALL", "GetSiteID", path, ""))
        if b"SiteID" not in answer:
            raise SystemExit(f"no SiteID in {answer[:2000]!r}")
    return COUNT, 0


def listed():
    if PROTOCOL == "rest":
        return counted(rest("GET", "SMS_Driver"), b'"CI_UniqueID":')
    if PROTOCOL == "wsman":
        return enumerated()
    if PROTOCOL == "cimxml":
        return counted(intrinsic("EnumerateInstances", class_name()), b"</VALUE.NAMEDINSTANCE>")
    return pulled()


def class_name():
    return '<IPARAMVALUE NAME="ClassName"><CLASSNAME NAME="SMS_Driver"/></IPARAMVALUE>'


def enumerated():
    enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
    body = "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements></n:Enumerate>"
    answer = whole(wsman(enumeration + "Enumerate", "SMS_Driver", [], body))
    count = size = 0
    while True:
        count += answer.count(b"SMS_Driver>")
        size += len(answer)
        context = re.search(rb"EnumerationContext>([^<]+)<", answer)
        if not context:
            return count, size
        body = (
            f"<n:Pull><n:EnumerationContext>{context[1].decode()}</n:EnumerationContext>"
            "<n:MaxElements>32000</n:MaxElements></n:Pull>"
        )
        answer = whole(wsman(enumeration + "Pull", "SMS_Driver", [], body))


def pulled():
    most = '<IPARAMVALUE NAME="MaxObjectCount"><VALUE>1000</VALUE></IPARAMVALUE>'
    answer = whole(intrinsic("OpenEnumerateInstances", class_name() + most))
    count = size = 0
    while True:
        count += answer.count(b"</VALUE.INSTANCEWITHPATH>")
        size += len(answer)
        if re.search(rb"EndOfSequence[^>]*>\s*<VALUE>TRUE", answer):
            return count, size
        context = re.search(rb"EnumerationContext[^>]*>\s*<VALUE>([^<]+)<", answer)[1].decode()
        inside = f'<IPARAMVALUE NAME="EnumerationContext"><VALUE>{context}</VALUE></IPARAMVALUE>{most}'
        answer = whole(intrinsic("PullInstancesWithPath", inside))


start = time.perf_counter()
number, size_bytes = {"get": gets, "invoke": invokes, "list": listed}[WHAT]()
print(time.perf_counter() - start, number, size_bytes)
