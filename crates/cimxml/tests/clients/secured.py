"""Both clients over TLS: the site's authority is trusted, and without it nothing is sent."""

import os
import shutil
import subprocess
import sys

import pywbem

from haulier_cim import AUTHORITY, NAMESPACE, PASSWORD, URL, USER, equal, true

# requests would trust what these name instead of what it is told.
for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(variable, None)

port = URL.rsplit(":", 1)[1]
url = f"https://localhost:{port}"
conn = pywbem.WBEMConnection(url, (USER, PASSWORD), default_namespace=NAMESPACE, ca_certs=AUTHORITY)
equal(len(conn.EnumerateInstanceNames("SMS_Site")), 1, "pywbem with the authority")
try:
    pywbem.WBEMConnection(url, (USER, PASSWORD), default_namespace=NAMESPACE).EnumerateInstanceNames("SMS_Site")
    sys.exit("pywbem trusts a server that nobody vouches for")
except pywbem.ConnectionError as error:
    true("certificate" in str(error).lower(), str(error))
try:
    pywbem.WBEMConnection(url, (USER, "wrong"), default_namespace=NAMESPACE, ca_certs=AUTHORITY).EnumerateInstanceNames("SMS_Site")
    sys.exit("a wrong password is accepted")
except pywbem.AuthError:
    pass

target = f"https://{USER}:{PASSWORD}@localhost:{port}/{NAMESPACE}:SMS_Site"
program = shutil.which("wbemcli")
done = subprocess.run([program, "ein", "-cacert", AUTHORITY, target], capture_output=True, text=True)
true(done.returncode == 0 and "SMS_Site.SiteCode" in done.stdout, f"wbemcli with the authority: {done}")
done = subprocess.run([program, "ein", target], capture_output=True, text=True)
true(done.returncode != 0, "wbemcli trusts a server that nobody vouches for")
