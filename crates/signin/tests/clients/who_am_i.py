"""Other people's Negotiate against a server that answers who the caller is.

Usage: who_am_i.py URL TLS-URL USER PASSWORD; HAULIER_AUTHORITY names the certificate authority.
"""

import os
import sys

import requests
from pypsrp.negotiate import HTTPNegotiateAuth
from requests_ntlm import HttpNtlmAuth


def session(auth):
    made = requests.Session()
    made.trust_env = False
    made.verify = os.environ["HAULIER_AUTHORITY"]
    made.auth = auth
    return made


def expect(what, got, wanted):
    if got != wanted:
        sys.exit("%s: %r instead of %r" % (what, got, wanted))


def main():
    plain, tls, user, password = sys.argv[1:5]
    # Nothing ties an open connection to who proved something on it, on one machine neither.
    with session(None) as client:
        answer = client.get(plain)
        expect("open", (answer.status_code, "Negotiate" in answer.headers["WWW-Authenticate"]), (401, False))
    ways = {
        "requests_ntlm": lambda user, password: HttpNtlmAuth(user, password),
        "requests_ntlm without binding": lambda user, password: HttpNtlmAuth(user, password, send_cbt=False),
        "pypsrp ntlm": lambda user, password: HTTPNegotiateAuth(user, password, auth_provider="ntlm"),
        "pypsrp negotiate": lambda user, password: HTTPNegotiateAuth(user, password, auth_provider="negotiate"),
    }
    for way, auth in ways.items():
        bound = "without" not in way
        with session(auth("PS1\\" + user, password)) as client:
            answer = client.get(tls)
            expect(way, (answer.status_code, bound and answer.text), (200, user) if bound else (401, False))
            if bound:
                # The connection is the user's now, without saying so again.
                client.auth = None
                expect(way + " again", client.get(tls).text, user)
        with session(None) as other:
            expect(way + " elsewhere", other.get(tls).status_code, 401)
        # Counted: with four ways that stays below what closes the name.
        with session(auth(user, "wrong " + password)) as client:
            answer = client.get(tls)
            expect(way + " wrong", (answer.status_code, answer.headers.get("Connection")), (401, "close"))


main()
