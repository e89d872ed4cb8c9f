"""Scripts that sign a connection in, over TLS: they read, call and create as with a password in each request.

Usage: negotiated.py, with HAULIER_AUTHORITY naming the certificate authority.
"""

import base64
import os

import requests
from pypsrp.negotiate import HTTPNegotiateAuth
from requests_ntlm import HttpNtlmAuth

from haulier_site import PACKAGE, PASSWORD, ROOT, USER, equal

# More than one packet takes.
ICON = base64.b64encode(bytes(60_000)).decode()
WAYS = {
    "requests_ntlm": lambda: HttpNtlmAuth("PS1\\" + USER, PASSWORD),
    "pypsrp ntlm": lambda: HTTPNegotiateAuth(USER, PASSWORD, auth_provider="ntlm"),
    "pypsrp negotiate": lambda: HTTPNegotiateAuth(USER, PASSWORD, auth_provider="negotiate"),
}


def session(auth):
    made = requests.Session()
    made.trust_env = False
    made.verify = os.environ["HAULIER_AUTHORITY"]
    made.auth = auth
    return made


def ask(client, way, method, path, status, body=None):
    answer = client.request(method, f"{ROOT}/{path}", json=body, timeout=60)
    equal(answer.status_code, status, f"{way}: {method} {path}: {answer.text}")
    return answer.json() if answer.text else None


for way, auth in WAYS.items():
    # Each sign-in is that of a new connection, whose first request has a body or asks for what is not there.
    with session(auth()) as client:
        made = ask(client, way, "POST", "SMS_DriverPackage", 201, {"Name": way, "Icon": ICON})["PackageID"]
        (row,) = ask(client, way, "GET", f"SMS_DriverPackage('{made}')", 200)["value"]
        equal((row["Name"], row["Icon"]), (way, ICON), "what was made")
        ask(client, way, "DELETE", f"SMS_DriverPackage('{made}')", 204)
    with session(auth()) as client:
        refresh = f"SMS_DriverPackage('{PACKAGE}')/AdminService.RefreshPkgSource"
        equal(ask(client, way, "POST", refresh, 201, {})["ReturnValue"], 0, f"{way}: RefreshPkgSource")
        who = ask(client, way, "POST", "SMS_Identification.GetCurrentUser", 201, {})
        equal(USER in str(who), True, f"{way}: {who}")
    with session(auth()) as client:
        ask(client, way, "GET", f"SMS_DriverPackage('{made}')", 404)
    with session(None) as client:
        ask(client, way, "GET", "SMS_DriverPackage", 401)
