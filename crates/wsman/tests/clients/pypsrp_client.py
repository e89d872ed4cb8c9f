"""pypsrp: every workflow, signed in as the argument says (basic, ntlm, negotiate), by URIs of both families."""

import sys

from pypsrp.exceptions import WinRMTransportError, WSManFaultError
from pypsrp.wsman import SelectorSet, WSMan

import scenario
from wsman_site import AUTHORITY, DMTF, HOST, MICROSOFT, PASSWORD, PORT, URL, USER, Cim, Refused


class Pypsrp(Cim):
    def __init__(self, auth):
        secure = URL.startswith("https")
        # Basic has nothing to seal with; everything else over an open connection is sealed.
        encryption = "never" if secure or auth == "basic" else "always"
        self.wsman = WSMan(
            HOST, port=int(PORT), username=USER, password=PASSWORD, ssl=secure, auth=auth, encryption=encryption,
            cert_validation=AUTHORITY, operation_timeout=60, read_timeout=90,
        )

    def exchange(self, action, uri, selectors, body):
        chosen = SelectorSet()
        for name, value in selectors.items():
            chosen.add_option(name, value)
        try:
            return self.wsman.invoke(action, uri, body, selector_set=chosen)[1]
        except WSManFaultError as fault:
            raise Refused(fault.__context__.response_text) from None
        except WinRMTransportError as fault:
            sys.exit(f"{action}: {fault}")


if __name__ == "__main__":
    cim = Pypsrp(sys.argv[1])
    for base, name in ((MICROSOFT, "Scenario"), (DMTF, "Again")):
        cim.base = base
        scenario.run(cim, name, move=base == MICROSOFT)
