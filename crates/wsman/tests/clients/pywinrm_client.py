"""pywinrm: every workflow through messages of its own making, signed in as the argument says (basic, ntlm)."""

import sys
import xml.etree.ElementTree as ET

import xmltodict
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

import scenario
from wsman_site import AUTHORITY, PASSWORD, URL, USER, Cim, Refused, S


class Pywinrm(Cim):
    def __init__(self, auth):
        secure = URL.startswith("https")
        options = {"message_encryption": "always"} if auth != "basic" and not secure else {}
        self.protocol = Protocol(
            f"{URL}/wsman", transport=auth, username=USER, password=PASSWORD, ca_trust_path=AUTHORITY,
            operation_timeout_sec=60, read_timeout_sec=90, **options,
        )

    def exchange(self, action, uri, selectors, body):
        message = self.protocol.build_wsman_header(action, uri)
        chosen = [{"@Name": name, "#text": value} for name, value in selectors.items()]
        if chosen:
            message["env:Header"]["w:SelectorSet"] = {"w:Selector": chosen}
        message["env:Body"] = None
        envelope = ET.fromstring(xmltodict.unparse({"env:Envelope": message}))
        if body is not None:
            envelope.find(f"{S}Body").append(body)
        try:
            answer = self.protocol.send_message(ET.tostring(envelope, encoding="unicode"))
        except WSManFaultError as fault:
            raise Refused(fault.response) from None
        return ET.fromstring(answer).find(f"{S}Body")


scenario.run(Pywinrm(sys.argv[1]))
