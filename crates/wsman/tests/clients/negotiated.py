"""Negotiated and sealed WS-Management by pypsrp and pywinrm.

Usage: negotiated.py; HAULIER_URL, HAULIER_TLS_URL, HAULIER_USER, HAULIER_PASSWORD, HAULIER_PACKAGE, HAULIER_AUTHORITY.
"""

import os
import sys
import urllib.parse
import xml.etree.ElementTree as ET

import xmltodict
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.wsman import SelectorSet, WSMan
from winrm.exceptions import InvalidCredentialsError
from winrm.protocol import Protocol

SITE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/"
PACKAGE = os.environ["HAULIER_PACKAGE"]


def selectors(package):
    made = SelectorSet()
    made.add_option("PackageID", package)
    return made


def texts(element, name):
    return [found.text for found in element.iter() if found.tag.endswith("}" + name)]


def expect(what, got, wanted):
    if got != wanted:
        sys.exit("%s: %r instead of %r" % (what, got, wanted))


def pypsrp(url, auth, password):
    at = urllib.parse.urlsplit(url)
    tls = {"cert_validation": os.environ["HAULIER_AUTHORITY"]} if at.scheme == "https" else {}
    user = "PS1\\" + os.environ["HAULIER_USER"]
    return WSMan(
        at.hostname, port=at.port, ssl=at.scheme == "https", auth=auth, username=user, password=password, path="wsman", **tls
    )


def through_pypsrp(url, auth):
    what = "pypsrp %s %s" % (auth, url)
    with pypsrp(url, auth, os.environ["HAULIER_PASSWORD"]) as client:
        for _ in range(3):
            found = client.get(SITE + "SMS_DriverPackage", selector_set=selectors(PACKAGE))
            expect(what, texts(found, "PackageID"), [PACKAGE])
        expect(what + " sealed", client.transport.wrap_required, url.startswith("http:"))
        # A fault is sealed too, and the connection goes on.
        try:
            client.get(SITE + "SMS_DriverPackage", selector_set=selectors("PS1FFFFF"))
            sys.exit(what + ": found what is not there")
        except WSManFaultError:
            pass
        refresh = ET.Element("{%sSMS_DriverPackage}RefreshPkgSource_INPUT" % SITE)
        answer = client.invoke(SITE + "SMS_DriverPackage/RefreshPkgSource", SITE + "SMS_DriverPackage", refresh, selector_set=selectors(PACKAGE))
        expect(what, texts(answer, "ReturnValue"), ["0"])


def refused(url, auth):
    with pypsrp(url, auth, "wrong") as client:
        try:
            client.get(SITE + "SMS_DriverPackage", selector_set=selectors(PACKAGE))
        except AuthenticationError:
            return
    sys.exit("pypsrp %s: a wrong password is accepted" % auth)


def through_pywinrm(url, password):
    more = {"ca_trust_path": os.environ["HAULIER_AUTHORITY"]} if url.startswith("https") else {}
    protocol = Protocol(
        url + "/wsman", transport="ntlm", username=os.environ["HAULIER_USER"], password=password, **more
    )
    action = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"
    header = protocol.build_wsman_header(action, SITE + "SMS_DriverPackage")
    header["env:Header"]["w:SelectorSet"] = {"w:Selector": {"@Name": "PackageID", "#text": PACKAGE}}
    header["env:Body"] = {}
    envelope = xmltodict.unparse({"env:Envelope": header})
    for _ in range(3):
        answer = protocol.send_message(envelope)
        expect("pywinrm " + url, texts(ET.fromstring(answer), "PackageID"), [PACKAGE])


def main():
    for url in os.environ["HAULIER_URL"], os.environ["HAULIER_TLS_URL"]:
        for auth in "ntlm", "negotiate":
            through_pypsrp(url, auth)
        through_pywinrm(url, os.environ["HAULIER_PASSWORD"])
    refused(os.environ["HAULIER_URL"], "negotiate")
    try:
        through_pywinrm(os.environ["HAULIER_URL"], "wrong")
        sys.exit("pywinrm: a wrong password is accepted")
    except InvalidCredentialsError:
        pass


main()
