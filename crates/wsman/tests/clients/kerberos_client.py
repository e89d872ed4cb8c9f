"""WS-Management by Kerberos tickets: pypsrp, and what pypsrp would not do.

Usage: kerberos_client.py accepted|refused; HAULIER_URL, HAULIER_TLS_URL (for the host localhost), HAULIER_PACKAGE,
HAULIER_AUTHORITY, and the tickets in KRB5CCNAME.
"""

import base64
import http.client
import os
import sys
import urllib.parse
import xml.etree.ElementTree as ET

import spnego
from pypsrp.encryption import WinRMEncryption
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.wsman import SelectorSet, WSMan
from spnego.iov import BufferType

CLASS = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/SMS_DriverPackage"
PACKAGE = os.environ["HAULIER_PACKAGE"]
OPEN, TLS = os.environ["HAULIER_URL"], os.environ["HAULIER_TLS_URL"]
GET = f"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>
<a:To>http://localhost/wsman</a:To><w:ResourceURI s:mustUnderstand="true">{CLASS}</w:ResourceURI>
<a:ReplyTo><a:Address s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>
<a:Action s:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action>
<a:MessageID>uuid:8F9A7C1E-1B6B-4C57-9F4E-0F6B0F1F0001</a:MessageID>
<w:SelectorSet><w:Selector Name="PackageID">{PACKAGE}</w:Selector></w:SelectorSet></s:Header><s:Body/></s:Envelope>""".encode()


def equal(seen, expected, what):
    if seen != expected:
        sys.exit(f"{what}: expected {expected!r}, got {seen!r}")


def texts(element, name):
    return [found.text for found in element.iter() if found.tag.endswith("}" + name)]


def pypsrp(url, auth, **more):
    at = urllib.parse.urlsplit(url)
    secure = at.scheme == "https"
    tls = {"cert_validation": os.environ["HAULIER_AUTHORITY"]} if secure else {}
    return WSMan(at.hostname, port=at.port, ssl=secure, auth=auth, path="wsman", negotiate_service="HTTP", **tls, **more)


def selectors(package):
    made = SelectorSet()
    made.add_option("PackageID", package)
    return made


def workflow(url, auth):
    what = f"pypsrp {auth} {url}"
    with pypsrp(url, auth) as client:
        for _ in range(3):
            found = client.get(CLASS, selector_set=selectors(PACKAGE))
            equal(texts(found, "PackageID"), [PACKAGE], what)
        equal(client.transport.wrap_required, url == OPEN, what + " sealed")
        try:
            client.get(CLASS, selector_set=selectors("PS1FFFFF"))
            sys.exit(what + ": found what is not there")
        except WSManFaultError:
            pass
        refresh = ET.Element(f"{{{CLASS}}}RefreshPkgSource_INPUT")
        answer = client.invoke(CLASS + "/RefreshPkgSource", CLASS, refresh, selector_set=selectors(PACKAGE))
        equal(texts(answer, "ReturnValue"), ["0"], what)


def unbound():
    """Somebody in between could pass on a ticket that is not bound to the TLS channel."""
    for auth in "kerberos", "negotiate":
        with pypsrp(TLS, auth, negotiate_send_cbt=False) as client:
            try:
                client.get(CLASS, selector_set=selectors(PACKAGE))
                sys.exit(f"{auth}: a ticket that is bound to no channel is accepted")
            except AuthenticationError:
                pass


class Wire:
    """One connection, and one authentication on it."""

    def __init__(self, scheme="Negotiate", protocol="kerberos"):
        at = urllib.parse.urlsplit(OPEN)
        self.scheme = scheme
        self.connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
        self.client = spnego.client(hostname="localhost", service="HTTP", protocol=protocol)

    def post(self, body=b"", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", "/wsman", body, {"Content-Length": str(len(body)), **headers})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def show(self, token):
        return self.post(Authorization=f"{self.scheme} {base64.b64encode(token).decode()}")[0]

    def sign_in(self):
        """The token that did it."""
        token = self.client.step()
        answer = self.show(token)
        equal(answer.status, 200, f"{self.scheme} sign-in")
        scheme, reply = answer.getheader("WWW-Authenticate").split(" ")
        equal(scheme, self.scheme, "the answer's scheme")
        # The client checks that the server could read the ticket.
        self.client.step(base64.b64decode(reply))
        equal(self.client.complete, True, "mutual authentication")
        return token

    def send(self, content_type, body, seal):
        protocol = seal.protocol
        return self.post(body, Content_Type=f'{content_type};protocol="{protocol}";boundary="Encrypted Boundary"')


class Signed:
    """Wraps without encrypting."""

    def __init__(self, client):
        self.client = client

    def wrap_winrm(self, data):
        header, data, padding = self.client.wrap_iov([BufferType.header, data, BufferType.padding], encrypt=False).buffers
        return header.data, data.data + (padding.data or b""), len(padding.data or b"")


def refused(wire, token, what):
    answer = wire.show(token)
    equal((answer.status, answer.getheader("Connection")), (401, "close"), what)
    equal(answer.headers.get_all("WWW-Authenticate")[:2], ["Negotiate", "Kerberos"], what)


def tokens():
    answer = Wire().post()[0]
    offered = [line.split(" ")[0] for line in answer.headers.get_all("WWW-Authenticate")]
    equal(offered, ["Negotiate", "Kerberos", "Basic", "Bearer"], "what is offered")
    for scheme, protocol in ("Negotiate", "kerberos"), ("Negotiate", "negotiate"), ("Kerberos", "kerberos"):
        what = f"{scheme} {protocol}"
        used = Wire(scheme, protocol).sign_in()
        refused(Wire(scheme), used, what + " replayed")
        fresh = Wire(scheme, protocol).client.step()
        damaged = fresh[:-1] + bytes([fresh[-1] ^ 1])
        refused(Wire(scheme), damaged, what + " damaged")
        refused(Wire(scheme), fresh[: len(fresh) // 2], what + " cut")
        refused(Wire(scheme), fresh[:24] + bytes(200), what + " garbage")
    refused(Wire("Kerberos"), b"NTLMSSP\0\1\0\0\0" + bytes(24), "NTLM under the name of Kerberos")


def sealing():
    for scheme, name in ("Negotiate", WinRMEncryption.SPNEGO), ("Kerberos", WinRMEncryption.KERBEROS):
        wire = Wire(scheme)
        wire.sign_in()
        seal = WinRMEncryption(wire.client, name)
        sealed = [seal.wrap_message(GET) for _ in range(3)]
        for content_type, body in sealed[:2]:
            answer, content = wire.send(content_type, body, seal)
            equal(answer.status, 200, scheme + " sealed")
            equal(name in answer.getheader("Content-Type"), True, "the answer is sealed the same way")
            plain = seal.unwrap_message(content, "Encrypted Boundary")
            equal(texts(ET.fromstring(plain), "PackageID"), [PACKAGE], scheme + " sealed")
        for body, what in (sealed[1][1], "repeated"), (sealed[2][1], "sent after one that was refused"):
            answer, content = wire.send(sealed[1][0], body, seal)
            equal((answer.status, PACKAGE.encode() in content), (400, False), what)
        wire = Wire(scheme)
        wire.sign_in()
        seal = WinRMEncryption(Signed(wire.client), name)
        content_type, body = seal.wrap_message(GET)
        equal(PACKAGE.encode() in body, True, "signed only")
        equal(wire.send(content_type, body, seal)[0].status, 400, "signed and not sealed")


def nobody():
    for auth in "kerberos", "negotiate":
        with pypsrp(OPEN, auth) as client:
            try:
                client.get(CLASS, selector_set=selectors(PACKAGE))
                sys.exit(f"{auth}: somebody who is no user of the site is accepted")
            except AuthenticationError:
                pass
    wire = Wire()
    refused(wire, wire.client.step(), "a ticket of somebody unknown")


if sys.argv[1] == "refused":
    nobody()
else:
    for url in OPEN, TLS:
        for auth in "kerberos", "negotiate":
            workflow(url, auth)
    unbound()
    tokens()
    sealing()
